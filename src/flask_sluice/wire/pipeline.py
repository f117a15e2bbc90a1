"""From chunks to wire bytes: compress if agreed, flush at each chunk's end.

In: chunks as bytes. Out: bytes for the transfer, which a client can decode up to the
last one as they come. It refuses to know the edges: a chunk ends where one was.
"""

from __future__ import annotations

from .compress import Compressor, compressor

__all__ = ["PLAIN", "Pipeline"]


class Pipeline:
    """The last stage before a driver.

    :param coding: a name that `compress.negotiate` gave, or None for none.
    """

    __slots__ = ("_compressor",)

    def __init__(self, coding: str | None = None) -> None:
        self._compressor: Compressor | None = compressor(coding) if coding else None

    def push(self, data: bytes) -> bytes:
        """Pass a chunk through."""
        if self._compressor is None or not data:
            return data
        return self._compressor.compress(data) + self._compressor.flush()

    def finish(self) -> bytes:
        """Give the end of a whole body. Never called for one that failed."""
        return b"" if self._compressor is None else self._compressor.finish()


PLAIN = Pipeline()  # it remembers nothing, so one serves all
