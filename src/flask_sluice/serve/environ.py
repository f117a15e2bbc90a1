"""From an ASGI scope to a WSGI environ, and a request body that arrives as it is read.

In: a scope and the messages of its body. Out: what PEP 3333 asks for. It refuses to
know threads' reasons: reading blocks, and that is all.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import quote

from ..errors import ClientLeft
from .drive import EXCHANGE, Carrier

__all__ = ["RequestBody", "environ_of", "raw_headers"]

LIMIT = 64 * 1024  # bytes of a request body that wait to be read


class RequestBody(io.RawIOBase):
    """The bytes of a request, fed by the loop, read by the app's thread.

    :param more: called from the reading thread when there is room again.
    """

    def __init__(self, more: Callable[[], None]) -> None:
        super().__init__()
        # Few: 64 KiB in all. And made of what costs nothing while it is empty,
        # because most requests have no body, and ten thousand may be open.
        self._parts: list[bytes] = []
        self._fed = 0  # bytes; counted by the loop alone
        self._read = 0  # bytes; counted by the reading thread alone
        self._ready: threading.Event | None = None
        self._ended = False
        self._aborted = False
        self._more = more

    def feed(self, data: bytes, *, more: bool) -> bool:
        """Take a part. True from it asks to wait until `more` is called."""
        if data:
            self._parts.append(data)
            self._fed += len(data)
        self._ended = not more
        self._ring()
        return self._fed - self._read >= LIMIT

    def abort(self) -> None:
        """Say that the rest will never come."""
        self._aborted = True
        self._ring()

    def _ring(self) -> None:
        if self._ready is not None:
            self._ready.set()

    def _has_news(self) -> bool:
        return bool(self._parts) or self._ended or self._aborted

    def readable(self) -> bool:
        """Be readable."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is, or wait for some.

        :raises ClientLeft: the client left before the body's end.
        """
        while not self._parts:
            if self._ended:
                return 0
            if self._aborted:
                raise ClientLeft("the client left while it sent the request")
            if self._ready is None:
                self._ready = threading.Event()
            self._ready.clear()
            # Asked after the clearing: what comes from now on sets it again.
            if not self._has_news():
                self._ready.wait()
        part = self._parts[0]
        size = min(len(buffer), len(part))
        buffer[:size] = part[:size]
        if size < len(part):
            self._parts[0] = part[size:]
        else:
            del self._parts[0]
        was_full = self._fed - self._read >= LIMIT
        self._read += size
        if was_full and self._fed - self._read < LIMIT:
            self._more()
        return size


_VERSIONS = {"1": "1.0"}  # Granian 2.8 says "1" for HTTP/1.0


def environ_of(
    scope: MutableMapping[str, Any], body: RequestBody, exchange: Carrier
) -> dict[str, Any]:
    """Make the environ of a request."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    # ASGI 3: the path includes the root path, though older servers leave it out.
    if root and path.startswith(root):
        path = path[len(root) :]
    server = scope.get("server") or ("localhost", 80)  # a Unix socket has none
    query = scope.get("query_string", b"").decode("latin-1")
    raw: bytes | None = scope.get("raw_path")
    raw_path = raw.decode("latin-1") if raw else quote(scope["path"])
    uri = f"{raw_path}?{query}" if query else raw_path
    version: str = scope["http_version"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root.encode().decode("latin-1"),
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": uri,
        "REQUEST_URI": uri,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] if server[1] is not None else ""),
        "SERVER_PROTOCOL": f"HTTP/{_VERSIONS.get(version, version)}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BufferedReader(body),
        # The end of the body is known without its length, so chunked uploads work.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        EXCHANGE: exchange,
    }
    client = scope.get("client")
    if client:
        environ["REMOTE_ADDR"] = client[0]
        environ["REMOTE_PORT"] = str(client[1])
    _add_headers(environ, scope["headers"])
    return environ


_WITHOUT_PREFIX = {"content-length": "CONTENT_LENGTH", "content-type": "CONTENT_TYPE"}


def _add_headers(environ: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if "_" in name:
            # X_Real_IP would become the same key as X-Real-IP, which a proxy sets.
            continue
        key = _WITHOUT_PREFIX.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        if key in environ and key not in _WITHOUT_PREFIX.values():
            # RFC 9113 §8.2.3 for cookies, RFC 9110 §5.3 for the others.
            value = f"{environ[key]}{'; ' if name == 'cookie' else ','}{value}"
        environ[key] = value


def raw_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Give headers as ASGI has them."""
    return [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]
