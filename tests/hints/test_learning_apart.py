"""Learned hints: what goes wrong breaks no page, and other processes know them, too."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response

from brokers import redis_server
from flask_sluice.hints import learning
from helpers import make_app, until
from learned import (
    CSS,
    HEAD,
    JS,
    KINDS,
    PAGE,
    Browser,
    View,
    browser,
    learner,
    learning_app,
)
from needs import needs

# --- what goes wrong --------------------------------------------------------


@pytest.mark.parametrize("view", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("what", ["wanted", "read", "HeadReader.take"])
def test_a_fault_breaks_no_page(
    view: View,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The page comes whole, and the log is told once, at level DEBUG."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(f"{learning.__name__}.{what}", fail)
    site = browser(view)
    with caplog.at_level(logging.DEBUG, "flask_sluice"):
        for _ in range(3):
            assert site.go()[1].text.endswith("page")
    told = [record.levelname for record in caplog.records if record.exc_info]
    assert told in ([], ["DEBUG"])
    assert told or what != "wanted"


def test_a_fault_before_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same there."""
    app = learning_app(lambda: PAGE)
    monkeypatch.setattr(learner(app), "memory", None)
    assert Browser(app.test_client()).go()[1].text == PAGE


def test_a_generator_is_closed() -> None:
    """And not read further than it was asked for."""
    closed: list[int] = []
    asked: list[int] = []

    def body() -> Iterator[str]:
        try:
            for at in range(9):
                asked.append(at)
                yield HEAD
        finally:
            closed.append(1)

    app = learning_app(lambda: Response(body(), mimetype="text/html"))
    with app.test_client() as client:
        response = client.get(
            "/q", headers={"Sec-Fetch-Mode": "navigate"}, buffered=False
        )
        next(response.iter_encoded())
        assert asked == [0]
        response.close()
    assert closed == [1]


# --- sharing ----------------------------------------------------------------


def test_another_process_knows() -> None:
    """By the file: an app that is started anew sends at its second page."""
    one = learning_app(lambda: PAGE)
    site = Browser(one.test_client(use_cookies=False))
    site.third()
    until(learner(one).sync)
    other = learning_app(lambda: PAGE)
    site = Browser(other.test_client(use_cookies=False))
    site.go()
    until(lambda: learner(other).memory.lessons()[0][1].is_sure)
    assert site.go()[0] == [CSS]


class Shelf:
    """A store that counts."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.saves = 0

    def load(self) -> dict[str, str]:
        """Give what there is."""
        return dict(self.texts)

    def save(self, texts: dict[str, str], keep: float, /) -> None:
        """Take what is new."""
        assert keep > 0
        self.saves += 1
        self.texts.update(texts)


def test_a_store_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked now and then, and told what is new alone."""
    app = learning_app(lambda: PAGE)
    own, shelf = learner(app), Shelf()
    own.store = shelf
    site = Browser(app.test_client(use_cookies=False))
    site.third()
    until(own.sync)
    known = shelf.saves
    assert list(shelf.texts) == ["page\nunknown\n"]
    site.go()
    until(own.sync)
    assert shelf.saves == known
    later = learning.now() + learning.SYNC
    monkeypatch.setattr(learning, "now", lambda: later)
    shelf.texts["other\nunknown\n"] = shelf.texts["page\nunknown\n"]
    site.go()
    until(lambda: len(own.memory.lessons()) == 2)


def test_what_is_new_is_told_without_another_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second page that comes at once is told a while later."""
    monkeypatch.setattr(learning, "SYNC", 0.5)
    app = learning_app(lambda: PAGE)
    own = learner(app)
    own.store = shelf = Shelf()
    site = Browser(app.test_client(use_cookies=False))
    for pages in (1, 2):
        site.go()
        told = f'"pages": {pages}'
        until(lambda told=told: told in "".join(shelf.texts.values()))


def test_a_store_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Learning goes on in the process."""
    app = learning_app(lambda: PAGE)

    class Broken(Shelf):
        def load(self) -> dict[str, str]:
            raise OSError("disk full")

    own = learner(app)
    own.store = Broken()
    with caplog.at_level(logging.DEBUG, "flask_sluice"):
        until(own.sync)
        until(own.sync)
        assert Browser(app.test_client(use_cookies=False)).third() == [CSS]
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


# --- flask sluice hints -----------------------------------------------------


def listed(app: Flask) -> tuple[int, list[str]]:
    """Run the command: its exit code and its lines."""
    result = app.test_cli_runner().invoke(args=["sluice", "hints"])
    return result.exit_code, result.output.splitlines()


def test_the_command_lists_what_servers_have_learned() -> None:
    """By the file; and says to whom it goes."""
    one = learning_app(lambda: f"{HEAD[:-7]}<script src=/a.js></script></head>")
    assert Browser(one.test_client(use_cookies=False)).third("/q") == [CSS, JS]
    site = Browser(one.test_client(use_cookies=False))
    site.go("/p/x", headers={"Cookie": "a=b"}, environ={"SCRIPT_NAME": "/shop"})
    until(learner(one).sync)
    code, lines = listed(learning_app(lambda: PAGE))
    assert code == 0
    alone = "goes to the one client that was seen; static files only"
    assert lines == [
        "other  /q",
        "  visitors without; goes to all, at the one URL that was seen",
        f"    {CSS}",
        f"    {JS}",
        "page  /shop/p/<path:_>",
        f"  visitors with a cookie or a login; {alone}, since one page was seen",
        f"    {CSS}",
        f"    {JS}",
    ]


def test_the_command_has_nothing_to_list(tmp_path: Path) -> None:
    """It says why: nothing was seen, it is off, or can't be read."""
    app = learning_app(lambda: PAGE)
    assert "Nothing was learned in the last hour" in listed(app)[1][0]
    code, lines = listed(make_app())
    assert (code, "isn't" in lines[0]) == (1, True)
    [folder] = tmp_path.iterdir()
    folder.rmdir()
    folder.write_text("a file")
    code, lines = listed(app)
    assert (code, "can't be read" in lines[0]) == (1, True)


def test_a_file_that_cannot_be_kept(caplog: pytest.LogCaptureFixture) -> None:
    """In debug mode the log names what browsers would ask for twice."""
    html = "<link rel=stylesheet href=/static/a.css><p>"
    app = learning_app(lambda: html, DEBUG=True)
    site = Browser(app.test_client(use_cookies=False))
    assert [len(site.go()[0]) for _ in range(3)] == [0, 1, 1]
    [record] = caplog.records
    assert "/static/a.css is hinted" in record.getMessage()


@needs("redis-server", "redis")
def test_machines_share_it_by_their_broker() -> None:
    """What one has learned another one sends, and the command lists."""
    with redis_server() as server:
        config = {"SLUICE_BROKER_URL": server.url}
        one = learning_app(lambda: PAGE, **config)
        other = learning_app(lambda: PAGE, **config)
        site = Browser(one.test_client(use_cookies=False))
        site.third()
        until(learner(one).sync)
        until(learner(other).sync)
        assert Browser(other.test_client(use_cookies=False)).go()[0] == [CSS]
        listed = other.test_cli_runner().invoke(args=["sluice", "hints"])
        assert CSS in listed.output
        server.end()
        assert Browser(other.test_client()).go()[1].status_code == 200
