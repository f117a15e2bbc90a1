"""`stream_page()`: the shell at once, slots as they are ready, true statuses."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import (
    Flask,
    abort,
    before_render_template,
    flash,
    redirect,
    render_template,
    request,
    session,
    template_rendered,
)
from jinja2 import DictLoader, Template, TemplateNotFound

from flask_sluice import StreamedResponse, defer, stream_page
from flask_sluice.errors import (
    ArgumentError,
    NotInitializedError,
    OutsideRequestError,
)
from flask_sluice.formats.html import LAST, SEPARATOR
from flask_sluice.formats.runtime import RUNTIME
from helpers import PATIENCE, Finishes, make_app, until
from slots import FALLBACK, NATIVE, Gate, Site, applied

PAGE = (
    "<!doctype html><title>T</title><body><p>{% await x = a %}<b>{{ x }}</b>"
    "{% pending %}...{% error e %}<i>{{ e }}</i>{% endawait %}</p></body></html>"
)


# On the wire.


def test_the_shell_comes_first_and_whole() -> None:
    """All of it, to </html>, while the value isn't there; then the patch, bare."""
    site = Site(PAGE, {"a": Gate(1)})
    with site.open() as arrivals:
        shell = next(arrivals).data.decode()
        found = re.fullmatch(
            r"<!doctype html><title>T</title><body><p>"
            r'<\?start name="([\w-]{6})">\.\.\.<\?end></p></body></html>',
            shell,
        )
        assert found is not None, shell
        assert arrivals.status == "200 OK"
        assert arrivals.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Content-Length" not in arrivals.headers
        assert arrivals.headers["X-Accel-Buffering"] == "no"
        site.gates["a"].open()
        patch = next(arrivals).data.decode()
        assert patch == f"<template for={found[1]}><b>1</b></template>"
        assert next(arrivals, None) is None
        arrivals.assert_whole()


def test_another_browser_gets_the_same_and_the_runtime() -> None:
    """One script behind the shell, a separator behind each patch, nothing else."""
    source = PAGE + "{% await y = b %}{{ y }}{% endawait %}"
    pages = []
    for headers in (NATIVE, FALLBACK):
        site = Site(source, {"a": Gate(1), "b": Gate(2)})
        with site.open(headers=headers) as arrivals:
            site.gates["b"].open()
            site.gates["a"].open()
            data = arrivals.read_all().decode()
        # Names differ from page to page.
        names = list(dict.fromkeys(re.findall(r'name="([\w-]{6})"', data)))
        for n, name in enumerate(names):
            data = data.replace(name, f"NAME{n}")
        pages.append(data)
    native, other = pages
    script = f"<script>{RUNTIME}</script>"
    assert other.count(script) == 1
    assert other.endswith(LAST)
    assert "<script" not in native
    plain = other.removesuffix(LAST).replace(script, "", 1)
    plain = plain.replace("</template>" + SEPARATOR, "</template>")
    assert plain == native


def test_a_slot_costs_60_bytes() -> None:
    """Its mark and its patch, beyond what is in them."""
    site = Site("{% await x = a %}{{ x }}{% pending %}..{% endawait %}", {"a": Gate(1)})
    with site.open() as arrivals:
        site.gates["a"].open()
        assert len(arrivals.read_all()) - len("..1") == 60


def test_slots_that_are_ready_share_a_write() -> None:
    """And those that were ready before the shell was over go with it."""
    names = "abcd"
    source = "".join(f"{{% await x = {n} %}}{{{{ x }}}}{{% endawait %}}" for n in names)
    site = Site(source, {n: Gate(n) for n in names})
    gate = site.gates["a"]
    site.values["early"] = gate.open
    site.app.jinja_env.from_string("")  # made, so that templates may follow
    site.app.jinja_loader.mapping["page.html"] = source + "{{ early() or '' }}"
    with site.open() as arrivals:
        assert b">a</template>" in next(arrivals).data
        site.gates["d"].open()
        site.gates["b"].open()
        chunk = next(arrivals).data
        assert chunk.count(b"<template") == 2
        assert chunk.index(b">d<") < chunk.index(b">b<")
        site.gates["c"].open()
        arrivals.read_all()
        arrivals.assert_whole()
        assert len(arrivals.arrivals) == 3


