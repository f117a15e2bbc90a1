"""Streams through nginx and Caddy: as sent, as cut, and as left."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping

import pytest

from needs import needs
from servers.client import CUT, RESET, WHOLE, Client, opened
from servers.harness import BY_NAME, Row, Server
from servers.proxies import TABLE, Proxy, RunningProxy, start_proxy

UPSTREAMS = [BY_NAME["gunicorn-gthread"], BY_NAME["uvicorn"]]
WORDS = ("one", "two", "three")
SILENCE = 0.7  # seconds in which a chunk that isn't held back would have come


class Proxies:
    """The proxies of a session, each started once for each upstream."""

    def __init__(self, fleet: Mapping[Row, Server]) -> None:
        self._fleet = fleet
        self._stack = contextlib.ExitStack()
        self._running: dict[tuple[str, str], RunningProxy] = {}

    def get(self, proxy: Proxy, row: Row) -> tuple[RunningProxy, Server]:
        """Give the proxy in front of this row's shared server."""
        server = self._fleet[row]
        name = (proxy.requires, row.name)
        if name not in self._running:
            started = self._stack.enter_context(start_proxy(proxy, server.port))
            self._running[name] = started
        return self._running[name], server

    def close(self) -> None:
        """End them all."""
        self._stack.close()


@pytest.fixture(scope="module")
def proxies(fleet: Mapping[Row, Server]) -> Iterator[Proxies]:
    """All proxies, ended with this module."""
    every = Proxies(fleet)
    yield every
    every.close()


@pytest.fixture
def port(proxies: Proxies, proxy: Proxy, route: str, row: Row, server: Server) -> int:
    """Where this route of this proxy listens."""
    return proxies.get(proxy, row)[0].ports[route]


@pytest.fixture
def hop10(proxy: Proxy, route: str) -> bool:
    """Whether the proxy asks its upstream in HTTP/1.0 on this route."""
    return route in proxy.speaks10


def through(*names: str, but: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Parametrise over proxies, their routes (all, or those named), and upstreams."""
    return pytest.mark.parametrize(
        ("proxy", "route", "row"),
        [
            pytest.param(
                proxy,
                route,
                row,
                id=f"{proxy.requires}-{route}-{row.name}",
                marks=needs(proxy.requires),
            )
            for proxy in TABLE
            for route in proxy.routes
            for row in UPSTREAMS
            if (route in names or not names) and route not in but
        ],
    )


@through(but=("deaf",))
def test_chunks_arrive_as_sent(server: Server, port: int, key: str) -> None:
    """Each flushed line is at the client before the next one is made."""
    with opened(port, f"/three/{key}") as client:
        for word in WORDS:
            client.until(word.encode())
            assert server.made(key)[-1] == word
            server.release(key)
        answer = client.rest()
    assert (answer.body, answer.ending) == (b"one\ntwo\nthree\n", WHOLE)


@through("gzip", "http11-gzip")
def test_the_proxy_may_compress_and_still_stream(
    server: Server, port: int, key: str
) -> None:
    """Compressed by the proxy instead of us, each line can be read on arrival."""
    accept = [("Accept-Encoding", "gzip")]
    decode, text, seen = zlib.decompressobj(31).decompress, b"", 0
    path = f"/three/{key}?compress=no&type=text/html"
    with opened(port, path, headers=accept) as client:
        for word in WORDS:
            while word.encode() not in text:
                assert client.read(), f"{word} did not come: {text!r}"
                body = client.answer.body
                encoded = client.answer.headers.get("content-encoding") == "gzip"
                text += decode(body[seen:]) if encoded else body[seen:]
                seen = len(body)
            assert server.made(key)[-1] == word
            server.release(key)
        assert client.rest().ending == WHOLE


@through(but=("deaf",))
def test_our_compression_passes(server: Server, port: int, key: str) -> None:
    """What we compressed comes through as it is, line by line."""
    accept = [("Accept-Encoding", "gzip")]
    decode, text, seen = zlib.decompressobj(31).decompress, b"", 0
    with opened(port, f"/three/{key}", headers=accept) as client:
        for word in WORDS:
            while word.encode() not in text:
                assert client.read(), f"{word} did not come: {text!r}"
                text += decode(client.answer.body[seen:])
                seen = len(client.answer.body)
            server.release(key)
        assert client.rest().ending == WHOLE
    assert client.answer.headers["content-encoding"] == "gzip"


@through("deaf")
def test_a_proxy_that_ignores_our_header_holds_chunks_back(
    server: Server, port: int, key: str
) -> None:
    """So it is X-Accel-Buffering that does it: nginx with gzip on and deaf is late."""
    accept = [("Accept-Encoding", "gzip")]
    path = f"/three/{key}?compress=no&type=text/html"
    with opened(port, path, headers=accept) as client:
        server.noted(key, "made one")
        assert not client.comes(b"one", SILENCE)
        server.release(key, 3)
        assert client.rest().ending == WHOLE


@through("plain", "http11", "gzip")
@pytest.mark.parametrize("path", ["late", "late-async", "late-feed"])
def test_a_failed_stream_is_seen_as_cut(
    server: Server, port: int, key: str, path: str, hop10: bool
) -> None:
    """The client behind the proxy sees an unfinished body, not a short one.

    Over an HTTP/1.0 hop that needs the reset which only a server with its socket in
    our hands can give.
    """
    with opened(port, f"/{path}/{key}") as client:
        answer = client.rest()
    assert server.noted(key, "stream finished")["outcome"] == "failed"
    assert answer.body in (b"one\n", b"first\n", b"")
    if hop10 and not server.row.cut10:
        assert answer.ending == WHOLE
    else:
        assert answer.ending in (CUT, RESET)


@through("plain", "http11")
def test_ticks_come_through(server: Server, port: int, key: str) -> None:
    """A feed goes through a proxy too, and ends within a second of its client."""
    with opened(port, f"/ticker/{key}") as client:
        while client.answer.body.count(b"\n") < 4:
            assert client.read()
        stream = server.stream(key)
        assert stream is not None
        assert stream["driver"] == server.row.fed
        left = client.leave()
    assert server.noted(key, "stream finished")["at"] - left < 1.0
    assert server.noted(key, "stream finished")["outcome"] == "left"


@through("plain", "http11")
def test_a_departure_comes_through(server: Server, port: int, key: str) -> None:
    """A silent feed is closed within a second of its client's leaving the proxy."""
    with opened(port, f"/hand/{key}") as client:
        client.until(b"first")
        left = client.leave()
    assert server.noted(key, "body closed")["at"] - left < 1.0


@through("plain")
def test_the_proxy_keeps_its_upstream_connection_usable(
    server: Server, port: int, key: str
) -> None:
    """After whole, cut and left streams the proxy still gets its pages."""
    for turn in range(5):
        server.release(f"{key}-{turn}", 3)
        for path in ("three", "late", "plain"):
            with Client(port) as client:
                client.send(f"/{path}/{key}-{turn}")
                assert client.rest().status == 200
