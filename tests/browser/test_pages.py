"""Pages of the whole engine in a browser: a template, its values, and what is seen.

Each test runs in every WAY in which a browser may get a page. The judge of a finished
page is the browser itself, on what `render_template` gives for the same template.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from browser.dom import counts, holds, ready_state, shows, tree
from browser.ways import NONCE, Way, both_extremes, every_way, ways
from flask_sluice import defer
from helpers import make_app
from slots import Gate, Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

Serve = Callable[[Flask], str]


class Shown:
    """A site in the browser, one page after the other."""

    def __init__(self, page: Page, serve: Serve, way: Way) -> None:
        self._page = page
        self._serve = serve
        self._way = way

    def open(self, templates: str | dict[str, str], **values: Any) -> Site:
        """Serve these templates, and open the page as far as it is there."""
        app = make_app(SLUICE_CSP_NONCE=lambda: NONCE)

        @app.after_request
        def set_policy(response: Response) -> Response:
            if self._way.policy and request.path == "/":
                response.headers["Content-Security-Policy"] = self._way.policy
            return response

        self.site = Site(templates, values, app=app)
        self.url = self._serve(app)
        self._page.goto(self.url, wait_until="commit")
        return self.site

    def fill(self, *names: str) -> None:
        """Let these values come, one after the other."""
        for name in names:
            self.site.gates[name].open()

    def is_like_its_twin(self) -> None:
        """Assert that the finished page is what `render_template` gives."""
        self._page.wait_for_load_state()
        streamed = tree(self._page)
        for gate in self.site.gates.values():
            gate.let()
        self._page.goto(self.url + "/twin")
        assert streamed == tree(self._page)


@pytest.fixture
def shown(page: Page, serve: Serve, way: Way) -> Shown:
    """The site of this test."""
    return Shown(page, serve, way)


def document(body: str, head: str = "<title>Page</title>") -> str:
    """Give a whole page."""
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"


def slot(name: str, body: str = "{{ x }}", pending: str = "…", error: str = "") -> str:
    """Give an await tag."""
    rest = "{% error e %}" + error if error else ""
    return (
        f"{{% await x = {name} %}}{body}{{% pending %}}{pending}{rest}{{% endawait %}}"
    )


@every_way
def test_slots_are_filled_as_they_are_ready(page: Page, shown: Shown) -> None:
    """The last one first, each at its time, while the document is still loading."""
    boxes = "".join(f"<p id={name}>{slot(name)}</p>" for name in "abc")
    shown.open(
        document(f"<h1>Title</h1>{boxes}<p id=end>End</p>"),
        a=Gate("Ä"),
        b=Gate("<b>"),
        c=Gate(3),
    )
    shows(page, "#end", "End")
    for name, text in (("c", "3"), ("a", "Ä"), ("b", "<b>")):
        shows(page, "#" + name, "…")
        assert ready_state(page) == "loading"
        shown.fill(name)
        shows(page, "#" + name, text)
    shown.is_like_its_twin()


@every_way
def test_values_that_are_there_need_no_slot(page: Page, shown: Shown) -> None:
    """A plain value is where it belongs, and no script comes with it."""
    shown.open(document(f"<p id=a>{slot('a')}</p>"), a=1)
    shows(page, "#a", "1")
    assert page.locator("script").count() == 0
    shown.is_like_its_twin()


# Where a template may have one: a place, what is there meanwhile, its content.
PLACES = {
    "table": ("<table id=at>{}</table>", "<tbody><tr><td>…", "<tbody><tr><td>{{ x }}"),
    "rows": (
        "<table><tbody id=at>{}<tr><td>z</table>",
        "<tr><td>…",
        "{% for c in x %}<tr><td>{{ c }}{% endfor %}",
    ),
    "cells": ("<table><tr id=at><th>a</th>{}</tr></table>", "<td>…", "<td>{{ x }}"),
    "options": (
        "<select id=at><option>a</option>{}</select>",
        "<option>…",
        "<option selected>{{ x }}</option><option>z",
    ),
    "items": ("<ul id=at><li>a</li>{}<li>z</ul>", "<li>…", "<li>{{ x }}</li>"),
    "paragraph": ("<p id=at>a {} z</p>", "<i>…</i>", "<b>{{ x }}</b>"),
    "drawing": ("<div id=at>{}</div>", "", "<svg><path d='M0 0h1'/></svg>{{ x }}"),
}


@every_way
def test_places(page: Page, shown: Shown) -> None:
    """Inside tables, lists and menus as well as anywhere else; all in one page."""
    names = [f"v{n}" for n in range(len(PLACES))]
    body = "".join(
        around.replace("id=at", f"id=at{n}").format(slot(f"v{n}", content, pending))
        for n, (around, pending, content) in enumerate(PLACES.values())
    )
    shown.open(document(body), **{name: Gate(name) for name in names})
    counts(page, f"#at{len(names) - 1}", 1)
    for n in random.Random(3).sample(range(len(names)), len(names)):
        shown.fill(f"v{n}")
        holds(page, f"document.querySelector('#at{n}').textContent.includes('v')")
    shown.is_like_its_twin()


@every_way
def test_head(page: Page, shown: Shown) -> None:
    """A title that has to be found out, and with it what a preview shows."""
    head = slot(
        "a",
        "<title>{{ x }}</title><meta name=description content='{{ x }}'>",
        "<title>Loading</title>",
    )
    shown.open(document(f"<p id=b>{slot('b')}</p>", head), a=Gate("Real"), b=Gate(1))
    holds(page, "document.title == 'Loading'")
    shown.fill("a")
    holds(page, "document.title == 'Real'")
    assert ready_state(page) == "loading"
    shown.fill("b")
    shown.is_like_its_twin()


NESTED = {
    "base.html": document("<main>{% block main %}{% endblock %}</main>"),
    "part.html": "<u id=c>{% await z = c %}{{ i }}{{ z }}{% endawait %}</u>",
    "page.html": (
        "{% extends 'base.html' %}{% macro m(t) %}<b>{{ t }}:{% await y = b %}{{ y }}"
        "{{ t }}{% pending %}({{ t }}){% endawait %}</b>{% endmacro %}"
        "{% block main %}<ul>{% for i in 'pq' %}<li id={{ i }}>{% await x = a %}"
        "{{ loop.index }}{{ i }}{{ m(x) }}{% if loop.first %}{% include 'part.html' %}"
        "{% endif %}{% pending %}…{% endawait %}</li>{% endfor %}</ul>{% endblock %}"
    ),
}


@every_way
def test_nested(page: Page, shown: Shown) -> None:
    """Through a loop, a macro, an include and a parent, in both orders."""
    shown.open(NESTED, a=Gate("A"), b=Gate("B"), c=Gate("C"))
    shows(page, "#p", "…")
    shown.fill("c", "a")
    shows(page, "#p", "1pA:(A)pC")
    shows(page, "#q", "2qA:(A)")
    shown.fill("b")
    shows(page, "#p", "1pA:BApC")
    shown.is_like_its_twin()


@both_extremes
def test_a_thousand_slots(page: Page, shown: Shown) -> None:
    """All of them, though they come in one burst and the wrong way round."""
    gates = {f"v{n}": Gate(n) for n in range(50)}
    loop = (
        "{% for n in range(1000) %}<i>"
        + slot("values[n % 50]", "{{ n }}:{{ x }}", ".")
        + "</i>{% endfor %}<p id=end>"
    )
    jobs = "{% set values = [" + ",".join(gates) + "] %}"
    shown.open(document(jobs + loop), **gates)
    counts(page, "#end", 1)
    shown.fill(*reversed(gates))
    shows(page, "i", [f"{n}:{n % 50}" for n in range(1000)])
    shown.is_like_its_twin()


@every_way
def test_what_fails_says_so_in_its_place(page: Page, shown: Shown) -> None:
    """An exception, a time-out, and HTML that would swallow the rest of the page."""
    forever = Gate()
    late = "defer_late()"
    shown.open(
        document(
            f"<p id=a>{slot('a', error='No: {{ e }}')}</p>"
            f"<p id=b>{slot(late, error='Late: {{ e.timed_out }}')}</p>"
            f"<p id=c>{slot('c', '<textarea>{{ x }}', error='Broken')}</p>"
            f"<p id=d>{slot('d', '</template><b>{{ x }}</b>', error='Stray')}</p>"
            f"<p id=e>{slot('e', '{{ x }}')}</p><p id=end>End</p>"
        ),
        a=Gate(ValueError("a < b")),
        c=Gate(1),
        d=Gate(1),
        e=Gate(1),
        defer_late=lambda: defer(forever, timeout=0.05),
    )
    shows(page, "#b", "Late: True")
    shown.fill("c")
    shows(page, "#c", "Broken")
    shown.fill("a", "d")
    shows(page, "#a", "No: a < b")
    shows(page, "#d", "Stray")
    shows(page, "#e", "…")
    shown.fill("e")
    shows(page, "#e", "1")
    shows(page, "#end", "End")
    forever.let()
    page.wait_for_load_state()


@every_way
def test_what_a_user_wrote_is_text(page: Page, shown: Shown) -> None:
    """Marks and patches in a value move nothing, in the shell, a slot or raw HTML."""
    forged = "<template for=aaaaaa>X</template><?start name='aaaaaa'>Y<?end>"
    shown.open(
        document(
            f"<p id=t>{{{{ evil }}}}</p><div id=raw>{{{{ evil|safe }}}}</div>"
            f"<p id=a>{slot('a', '{{ x }}')}</p><p id=b>{slot('b')}</p>"
        ),
        evil=forged,
        a=Gate(forged),
        b=Gate("B"),
    )
    shown.fill("a", "b")
    shows(page, "#t", forged)
    shows(page, "#a", forged)
    shows(page, "#b", "B")


@ways("native", "legacy-strict")
def test_deferred_scripts_see_all_slots(page: Page, shown: Shown) -> None:
    """`DOMContentLoaded` is when the last slot is there."""
    script = (
        f"<script nonce={NONCE}>addEventListener('DOMContentLoaded', () => "
        "document.title = document.querySelector('#a').textContent)</script>"
    )
    shown.open(
        document(f"<p id=a>{slot('a')}</p>", "<title>t</title>" + script), a=Gate("A")
    )
    shows(page, "#a", "…")
    shown.fill("a")
    holds(page, "document.title == 'A'")


# --- any tree ------------------------------------------------------------------

NAMES = "abcd"
LEAVES = st.sampled_from(
    ["t", "<p>p</p>", "{{ x|default('-') }}", "<br>", "<i>i</i>", "{{ i }}", "<!--c-->"]
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=3).map("".join)
    pending = st.one_of(st.just(""), inner)
    slots = st.builds(
        lambda name, html, meanwhile: slot(name, "{{ x }}" + html, meanwhile),
        st.sampled_from(NAMES),
        body,
        pending,
    )
    return st.one_of(
        slots,
        slots,
        body.map(lambda html: f"<div>{html}</div>"),
        body.map(lambda html: f"<ul><li>{html}</li></ul>"),
        st.builds(
            lambda name, html: (
                f"<table><tbody>{slot(name, f'<tr><td>{html}</td></tr>', '')}"
                "</tbody></table>"
            ),
            st.sampled_from(NAMES),
            body,
        ),
        body.map(lambda html: f"{{% for i in 'pq' %}}{html}{{% endfor %}}"),
    )


TREES = st.recursive(LEAVES, _grow, max_leaves=8)


@both_extremes
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.lists(TREES, min_size=1, max_size=3).map("".join),
    order=st.permutations(NAMES),
)
def test_any_tree_in_any_order(shown: Shown, body: str, order: list[str]) -> None:
    """Whatever a page consists of, it becomes what `render_template` gives."""
    shown.open(document(body), **{name: Gate(name.upper()) for name in NAMES})
    shown.fill(*order)
    shown.is_like_its_twin()
