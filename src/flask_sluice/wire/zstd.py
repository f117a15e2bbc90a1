"""zstd (RFC 8878) by the `zstandard` package: the extra `flask-sluice[zstd]`."""

from __future__ import annotations

import zstandard

__all__ = ["Codec"]


class Codec:
    """One zstd frame, flushed block by block."""

    LEVEL = 1  # its window, 512 KiB, is far below the 8 MiB of RFC 9659 §3

    def __init__(self) -> None:
        self._z = zstandard.ZstdCompressor(level=self.LEVEL).compressobj()

    def compress(self, data: bytes, /) -> bytes:
        """Take *data*."""
        return self._z.compress(data)

    def flush(self) -> bytes:
        """End the block, not the frame."""
        return self._z.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        """End the frame."""
        return self._z.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)
