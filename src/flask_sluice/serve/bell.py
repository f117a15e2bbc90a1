"""Waking coroutines from other threads, many for one wake-up of their loop.

In: asyncio events, from any thread. Out: the same, set on their loop's thread.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import weakref

__all__ = ["Bell"]


class Bell:
    """Rings many coroutines of one loop, from any thread, for one wake-up of it.

    A tick to ten thousand feeds would otherwise write as often to the loop's pipe.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._events: collections.deque[asyncio.Event] = collections.deque()
        self._rung = False

    def ring(self, event: asyncio.Event) -> None:
        """Set *event* on the loop's thread, soon."""
        self._events.append(event)
        if not self._rung:
            self._rung = True
            loop = self._loop()
            # A loop that is closed has nobody left to wake.
            with contextlib.suppress(RuntimeError):
                if loop is not None:
                    loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        # The flag first: whoever rings from now on rings again.
        self._rung = False
        events = self._events
        for _ in range(len(events)):
            events.popleft().set()
