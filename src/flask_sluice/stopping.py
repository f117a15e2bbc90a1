"""What is to be said before the process ends.

In: functions. Out: each is called when the process exits in an orderly way; and under
servers that wait for their streams before they exit, when they are told to stop, for
else they would wait for ever. It refuses to stop anything itself.
"""

from __future__ import annotations

import atexit
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["before_stop", "heed_signals"]

log = logging.getLogger("flask_sluice")

_farewells: list[Callable[[], object]] = []


def before_stop(farewell: Callable[[], object]) -> None:
    """Have *farewell* called before the process ends. It may be called twice."""
    _farewells.append(farewell)


def _say() -> None:
    for farewell in _farewells:
        try:
            farewell()
        except Exception:
            log.exception("What was to be done before the end failed")


atexit.register(_say)


def heed_signals() -> None:
    """Call them as soon as a SIGTERM or SIGINT comes, beside what is done upon it.

    Under uvicorn and hypercorn a stop is waited for by all that is open: they have
    handlers by the time that an app starts up. Elsewhere than in the main thread, and
    where nobody handles the signal, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        # asyncio's own handlers are told through a descriptor, whatever stands here.
        if callable(before) and not isinstance(before, _Handler):
            signal.signal(number, _Handler(before))


class _Handler:
    """A signal's handler, in front of the one that was there."""

    def __init__(self, before: Callable[[int, FrameType | None], Any]) -> None:
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # In a thread: a signal interrupts whatever the main thread is about, also
        # while it holds a lock that a farewell needs.
        threading.Thread(target=_say, name="flask-sluice-farewell", daemon=True).start()
        self._before(number, frame)
