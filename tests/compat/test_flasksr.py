"""FlaskSR's names do on this engine what they do in FlaskSR, without what it loses."""

from __future__ import annotations

import itertools
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask, abort, g, render_template_string, request

from compat.flasksr_pages import CRAWLER, FOOT, HEAD, Pages, in_layout, layout, say
from flask_sluice import Sluice, StreamedResponse
from flask_sluice.compat import flasksr
from flask_sluice.compat.flasksr import (
    BasicSR,
    Component,
    Dom,
    InvalidTypeException,
    LayoutSR,
)
from flask_sluice.errors import ArgumentError, OutsideRequestError, SluiceError
from helpers import make_app
from slots import NATIVE, applied

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "flasksr"


# --- names and arguments ---------------------------------------------------

ODD: list[Callable[[Any], object]] = [
    lambda sr: sr.BasicSR("text"),
    lambda sr: sr.BasicSR(say),
    lambda sr: sr.BasicSR(sr.Dom(say, 1), None),
    lambda sr: sr.BasicSR([sr.Dom(say, 1)]),
    lambda sr: sr.BasicSR(sr.Component("a", say)),
    lambda sr: sr.BasicSR(sr.Layout(say)),
    lambda sr: sr.LayoutSR("text"),
    lambda sr: sr.LayoutSR(say),
    lambda sr: sr.LayoutSR([sr.Component("a", say)]),
    lambda sr: sr.LayoutSR(sr.Dom(say)),
    lambda sr: sr.LayoutSR(layout=None),
    lambda sr: sr.LayoutSR(layout=say),
    lambda sr: sr.LayoutSR(layout=[sr.Layout(say)]),
    lambda sr: sr.LayoutSR(layout=sr.Dom(say)),
    lambda sr: sr.LayoutSR(pre_stream=None),
    lambda sr: sr.LayoutSR(pre_stream=sr.Layout(say)),
    lambda sr: sr.LayoutSR(pre_stream=say),
    lambda sr: sr.LayoutSR(pre_stream=(sr.Dom(say), say)),
    lambda sr: sr.LayoutSR(pre_stream=iter([sr.Dom(say)])),
    lambda sr: sr.LayoutSR(post_stream="text"),
    lambda sr: sr.LayoutSR(post_stream=[sr.Component("a", say)]),
]

EVEN: list[Callable[[Any], object]] = [
    lambda sr: sr.BasicSR(),
    lambda sr: sr.BasicSR(sr.Dom(say, 1), sr.Dom(say, text=2), status=201),
    lambda sr: sr.LayoutSR(),
    lambda sr: sr.LayoutSR(sr.Component("a", say), sr.Component(1, say, 2)),
    lambda sr: sr.LayoutSR(sr.Component(component_id="a", render_function=say)),
    lambda sr: sr.LayoutSR(layout=sr.Layout(say, 1), stream_div_layout_id="x"),
    lambda sr: sr.LayoutSR(pre_stream=[], post_stream=()),
    lambda sr: sr.LayoutSR(pre_stream=sr.Dom(say), post_stream=[sr.Dom(say)]),
    lambda sr: sr.LayoutSR(stream_div_id="x", headers={"X-A": "1"}),
]


def tried(module: ModuleType, make: Callable[[Any], object]) -> str:
    """Call *make* with a FlaskSR, and tell what came of it."""
    try:
        made = make(module)
    except Exception as error:
        return type(error).__name__
    return " ".join(sorted(vars(made)))


@pytest.mark.parametrize("make", ODD, ids=range(len(ODD)))
def test_what_is_refused(make: Callable[[Any], object]) -> None:
    """What FlaskSR refuses is refused, when the object is made, by its exception."""
    with pytest.raises(InvalidTypeException, match="type"):
        make(flasksr)


def test_what_is_taken() -> None:
    """What FlaskSR takes is taken."""
    for make in EVEN:
        make(flasksr)


