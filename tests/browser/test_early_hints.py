"""What Chromium makes of a 103: the files are there before the page is, once each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from browser.engines import Browsers
from helpers import until
from needs import needs
from servers.fronts import fronting
from servers.harness import workplace
from servers.hinted import Early, serving
from servers.interim import key_hash, make_certificate, over_http2

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PATIENCE = 20.0
FILES = ["/files/a.css", "/files/b.js", "/files/c.ttf"]

STARTED_BY = """() => Object.fromEntries(performance.getEntriesByType("resource")
    .map(entry => [new URL(entry.name).pathname, entry.initiatorType]))"""
USED = """() => document.fonts.ready.then(fonts => [
    getComputedStyle(document.querySelector("p")).color, ran,
    ...[...fonts].map(font => font.status)])"""


@pytest.fixture
def site(request: pytest.FixtureRequest, mode: str) -> Iterator[tuple[Early, str]]:
    """The app over HTTP/2, and its address."""
    with ExitStack() as stack:
        if request.param == "hypercorn":
            certificate = make_certificate(stack.enter_context(workplace()))
            more = zip(("--keyfile", "--certfile"), certificate, strict=True)
            words = [word for pair in more for word in pair]
            server = stack.enter_context(
                serving("hypercorn", *words, app="shown", early=mode)
            )
            port = server.port
        else:
            server = stack.enter_context(
                serving("gunicorn-gthread", app="shown", early=mode)
            )
            ports, _ = stack.enter_context(fronting(request.param, server.port))
            (port,) = ports.values()
        yield server, f"https://127.0.0.1:{port}"


@pytest.fixture
def context(browsers: Browsers) -> Iterator[BrowserContext]:
    """A new visitor, with a browser that trusts the site's certificate."""
    made = browsers.trusting(key_hash()).new_context()
    yield made
    made.close()


def learn(address: str) -> None:
    """Have the page seen twice, at two addresses, by others than the browser."""
    port = int(address.rpartition(":")[2])
    for query in ("?now=1", "?now=2"):
        head, _ = over_http2(port, f"/page{query}", tls=True)
        assert head.status == 200


@pytest.mark.parametrize("mode", ["explicit", "learned"])
@pytest.mark.parametrize(
    "site",
    [
        pytest.param("hypercorn", marks=needs("hypercorn")),
        pytest.param("caddy", marks=needs("gunicorn", "caddy")),
    ],
    indirect=True,
)
@needs("chromium", "playwright", "openssl", "pillow", "hypercorn")
def test_files_come_before_the_page(
    site: tuple[Early, str], context: BrowserContext, mode: str
) -> None:
    """The page waits until its files were asked for, and then asks for none again."""
    server, address = site
    if mode == "learned":
        learn(address)
    before = len(server.journal())
    beside, page = context.new_page(), context.new_page()
    beside.goto(f"{address}/ready")
    page.evaluate("url => { location.href = url }", f"{address}/page")
    until(lambda: "/page" in server.journal()[before:], PATIENCE)
    # Chromium 156 loses a 103 that it reads before it has noted that its request is
    # sent, which without a network in between does happen. Its network's thread, when
    # it has done this one, has done that, too.
    beside.evaluate("() => fetch('/ready').then(answer => answer.text())")
    server.open()
    until(lambda: set(FILES) <= set(server.journal()[before:]), PATIENCE)
    assert page.url == "about:blank"  # the page is still to come
    server.open()
    page.wait_for_url("**/page")
    page.wait_for_load_state()
    assert page.evaluate(USED) == ["rgb(1, 2, 3)", "ran", "loaded"]
    assert page.evaluate(STARTED_BY) == dict.fromkeys(FILES, "early-hints")
    asked = [path for path in server.journal()[before:] if path.startswith("/files/")]
    assert sorted(asked) == FILES
