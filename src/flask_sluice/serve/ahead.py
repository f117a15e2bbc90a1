"""`wsgi.early_hints` under ASGI: called on the app's thread, sent by the event loop.

In: an ASGI scope and its `send`. Out: the call that gunicorn gives to WSGI apps, for
servers that can send a 103; None for the others. It refuses to know what is hinted.

Servers say that they can by the extension `http.response.early_hint` (hypercorn over
HTTP/2, and uvicorn with zttp). gunicorn's ASGI worker can over HTTP/1.1, too, has a
message of its own for it, and doesn't announce it: its `send` is known by its module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from .environ import raw_headers
from .exchange import Exchange, Message, Send

__all__ = ["EarlyHints", "early_hints"]

EXTENSION = "http.response.early_hint"
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


class EarlyHints:
    """Sends 103 responses of one exchange.

    :param message: makes the server's message.
    """

    def __init__(
        self, exchange: Exchange, send: Send, message: Callable[[Headers], Message]
    ) -> None:
        self._exchange = exchange
        self._send = send
        self._message = message

    def __call__(self, headers: Headers) -> None:
        """Send one, and return when it is sent, so that no response overtakes it.

        Nothing is sent once the response has begun, nor from the event loop's own
        thread, which can't wait for itself.
        """
        loop = self._exchange.loop
        if self._exchange.started or _is_running(loop):
            return
        sending = asyncio.run_coroutine_threadsafe(
            self._send_one(self._message(headers)), loop
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
) -> EarlyHints | None:
    """Give the call for this request, or None where its server can't."""
    if EXTENSION in (scope.get("extensions") or {}):
        return EarlyHints(exchange, send, _links)
    if str(getattr(send, "__module__", "")).startswith("gunicorn.asgi."):
        return EarlyHints(exchange, send, _informational)
    return None
