"""A stream of events of one's own: an iterable, kept alive while it is silent.

In: an iterable of events, sync or async. Out: a pump, as for any body that is produced
beside the request's thread, whose bytes are events. It refuses to know what they say.

A model that thinks for a minute, or a query that runs for two, yields nothing
meanwhile, and proxies cut what is silent. So a comment goes out after each `heartbeat`
seconds of silence. What comes quickly is sent together, at most 20 ms after the first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextvars import Context
from typing import Any

from .errors import ArgumentError, BodyTypeError
from .formats.sse import as_event
from .pubsub.pulse import Beating, pulse
from .serve.pump import Pump, ThreadPump
from .serve.tasks import TaskPump
from .typing import Flush, Item

__all__ = ["LINGER", "AsyncTokens", "Tokens"]

LINGER = 0.02  # seconds
BEAT = b":\n\n"


def _encoded(item: object) -> Item:
    if isinstance(item, Flush):
        return item
    if item is None:
        raise BodyTypeError("stream_events() got None, which says nothing.")
    try:
        return as_event(item).encode()
    except ArgumentError as error:
        raise BodyTypeError(
            f"stream_events() got what it can't send: {error}"
        ) from error


class _Kept(Beating, Pump):
    """What both have in common: a first block, and heartbeats."""

    def keep(self, first: bytes, heartbeat: float | None) -> None:
        """Begin with *first*, and never be silent for longer than *heartbeat*."""
        self._items.append(first)
        self.place = 0  # the pulse's
        self._heartbeat = heartbeat
        self._beat_due = False
        self._spoke = time.monotonic()
        if heartbeat is not None:
            pulse().enter(self, self._spoke + heartbeat)

    def take(self) -> bytes | None:
        """Give the events since the last call, or a heartbeat if one is due."""
        data = super().take()
        if data:
            self._spoke = pulse().now
        elif data is not None and self._beat_due:
            data = BEAT
        self._beat_due = False
        return data

    def notify(self, wake: Any) -> None:
        """Call *wake* as soon as there is anything to take."""
        super().notify(wake)
        if self._beat_due:
            self._stir()

    def close(self) -> None:
        """Stop, and be silent for good."""
        pulse().leave(self)
        super().close()  # type: ignore[safe-super]

    def wake(self) -> None:
        """Tell whoever carries it that there is something to take."""
        self._stir()


class Tokens(_Kept, ThreadPump):
    """A sync iterable, in a thread of its own.

    :param first: the first block.
    """

    def __init__(
        self,
        source: Iterable[object],
        context: Context,
        first: bytes,
        heartbeat: float | None,
    ) -> None:
        super().__init__(_Events(source), context, LINGER)
        self.keep(first, heartbeat)


class _Events(Iterator[Item]):
    """The items of an iterable, encoded. Closing it closes that."""

    def __init__(self, source: Iterable[object]) -> None:
        self._source = source
        self._items = iter(source)

    def __next__(self) -> Item:
        return _encoded(next(self._items))

    def close(self) -> None:
        close = getattr(self._items, "close", None) or getattr(
            self._source, "close", None
        )
        if close is not None:
            close()


class AsyncTokens(_Kept, TaskPump):
    """An async iterable, as a task of an event loop.

    :param first: the first block.
    """

    linger = LINGER

    def __init__(
        self,
        source: AsyncIterable[object],
        context: Context,
        loop: asyncio.AbstractEventLoop,
        first: bytes,
        heartbeat: float | None,
    ) -> None:
        super().__init__(_AsyncEvents(source), context, loop)
        self.keep(first, heartbeat)


class _AsyncEvents(AsyncIterator[Item]):
    """The items of an async iterable, encoded. Closing it closes that."""

    def __init__(self, source: AsyncIterable[object]) -> None:
        self._source = source
        self._items = aiter(source)

    async def __anext__(self) -> Item:
        return _encoded(await anext(self._items))

    async def aclose(self) -> None:
        aclose = getattr(self._items, "aclose", None)
        if aclose is not None:
            await aclose()
