"""Pages in a browser, for the tests of the example: complaints are failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from browser.engines import FLAGS
from needs import program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE_MS = 20_000
WATCH = """
addEventListener("securitypolicyviolation", event =>
    console.error("violated: " + event.effectiveDirective + " " + event.blockedURI));
"""

Tab = Callable[[], "Page"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"), args=[*FLAGS]
        )
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Browser, *, javascript: bool = True) -> Iterator[Tab]:
    """Give a function that opens a tab of one and the same visitor.

    The letters of the board don't turn: what it says, it says at once.
    """
    complaints: list[str] = []
    context = browser.new_context(
        java_script_enabled=javascript, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(WATCH)

    def tab() -> Page:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield tab
    context.close()
    assert complaints == []