def test_names_are_unguessable_and_unique() -> None:
    """Six characters of 64 each, none twice in a page, others in the next."""
    source = "{% for i in range(500) %}{% await a %}{% endawait %}{% endfor %}"
    site = Site(source, {"a": Gate()})
    seen: list[set[str]] = []
    for _ in range(2):
        site.values["a"] = Gate()
        with site.open() as arrivals:
            shell = next(arrivals).data.decode()
        names = re.findall(r'<\?start name="([\w-]{6})">', shell)
        assert len(names) == len(set(names)) == 500
        seen.append(set(names))
    assert seen[0].isdisjoint(seen[1])


# In document order.


def test_document_order_sends_what_stands_before_a_wait() -> None:
    """No slot and no script: the text above a value that takes long is out first."""
    site = Site(
        "<p>above</p>{% await x = a %}{{ x }}{% pending %}..{% endawait %}<p>between"
        "</p>{% await x = b %}{{ x }}{% error e %}{{ e }}{% endawait %}<p>below</p>",
        {"a": Gate(1), "b": Gate(ValueError("no"))},
        order="document",
    )
    with site.open(headers=FALLBACK) as arrivals:
        assert next(arrivals).data == b"<p>above</p>"
        site.gates["a"].open()
        assert next(arrivals).data == b"1<p>between</p>"
        site.gates["b"].open()
        assert next(arrivals).data == b"no<p>below</p>"
        assert next(arrivals, None) is None


CRAWLER = {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1) Chrome/156.0.0.0"}


@pytest.mark.parametrize(
    ("config", "order", "headers", "in_order"),
    [
        ({}, None, NATIVE, False),
        ({}, None, CRAWLER, True),
        ({}, "ready", CRAWLER, False),
        ({}, "document", NATIVE, True),
        ({"SLUICE_IN_ORDER": lambda: True}, None, NATIVE, True),
        ({"SLUICE_IN_ORDER": lambda: "plain" in request.args}, None, NATIVE, False),
        ({"SLUICE_IN_ORDER": lambda r: r.path == "/"}, None, NATIVE, True),
        ({"SLUICE_IN_ORDER": lambda r: r.path == "/x"}, None, NATIVE, False),
        ({"SLUICE_IN_ORDER": lambda r=None: r is not None}, None, NATIVE, True),
        ({"SLUICE_IN_ORDER": bool}, None, NATIVE, True),
        ({"SLUICE_IN_ORDER": lambda: False}, None, CRAWLER, True),
        ({"SLUICE_IN_ORDER": lambda: True}, "ready", NATIVE, False),
    ],
)
def test_who_chooses_the_order(
    config: dict[str, Any], order: Any, headers: dict[str, str], in_order: bool
) -> None:
    """The view, then the crawler's name or the app's function; the argument wins."""
    site = Site(PAGE, {"a": Gate(1)}, order=order, **config)
    with site.open(headers=headers) as arrivals:
        site.gates["a"].let()
        data = arrivals.read_all().decode()
    assert ("<?start" not in data) is in_order
    assert applied(data).text == site.twin()


def test_another_order_is_no_order() -> None:
    """Said at once, and that it may have been meant as a variable."""
    app = make_app()
    app.jinja_loader = DictLoader({"page.html": ""})
    with (
        app.test_request_context(),
        pytest.raises(ArgumentError, match="needs another name"),
    ):
        stream_page("page.html", order="ascending")  # type: ignore[arg-type]


# Which browser.


def test_client_hints_and_user_agent_decide_and_vary_says_so() -> None:
    """The brand counts for more than the product."""
    for headers, native in [
        (NATIVE, True),
        (FALLBACK, False),
        ({}, False),
        ({**FALLBACK, "Sec-CH-UA": '"Chromium";v="150", "x";v="8"'}, True),
        ({**NATIVE, "Sec-CH-UA": '"x";v="8", "Chromium";v="149"'}, False),
    ]:
        site = Site(PAGE, {"a": Gate(1)})
        with site.open(headers=headers) as arrivals:
            site.gates["a"].open()
            data = arrivals.read_all()
        assert (b"<script" not in data) is native
        assert {"User-Agent", "Sec-CH-UA"} <= set(arrivals.headers["Vary"].split(", "))


