"""A server whose test decides when each piece of a response leaves, and what it is.

In: pieces, put by the test's thread. Out: HTTP/1.1 with one chunk a piece. It refuses
to know Flask, so that a test of wire bytes is about bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

from flask_sluice.wire.framing import LAST_CHUNK, chunk
from helpers import PATIENCE

LOOPBACK = "127.0.0.1"
HTML = "text/html; charset=utf-8"
FAVICON = "/favicon.ico"  # asked for by every browser; a 404 would be a complaint


class Reply:
    """One response: each piece that is sent leaves as a chunk, at once."""

    def __init__(self, url: str, mimetype: str, headers: dict[str, str]) -> None:
        self.url = url
        self.headers = {"Content-Type": mimetype, "Cache-Control": "no-store"} | headers
        self.pieces: SimpleQueue[bytes | None] = SimpleQueue()
        self.ended = False

    def send(self, *pieces: str | bytes) -> Reply:
        """Send each of *pieces* as a chunk of its own."""
        for piece in pieces:
            self.pieces.put(piece.encode() if isinstance(piece, str) else piece)
        return self

    def end(self) -> Reply:
        """End the response properly. The second time does nothing."""
        if not self.ended:
            self.ended = True
            self.pieces.put(None)
        return self


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        reply = self.server.replies.get(self.path)
        if reply is None:
            self.send_error(204 if self.path == FAVICON else 404)
            return
        self.send_response(200)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while (piece := reply.pieces.get()) is not None:
                self.wfile.write(chunk(piece))
            self.wfile.write(LAST_CHUNK)
        except OSError:  # the browser went elsewhere
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the browser's complaints are what counts."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.replies: dict[str, Reply] = {}


class Wire:
    """Makes replies, each under a URL of its own, to be asked for once."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    def reply(
        self, path: str | None = None, mimetype: str = HTML, **headers: str
    ) -> Reply:
        """Make a reply.

        :param headers: more headers, with _ for -.
        """
        replies = self._server.replies
        path = path or f"/{len(replies)}"
        url = f"http://{LOOPBACK}:{self._server.server_port}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        replies[path] = Reply(url, mimetype, named)
        return replies[path]


@contextmanager
def wire_server() -> Iterator[Wire]:
    """Serve on a free port; in the end every reply is ended."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Wire(server)
        finally:
            for reply in server.replies.values():
                reply.end()
            server.shutdown()
            thread.join(PATIENCE)
