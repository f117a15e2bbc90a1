"""Apache, Caddy and HAProxy: what becomes of a 103, and what check-hints says of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from needs import needs
from servers.fronts import FRONTS, fronting
from servers.hinted import Early, check, serving
from servers.interim import Look, links_of, over_http1, over_http2

pytestmark = needs("gunicorn", "hypercorn", "openssl")

CSS = "</files/a.css>; rel=preload; as=style"
JS = "</files/b%20b.js>; rel=preload; as=script"
FONT = "</files/c.woff2>; rel=preload; as=font; crossorigin"

LOOKS: dict[str, Look] = {
    "HTTP/1.1": partial(over_http1, tls=True),
    "HTTP/2": partial(over_http2, tls=True),
}
ARRIVES = dict.fromkeys(LOOKS, "a 103 arrives")
# What check-hints says of each way, and so what a client sees there.
WAYS = {
    ("apache2", "off"): {**ARRIVES, "HTTP/2": "is dropped"},
    ("apache2", "on"): ARRIVES,
    ("caddy", "plain"): ARRIVES,
    ("haproxy", "plain"): ARRIVES,
}


@pytest.fixture(scope="module")
def backend() -> Iterator[Early]:
    """The app, with hints that its views give."""
    with serving("gunicorn-gthread") as server:
        yield server


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=needs(name)) for name in FRONTS]
)
def front(
    request: pytest.FixtureRequest, backend: Early
) -> Iterator[tuple[str, dict[str, int]]]:
    """A proxy in front of it, and its routes' ports."""
    with fronting(request.param, backend.port) as (ports, _):
        yield request.param, ports


@pytest.mark.parametrize("version", LOOKS)
def test_a_103_on_its_way(
    front: tuple[str, dict[str, int]], backend: Early, version: str
) -> None:
    """It is at the client while the view works, or isn't there; the page is whole."""
    name, ports = front
    look = LOOKS[version]
    for route, port in ports.items():
        if WAYS[name, route][version] == "a 103 arrives":
            answer = look(port, "/page")
            came = [next(answer), next(answer)]
            backend.open()
            assert [head.status for head in came] == [103, 103]
            assert links_of(came) == [CSS, JS, FONT]
        else:
            answer = look(port, "/quick")
        final, body = answer
        assert (final.status, links_of([final])) == (200, [CSS, JS, FONT])
        assert body.body == b"the page"


@needs("curl")
def test_check_hints(front: tuple[str, dict[str, int]]) -> None:
    """It says for each version of HTTP what was seen above."""
    name, ports = front
    for route, port in ports.items():
        found, text = check(f"https://127.0.0.1:{port}/ready")
        said = dict(
            line.split(": ", 1) for line in text.splitlines() if line[:5] == "HTTP/"
        )
        assert said.keys() == LOOKS.keys()
        for version, words in WAYS[name, route].items():
            assert words in said[version], text
        assert found == 0, text
        # Its own switch is named where it was off.
        assert ("`H2EarlyHints on`" in text) == (route == "off"), text
