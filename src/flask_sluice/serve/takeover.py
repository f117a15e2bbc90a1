"""HTTP/1.0 on Werkzeug's server: the response written by us, head and body.

In: the connection, the head, a transfer. Out: a body that ends with the connection.

Werkzeug's threaded server answers a client of HTTP/1.0 with `Transfer-Encoding:
chunked`, which such a client doesn't know, so the chunks' sizes land in its file
(seen with 3.1.9; RFC 9112 §6.1 forbids it). Nothing that an app can say changes that.
So the connection is taken as for parking, and the server writes to nobody.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from typing import Self

from .. import native
from ..errors import TransferCut
from .client import CLOSE_IN_PEACE, RESET_ON_CLOSE
from .transfer import Transfer

__all__ = ["Takeover", "head_of"]


def head_of(status: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Give the head of a response whose end is the connection's end."""
    lines = [f"HTTP/1.0 {status}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")


class Takeover:
    """An iterator that gives the server nothing, and the client everything."""

    def __init__(self, sock: native.RawSocket, head: bytes, transfer: Transfer) -> None:
        self._sock = sock
        self._head = head
        self._transfer = transfer
        # Until all is sent, the end of the connection is no proper end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        with contextlib.closing(self._sock) as sock:
            try:
                sock.sendall(self._head)
                for data in self._transfer:
                    sock.sendall(data)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_IN_PEACE)
                sock.shutdown(socket.SHUT_WR)
            except TransferCut:
                raise
            except OSError:
                self._transfer.close()
        raise StopIteration

    def close(self) -> None:
        """End it, however far it is."""
        self._transfer.close()
        self._sock.close()
