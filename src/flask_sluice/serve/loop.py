"""One epoll thread a process: it watches every client, and writes to parked ones.

In: descriptors with a handler each, callbacks for now or later. Out: calls of those,
all on one thread of the operating system (also under gevent), so what lives here
needs no locks. It refuses to run the app's code: a handler that wants that uses
`native.post`.

It starts with the first descriptor, after a server's fork; a child starts its own.
"""

from __future__ import annotations

import collections
import heapq
import itertools
import logging
import os
import time
from collections.abc import Callable
from typing import Protocol

from .. import native

__all__ = ["ERROR", "HALF", "READ", "WRITE", "Loop", "Timer", "loop"]

log = logging.getLogger("flask_sluice")

# Linux's numbers, spelled out because the names are missing elsewhere, where this
# module is imported all the same and never used.
READ = 0x001  # EPOLLIN
WRITE = 0x004  # EPOLLOUT
ERROR = 0x008 | 0x010  # EPOLLERR, EPOLLHUP; always reported
HALF = 0x2000  # EPOLLRDHUP: the peer closed its sending half
ONCE = 1 << 31  # EPOLLET: told when it happens, and not for as long as it is so

SWEEP = 256  # timers at which it is worth looking for dead ones

Handler = Callable[[int], None]


class Looker(Protocol):
    """Somebody for whom there may be news."""

    def look(self) -> None:
        """Look. On the loop's thread."""


class Timer:
    """A callback for later, that can be called off."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Don't call."""
        self.callback = None


class Loop:
    """The thread and its epoll object."""

    def __init__(self) -> None:
        self._epoll = native.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # Told once for each ring, so that nobody has to read it. What it counts to is
        # beyond any process's life.
        self._epoll.register(self._bell, READ | ONCE)
        self._rung = False
        self._handlers: dict[int, Handler] = {}
        self._soon: collections.deque[Callable[[], None]] = collections.deque()
        self._woken: collections.deque[Looker] = collections.deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._sweep_at = SWEEP
        native.start_thread(self._run)

    # From any thread.

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run *callback* on the loop's thread."""
        self._soon.append(callback)
        self._ring()

    def wake(self, looker: Looker) -> None:
        """Have *looker* look.

        As `call_soon(looker.look)`, but that would make an object for each of the ten
        thousand who are woken at once, and have the garbage collector go through them.
        """
        self._woken.append(looker)
        if not self._rung:
            self._ring()

    def _ring(self) -> None:
        # One write to the bell however many callers there are: the loop clears the
        # flag before it looks at the queues, so nothing is missed.
        if not self._rung:
            self._rung = True
            os.eventfd_write(self._bell, 1)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Run *callback* on the loop's thread after *seconds*."""
        timer = Timer(callback)
        entry = (time.monotonic() + seconds, next(self._order), timer)
        self.call_soon(lambda: self._schedule(entry))
        return timer

    def add(self, fd: int, events: int, handler: Handler) -> None:
        """Have *handler* called with the events of *fd*."""
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def modify(self, fd: int, events: int) -> None:
        """Watch *fd* for other events."""
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Watch *fd* no more. Call it before the descriptor is closed.

        epoll forgets a descriptor by itself only when the last copy of it is closed,
        and the server has the other one.
        """
        if self._handlers.pop(fd, None) is not None:
            try:
                self._epoll.unregister(fd)
            except OSError:
                log.debug("fd %d was gone from epoll before it was removed", fd)

    # On the loop's thread.

    def _run(self) -> None:
        poll = self._epoll.poll
        handlers = self._handlers
        while True:
            for fd, events in poll(self._wait(), 1024):
                if (handler := handlers.get(fd)) is not None:
                    try:
                        if confirmed := self._confirm(fd, events):
                            handler(confirmed)
                    except Exception as error:
                        self._complain(error)
            handler = None  # while nothing happens, the last stream is let go
            self._rung = False
            self._run_soon()
            self._run_timers()

    def _confirm(self, fd: int, events: int) -> int:
        """Take out what isn't true any more.

        Between `poll` and now another thread may have closed *fd*, and a new stream
        may have got the same number. It must not be told that its client left.
        """
        doubtful = events & (HALF | ERROR)
        if doubtful:
            events &= ~doubtful | native.pending_events(fd, HALF)
        return events

    def _wait(self) -> float:
        if self._soon or self._woken:
            return 0
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        return max(0.0, timers[0][0] - time.monotonic()) if timers else -1

    def _schedule(self, entry: tuple[float, int, Timer]) -> None:
        # Timers that were called off stay in the heap until their time, and most
        # are called off: a deadline is meant not to be reached.
        if len(self._timers) >= self._sweep_at:
            self._timers = [left for left in self._timers if left[2].callback]
            heapq.heapify(self._timers)
            self._sweep_at = max(SWEEP, 2 * len(self._timers))
        heapq.heappush(self._timers, entry)

    def _run_soon(self) -> None:
        # As many as there are now: one that calls call_soon again waits its turn.
        soon = self._soon
        for _ in range(len(soon)):
            try:
                soon.popleft()()
            except Exception as error:
                self._complain(error)
        woken = self._woken
        for _ in range(len(woken)):
            try:
                woken.popleft().look()
            except Exception as error:
                self._complain(error)

    def _run_timers(self) -> None:
        timers = self._timers
        now = time.monotonic()
        while timers and timers[0][0] <= now:
            timer = heapq.heappop(timers)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                try:
                    callback()
                except Exception as error:
                    self._complain(error)

    def _complain(self, error: Exception) -> None:
        # Logging takes locks that gevent may have replaced; not on this thread.
        native.post(lambda: log.error("In the stream loop", exc_info=error))


_loop: Loop | None = None
_starting = native.lock()


def loop() -> Loop:
    """Give this process's loop, started if need be."""
    global _loop
    if _loop is None:
        with _starting:
            if _loop is None:
                native.crew()
                _loop = Loop()
    return _loop


def _forget() -> None:
    # The parent's thread isn't here, and its epoll object is still shared with it.
    global _loop, _starting
    _loop = None
    _starting = native.lock()


native.after_fork(_forget)
