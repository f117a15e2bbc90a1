"""A body in two stages: a head that is pulled, and a feed that follows it.

In: an iterator of text that runs in the request's context, and a feed. Out: chunks,
as from any other `Transfer`. The request's thread and contexts are needed for the
head alone, and let go right after it; the feed is parked, or carried by an event
loop, as soon as it would wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextvars import Context

from ..typing import StagedFeed
from .fed import Fed
from .stream import Stream

__all__ = ["Staged"]

log = logging.getLogger("flask_sluice")


class Staged(Fed):
    """A head, and then a feed.

    :ivar on_head_over: called when the head has been pulled to its end, unless that
        was so before anybody could ask. Not for one that failed or was closed: the
        stream's end comes then, and says with which error.
    """

    feed: StagedFeed
    _parks_at_once = False

    def __init__(self, stream: Stream, feed: StagedFeed, context: Context) -> None:
        super().__init__(stream, feed)
        self._context = context
        self._head: Generator[str, None, None] | None = context.run(feed.shell)
        self.on_head_over: Callable[[], None] | None = None

    @property
    def head_over(self) -> bool:
        """Whether only the feed is left."""
        return self._head is None

    @property
    def will_wait(self) -> bool:
        """Whether the head is over, and the feed isn't."""
        return self._head is None and not self.feed.is_over

    def prime(self) -> bool:
        """Run the head to its first piece, or raise what it raises."""
        try:
            self._first = self._pull_head()
        except BaseException:
            self._finishing = True
            self._let_go()
            raise
        return self._first is not None

    def _pull_head(self) -> bytes | None:
        assert self._head is not None
        text = self._context.run(next, self._head, None)
        if self.feed.shell_over:
            self._head = None
            if self.on_head_over is not None:
                self.on_head_over()
            # What is ready by now needs no write of its own.
            ready = self.feed.take()
            if text is None:
                return ready
            return text.encode() + (ready or b"")
        assert text is not None
        return text.encode()

    def _pull(self) -> bytes | None:
        if self._head is not None:
            data = self._pull_head()
            if data or self._head is not None:
                return data
        data = self.feed.take()
        if data is None or data:
            return data
        if self.stream.verdict is None and self._is_parked():
            raise StopIteration
        return super()._pull()

    def _release(self, then: Callable[[], None]) -> None:
        self._let_go()
        then()

    def _let_go(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            try:
                self._context.run(head.close)
            except Exception:
                log.exception("Closing the shell of a page raised")
        self.feed.close()
