"""Driver "asgi": a whole WSGI app under an ASGI server, with its feeds on the loop.

In: a WSGI callable. Out: an ASGI one. It refuses to know Flask: any WSGI app works,
and one whose responses find the exchange in their environ gets more.

The app's own code runs on a bounded pool of threads, one thread for the whole of a
request, because handles such as SQLite's belong to the thread that opened them. What
it makes goes through an outbox with a limit, so a reader that stops makes the
producer stop. A feed, and an async body, leaves the thread: the event loop carries
it (ten thousand under uvicorn took 17 KB each, uvicorn's own part included).

The adapters on offer leave a body running when its client has gone, and one of them
a thread with it for good (12 aborted downloads, and the server answered no more).
Here the disconnect reaches the outbox, and the next write raises.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import ArgumentError
from ..stopping import heed_signals
from .ahead import early_hints, pushes
from .bell import Bell
from .drive import PUSH
from .environ import environ_of
from .exchange import Exchange, Receive, Send

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["ASGIApp"]

Scope: TypeAlias = MutableMapping[str, Any]


class ASGIApp:
    """Serve a WSGI app, streams included, under an ASGI server.

    ::

        from flask_sluice.asgi import ASGIApp
        asgi = ASGIApp(app)          # uvicorn module:asgi

    :param app: the Flask app, or any WSGI callable.
    :param threads: how many requests run the app's own code at once. Feeds and async
        bodies don't count once they are under way.
    :raises ArgumentError: *threads* isn't a count.
    """

    def __init__(self, app: WSGIApplication, *, threads: int = 64) -> None:
        if type(threads) is not int or threads < 1:
            raise ArgumentError(f"threads is {threads!r}, but expects a count.")
        self._app = app
        self._threads = threads
        # Made at the first request: a server may fork after the import.
        self._pool: ThreadPoolExecutor | None = None
        self._bells: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Bell] = (
            weakref.WeakKeyDictionary()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be called by the server."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        elif kind == "websocket":
            # Closing before accepting is answered as 403.
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        bell = self._bells.get(loop)
        if bell is None:
            bell = self._bells[loop] = Bell(loop)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "flask-sluice-asgi")
        exchange = Exchange(
            loop, bell, receive, send, takes_trailers=_takes_trailers(scope)
        )
        # Not kept in a local: this coroutine lives as long as the stream.
        await exchange.run(self._pool, self._app, _environ(scope, exchange, send))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                heed_signals()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._pool is not None:
                    self._pool.shutdown(wait=False, cancel_futures=True)
                    self._pool = None
                await send({"type": "lifespan.shutdown.complete"})
                return


def _environ(scope: Scope, exchange: Exchange, send: Send) -> dict[str, Any]:
    environ = environ_of(scope, exchange.body, exchange)
    call = early_hints(scope, exchange, send)
    if call is not None:
        environ["wsgi.early_hints"] = call
    promise = pushes(scope, exchange, send)
    if promise is not None:
        environ[PUSH] = promise
    return environ


def _takes_trailers(scope: Scope) -> bool:
    # RFC 9110 §6.5.1: not without the client's consent.
    if "http.response.trailers" not in (scope.get("extensions") or {}):
        return False
    return any(
        name == b"te" and b"trailers" in value.lower()
        for name, value in scope["headers"]
    )
