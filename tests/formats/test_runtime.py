"""The runtime's element, from the server's side. tests/browser has what it does."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from flask_sluice.formats.runtime import RUNTIME, runtime

LIMIT = 400  # bytes


class Reader(HTMLParser):
    """Reads one element as a browser would."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_is_small() -> None:
    """The script is ASCII, and 400 bytes long at most."""
    assert RUNTIME.isascii()
    assert len(RUNTIME) <= LIMIT


def test_it_can_stand_in_html() -> None:
    """Nothing in it ends a script element, or starts a comment in one."""
    assert re.search(r"</|<!|<script", RUNTIME, re.IGNORECASE) is None


def test_it_makes_no_markup() -> None:
    """It moves nodes; it never has text parsed or evaluated."""
    assert re.search(r"HTML|write|eval|Function|setTimeout", RUNTIME) is None


@pytest.mark.parametrize("nonce", ["r4nd0m+/==", '"><script>', "a&amp;b", "'x' <y>"])
def test_nonce_is_escaped(nonce: str) -> None:
    """A nonce is the attribute's value, whatever is in it."""
    read = Reader(runtime(nonce))
    assert read.tags == [("script", [("nonce", nonce)])]
    assert read.text == RUNTIME


@pytest.mark.parametrize("nonce", [None, ""])
def test_no_nonce_no_attribute(nonce: str | None) -> None:
    """Without a nonce there is no attribute."""
    assert runtime(nonce) == f"<script>{RUNTIME}</script>"
