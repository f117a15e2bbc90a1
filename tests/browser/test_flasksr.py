"""FlaskSR's pages in a browser: beside FlaskSR itself, and where that one loses.

The judge of where a component belongs is the browser: what `innerHTML` would have made
of the element, which is how FlaskSR fills it.
"""

from __future__ import annotations

import importlib.util
import runpy
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from browser.dom import holds, ready_state, shows
from flask_sluice.compat.flasksr import Component, Dom, Layout, LayoutSR
from helpers import PATIENCE, make_app

if TYPE_CHECKING:
    from playwright.sync_api import Page

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "flasksr"
PROGRAMS = {"in_order": "/", "columns": "/", "person": "/mona"}

NONCE = "b2J2aW91cw=="
STRICT = (
    f"default-src 'none'; script-src 'nonce-{NONCE}'; img-src data:; base-uri 'none';"
    " require-trusted-types-for 'script'"
)

# What FlaskSR's script does once more, on a document of its own.
FILL = """([html, contents]) => {
    const page = new DOMParser().parseFromString("<body>" + html, "text/html");
    for (const [id, content] of Object.entries(contents)) {
        page.querySelector(`[ref-sr-id="${id}"]`).innerHTML = content;
    }
    return page.body.innerHTML;
}"""


def say(text: str) -> str:
    """Give what it was given."""
    return text


# No page asks for another file: a test may be over before that is answered.
HEAD = Dom(
    say,
    "<!doctype html><html><head><title>t</title><link rel=icon href=data:,></head>"
    "<body>",
)
FOOT = Dom(say, "</body></html>")


class Held:
    """Components that come when the test says so."""

    def __init__(self, contents: dict[str, str]) -> None:
        self.contents = contents
        self.may = {id_: threading.Event() for id_ in contents}

    def __call__(self, id_: str) -> str:
        assert self.may[id_].wait(PATIENCE)
        return self.contents[id_]

    def components(self) -> Iterator[Component]:
        """Give the components."""
        return (Component(id_, self, id_) for id_ in self.contents)

    def go(self) -> None:
        """Let all of them come."""
        for event in self.may.values():
            event.set()


def app_of(make: Callable[[], LayoutSR], policy: str = "") -> Flask:
    """Give an app with one page."""
    app = make_app(SLUICE_CSP_NONCE=lambda: NONCE)

    @app.get("/")
    def index() -> object:
        response = make().response
        if policy:
            response.headers["Content-Security-Policy"] = policy
        return response

    return app


def open_held(
    page: Page,
    serve: Callable[[Flask], str],
    held: Held,
    layout: str,
    *,
    policy: str = "",
    **kwargs: Any,
) -> None:
    """Open a page whose components are held back, as far as it is there."""
    kwargs = {"pre_stream": HEAD, "post_stream": FOOT, **kwargs}
    app = app_of(
        lambda: LayoutSR(*held.components(), layout=Layout(say, layout), **kwargs),
        policy,
    )
    page.goto(serve(app), wait_until="commit")


def inner(page: Page, selector: str = "sr-layout") -> Any:
    """Give an element's content as HTML."""
    return page.evaluate("s => document.querySelector(s).innerHTML", selector)


def assert_filled(page: Page, layout: str, contents: dict[str, str]) -> None:
    """Assert that the layout is what FlaskSR's way would have made of it."""
    page.wait_for_load_state()
    found = inner(page)
    page.goto("about:blank")  # without the page's policy
    assert found == page.evaluate(FILL, [layout, contents])


# --- beside FlaskSR itself -------------------------------------------------


OURS = "from flask_sluice.compat.flasksr import"


def program(name: str, folder: Path, imported: str = OURS) -> Flask:
    """Load an example as written for FlaskSR, but for the import."""
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    path = folder / f"{name}.py"
    text = path.read_text(encoding="utf-8")
    for ours, theirs in (
        (OURS, imported),
        ("from flask_sluice import Sluice\n", ""),
        ("Sluice(app)\n", ""),
    ):
        assert text.count(ours) == 1
        text = text.replace(ours, theirs)
    path.write_text(text, encoding="utf-8")
    app = runpy.run_path(str(path))["app"]
    assert isinstance(app, Flask)
    return app


@contextmanager
def patiently(app: Flask) -> Iterator[Callable[[], None]]:
    """Hold FlaskSR's end back until the test has seen all of its components.

    It loses the last ones if they come together with the document's end.
    """
    seen = threading.Event()
    inner_app = app.wsgi_app

    def wsgi_app(environ: Any, start: Any) -> Iterable[bytes]:
        for chunk in inner_app(environ, start):
            if chunk == b"</div>":
                assert seen.wait(PATIENCE)
            yield chunk

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    yield seen.set
    seen.set()


