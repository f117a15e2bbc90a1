"""The rig itself: a complaint isn't overlooked, and the engines are what they say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from flask import Flask, request

from browser.dom import ready_state, shows
from browser.engines import FIREFOX
from browser.wire import Wire
from helpers import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGE = "<!doctype html><title>t</title>"


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<script>console.error('oh')</script>", "oh"),
        ("<script>throw new Error('ow')</script>", "ow"),
        ("<script>missing.name</script>", "missing is not defined"),
        ("<img src=/none.png alt=''>", "404"),
    ],
    ids=["console", "throw", "reference", "missing"],
)
def test_complaints_are_noted(
    page: Page, wire: Wire, complaints: list[str], html: str, words: str
) -> None:
    """A page that complains is noticed; the test takes the complaint out."""
    page.goto(wire.reply().send(PAGE, html).end().url)
    assert len(complaints) == 1
    assert words in complaints.pop()


@pytest.mark.parametrize("policy", ["script-src 'none'", "script-src 'nonce-abc'"])
def test_violations_are_noted(
    page: Page, wire: Wire, complaints: list[str], policy: str
) -> None:
    """A script against the page's policy is noticed, and doesn't run."""
    script = "<script nonce=x>document.title = 'ran'</script>"
    reply = wire.reply(Content_Security_Policy=policy)
    page.goto(reply.send(PAGE, script).end().url)
    assert page.title() == "t"
    assert any("Content Security Policy" in text for text in complaints)
    assert "violated: script-src-elem inline" in complaints
    complaints.clear()


@pytest.mark.parametrize("javascript", [False, True])
def test_javascript_can_be_off(page: Page, wire: Wire, javascript: bool) -> None:
    """With JavaScript off no script of the page runs."""
    script = "<script>document.title = 'ran'</script>"
    page.goto(wire.reply().send(PAGE, script).end().url)
    assert page.title() == ("ran" if javascript else "t")


def test_engines_are_what_they_say(
    page: Page, engine: str, serve: Callable[[Flask], str]
) -> None:
    """Only "native" fills slots, and only "native" says that it is Chromium."""
    app = Flask("echo")

    @app.get("/")
    def echo() -> dict[str, str]:
        return {name: request.headers.get(name, "") for name in NAMES}

    response = page.goto(serve(app))
    assert response is not None
    said = json.loads(response.text())
    able = page.evaluate("'htmlFor' in HTMLTemplateElement.prototype")
    if engine == "native":
        assert able
        assert "Chromium" in said["Sec-CH-UA"]
    else:
        assert not able
        assert said == {"User-Agent": FIREFOX, "Sec-CH-UA": ""}


NAMES = ("User-Agent", "Sec-CH-UA")


def test_the_test_decides_when(page: Page, wire: Wire) -> None:
    """What was sent is shown; what wasn't yet isn't, and the page goes on loading."""
    reply = wire.reply().send(PAGE, "<p>one</p>")
    page.goto(reply.url, wait_until="commit")
    shows(page, "p", ["one"])
    assert ready_state(page) == "loading"
    reply.send("<p>two</p>")
    shows(page, "p", ["one", "two"])
    assert ready_state(page) == "loading"
    reply.end()
    page.wait_for_load_state()
    assert ready_state(page) == "complete"


def test_an_app_can_be_held_back(page: Page, serve: Callable[[Flask], str]) -> None:
    """A served app streams, and waits for the test where it is told to."""
    app = Flask("held")
    go_on = threading.Event()

    @app.get("/")
    def held() -> object:
        def body():
            yield f"{PAGE}<p>one</p>"
            assert go_on.wait(PATIENCE)
            yield "<p>two</p>"

        return body()

    page.goto(serve(app), wait_until="commit")
    shows(page, "p", ["one"])
    go_on.set()
    shows(page, "p", ["one", "two"])
