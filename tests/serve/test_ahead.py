"""`wsgi.early_hints` under ASGI: given where the server can, and never out of turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from flask_sluice.asgi import ASGIApp
from flask_sluice.serve import ahead
from helpers import PATIENCE

LINKS = [("Link", "</a.css>; rel=preload"), ("X-Other", "1"), ("Link", "</b.css>")]
CAN = {"extensions": {"http.response.early_hint": {}}}


class Server:
    """One request to an app, and what it sends."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]], **scope: Any) -> None:
        self.sent: list[Any] = []
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._app = ASGIApp(wsgi, threads=1)
        self._left = asyncio.Event()
        self._scope = {
            "type": "http",
            "http_version": "2",
            "method": "GET",
            "path": "/",
            "headers": [],
            **scope,
        }
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if self._asked:
            await self._left.wait()
        self._asked = True
        return {"type": "http.request"}

    async def send(self, message: Any) -> None:
        if message["type"] == ahead.EXTENSION:
            await self.may_send.wait()
        self.sent.append(message)

    async def run(self, send: Any = None) -> list[str]:
        """Serve it; give the kinds of the messages."""
        serving = self._app(self._scope, self.receive, send or self.send)
        await asyncio.wait_for(serving, PATIENCE)
        return [message["type"].removeprefix("http.response.") for message in self.sent]


def hinting(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Send hints, and a page."""
    environ["wsgi.early_hints"](LINKS)
    start_response("200 OK", [])
    return [b"page"]


def test_it_is_sent_before_the_head_in_the_servers_words() -> None:
    """The links alone are in the message; the response comes after it."""

    async def main() -> None:
        server = Server(hinting, **CAN)
        kinds = await server.run()
        assert kinds[:3] == ["early_hint", "start", "body"]
        assert server.sent[0]["links"] == [b"</a.css>; rel=preload", b"</b.css>"]

    asyncio.run(main())


def test_gunicorns_message() -> None:
    """Its send is known by where it comes from; all headers are in the message."""

    async def main() -> None:
        server = Server(hinting)

        async def send(message: Any) -> None:
            await server.send(message)

        send.__module__ = "gunicorn.asgi.protocol"
        kinds = await server.run(send)
        assert kinds[:3] == ["informational", "start", "body"]
        assert server.sent[0]["status"] == 103
        assert server.sent[0]["headers"][1] == (b"x-other", b"1")

    asyncio.run(main())


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"x": {}}}])
def test_other_servers_have_no_such_call(scope: dict[str, Any]) -> None:
    """An app finds nothing in its environ."""
    found: list[bool] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found.append("wsgi.early_hints" in environ)
        start_response("200 OK", [])
        return []

    async def main() -> None:
        assert await Server(app, **scope).run() == ["start", "body"]

    asyncio.run(main())
    assert found == [False]


class Begun:
    """An exchange as the call sees it."""

    def __init__(self, *, started: bool) -> None:
        self.started = started
        self.loop = asyncio.get_running_loop()


@pytest.mark.parametrize("is_on_loop", [True, False])
def test_out_of_turn_it_does_nothing(is_on_loop: bool) -> None:
    """After the head, and on the loop's own thread, which can't wait for itself."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        exchange: Any = Begun(started=not is_on_loop)
        call = ahead.early_hints(CAN, exchange, send)
        assert call is not None
        if is_on_loop:
            call(LINKS)
        else:
            await asyncio.to_thread(call, LINKS)

    asyncio.run(main())
    assert sent == []


def test_a_client_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The view goes on after a while, and the message is given up."""
    monkeypatch.setattr(ahead, "SECONDS", 0.05)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.early_hints"](LINKS)
        start_response("200 OK", [])
        return [b"body"]

    async def main() -> None:
        server = Server(app, **CAN)
        server.may_send.clear()
        assert (await server.run())[0] == "start"

    asyncio.run(main())
