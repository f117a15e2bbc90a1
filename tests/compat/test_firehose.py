"""Flask-Firehose's names do here what they do there, without what it loses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, render_template, render_template_string, session
from jinja2 import DictLoader

from flask_sluice import Sluice, stream_page
from flask_sluice.compat import firehose
from flask_sluice.compat.firehose import Connector, Firehose, push
from flask_sluice.errors import (
    ArgumentError,
    HeaderError,
    NotInitializedError,
    OutsideRequestError,
)
from flask_sluice.formats.link import parse
from flask_sluice.hints import Connector as Remembers
from flask_sluice.hints import preload
from hinting import links

# The templates and the program of Flask-Firehose's own README. Only the import is
# `module`'s, as it would be in a file that was changed.
TEMPLATES = {
    "base.html": "<html>{% block body %}{% endblock %}</html>",
    "page.html": """{% extends 'base.html' %}
{% block body %}
    <link rel="stylesheet" href="{{ push('/static/css/main.css', as='style',
        rel='preload') }}">
    This is some document.
{% endblock %}
""",
}


def readme(module: Any) -> Flask:
    """The README's application factory, template, view and connector."""
    firehose = module.Firehose()

    def create_app() -> Flask:
        app = Flask(__name__)
        firehose.init_app(app)
        return app

    app = create_app()
    app.secret_key = "only for tests"
    app.jinja_loader = DictLoader(TEMPLATES)
    app.jinja_env.loader = app.jinja_loader

    @app.route("/template")
    def template() -> str:
        return render_template("page.html")

    @app.route("/someroute")
    def render_someroute() -> str:
        module.push("/static/css/main.css", **{"as": "style", "rel": "preload"})
        module.push("/static/some.js", "nopush", **{"as": "script", "rel": "preload"})
        return render_template("page.html")

    return app


@pytest.fixture
def original() -> Any:
    """Flask-Firehose itself, where it is installed."""
    return pytest.importorskip(
        "flask_firehose", reason="needs Python package flask-firehose"
    )


def read(response: Any) -> list[tuple[str, dict[str, str | None]]]:
    """Give what the response's Link says, however it is written."""
    return [
        (link.target, dict(link.attributes))
        for field in links(response)
        for link in parse(field)
    ]


@pytest.mark.parametrize("path", ["/template", "/someroute"])
def test_the_readme_s_program(original: Any, path: str) -> None:
    """With its import changed it shows the same, says the same, and says it once."""
    answers = []
    for module in (original, firehose):
        client = readme(module).test_client()
        first, second = client.get(path), client.get(path)
        answers.append([first.text, second.text, read(first), read(second)])
        with client.session_transaction() as kept:
            assert "/static/css/main.css" in kept["h2-pushed"]
    theirs, ours = answers
    assert ours == theirs
    assert ours[2][0][0] == "/static/css/main.css"
    assert ours[3] == []


