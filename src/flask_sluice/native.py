"""The primitives that the machinery stands on, whatever gevent did to them.

Under gevent's monkey patching `threading`, `select` and `socket` are greenlets in
disguise. The one epoll thread of `serve.loop` has to be a thread of the operating
system all the same, and whoever shares data with it needs real locks. What runs the
app's own code goes the other way: back to where the app lives (`post`).

This is the only module that knows gevent, and it never imports it by itself: it
looks whether the server already has.
"""

from __future__ import annotations

import _socket
import _thread
import collections
import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # The C type: no Python layer above it, so gevent can't have replaced it.
    RawSocket = _socket.socket
else:
    RawSocket = _socket.socket

__all__ = [
    "HAS_EPOLL",
    "Crew",
    "Greenlets",
    "RawSocket",
    "after_fork",
    "crew",
    "epoll",
    "hire",
    "is_gevent",
    "lock",
    "pending_events",
    "post",
    "sleep",
    "start_thread",
    "start_worker",
]

log = logging.getLogger("flask_sluice")

# Linux. Elsewhere everything is pulled, and a client that leaves is noticed by writing.
HAS_EPOLL = hasattr(os, "eventfd")

CREW_LIMIT = 8  # threads for on_leave callbacks; more would only queue in the database


def is_gevent() -> bool:
    """Tell whether this process runs its threads as gevent's greenlets."""
    monkey = sys.modules.get("gevent.monkey")
    return bool(monkey and monkey.is_module_patched("threading"))


def _original(module: str, name: str) -> Any:
    monkey = sys.modules.get("gevent.monkey")
    if monkey and monkey.is_module_patched(module):
        return monkey.get_original(module, name)
    return getattr(sys.modules[module], name)


def lock() -> _thread.LockType:
    """Make a lock of the operating system. Never wait for anything inside it."""
    made: _thread.LockType = _original("_thread", "allocate_lock")()
    return made


def after_fork(forget: Callable[[], None]) -> None:
    """Have *forget* called in a child process: threads stay behind in the parent."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)


def epoll() -> select.epoll:
    """Make an epoll object (gevent takes the class away from `select`)."""
    made: select.epoll = _original("select", "epoll")()
    return made


def pending_events(fd: int, events: int) -> int:
    """Ask the kernel which of *events* hold for *fd* right now."""
    poller = _original("select", "poll")()
    poller.register(fd, events)
    return sum(found for _, found in poller.poll(0))


def start_thread(target: Callable[[], None]) -> None:
    """Start a thread of the operating system that doesn't keep the process alive."""
    _original("_thread", "start_new_thread")(target, ())


def start_worker(target: Callable[[], None], name: str) -> None:
    """Start a daemon thread for the app's own code that may block as it likes.

    Under gevent it is a thread of the operating system all the same. What gevent has
    patched works on it, by a hub of its own; what its greenlets wait for does not.
    """
    if is_gevent():
        start_thread(lambda: _with_own_hub(target))
    else:
        threading.Thread(target=target, name=name, daemon=True).start()


def _with_own_hub(target: Callable[[], None]) -> None:
    try:
        target()
    finally:
        # Made by the first thing that waited, with an epoll object and pipes.
        sys.modules["gevent"].get_hub().destroy(destroy_loop=True)


def sleep(seconds: float) -> None:
    """Have this thread of the operating system sleep, so that others may run."""
    _original("time", "sleep")(seconds)


class Crew:
    """A few daemon threads for the app's own code, started when needed.

    Daemons, because a callback that hangs in a dead database connection must not
    keep a worker from ending.
    """

    def __init__(self, limit: int = CREW_LIMIT) -> None:
        self._limit = limit
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._idle = 0
        self._size = 0
        self._lock = lock()

    def post(self, job: Callable[[], object]) -> None:
        """Run *job* soon, on a thread of the crew."""
        with self._lock:
            hire = self._idle < self._jobs.qsize() + 1 and self._size < self._limit
            self._size += hire
        self._jobs.put(job)
        if hire:
            threading.Thread(
                target=self._work, name="flask-sluice-crew", daemon=True
            ).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._jobs.get()
            with self._lock:
                self._idle -= 1
            _run(job)
            del job


class Greenlets:
    """The same for gevent: each job is a greenlet of the hub that serves requests."""

    def __init__(self, limit: int | None = None) -> None:
        gevent = sys.modules["gevent"]
        self._spawn: Callable[..., None] = gevent.spawn
        self._loop = gevent.get_hub().loop
        self._limit = limit
        self._size = 0
        self._backlog: collections.deque[Callable[[], object]] = collections.deque()

    def post(self, job: Callable[[], object]) -> None:
        """Run *job* soon; callable from any thread."""
        self._loop.run_callback_threadsafe(self._admit, job)

    # In the hub, and so one at a time.

    def _admit(self, job: Callable[[], object]) -> None:
        if self._limit is not None and self._size >= self._limit:
            self._backlog.append(job)
        else:
            self._size += 1
            self._spawn(self._work, job)

    def _work(self, job: Callable[[], object]) -> None:
        _run(job)
        while self._backlog:
            _run(self._backlog.popleft())
        self._size -= 1


def _run(job: Callable[[], object]) -> None:
    try:
        job()
    except Exception:
        log.exception("A callback of a stream raised")


_crew: Crew | Greenlets | None = None


def hire(limit: int) -> Crew | Greenlets:
    """Make a crew of at most *limit*. Call it where the app's own code runs."""
    return Greenlets(limit) if is_gevent() else Crew(limit)


def crew() -> Crew | Greenlets:
    """Give this process's crew. Call it first where the app's own code runs."""
    global _crew
    if _crew is None:
        _crew = Greenlets() if is_gevent() else Crew()
    return _crew


def post(job: Callable[[], object]) -> None:
    """Run *job* soon where the app's code may run, off the caller's thread."""
    crew().post(job)


def _forget() -> None:
    global _crew
    _crew = None


after_fork(_forget)