@pytest.mark.parametrize("make", ODD + EVEN, ids=range(len(ODD + EVEN)))
def test_arguments_are_flasksrs(make: Callable[[Any], object]) -> None:
    """FlaskSR itself refuses and takes the same, and objects have its attributes."""
    original = pytest.importorskip("flasksr", reason="needs Python package flasksr")
    theirs, ours = tried(original, make), tried(flasksr, make)
    assert set(theirs.split()) <= set(ours.split())
    assert set(ours.split()) - set(theirs.split()) <= {"order", "parallel"}


def test_entities_are_flasksrs() -> None:
    """What `execute` gives is what FlaskSR gives, but for the space around it."""
    original: Any = pytest.importorskip(
        "flasksr", reason="needs Python package flasksr"
    )
    for made in (original, flasksr):
        whole = made.Layout(say, "<p>x</p>")
        whole.id = "page"
        assert whole.execute().strip() == '<sr-layout id="page"><p>x</p></sr-layout>'
        part = made.Component("a", say, text="<p>x</p>")
        assert (
            part.execute().strip() == '<sr-component sr-id="a"><p>x</p></sr-component>'
        )
        assert made.Dom(say, 7).execute() == "7"
        assert (part.id, part.args, part.kwargs) == ("a", (), {"text": "<p>x</p>"})
        assert part.render_function is say


def test_its_exception_is_one_of_ours() -> None:
    """Whoever catches this package's errors catches it."""
    assert issubclass(InvalidTypeException, SluiceError)
    assert issubclass(InvalidTypeException, TypeError)
    assert str(InvalidTypeException("why")) == "why"


