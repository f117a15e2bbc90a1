"""Fixtures of the browser tests: pages that mind every complaint, and servers.

A test is run in each of ENGINES, unless it is parametrized with `engine` itself. One
parametrized with `javascript` as False sees a browser that runs no script of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from browser.engines import ENGINES, Browsers
from browser.serving import serving
from browser.stage import Stage
from browser.wire import Wire, wire_server
from needs import needs

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page

PATIENCE_MS = 10_000

TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", event =>
    console.error("violated: " + event.effectiveDirective + " " + event.blockedURI))"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser where there is none."""
    mark = needs("chromium", "playwright")
    for item in items:
        if "browsers" in getattr(item, "fixturenames", ()):
            item.add_marker(mark)


@pytest.fixture(scope="package")
def browsers() -> Iterator[Browsers]:
    """The browsers, started on first use and ended with the last test in here."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = Browsers(playwright)
        yield running
        running.close()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The browser's name in ENGINES."""
    name: str = request.param
    return name


@pytest.fixture
def javascript() -> bool:
    """Whether the browser runs the page's scripts."""
    return True


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of. A test that expects some takes them out."""
    return []


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """What the test serves. It outlives the page, which may ask to the last."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def tab(
    browsers: Browsers,
    engine: str,
    javascript: bool,
    complaints: list[str],
    servers: ExitStack,
) -> Iterator[Callable[[], Page]]:
    """Open one more page of this test's visitor.

    A complaint that is left at the end is a failure.
    """

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def open_one() -> Page:
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE_MS)
        opened.add_init_script(TELL_VIOLATIONS)
        opened.on("console", note)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("crash", lambda _: complaints.append("the page crashed"))
        return opened

    context = browsers.context(engine, javascript=javascript)
    yield open_one
    for opened in context.pages:
        opened.close()
    context.clear_cookies()
    assert complaints == []


@pytest.fixture
def page(tab: Callable[[], Page]) -> Page:
    """A new page, without cookies."""
    return tab()


@pytest.fixture
def wire(servers: ExitStack) -> Wire:
    """A server that sends what the test says, when the test says it."""
    return servers.enter_context(wire_server())


@pytest.fixture
def serve(servers: ExitStack) -> Callable[[Flask], str]:
    """Serve an app until the test is over; give its address."""
    return lambda app: servers.enter_context(serving(app))


@pytest.fixture
def stage() -> Stage:
    """The app of this test."""
    return Stage()


@pytest.fixture
def forgiven(tab: object, complaints: list[str]) -> Iterator[None]:
    """The browser's own lines about requests that failed, as the test wants it."""
    yield  # after `tab`, so its end comes first
    complaints[:] = [
        text for text in complaints if "Failed to load resource" not in text
    ]
