"""br (RFC 7932) by the `brotli` package: the extra `flask-sluice[brotli]`."""

from __future__ import annotations

import brotli

__all__ = ["Codec"]


class Codec:
    """One brotli stream."""

    QUALITY = 1

    def __init__(self) -> None:
        self._z = brotli.Compressor(quality=self.QUALITY)

    def compress(self, data: bytes, /) -> bytes:
        """Take *data*."""
        return bytes(self._z.process(data))

    def flush(self) -> bytes:
        """Give all that was taken so far."""
        return bytes(self._z.flush())

    def finish(self) -> bytes:
        """End the stream."""
        return bytes(self._z.finish())
