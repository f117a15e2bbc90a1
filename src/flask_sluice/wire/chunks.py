"""Coalescing: small writes in, chunks of about 64 KiB out.

In: the items that a body yields, text or bytes, and edges (an empty item or
`flush`). Out: bytes, one chunk a call. It refuses to know where a chunk goes, what
the bytes mean, and what time it is: the clock is a parameter.

Three rules decide where a chunk ends:

* it has `limit` bytes (64 KiB is where a loopback transfer stops gaining, and a
  server's cost for one write, 5 µs and more, is paid once for a thousand rows);
* the body yielded an edge;
* the items took longer than `patience` to come. A slow producer gets each item sent
  as it comes, as if nothing stood between; a quick one, where each write would cost
  more than the item, gets full chunks.

What none of them can see is a producer that is quick, and then blocks inside its
`next()`: what it yielded shortly before waits with it. `flush` says where that is;
`serve.pump` bounds the wait without being told, at the price of a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ..errors import BodyTypeError
from ..typing import Item, flush

__all__ = ["LIMIT", "Coalescer", "is_edge", "join", "wrong"]

LIMIT = 64 * 1024
PATIENCE = 0.005
# Reading the clock costs as much as the rest of the loop, so it is read after the
# first item, after 2, 4 and 8 more, and then every 16: at most 15 items of a producer
# that turned slow wait for the sixteenth, once; from then on each one is looked at.
STRIDE = 16


def is_edge(item: object) -> bool:
    """Tell whether a false *item* is an edge.

    :raises BodyTypeError: it is None, 0 or another false thing that isn't text.
    """
    if item is flush or isinstance(item, (str, bytes)):
        return True
    raise wrong(item)


def wrong(item: object) -> BodyTypeError:
    """Make the error for an item that is neither text nor bytes."""
    advice = {
        "NoneType": "yield '' or flush to send what there is",
        "bytearray": "yield bytes(...), because it may change before it is sent",
        "memoryview": "yield bytes(...), because it may change before it is sent",
    }.get(type(item).__name__, "yield str(...) or encode it")
    return BodyTypeError(
        f"The body yielded {type(item).__name__}, not str or bytes: {advice}."
    )


def join(items: list[Item]) -> bytes:
    """Make one bytes object of text and bytes, text as UTF-8.

    :raises BodyTypeError: an item is neither.
    """
    first = items[0]
    if len(items) == 1:
        return _encode(first)
    if isinstance(first, str):
        # str.join looks at the types itself, in a quarter of the time.
        try:
            return "".join(items).encode()  # type: ignore[arg-type]
        except TypeError:
            pass
    # bytes.join takes a bytearray, which may change before it is sent.
    elif list(map(type, items)).count(bytes) == len(items):
        return b"".join(items)  # type: ignore[arg-type]
    return b"".join(map(_encode, items))


def _encode(item: Item) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return item
    raise wrong(item)


class Coalescer:
    """Gather the items of *source* into chunks.

    :param source: yields text, bytes and edges; `next()` on it may block.
    :param limit: bytes at which a chunk is full.
    :param patience: seconds after which a chunk isn't made to wait for more.
    :param clock: gives seconds; only differences count.
    """

    __slots__ = ("_clock", "_ended", "_failure", "_limit", "_patience", "_source")

    def __init__(
        self,
        source: Iterator[Item],
        *,
        limit: int = LIMIT,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._limit = limit
        self._patience = patience
        self._clock = clock
        self._ended = False
        self._failure: BaseException | None = None

    def first(self) -> bytes | None:
        """Give the first item by itself: it is what decides the status.

        :return: its bytes, b"" for an edge, None when the body is empty.
        """
        for item in self._source:
            if not item:
                is_edge(item)
                return b""
            return _encode(item)
        self._ended = True
        return None

    def pull(self) -> bytes | None:
        """Give the next chunk.

        What the source raises comes through unchanged, after the bytes that it
        yielded before.

        :return: bytes; b"" for an edge with nothing before it; None at the end.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self._ended = True
            raise failure
        if self._ended:
            return None
        items: list[Item] = []
        append = items.append
        size = 0
        limit = self._limit
        stride = countdown = 1
        began = self._clock()
        try:
            for item in self._source:
                if not item:
                    is_edge(item)
                    return join(items) if items else b""
                append(item)
                size += len(item)  # type: ignore[arg-type]
                if size >= limit:
                    return join(items)
                countdown -= 1
                if not countdown:
                    if self._clock() - began > self._patience:
                        return join(items)
                    if stride < STRIDE:
                        stride *= 2
                    countdown = stride
            self._ended = True
            return join(items) if items else None
        except BodyTypeError:
            self._ended = True
            raise
        except Exception as error:
            if items and not isinstance(items[-1], (str, bytes)):
                # len() refused it: the item was wrong, not the source.
                self._ended = True
                raise wrong(items[-1]) from None
            if not items:
                self._ended = True
                raise
            self._failure = error
            return join(items)
