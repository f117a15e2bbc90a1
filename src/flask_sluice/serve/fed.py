"""A feed under WSGI: carried by the request's own thread, until it can be parked.

In: a `Feed`. Out: chunks, as from any other `Transfer`. The thread sleeps until the
feed has something, the client leaves or time is up; nothing is asked in a loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from .. import native
from ..typing import Feed
from .pump import Pump
from .stream import Stream
from .transfer import Transfer

__all__ = ["Fed"]

POLL = 0.5  # seconds between two questions to a server that has to be asked


class Fed(Transfer):
    """A feed, carried by a thread that waits for it.

    :ivar park: when set, called at the second `next()`, by which time the server has
        sent the headers. True from it means that the connection is somebody else's
        now: this iterator is over, the stream is not.
    """

    _parks_at_once = True  # and not only when it would wait

    def __init__(self, stream: Stream, feed: Feed) -> None:
        self.feed = feed
        self.park: Callable[[Fed], bool] | None = None
        self._ready: threading.Event | None = None  # made when somebody waits
        self._started = False
        super().__init__(stream)

    @property
    def will_wait(self) -> bool:
        """Whether it is sure that somebody will have to wait for it."""
        return True

    def prime(self) -> bool:
        """Start a pump and wait for its first bytes; a real feed is asked nothing.

        The headers of a live stream go out at once, whether it has news or not.
        """
        if not isinstance(self.feed, Pump):
            self._first = b""
            return True
        self.feed.start()
        try:
            self._first = self._pull()
            if self.stream.verdict is not None:
                self._first = b""
        except BaseException:
            self._finishing = True
            self.feed.close()
            raise
        return self._first is not None

    def take_first(self) -> bytes:
        """Give what `prime` found, to whoever carries the feed from here."""
        first, self._first = self._first, None
        return first or b""

    def _advance(self) -> bytes:
        may_park = self._parks_at_once and not self._finishing
        if may_park and self.stream.verdict is None and self._is_parked():
            raise StopIteration
        self._started = True
        return super()._advance()

    def _is_parked(self) -> bool:
        # The server sends the headers with what the first call gives it.
        if self.park is None or not self._started:
            return False
        park, self.park = self.park, None
        return park(self)

    def _pull(self) -> bytes | None:
        feed = self.feed
        while self.stream.verdict is None:
            data = feed.take()
            if data is None or data:
                return data
            self._wait(feed.notify)
            if isinstance(feed, Pump) and feed.linger and self._started:
                self._wait(feed.notify_due, feed.linger)
        return b""

    def _wait(
        self, ask: Callable[[Callable[[], None]], None], timeout: float | None = None
    ) -> None:
        if self._ready is None:
            self._ready = threading.Event()
        ready = self._ready
        ready.clear()
        ask(ready.set)
        # Stopping sets the event too, so it is asked about after the clearing.
        if self.stream.verdict is not None:
            return
        if self.is_gone is None or timeout is not None:
            ready.wait(timeout)
            return
        while not ready.wait(POLL):
            if self.is_gone():
                self.stream.stop("left")

    def _release(self, then: Callable[[], None]) -> None:
        self.feed.close()
        if isinstance(self.feed, Pump):
            self.feed.when_ended(then)
        else:
            then()

    def _interrupted(self) -> None:
        super()._interrupted()
        # Stopping is told from the loop's thread, and under gevent an Event of the
        # request's greenlet is to be set where greenlets live.
        ready = self._ready
        if ready is None:
            return
        if native.is_gevent():
            native.post(ready.set)
        else:
            ready.set()