@pytest.mark.skipif(
    importlib.util.find_spec("flasksr") is None, reason="needs Python package flasksr"
)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_what_they_were(
    page: Page,
    serve: Callable[[Flask], str],
    tmp_path: Path,
    name: str,
) -> None:
    """A program of FlaskSR's, with the import changed, gives the same document."""
    page.goto(serve(program(name, tmp_path / "ours")) + PROGRAMS[name])
    selector = "body" if name == "in_order" else "sr-layout"
    ours, text = inner(page, selector), page.inner_text("body").split()
    app = program(name, tmp_path / "theirs", "from flasksr import")
    with patiently(app) as go_on:
        page.goto(serve(app) + PROGRAMS[name], wait_until="commit")
        if name != "in_order":
            count = 2 if name == "columns" else 4
            parts = "[...document.querySelectorAll('#stream-div > sr-component')]"
            holds(
                page,
                f"{parts}.length == {count} && {parts}.every(p => p.innerHTML == '')",
            )
        go_on()
        page.wait_for_load_state()
    assert ours == inner(page, selector)
    assert text == page.inner_text("body").split()


@pytest.mark.parametrize("javascript", [False])
@pytest.mark.parametrize("engine", ["native"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_without_javascript(
    page: Page, serve: Callable[[Flask], str], tmp_path: Path, name: str
) -> None:
    """With JavaScript off all of a program's parts are in their places too."""
    app = program(name, tmp_path)
    page.goto(serve(app) + PROGRAMS[name])
    streamed = inner(page, "body")
    crawler = {"User-Agent": "Googlebot/2.1"}
    with app.test_client().get(PROGRAMS[name], headers=crawler) as response:
        in_order = response.text
    page.set_content(in_order)
    assert streamed == inner(page, "body")


# --- what FlaskSR loses ----------------------------------------------------

LAYOUT = """<div class=page><h1>Title</h1>
<div id=a ref-sr-id=a>La</div><ul><li id=b ref-sr-id=b>Lb<li>other</ul>
<table><tbody id=c ref-sr-id=c><tr><td>Lc</table></div>"""
CONTENTS = {"a": "<b>A</b>", "b": "B", "c": "<tr><td>1<td>2<tr><td>3"}


def plain(html: str) -> str:
    """Give the text of HTML as simple as CONTENTS."""
    return "".join(piece.partition(">")[2] for piece in f">{html}".split("<"))


@pytest.mark.parametrize("order", ["abc", "cba"])
@pytest.mark.parametrize("parallel", [True, False])
def test_out_of_order(
    page: Page, serve: Callable[[Flask], str], order: str, parallel: bool
) -> None:
    """Components come as they are ready; the rest of the page is there before."""
    held = Held({id_: CONTENTS[id_] for id_ in order})
    open_held(page, serve, held, LAYOUT, parallel=parallel, policy=STRICT)
    shows(page, "h1", "Title")
    shows(page, "#a", "La")
    shows(page, "#c", "Lc")
    for id_ in order:
        assert ready_state(page) == "loading"
        held.may[id_].set()
        shows(page, f"#{id_}", plain(held.contents[id_]))
    assert page.locator("sr-component, #stream-div, template").count() == 0
    assert_filled(page, LAYOUT, CONTENTS)


@pytest.mark.parametrize("javascript", [False])
@pytest.mark.parametrize("engine", ["native"])
def test_out_of_order_without_javascript(
    page: Page, serve: Callable[[Flask], str]
) -> None:
    """Where the browser fills slots by itself, it does so without JavaScript."""
    held = Held(CONTENTS)
    open_held(page, serve, held, LAYOUT, policy="default-src 'none'; img-src data:")
    for id_ in "cab":
        held.may[id_].set()
        shows(page, f"#{id_}", plain(held.contents[id_]))


def test_six_thousand_nodes_and_a_hundred_components(
    page: Page, serve: Callable[[Flask], str]
) -> None:
    """Nothing is stranded, however big a component, and however many at the end."""
    contents = {f"c{n}": f"<b>{n}</b>" for n in range(100)}
    contents["big"] = "".join(f"<i>{n}</i>" for n in range(6000))
    held = Held(contents)
    layout = "".join(f"<p id={id_} ref-sr-id={id_}>?</p>" for id_ in contents)
    open_held(page, serve, held, layout)
    shows(page, "#big", "?")
    held.go()
    assert_filled(page, layout, contents)


def test_scripts_and_nested_places(page: Page, serve: Callable[[Flask], str]) -> None:
    """A component's script runs, in order, and finds what stands before it."""
    nonce = f"nonce={NONCE}"
    held = Held(
        {
            "a": f"<p>before</p><script {nonce}>"
            "document.title = document.querySelector('#a > p').textContent"
            "</script><div id=b ref-sr-id=b>Lb</div><p>after</p>",
            "b": "B<textarea id=c ref-sr-id=c>Lc</textarea>",
            "c": "C <&gt;",
        }
    )
    open_held(page, serve, held, "<div id=a ref-sr-id=a>La</div>", policy=STRICT)
    held.may["a"].set()
    shows(page, "#a > p", ["before", "after"])
    holds(page, "document.title == 'before'")
    shows(page, "#b", "Lb")
    held.may["c"].set()
    held.may["b"].set()
    shows(page, "#b", "BC <>")
    page.wait_for_load_state()
    assert page.locator("#c").input_value() == "C <>"


def test_a_component_that_fails(page: Page, serve: Callable[[Flask], str]) -> None:
    """Its place is empty, its siblings are there, and the page has loaded."""
    held = Held(dict(CONTENTS))
    del held.contents["b"]
    page.goto(
        serve(
            app_of(
                lambda: LayoutSR(
                    *(Component(id_, held, id_) for id_ in "abc"),
                    layout=Layout(say, LAYOUT),
                    pre_stream=HEAD,
                    post_stream=FOOT,
                )
            )
        ),
        wait_until="commit",
    )
    held.go()
    page.wait_for_load_state()
    assert ready_state(page) == "complete"
    assert_filled(page, LAYOUT, CONTENTS | {"b": ""})


def test_scripts_after_the_layout(page: Page, serve: Callable[[Flask], str]) -> None:
    """What waits for `load` in `post_stream` finds all components."""
    held = Held(CONTENTS)
    script = "addEventListener('load', () => "
    script += "document.title = document.querySelector('#a').textContent)"
    post = [Dom(say, f"<script>{script}</script>"), FOOT]
    open_held(page, serve, held, LAYOUT, post_stream=post)
    shows(page, "#a", "La")
    held.go()
    holds(page, "document.title == 'A'")


def test_what_has_no_place(page: Page, serve: Callable[[Flask], str]) -> None:
    """A component without a place comes after the layout."""
    held = Held({"lost": "<b>L</b>", "a": "A"})
    open_held(page, serve, held, "<p id=a ref-sr-id=a>La<p>last", stream_div_id="lone")
    held.go()
    shows(page, "#lone sr-component[sr-id=lost] b", "L")
    page.wait_for_load_state()
    assert page.locator("sr-component").count() == 1


# --- where an element ends -------------------------------------------------

WRITTEN = [
    "<ul><li ref-sr-id=a>x<li ref-sr-id=b>y</ul>",
    "<p ref-sr-id=a>x<p>y<div ref-sr-id=b>z",
    "<dl><dt ref-sr-id=a>x<dd ref-sr-id=b>y<dt>z</dl>",
    "<table><tr><td ref-sr-id=a>x<th ref-sr-id=b>y<tr><td>z</table>",
    "<table><tr ref-sr-id=a><td>x<tbody ref-sr-id=b><tr><td>y</table>",
    "<div ref-sr-id=a><p>x</span></section></p></div><b ref-sr-id=b>y</i></b>",
    "<section><i ref-sr-id=a>x</section><!-- <i ref-sr-id=b> --><em ref-sr-id=b>y</em>",
    "<select><option ref-sr-id=a>x<option ref-sr-id=b>y</select>",
    "<h2 ref-sr-id=a>x</h3><button ref-sr-id=b>y</button>",
    "<ruby>x<rt ref-sr-id=a>y<rt ref-sr-id=b>z</ruby>",
    "<x-y ref-sr-id='a' data-x='>'><x-y></x-y></x-y><DIV REF-SR-ID=b\n>y</DIV\n>",
    "<script>'<p ref-sr-id=a>'</script><p ref-sr-id=a><br><p ref-sr-id=b>",
]


@pytest.mark.parametrize("layout", WRITTEN)
def test_places_are_the_browser_s(
    page: Page, serve: Callable[[Flask], str], layout: str
) -> None:
    """However tags are written, a place is what the browser has in the element."""
    contents = {"a": "A <u>1</u>", "b": "B"}
    if "<tr ref-sr-id" in layout:
        contents = {"a": "<td>A", "b": "<tr><td>B"}
    if "<option" in layout:
        contents = {"a": "A", "b": "B"}
    held = Held(contents)
    open_held(page, serve, held, layout)
    held.go()
    assert_filled(page, layout, contents)
