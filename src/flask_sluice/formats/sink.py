"""A file that only goes forward: what a writer needs of one, and no more.

In: the writes of a library that wants a file. Out: their bytes, when somebody asks.
It refuses to seek, so what is written into it can be sent before it is complete.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Sink"]


class _Buffer(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...


class Sink:
    """The bytes between two calls of `take`."""

    closed = False

    def __init__(self) -> None:
        self._written = bytearray()
        self._before = 0

    def write(self, data: _Buffer) -> int:
        """Append *data*."""
        size = len(self._written)
        self._written += data
        return len(self._written) - size

    def tell(self) -> int:
        """Give the place in the whole file."""
        return self._before + len(self._written)

    def flush(self) -> None:
        """Do nothing: there is nothing below."""

    def close(self) -> None:
        """Let the library believe it."""
        self.closed = True

    def take(self) -> bytes:
        """Give what was written since the last call."""
        data = bytes(self._written)
        self._before += len(data)
        self._written.clear()
        return data
