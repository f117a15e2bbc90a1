"""The browsers that the tests drive: one that fills slots by itself, one that can't.

In: a name from ENGINES. Out: a running browser, started on first use, with a profile
of its own. Both are the same Chromium; "legacy" has the two features off that slots
need, and says that it is Firefox, so that a server treats it as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from needs import program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Playwright

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Engine(NamedTuple):
    """How a browser is started, and what it says of itself."""

    flags: tuple[str, ...]
    context: dict[str, Any]


ENGINES: dict[str, Engine] = {
    "native": Engine((), {}),
    "legacy": Engine(
        ("--disable-blink-features=DocumentPatching,HTMLProcessingInstruction",),
        # Client hints would tell the truth, and can't be switched off.
        {"user_agent": FIREFOX, "extra_http_headers": {"Sec-CH-UA": ""}},
    ),
}


class Browsers:
    """The browsers of one test run."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._running: dict[str, Browser] = {}
        self._contexts: dict[tuple[str, bool], BrowserContext] = {}

    def __getitem__(self, engine: str) -> Browser:
        if engine not in self._running:
            self._running[engine] = self._playwright.chromium.launch(
                executable_path=program("chromium"),
                args=[*FLAGS, *ENGINES[engine].flags],
            )
        return self._running[engine]

    def trusting(self, key_hash: str) -> Browser:
        """Give one that trusts certificates of this key, as if they were signed."""
        if key_hash not in self._running:
            trust = f"--ignore-certificate-errors-spki-list={key_hash}"
            self._running[key_hash] = self._playwright.chromium.launch(
                executable_path=program("chromium"), args=[*FLAGS, trust]
            )
        return self._running[key_hash]

    def context(self, engine: str, *, javascript: bool) -> BrowserContext:
        """Give the context of this kind: all its pages are the same visitor's.

        A new one for each test would take longer than most tests.
        """
        kind = (engine, javascript)
        if kind not in self._contexts:
            self._contexts[kind] = self[engine].new_context(
                java_script_enabled=javascript, **ENGINES[engine].context
            )
        return self._contexts[kind]

    def close(self) -> None:
        """End them all."""
        for browser in self._running.values():
            browser.close()
