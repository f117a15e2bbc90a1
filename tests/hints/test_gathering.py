"""Hints on their way: from wherever they are made into the response's Link header."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import Any

import pytest
from flask import Flask, Response, abort, render_template_string, request
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_sluice import Sluice, defer, stream, stream_page
from flask_sluice.errors import ConfigError
from flask_sluice.formats.link import parse
from flask_sluice.hints import preload, push
from helpers import make_app
from hinting import links, serving, told
from slots import NATIVE


def test_it_is_added_to_what_is_there() -> None:
    """Links of the view and of others stay; what is there isn't repeated."""
    there = '</a.css>; rel="preload"; as="style", </b>; rel=next, '

    def view() -> Response:
        for name in "abc":
            preload(f"/{name}.css", "style")
        preload("/a.css", "style", media="print")
        preload("/b.css", "script")
        return Response(headers={"Link": there})

    client = serving(view)

    @client.application.after_request
    def more(response: Response) -> Response:
        response.headers.add("Link", "</c.css>; as=style; rel=preload")
        push("/d")
        return response

    of_ours = (
        "</b.css>; rel=preload; as=style, </b.css>; rel=preload; as=script,"
        " </d>; rel=preload"
    )
    assert links(client.get("/p/x")) == [
        there,
        "</c.css>; as=style; rel=preload",
        of_ours,
    ]


def test_it_sees_what_was_set_up_before() -> None:
    """An after_request function older than the extension is called before it, too."""
    app = Flask("unit")

    @app.after_request
    def own(response: Response) -> Response:
        response.headers["Link"] = "</a>; rel=next"
        return response

    Sluice(app)
    app.add_url_rule("/", "home", lambda: push("/a"))
    fields = links(app.test_client().get("/"))
    assert fields == ["</a>; rel=next", "</a>; rel=preload"]


TEMPLATE = """<link href="{{ preload('/a.css?b&c', as='style') }}">
{{- modulepreload('/m.js') }}{{ preconnect('//o') }}{{ dns_prefetch('//o') }}
{{- push('/p.css', as_='style', media='print') }}"""
HEADER = (
    "</a.css?b&c>; rel=preload; as=style, </m.js>; rel=modulepreload,"
    " <//o>; rel=preconnect, <//o>; rel=dns-prefetch,"
    " </p.css>; rel=preload; as=style; media=print"
)
SHOWN = '<link href="/a.css?b&amp;c">/m.js//o//o/p.css'


@pytest.mark.parametrize("kind", ["plain", "page", "stream"])
def test_names_in_templates(kind: str) -> None:
    """In a template they are names like any others, and `as=` will do."""
    client = serving(lambda: None)
    template = client.application.jinja_env.from_string(TEMPLATE)
    client.application.view_functions["page"] = lambda _: {
        "plain": lambda: render_template_string(TEMPLATE),
        "page": lambda: stream_page(template),
        "stream": lambda: stream(lambda: iter([template.render()])),
    }[kind]()
    response = client.get("/p/x")
    assert response.text == SHOWN
    assert links(response) == [HEADER]


@pytest.mark.parametrize("made", [False, True])
def test_names_that_an_app_has(made: bool) -> None:
    """A name that the app gives itself, sooner or later, stays the app's."""
    app = Flask("unit")
    if made:
        app.jinja_env.globals["push"] = "own"
    Sluice(app)
    assert ("jinja_env" in app.__dict__) is made
    app.jinja_env.globals["preload"] = "own"
    app.add_template_global(lambda: "own", "preconnect")
    assert callable(app.jinja_env.globals["push"]) is not made
    with app.test_request_context():
        text = "{{ preload }} {{ preconnect() }} {{ modulepreload('/m') }}"
        assert render_template_string(text) == "own own /m"


def test_a_hint_in_a_slot_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """When the headers are out it gives its URL, and the log is told once."""
    gate = threading.Event()
    client = serving(
        lambda: stream_page(
            client.application.jinja_env.from_string(
                "{{ push('/a') }}{% await v = value %}{{ push('/b') }}"
                "{{ preload('/c', as='style') }}{% endawait %}"
            ),
            value=defer(gate.wait),
        )
    )
    with caplog.at_level(logging.DEBUG, "flask_sluice"):
        response = client.get("/p/x", headers=NATIVE, buffered=False)
        assert links(response) == ["</a>; rel=preload"]
        gate.set()
        assert "/b/c" in response.text
    late = [entry for entry in caplog.records if "was hinted when" in entry.message]
    assert [entry.levelname for entry in late] == ["DEBUG"]
    assert "/b was hinted" in late[0].message


