"""Events from a real server: more readers than threads, htmx, and a sudden end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import psutil
import pytest

from browser.dom import holds, shows
from browser.stage import data_heard, listen
from helpers import PATIENCE, until
from needs import needs
from ports import free_port
from servers.harness import SOURCE, running, workplace

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.parametrize("engine", ["native"]),
    needs("gunicorn"),
]

TESTS = Path(__file__).parents[1]


class Site:
    """The stage's app, served by one gunicorn worker with two threads."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def readers(self) -> int:
        """How many streams are open."""
        return int(self._ask("/ping")["readers"])

    def publish(self, text: str) -> None:
        """Publish an event, by a request."""
        self._ask("/publish", text.encode())

    @contextmanager
    def served(self) -> Iterator[psutil.Process]:
        """Serve it until the block ends, or the process is killed."""
        command = [
            *(sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "2"),
            *("-b", f"127.0.0.1:{self.port}", "--no-control-socket"),
            "browser.stage:create_app()",
        ]
        environ = {"PYTHONPATH": os.pathsep.join((str(SOURCE), str(TESTS)))}
        with (
            workplace() as folder,
            running(command, folder, folder / "log", environ) as process,
        ):
            until(lambda: process.poll() is not None or self._answers(), 20)
            assert process.poll() is None, (folder / "log").read_text()
            yield psutil.Process(process.pid)

    def _answers(self) -> bool:
        try:
            return bool(self._ask("/ping"))
        except OSError:
            return False

    def _ask(self, path: str, data: bytes | None = None) -> dict[str, Any]:
        with urlopen(self.url + path, data, timeout=PATIENCE) as answer:
            return dict(json.load(answer))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The site that these tests share."""
    shared = Site(free_port())
    with shared.served():
        yield shared


def test_more_readers_than_threads(tab: Callable[[], Page], site: Site) -> None:
    """Five streams of both kinds on two threads: each hears what is published."""
    kinds = ["plain", "live", "plain", "live", "plain"]
    tabs = [tab() for _ in kinds]
    for page, kind in zip(tabs, kinds, strict=True):
        listen(page, site.url, kind)
    until(lambda: site.readers == len(kinds))
    for text in ("one", "two\nlines", "drei, 三"):
        site.publish(text)
    for page in tabs:
        holds(page, "heard.length == 3")
        assert data_heard(page) == ["one", "two\nlines", "drei, 三"]
        page.close()
    until(lambda: site.readers == 0)


@needs("django-htmx")
@pytest.mark.parametrize("version", ["2", "2-live", "4"])
def test_htmx(tab: Callable[[], Page], site: Site, version: str) -> None:
    """Its own EventSource, sluice.js in its place, and htmx 4, which fetches."""
    tabs = [tab(), tab()]
    for page in tabs:
        page.goto(f"{site.url}/htmx/{version}")
    until(lambda: site.readers == (1 if version == "2-live" else 2))
    for n in range(1, 4):
        site.publish(f"<i>{n}</i>")
    for page in tabs:
        shows(page, "i", ["1", "2", "3"])
    for page in tabs:
        page.close()
    until(lambda: site.readers == 0)


@pytest.mark.usefixtures("forgiven")
def test_a_server_that_dies_and_is_back(
    tab: Callable[[], Page], servers: ExitStack
) -> None:
    """Its channels have begun anew: all are told so once, and hear what is new."""
    site = Site(free_port())
    kinds = [("plain", {}), ("live", {"shared": True}), ("live", {"shared": True})]
    tabs = [tab() for _ in kinds]
    with site.served() as process:
        for page, (kind, options) in zip(tabs, kinds, strict=True):
            listen(page, site.url, kind, **options)
        until(lambda: site.readers == 2)
        site.publish("before")
        for page in tabs:
            holds(page, "heard.length == 1")
        for one in (process, *process.children()):
            one.kill()
        for page in tabs[1:]:
            holds(page, "source.state == 'offline'")
    servers.enter_context(site.served())
    until(lambda: site.readers == 2)
    for page in tabs:
        holds(page, "told.length == 1")
    site.publish("after")
    for page in tabs:
        holds(page, "heard.length == 2")
        assert data_heard(page) == ["before", "after"]
        assert page.evaluate("told")[0][0] == "restarted"
        assert page.evaluate("told.length") == 1
