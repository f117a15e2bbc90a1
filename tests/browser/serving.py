"""A Flask app on a free port of loopback, in a thread of this process.

In: an app. Out: the address it answers at, for as long as the `with` block runs. So a
test can hold back what a view waits for, and look into the app while a page is open.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from browser.wire import FAVICON, LOOPBACK
from helpers import PATIENCE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the browser's complaints are what counts."""


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve *app*, each request in a thread of its own; give its address."""

    def front(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == FAVICON:
            start("204 No Content", [])
            return []
        return app(environ, start)

    server = make_server(LOOPBACK, 0, front, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()
