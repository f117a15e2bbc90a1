"""What a capture's thread says to the app, where the app's own code may run.

In: signals and events, from any thread. Out: the same, from the app's own: logging and
waiting take locks that gevent may have replaced. It refuses to know what is said.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from .. import native

__all__ = ["set_event", "tell"]


def tell(signal: Any, camera: Any, **more: Any) -> None:
    """Send *signal*, if anybody is to hear it."""
    if signal.receivers:
        native.post(partial(signal.send, camera, camera=camera, **more))


def set_event(ready: threading.Event) -> None:
    """Set *ready*, for which somebody waits where requests are served."""
    if native.is_gevent():
        native.post(ready.set)
    else:
        ready.set()
