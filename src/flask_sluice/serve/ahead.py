"""`wsgi.early_hints` under ASGI: called on the app's thread, sent by the event loop.

In: an ASGI scope and its `send`. Out: the call that gunicorn gives to WSGI apps, for
servers that can send a 103, and one that promises a push, for those that can (hypercorn
over HTTP/2); None for the others. It refuses to know what is hinted.

Servers say that they can by the extension `http.response.early_hint` (hypercorn over
HTTP/2, and uvicorn with zttp). gunicorn's ASGI worker can over HTTP/1.1, too, has a
message of its own for it, and doesn't announce it: its `send` is known by its module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Generic, TypeAlias, TypeVar

from .environ import raw_headers
from .exchange import Exchange, Message, Send

__all__ = ["Ahead", "early_hints", "pushes"]

EXTENSION = "http.response.early_hint"
PUSH_EXTENSION = "http.response.push"
SECONDS = 5.0  # that a view waits for a client that doesn't read

Headers: TypeAlias = Iterable[tuple[str, str]]


def _links(headers: Headers) -> Message:
    links = [value for name, value in raw_headers(headers) if name == b"link"]
    return {"type": EXTENSION, "links": links}


def _informational(headers: Headers) -> Message:
    return {
        "type": "http.response.informational",
        "status": 103,
        "headers": raw_headers(headers),
    }


def _promise(path: str) -> Message:
    # The server asks the app for it, as a client would that had read the page.
    return {"type": PUSH_EXTENSION, "path": path, "headers": []}


T = TypeVar("T")


class Ahead(Generic[T]):
    """Sends messages of one exchange ahead of its response.

    :param message: makes the server's message.
    """

    def __init__(
        self, exchange: Exchange, send: Send, message: Callable[[T], Message]
    ) -> None:
        self._exchange = exchange
        self._send = send
        self._message = message

    def __call__(self, said: T) -> None:
        """Send one, and return when it is sent, so that no response overtakes it.

        Nothing is sent once the response has begun, nor from the event loop's own
        thread, which can't wait for itself.
        """
        loop = self._exchange.loop
        if self._exchange.started or _is_running(loop):
            return
        sending = asyncio.run_coroutine_threadsafe(
            self._send_one(self._message(said)), loop
        )
        try:
            sending.result(SECONDS)
        except TimeoutError:
            sending.cancel()

    async def _send_one(self, message: Message) -> None:
        if not self._exchange.started:
            await self._send(message)


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def early_hints(
    scope: MutableMapping[str, Any], exchange: Exchange, send: Send
) -> Ahead[Headers] | None:
    """Give the call for this request, or None where its server can't."""
    if EXTENSION in (scope.get("extensions") or {}):
        return Ahead(exchange, send, _links)
    if str(getattr(send, "__module__", "")).startswith("gunicorn.asgi."):
        return Ahead(exchange, send, _informational)
    return None


def pushes(
    scope: MutableMapping[str, Any], exchange: Exchange, send: Send
) -> Ahead[str] | None:
    """Give what promises a path for this request, or None where its server can't."""
    if PUSH_EXTENSION in (scope.get("extensions") or {}):
        return Ahead(exchange, send, _promise)
    return None
