"""The few shapes in which the parts meet. Standard library only.

A *pulled* body is an iterator of items; asking for the next one may block, because
a database may. A *fed* body is a `Feed`: it never blocks, and so any driver, a
thread, an event loop or one epoll thread for ten thousand of them, can carry it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Generator, Iterable
from typing import Final, Protocol, TypeAlias, TypeGuard, final

__all__ = [
    "Body",
    "Encoder",
    "Feed",
    "Flush",
    "Item",
    "StagedFeed",
    "flush",
    "is_feed",
    "is_staged",
]


@final
class Flush:
    """The type of `flush`, the marker that a body yields to mean: send it now."""

    __slots__ = ()

    def __bool__(self) -> bool:
        """Be false, like the empty string that means the same."""
        return False

    def __repr__(self) -> str:
        return "flush"

    def __reduce__(self) -> str:
        return "flush"


flush: Final = Flush()
"""Yield this in a body: what has been written so far goes out at once.

An empty string (or empty bytes) does the same.
"""

Item: TypeAlias = str | bytes | Flush


class Feed(Protocol):
    """Something that has bytes in its own time, and never makes anyone wait.

    All three methods may be called from any thread, also from one that is not the
    app's, so a feed neither blocks nor asks Flask for anything. No two calls of
    `take` of one feed happen at the same time.
    """

    def take(self) -> bytes | None:
        """Give what is ready: bytes, b"" when nothing is, None when it is over.

        An exception means that the stream failed.
        """

    def notify(self, wake: Callable[[], None]) -> None:
        """Promise to call *wake* once, from any thread.

        When there is something to `take`, or nothing will come any more. If that
        is so already, call it at once. A second `notify` replaces the first.
        """

    def close(self) -> None:
        """Let go of everything. Called once, whatever way the stream ends."""


class StagedFeed(Feed, Protocol):
    """A feed with something in front that needs the request: a page and its shell."""

    shell_over: bool
    """Whether `shell` has given all it has."""

    @property
    def is_over(self) -> bool:
        """Whether `take` has given all it has."""

    def shell(self) -> Generator[str, None, None]:
        """Yield what comes before the feed. It may wait, and use the request."""


def is_feed(body: object) -> TypeGuard[Feed]:
    """Tell whether *body* is a feed, by its methods.

    (`isinstance` with a runtime protocol does the same for 20 times the price.)
    """
    return all(
        callable(getattr(body, name, None)) for name in ("take", "notify", "close")
    )


def is_staged(feed: Feed) -> TypeGuard[StagedFeed]:
    """Tell whether something comes before *feed*."""
    return callable(getattr(feed, "shell", None))


Body: TypeAlias = (
    Iterable[Item]
    | AsyncIterable[Item]
    | Feed
    | Callable[[], Iterable[Item] | AsyncIterable[Item] | Feed]
)


class Encoder(Protocol):
    """Batches in, bytes out: no I/O, no clock, no Flask."""

    def begin(self) -> bytes:
        """Give what stands before the first item."""

    def encode(self, batch: list[object], /) -> bytes:
        """Give the bytes of these items."""

    def finish(self) -> bytes:
        """Give what ends a whole body. Never called for one that failed."""
