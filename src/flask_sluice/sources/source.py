"""What every source of rows is: names, and batches of tuples when asked for.

In: nothing; these are the shapes. A source begins its work in `open`, which learns the
names of its columns, gives at most as many rows as it is asked for, and closes
whatever it opened, on every way out. It refuses to know formats, HTTP and Flask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

__all__ = ["AsyncSource", "Names", "Row", "Source"]

Row: TypeAlias = tuple[Any, ...]
Names: TypeAlias = Sequence[str]


class _Described(Protocol):
    @property
    def names(self) -> Names:
        """The columns' names, once it is open."""

    @property
    def kinds(self) -> Sequence[type | None]:
        """The types of their values, None where nobody says; once it is open."""

    @property
    def count(self) -> int | None:
        """How many rows there are, if that is known without reading them."""

    def cancel(self) -> None:
        """Stop what is running, from another thread; `take` raises then."""


class Source(_Described, Protocol):
    """Rows that are pulled. `open`, `take` and `close` are called by one thread."""

    def open(self) -> None:
        """Begin: run the query, look at the first record."""

    def take(self, limit: int) -> list[Row]:
        """Give the next rows: at least one, at most *limit*; none at the end."""

    def close(self) -> None:
        """Let go of all that was opened. Called once, also if `open` raised."""


class AsyncSource(_Described, Protocol):
    """The same for rows that an event loop brings."""

    async def open(self) -> None:
        """Begin."""

    async def take(self, limit: int) -> list[Row]:
        """Give the next rows; none at the end."""

    async def close(self) -> None:
        """Let go of all that was opened."""