@pytest.mark.parametrize(
    ("source", "varies"),
    [("plain", False), (PAGE, True), ("a{% flush %}b", True)],
)
def test_a_page_that_is_the_same_for_all_doesnt_vary(source: str, varies: bool) -> None:
    """By the browser, that is. One that met a deferred does, even one in time."""
    app = make_app()

    def context() -> dict[str, Any]:
        done = defer(str, 1)
        done.wait(PATIENCE)
        return {"a": done}

    site = Site(source, app=app)
    site._context = context  # type: ignore[method-assign]
    with site.open() as arrivals:
        assert b"<?start" not in arrivals.read_all()
    assert ("User-Agent" in arrivals.headers.get("Vary", "")) is varies


# The nonce.


def _nonce_of(site: Site, name: str = "a") -> str | None:
    with site.open(headers=FALLBACK) as arrivals:
        shell = arrivals.read_until(b"</script>").decode()
        site.gates[name].open()
    found = re.search(r'<script(?: nonce="([^"]*)")?>', shell)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("given", "nonce"),
    [
        (lambda: "from-config", "from-config"),
        (lambda: f"for-{request.path}", "for-/"),
        (lambda: '"><b>', "&quot;&gt;&lt;b&gt;"),
        (lambda: None, None),
        (None, None),
    ],
)
def test_the_nonce_from_the_config(given: Any, nonce: str | None) -> None:
    """Asked for in the request; escaped; none, no attribute."""
    assert _nonce_of(Site(PAGE, {"a": Gate(1)}, SLUICE_CSP_NONCE=given)) == nonce


def test_the_nonce_from_the_template() -> None:
    """`csp_nonce` as a variable, from a context processor, or a global function."""
    site = Site(PAGE, {"a": Gate(1)})
    site.app.jinja_env.globals["csp_nonce"] = lambda: "global"
    assert _nonce_of(site) == "global"
    site = Site(PAGE, {"a": Gate(1)})
    site.app.context_processor(lambda: {"csp_nonce": lambda: "processor"})
    assert _nonce_of(site) == "processor"
    assert _nonce_of(Site(PAGE, {"a": Gate(1), "csp_nonce": "given"})) == "given"
    site = Site(PAGE, {"a": Gate(1), "csp_nonce": "given"})
    site = Site(PAGE, site.values, SLUICE_CSP_NONCE=lambda: "config")
    assert _nonce_of(site) == "config"


def test_the_nonce_of_talisman() -> None:
    """The one in its header, anew for each request."""
    talisman = pytest.importorskip("flask_talisman")
    site = Site(PAGE, {"a": Gate(1)})
    talisman.Talisman(
        site.app,
        content_security_policy={"script-src": "'self'"},
        content_security_policy_nonce_in=["script-src"],
        force_https=False,
    )
    nonces = []
    for _ in range(2):
        site.values = {"a": Gate(1)}
        with site.open(headers=FALLBACK) as arrivals:
            site.gates["a"].open()
            data = arrivals.read_all().decode()
        found = re.search(r'<script nonce="([^"]+)">', data)
        assert found is not None
        assert f"'nonce-{found[1]}'" in arrivals.headers["Content-Security-Policy"]
        nonces.append(found[1])
    assert nonces[0] != nonces[1]


# Decided before committed.


def _ender(how: Callable[[], Any]) -> Callable[[], Any]:
    def end() -> Any:
        raise AssertionError(how())

    return end


ENDS: list[Any] = [
    pytest.param(lambda: abort(404), 404, id="abort"),
    pytest.param(lambda: abort(redirect("/login", 302)), 302, id="redirect"),
    pytest.param(lambda: {}["key"], 500, id="exception"),
]


@pytest.mark.parametrize(("end", "status"), ENDS)
def test_above_the_first_flush_the_status_is_true(
    end: Callable[[], Any], status: int
) -> None:
    """In a macro, an include or far down: nothing is sent yet. Slots are let go."""
    site = Site(
        {
            "page.html": PAGE + "{% include 'i' %}{% flush %}never",
            "i": "{% macro m() %}{{ end() }}{% endmacro %}{{ m() }}",
        },
        {"a": Gate(1), "end": end},
    )
    finishes = Finishes(site.app)
    with site.open() as arrivals:
        assert arrivals.status_code == status
        assert b"never" not in arrivals.read_all()
        site.gates["a"].open()
    assert finishes.started == []
    assert len(site.app.extensions["sluice.state"].registry) == 0