def test_it_is_loaded_when_asked_for() -> None:
    """`import flask_sluice` loads nothing of it."""
    script = (
        "import sys, flask_sluice;"
        "print([m for m in sys.modules if 'compat' in m and 'flask_sluice' in m])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("make", [BasicSR, LayoutSR])
def test_where_it_can_be_used(make: Callable[[], Any]) -> None:
    """A response needs a request."""
    with pytest.raises(OutsideRequestError, match=make.__name__):  # type: ignore[attr-defined]
        make().response  # noqa: B018


@pytest.mark.parametrize("parallel", [True, False])
def test_an_app_without_sluice(parallel: bool) -> None:
    """FlaskSR needs no extension: where there is none, the first response makes one."""
    app = Flask("bare")

    @app.get("/")
    def page() -> StreamedResponse:
        return LayoutSR(
            Component("a", render_template_string, "{{ request.path }}"),
            layout=layout("<p ref-sr-id=a>?</p>"),
            pre_stream=HEAD,
            post_stream=FOOT,
            parallel=parallel,
        ).response

    for _ in range(2):
        with app.test_client().get("/", headers=NATIVE) as response:
            assert "<p ref-sr-id=a>/</p>" in applied(response.text).text
    assert isinstance(app.extensions["sluice"], Sluice)


def test_an_order_there_is_not() -> None:
    """An order that isn't known is refused at once."""
    with pytest.raises(ArgumentError, match="order is 'random'"):
        LayoutSR(order="random")


def response_of(made: Any, **options: Any) -> Any:
    """Give the response to a request for this page."""
    client = Pages(lambda: made).app.test_client()
    with client.get("/", headers=NATIVE, **options) as response:
        return response


@pytest.mark.parametrize("parallel", [True, False])
def test_the_response_s_own_arguments(parallel: bool) -> None:
    """Keyword arguments that aren't FlaskSR's are the response's."""
    makers = [
        lambda **kwargs: BasicSR(Dom(say, "x"), **kwargs),
        lambda **kwargs: LayoutSR(pre_stream=HEAD, parallel=parallel, **kwargs),
    ]
    for make in makers:
        plain = response_of(make())
        assert isinstance(plain.text, str)
        assert plain.status_code == 200
        assert plain.content_type == "text/html; charset=utf-8"
        full = response_of(
            make(
                status="201 MADE",
                headers={"X-A": "1"},
                mimetype="application/xhtml+xml",
            )
        )
        assert full.status == "201 MADE"
        assert full.headers["X-A"] == "1"
        assert full.content_type == "application/xhtml+xml; charset=utf-8"
        typed = response_of(make(headers=[("Content-Type", "text/x; a=b")]))
        assert typed.headers.getlist("Content-Type") == ["text/x; a=b"]
        assert response_of(make(content_type="text/y")).content_type == "text/y"


@pytest.mark.parametrize("make", [BasicSR, LayoutSR])
def test_an_argument_nobody_knows(make: Callable[..., Any]) -> None:
    """An argument that the response doesn't know is a mistake."""
    with make_app().test_request_context(), pytest.raises(TypeError, match="sttus"):
        make(sttus=201).response  # noqa: B018


def test_one_object_for_many_requests() -> None:
    """A page made once, at import, is good for any number of responses."""
    calls = itertools.count()
    made = LayoutSR(
        Component("a", lambda: next(calls)),
        layout=layout("<p ref-sr-id=a></p>"),
        headers={"X-A": "1"},
    )
    pages = Pages(lambda: made)
    gzip = NATIVE | {"Accept-Encoding": "gzip"}
    texts = [pages.whole(), pages.whole()]
    assert texts == [in_layout(f"<p ref-sr-id=a>{n}</p>") for n in range(2)]
    with pages.app.test_client().get("/", headers=gzip) as response:
        assert response.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in response_of(made).headers


# --- BasicSR ---------------------------------------------------------------


def test_pieces_are_sent_in_turn() -> None:
    """Each piece is out before the next one is made."""
    calls: list[str] = []

    def piece(name: str, *, end: str = ";") -> str:
        calls.append(name)
        return f"{name}{end}"

    pages = Pages(
        lambda: BasicSR(Dom(piece, "a"), Dom(piece, "b"), Dom(piece, "c", end="."))
    )
    with pages.open() as arrivals:
        assert calls == ["a"]
        for seen, expected in enumerate([b"a;", b"b;", b"c."], 1):
            assert next(arrivals).data == expected
            assert len(calls) == seen
        arrivals.read_all()
        arrivals.assert_whole()


def test_pieces_have_the_request() -> None:
    """Functions see the view's request, and `abort` in the first one has its status."""

    def first() -> str:
        if "no" in request.args:
            abort(404)
        return f"{request.path}{g.get('x', '')};"

    pages = Pages(lambda: BasicSR(Dom(first), Dom(first)))
    assert pages.whole() == "/;/;"
    with pages.open(query_string="no") as arrivals:
        assert arrivals.status_code == 404


def test_a_piece_that_fails() -> None:
    """A piece that raises cuts the transfer, and is reported."""
    pages = Pages(lambda: BasicSR(Dom(say, "a"), Dom(lambda: 1 / 0), Dom(say, "c")))
    with pages.open() as arrivals:
        assert arrivals.read_all() == b"a"
        arrivals.assert_cut()
    assert [type(error) for error in pages.errors] == [ZeroDivisionError]


# --- examples --------------------------------------------------------------

PROGRAMS = {"in_order": "/", "columns": "/", "person": "/mona"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_examples_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example shows all of its parts, in either order of sending."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    app = runpy.run_path(str(EXAMPLES / f"{name}.py"))["app"]
    client = app.test_client()
    with client.get(PROGRAMS[name], headers=NATIVE) as response:
        assert response.status_code == 200
        page = applied(response.text)
        page.assert_clean()
    with client.get(PROGRAMS[name], headers=CRAWLER) as response:
        assert response.text == page.text
    assert "moment" not in page.text
    assert page.text.rstrip().endswith("</html>")


def test_every_example_is_tried() -> None:
    """No program of the folder is left out, and the folder's page names each."""
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PROGRAMS)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in PROGRAMS if f"`{name}.py`" not in readme] == []
