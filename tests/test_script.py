"""sluice.js as it is served: its size, how long it is kept, and where it is found."""

from __future__ import annotations

import gzip
import re
from urllib.parse import urlsplit

import pytest
from flask import Flask, render_template_string, url_for

from flask_sluice import Sluice
from flask_sluice.script import ENDPOINT, FILE, script

PATH = "/_sluice/sluice.js"


@pytest.fixture
def app() -> Flask:
    """An app that has the script."""
    made = Flask("unit")
    Sluice(made)
    return made


def url_in(app: Flask, **where: str) -> str:
    """Give the script's URL in a request."""
    with app.test_request_context(**where):
        return url_for(ENDPOINT)


def test_it_is_small() -> None:
    """Less than 4 KB, and about half of that where it is compressed."""
    body, _ = script()
    assert len(body) < 4096
    assert len(gzip.compress(body)) < 2400


def test_nothing_is_lost_but_spaces() -> None:
    """No text in it has a space, no statement relies on the end of its line."""
    source = re.sub(
        r"^\s*//.*\n", "", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    body, _ = script()
    assert "".join(source.split()) == "".join(body.decode().split())
    assert "//" not in body.decode()
    strings = re.findall(r'"(?:\\.|[^"\\])*"', source)
    assert strings
    assert not any(re.search(r"\s", each) for each in strings)
    assert "`" not in source
    # A line goes on in the next, or says that it is at its end. (")": of a `for`.)
    assert {line[-1] for line in source.splitlines() if line} <= set(";,{}(>=)")


def test_its_url_has_its_hash(app: Flask) -> None:
    """So it may be kept for a year; in templates as well, and under a prefix."""
    body, digest = script()
    url = url_in(app)
    assert url == f"{PATH}?v={digest}"
    response = app.test_client().get(url)
    assert response.data == body
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert url_in(app, base_url="http://x.example/prefix") == f"/prefix{url}"
    with app.test_request_context():
        shown = render_template_string("{{ url_for('sluice.script') }}")
    assert shown == url
    app.config.update(SERVER_NAME="x.example", APPLICATION_ROOT="/root")
    with app.app_context():
        assert url_for(ENDPOINT) == f"http://x.example/root{url}"


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789abcdef"])
def test_without_its_hash_it_is_asked_for_each_time(app: Flask, query: str) -> None:
    """A page that was kept gets the script that there is now."""
    client = app.test_client()
    response = client.get(PATH + query)
    assert response.data == script()[0]
    assert response.headers["Cache-Control"] == "no-cache"
    tag = response.headers["ETag"]
    again = client.get(PATH + query, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert client.head(PATH + query).headers["Content-Length"] == str(len(script()[0]))
    assert client.post(PATH + query).status_code == 405


def test_an_app_that_catches_all(app: Flask) -> None:
    """It gets all paths but the script's."""

    @app.get("/<path:path>")
    def catch(path: str) -> str:
        return path

    client = app.test_client()
    assert client.get(PATH).data == script()[0]
    for path in ("_sluice", "_sluice/", "_sluice/x.js", "_sluice/sluice.js/x"):
        assert client.get("/" + path).text == path


def test_an_app_that_lists_its_rules(app: Flask) -> None:
    """Code that asks for each rule without arguments isn't surprised."""
    rules = {rule.endpoint for rule in app.url_map.iter_rules() if not rule.arguments}
    assert rules == set()
    (rule,) = app.url_map.iter_rules(ENDPOINT)
    assert rule.methods == {"GET", "HEAD"}


def test_an_app_of_several_hosts() -> None:
    """Each has the script, under its own address."""
    app = Flask("unit", host_matching=True, static_host="static.example")
    Sluice(app)

    @app.get("/", host="a.example")
    def a() -> str:
        return url_for(ENDPOINT)

    @app.get("/<path:path>", host="b.example:8000")
    def b(path: str) -> str:
        return path

    client = app.test_client()
    assert client.get("/", base_url="http://a.example").text == url_in(app)
    for base in ("http://a.example", "https://c.example:4433"):
        assert client.get(PATH, base_url=base).data == script()[0]
        assert client.get("/_sluice/x.js", base_url=base).status_code == 404
    # What the app has said of a host counts more.
    assert client.get(PATH, base_url="http://b.example:8000").text == PATH[1:]


def test_an_app_of_several_subdomains() -> None:
    """One address for all, which each may import from."""
    app = Flask("unit", subdomain_matching=True)
    app.config["SERVER_NAME"] = "x.example"
    Sluice(app)
    url = url_in(app, base_url="http://sub.x.example")
    assert urlsplit(url).netloc == "x.example"
    response = app.test_client().get(url)
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_a_sluice_that_is_made_in_a_request() -> None:
    """Its script is there from the next line on."""
    app = Flask("unit")

    @app.get("/")
    def first() -> str:
        Sluice(app)
        return url_for(ENDPOINT)

    client = app.test_client()
    assert client.get("/").text == url_in(app)
    assert client.get(PATH).data == script()[0]


def test_a_blueprint_of_the_same_name(app: Flask) -> None:
    """An app's own endpoints that begin with "sluice." get nothing of it."""
    from flask import Blueprint

    blueprint = Blueprint("sluice", "unit")

    @blueprint.get("/own")
    def own() -> str:
        return url_for(".own")

    app.register_blueprint(blueprint)
    assert app.test_client().get("/own").text == "/own"
    assert url_in(app).startswith(PATH)