@pytest.mark.parametrize(("end", "status"), ENDS)
def test_after_the_first_flush_the_transfer_breaks(
    end: Callable[[], Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The status is out by then; a page that failed doesn't look whole."""
    site = Site("above{% flush %}{{ end() }}below", {"end": end})
    finishes = Finishes(site.app)
    with site.open() as arrivals:
        assert arrivals.status_code == 200
        assert arrivals.read_all() == b"above"
        arrivals.assert_cut()
    until(lambda: finishes.outcomes == ["failed"])
    assert "failed after 5 bytes" in caplog.text
    del status


def test_an_error_handler_answers_for_a_template() -> None:
    """As for any view."""
    site = Site("{{ 1 // 0 }}")
    site.app.register_error_handler(ZeroDivisionError, lambda error: ("sorry", 418))
    with site.open() as arrivals:
        assert (arrivals.status_code, arrivals.read_all()) == (418, b"sorry")


def test_session_and_flash_up_to_the_first_flush() -> None:
    """What a template, or a function it calls, writes is in the cookie."""

    def visit() -> str:
        session["seen"] = "yes"
        flash("hello")
        return ""

    site = Site(PAGE + "{{ visit() }}{% flush %}", {"a": 1, "visit": visit})
    site.app.add_url_rule("/read", "read", lambda: f"{dict(session)}")
    client = site.app.test_client()
    assert client.get("/").status_code == 200
    said = client.get("/read").text
    assert "'seen': 'yes'" in said
    assert "hello" in said


def test_the_response_is_a_views_to_change() -> None:
    """Status, headers and cookies, as of any other."""
    site = Site(PAGE, {"a": 1})

    def view() -> Any:
        response = stream_page("page.html", a=1)
        assert isinstance(response, StreamedResponse)
        response.set_cookie("crumb", "1")
        return response, 203, {"X-One": "1"}

    site.app.add_url_rule("/own", "own", view)
    response = site.app.test_client().get("/own")
    assert response.status_code == 203
    assert response.headers["X-One"] == "1"
    assert "crumb=1" in response.headers["Set-Cookie"]


# Chunks.


def test_flush_is_an_edge() -> None:
    """What stands above it is one chunk; in a macro, as soon as that is printed."""
    site = Site(
        "{% macro m() %}b{% flush %}c{% endmacro %}a{% flush %}{% flush %}{{ m() }}"
        "{% for i in 'xy' %}{{ i }}{% flush %}{% endfor %}{% set v %}{% flush %}v"
        "{% endset %}d"
    )
    with site.open() as arrivals:
        arrivals.read_all()
    assert [a.data for a in arrivals.arrivals] == [b"a", b"bc", b"x", b"y", b"d"]


def test_a_flush_in_a_slot_is_nothing() -> None:
    """A slot is sent whole, and the shell isn't cut by it."""
    site = Site(
        "{% await a %}1{% flush %}2{% endawait %}{{ open() or '' }}{{ end() }}",
        {"a": Gate(), "end": lambda: abort(404)},
    )
    site.values["open"] = site.gates["a"].open
    with site.open() as arrivals:
        assert arrivals.status_code == 404


def test_a_long_shell_is_sent_in_pieces_of_64_kib() -> None:
    """Not a chunk for each piece of the template, and nothing is lost."""
    rows = 20_000
    site = Site("{% for i in range(n) %}<p>{{ i }}</p>{% endfor %}", {"n": rows})
    with site.open() as arrivals:
        data = arrivals.read_all().decode()
    assert data == "".join(f"<p>{i}</p>" for i in range(rows))
    sizes = [len(arrival.data) for arrival in arrivals.arrivals]
    assert max(sizes) < 66_000
    assert min(sizes[:-1]) >= 65_536


def test_slots_in_a_long_shell_are_filled() -> None:
    """Wherever they stand in it; those that aren't printed are no patch."""
    site = Site(
        "{% set c %}{% await x = a %}{{ x }}{% endawait %}{% endset %}{% await x = b %}"
        "{{ x }}{% endawait %}{% flush %}{{ 'x' * 70000 }}{% await x = b %}{{ x }}"
        "{% endawait %}{{ 'y' * 70000 }}{% await x = b %}{{ x }}{% endawait %}",
        {"a": Gate(1), "b": Gate(2)},
    )
    page = site.streamed()
    page.assert_clean()
    assert page.text == "2" + "x" * 70000 + "2" + "y" * 70000 + "2"


def test_head_runs_no_template() -> None:
    """It has the headers of a GET, and no body."""
    site = Site("{{ fail() }}", {"fail": lambda: 1 // 0})
    response = site.app.test_client().head("/")
    assert (response.status_code, response.data) == (200, b"")
    assert response.content_type == "text/html; charset=utf-8"


def test_an_empty_template() -> None:
    """A page of no bytes is whole."""
    with Site("").open() as arrivals:
        assert (arrivals.status_code, arrivals.read_all()) == (200, b"")
        arrivals.assert_whole()


def test_an_empty_template_with_a_slot() -> None:
    """The mark is something."""
    site = Site("{% await x = a %}{{ x }}{% endawait %}", {"a": Gate("")})
    page = site.streamed()
    assert page.text == ""
    assert len(page.filled) == 1


# Flask's own ways.


def test_templates_by_name_as_objects_and_in_lists() -> None:
    """What render_template takes, and the first that exists of a list."""
    app = make_app()
    app.jinja_loader = DictLoader({"a.html": "A{{ x }}", "b.html": "B{{ x }}"})
    with app.test_request_context():
        made = app.jinja_env.from_string("C{{ x }}")
        given: list[Any] = ["a.html", ["none.html", "b.html"], made, [made, "a.html"]]
        for template, text in zip(given, ("A1", "B1", "C1", "C1"), strict=True):
            assert stream_page(template, x=1).get_data(as_text=True) == text
            assert render_template(template, x=1) == text
        for missing in ("none.html", ["none.html", "no.html"]):
            with pytest.raises(TemplateNotFound, match=r"none\.html"):
                stream_page(missing)  # type: ignore[arg-type]


def test_context_processors_and_signals_are_those_of_render_template() -> None:
    """Both are sent once, with the template and all of its variables."""
    site = Site("{{ who }}{{ a }}{% flush %}{{ request.path }}", {"a": 1})
    site.app.context_processor(lambda: {"who": "me", "a": "not this"})
    told: list[tuple[str, str | None, Any]] = []

    def tell(what: str) -> Callable[..., None]:
        def note(app: Flask, template: Template, context: dict[str, Any]) -> None:
            assert app is site.app
            told.append((what, template.name, (context["who"], context["a"])))

        return note

    before, after = tell("before"), tell("after")
    before_render_template.connect(before, site.app)
    template_rendered.connect(after, site.app)
    with site.open() as arrivals:
        assert next(arrivals).data == b"me1"
        assert [what for what, *_ in told] == ["before"]
        arrivals.read_all()
    streamed, told[:] = list(told), []
    assert streamed == [(w, "page.html", ("me", 1)) for w in ("before", "after")]
    assert site.twin() == "me1/twin"
    assert told == streamed


def test_outside_a_request_and_without_a_sluice() -> None:
    """Both are said in words."""
    with pytest.raises(OutsideRequestError, match="stream_page"):
        stream_page("page.html")
    app = Flask("bare")
    with app.test_request_context(), pytest.raises(NotInitializedError):
        stream_page("page.html")


def test_compression_is_negotiated() -> None:
    """And each write can be read when it arrives."""
    site = Site(PAGE, {"a": Gate(1)})
    headers = {**NATIVE, "Accept-Encoding": "gzip"}
    with site.open(headers=headers) as arrivals:
        import zlib

        reader = zlib.decompressobj(31)
        shell = reader.decompress(next(arrivals).data).decode()
        assert shell.endswith("</html>")
        site.gates["a"].open()
        arrivals.read_all()
    assert arrivals.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in arrivals.headers["Vary"]
    assert "<b>1</b>" in applied(gzip.decompress(arrivals.data).decode()).text
