"""gzip by Intel's ISA-L, three times as quick as zlib: `flask-sluice[isal]`."""

from __future__ import annotations

from typing import Any

from isal import isal_zlib

__all__ = ["Codec", "deflater"]


class Codec:
    """One gzip member (RFC 1952)."""

    LEVEL = 1

    def __init__(self) -> None:
        self._z = isal_zlib.compressobj(self.LEVEL, isal_zlib.DEFLATED, 31)

    def compress(self, data: bytes, /) -> bytes:
        """Take *data*."""
        return bytes(self._z.compress(data))

    def flush(self) -> bytes:
        """Flush to a byte boundary."""
        return bytes(self._z.flush(isal_zlib.Z_SYNC_FLUSH))

    def finish(self) -> bytes:
        """Write the trailer."""
        return bytes(self._z.flush(isal_zlib.Z_FINISH))


def deflater() -> Any:
    """Make a raw deflate stream (RFC 1951), for members of archives."""
    return isal_zlib.compressobj(Codec.LEVEL, isal_zlib.DEFLATED, -15)