def test_a_hint_in_a_body_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Up to a stream's first item it counts; in a later one it is too late."""

    def body() -> Any:
        yield push("/a")
        yield push("/b")

    with caplog.at_level(logging.DEBUG, "flask_sluice"):
        response = serving(lambda: stream(body)).get("/p/x")
        assert response.text == "/a/b"
    assert links(response) == ["</a>; rel=preload"]
    assert "/b was hinted when the headers of /p/x were out" in caplog.text


def test_a_hint_in_a_deferred_function() -> None:
    """It counts where the view waits for the value."""

    def view() -> str:
        return defer(push, "/a").result(5.0)

    assert links(serving(view).get("/p/x")) == ["</a>; rel=preload"]


def test_each_request_has_its_own() -> None:
    """Also with one app context around them all."""
    client = serving(lambda: push(request.args["url"]))
    with client.application.app_context():
        for url in ("/a", "/a", "/b"):
            response = client.get(f"/p/x?url={url}")
            assert links(response) == [f"<{url}>; rel=preload"]


def test_an_environ_that_is_used_again() -> None:
    """A middleware that tries a request twice gets the hints twice."""
    app = serving(lambda: push("/a")).application
    environ = EnvironBuilder("/p/x").get_environ()
    for _ in range(2):
        _, _, headers = run_wsgi_app(partial(again, app, environ), environ)
        assert headers.getlist("Link") == ["</a>; rel=preload"]


def again(app: Flask, environ: Any, _: Any, start_response: Any) -> Any:
    """Call *app* with an *environ* that isn't copied."""
    return app(environ, start_response)


def test_a_request_within_a_request() -> None:
    """The inner one's hints are on its response, the outer one's on its own."""

    def view() -> str:
        push("/before")
        if "inner" not in request.args:
            client.get("/p/x?inner=1")
            environ = request.environ | {"QUERY_STRING": "inner=1"}
            inner = Response.from_app(client.application, environ)
            of_inner.extend(links(inner))
        push("/after")
        return ""

    client = serving(view)
    of_inner: list[str] = []
    both = "</before>; rel=preload, </after>; rel=preload"
    assert links(client.get("/p/x")) == [both]
    assert of_inner == [both]


def test_an_error_page_has_them() -> None:
    """Whatever the response is, it is the request's."""

    def view() -> str:
        push("/a")
        abort(404)

    response = serving(view).get("/p/x")
    assert (response.status_code, links(response)) == (404, ["</a>; rel=preload"])


def test_there_is_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    """The first ones are sent, SLUICE_MAX_HINTS of them; the log is told once."""

    def view() -> str:
        for n in range(5):
            push(f"/{n}")
            push(f"/{n}")
        return ""

    client = serving(view, SLUICE_MAX_HINTS=3)
    for _ in range(2):
        assert [link.target for link in parse(links(client.get("/p/x"))[0])] == [
            "/0",
            "/1",
            "/2",
        ]
    (entry,) = caplog.records
    assert "/p/x has 5 hints, of which 3 are sent" in entry.getMessage()
    assert "SLUICE_MAX_HINTS is 3" in entry.getMessage()


def test_a_limit_of_none(caplog: pytest.LogCaptureFixture) -> None:
    """0 turns hints off, which nobody need be told."""
    assert told(lambda: push("/a"), SLUICE_MAX_HINTS=0) == []
    assert caplog.text == ""


def test_a_header_stays_within_what_proxies_take() -> None:
    """All of Link is at most 3 KiB; a shorter one may follow one that is too long."""

    def view() -> Response:
        push("/" + "a" * 2000)
        push("/" + "b" * 1000)
        push("/c")
        return Response(headers={"Link": "<" + "d" * 40 + ">; rel=next"})

    fields = links(serving(view).get("/p/x"))
    assert [link.target[:2] for link in parse(",".join(fields))] == ["dd", "/a", "/c"]
    assert sum(map(len, fields)) <= 3072


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SLUICE_MAX_HINTS", -1),
        ("SLUICE_MAX_HINTS", True),
        ("SLUICE_MAX_HINTS", None),
        ("SLUICE_HINTS_ONCE", "redis"),
        ("SLUICE_HINTS_ONCE", True),
        ("SLUICE_HINTS_ONCE", object()),
    ],
)
def test_settings_that_are_refused(key: str, value: Any) -> None:
    """The error names the key."""
    with pytest.raises(ConfigError, match=key):
        make_app(**{key: value})