CALLS: list[Callable[[Any], str]] = [
    lambda push: push("/a.css", "nopush", rel="preload", **{"as": "style"}),
    lambda push: push("/a.css", **{"as": "style", "rel": "preload"}),
    lambda push: push("/a.css", "crossorigin", "nopush", rel="preload"),
    lambda push: push("/a.css", "rel=preload", "as=style"),
    lambda push: push("/a.css", "rel=preload; as=style"),
    lambda push: push("/a.css", 'title="a; b, c"', rel="preload"),
    lambda push: push("/a.css", rel="preload", size=7),
    lambda push: push("https://o.example/a.css", rel="preload"),
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_attributes_are_flask_firehose_s(
    original: Any, call: Callable[[Any], str]
) -> None:
    """Positional and keyword attributes are in the header, the former at the end."""
    answers = []
    for module in (original, firehose):
        app = Flask("unit")
        app.secret_key = "only for tests"
        module.Firehose(app)
        app.add_url_rule("/", "home", lambda module=module: call(module.push))
        response = app.test_client().get("/")
        answers.append((response.text, read(response)))
    assert answers[0] == answers[1]
    assert answers[0][1] != []


# --- without its faults ----------------------------------------------------


def pushing(view: Callable[[], Any], **options: Any) -> Flask:
    """Give an app with a Firehose whose home page is this view's."""
    app = Flask("unit")
    app.secret_key = "only for tests"
    Firehose(app, **options)
    app.add_url_rule("/", "home", view)
    return app


def header(call: Callable[[], object]) -> str:
    """Give the Link header of a page that does this."""
    app = pushing(lambda: str(call()))
    (field,) = links(app.test_client().get("/"))
    return field


def test_the_header_is_whole() -> None:
    """Values are quoted, and nothing follows the last link."""

    def both() -> str:
        push("/a.css", rel="preload", media="(width < 9em), print")
        return push("/b c.css", "nopush", rel="preload")

    assert header(both) == (
        '</a.css>; rel=preload; media="(width < 9em), print",'
        " </b%20c.css>; rel=preload; nopush"
    )


def test_a_link_without_a_relation_is_a_preload() -> None:
    """Without one it would mean nothing to anybody."""
    assert header(lambda: push("/a", **{"as": "style"})) == (
        "</a>; rel=preload; as=style"
    )


def test_true_is_a_bare_name() -> None:
    """And None and False are no attribute."""
    written = header(lambda: push("/a", rel="preload", nopush=True, a=None, b=False))
    assert written == "</a>; rel=preload; nopush"


def test_a_link_that_is_there_stays() -> None:
    """The view's own isn't overwritten."""

    def view() -> Response:
        push("/a")
        return Response(headers={"Link": "</next>; rel=next"})

    fields = links(pushing(view).test_client().get("/"))
    assert fields == ["</next>; rel=next", "</a>; rel=preload"]


def test_a_url_is_pushed_once_a_request() -> None:
    """The first call counts, whatever attributes the second one has."""

    def view() -> str:
        push("/a", rel="preload", **{"as": "style"})
        return push("/a", rel="preload", **{"as": "script"})

    assert header(view) == "</a>; rel=preload; as=style"


def test_a_streamed_page_has_its_pushes() -> None:
    """What the shell pushes is in the header."""
    text = "{{ push('/a.css', 'nopush', as='style') }}"
    app = pushing(lambda: stream_page(app.jinja_env.from_string(text)))
    response = app.test_client().get("/")
    assert response.text == "/a.css"
    assert links(response) == ["</a.css>; rel=preload; as=style; nopush"]


@pytest.mark.parametrize("control", "\r\n\0\x7f")
def test_a_control_is_refused(control: str) -> None:
    """From a URL, a name or a value it gets into no header."""

    def view() -> str:
        with pytest.raises(HeaderError):
            push(f"/a{control}")
        with pytest.raises(HeaderError):
            push("/a", media=f"b{control}")
        with pytest.raises(ArgumentError):
            push("/a", **{f"b{control}": "c"})
        with pytest.raises(ArgumentError):
            push("/a", f"b{control}c=d")
        with pytest.raises(HeaderError):
            push("/a", f"b=d{control}d")
        return ""

    response = pushing(view).test_client().get("/")
    assert (response.status_code, links(response)) == (200, [])


@pytest.mark.parametrize("text", ["", " ", "a, </b>", "=b", "a=b, </c>; rel=preload"])
def test_what_is_no_attribute(text: str) -> None:
    """A positional attribute can't end the link and begin another."""

    def view() -> str:
        with pytest.raises(ArgumentError, match="push"):
            push("/a", text)
        return ""

    assert pushing(view).test_client().get("/").status_code == 200


# --- connectors ------------------------------------------------------------


class Custom:
    """A connector as the README describes one."""

    def __init__(self) -> None:
        self.pushed: set[str] = set()

    def get_pushed(self) -> set[str]:
        return set(self.pushed)

    def set_pushed(self, inset: set[str]) -> None:
        self.pushed = inset


def test_an_app_s_own_connector() -> None:
    """It gets the URLs as they were pushed, and says what isn't pushed again."""
    custom = Custom()
    custom.pushed = {"/b.css"}
    app = pushing(lambda: push("a.css") + push("/b.css"), connector=custom)
    client = app.test_client()
    response = client.get("/")
    assert links(response) == ["</a.css>; rel=preload"]
    assert custom.pushed == {"a.css", "/b.css"}
    assert links(client.get("/")) == []
    assert "Cookie" not in response.vary


def test_its_connector_as_a_class_and_as_an_object() -> None:
    """Both do, and a subclass; what a session of Flask-Firehose's holds counts."""

    class Sub(Connector):
        pass

    for connector in (Connector, Connector(), Sub, Sub()):
        assert isinstance(connector, Remembers)
        client = pushing(lambda: push("/a"), connector=connector).test_client()
        with client.session_transaction() as kept:
            kept["h2-pushed"] = "/b,/a"
        assert links(client.get("/")) == []
        with client.session_transaction() as kept:
            kept["h2-pushed"] = "/b"
        assert links(client.get("/")) == ["</a>; rel=preload"]
        with client.session_transaction() as kept:
            assert set(kept["h2-pushed"]) == {"/a", "/b"}


def test_other_hints_are_not_remembered() -> None:
    """What the app hints with this package's own names follows its own setting."""
    app = pushing(lambda: push("/a") + preload("/b", "style"))
    client = app.test_client()
    assert links(client.get("/"))[0].startswith("</a>; rel=preload, </b>;")
    assert links(client.get("/")) == ["</b>; rel=preload; as=style"]


# --- set up ----------------------------------------------------------------


@pytest.mark.parametrize("made", ["no", "before"])
def test_the_app_s_sluice(made: str) -> None:
    """One that is there is used; without one it is made."""
    app = Flask("unit")
    app.secret_key = "only for tests"
    if made == "before":
        Sluice(app)
    there = app.extensions.get("sluice")
    fire = Firehose(app)
    assert fire.app is app
    assert fire.connector is Connector
    assert "jinja_env" not in app.__dict__
    assert isinstance(app.extensions["sluice"], Sluice)
    assert there in (None, app.extensions["sluice"])
    assert app.jinja_env.globals["push"] is push
    with app.test_request_context():
        assert render_template_string("{{ push('/a', 'b=c', as='d') }}") == "/a"
        assert "h2-pushed" not in session


def test_where_it_can_be_used() -> None:
    """A push needs a request, and an app that is set up."""
    with pytest.raises(OutsideRequestError, match="push"):
        push("/a")
    with Flask("bare").test_request_context(), pytest.raises(NotInitializedError):
        push("/a")


def test_it_is_loaded_when_asked_for() -> None:
    """`import flask_sluice` loads nothing of it."""
    script = "import sys, flask_sluice; print('flask_sluice.compat' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert run.stdout == "False\n"


def test_its_names() -> None:
    """All that Flask-Firehose's users import is here."""
    assert firehose.__all__ == ["Connector", "Firehose", "push"]
