"""The chunked transfer coding of HTTP/1.1, for sockets that were handed to us.

In: bytes. Out: the same as one chunk. It never writes the last chunk by itself.
"""

from __future__ import annotations

__all__ = ["LAST_CHUNK", "chunk"]

LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Frame *data* as one chunk (RFC 9112 §7.1).

    Nothing for no data: a chunk of length zero is the end of the message, and an
    accidental one makes a broken stream look whole.
    """
    return b"%X\r\n%b\r\n" % (len(data), data) if data else b""
