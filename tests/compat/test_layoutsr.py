"""`LayoutSR`: places and their components, in every order, and what FlaskSR loses."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading

import pytest
from flask import g, render_template_string, session

from compat.flasksr_pages import (
    CRAWLER,
    FOOT,
    HEAD,
    Pages,
    gated,
    in_layout,
    layout,
    say,
    show,
)
from flask_sluice import StreamedResponse
from flask_sluice.compat.flasksr import Component, Dom, Layout, LayoutSR
from flask_sluice.errors import SlotError
from flask_sluice.testing import StreamClient
from helpers import PATIENCE, make_app
from slots import FALLBACK, NATIVE, Gate, applied

ORDERS = list(itertools.permutations("abc"))


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_places_are_filled_in_any_order(order: tuple[str, ...]) -> None:
    """All but the components is there at once; they come when they are ready."""
    gates = gated("a", "b", "c")
    pages = Pages(
        lambda: LayoutSR(
            *(Component(name, gate) for name, gate in gates.items()),
            layout=layout(
                "<ul><li ref-sr-id=c>?<li ref-sr-id=a></ul><p ref-sr-id=b>wait</p>"
            ),
            pre_stream=[HEAD, Dom(say, "<nav>menu</nav>")],
            post_stream=FOOT,
        )
    )
    with pages.open() as arrivals:
        first = arrivals.read_until(b"</body>").decode()
        assert first.startswith("<!doctype html><title>t</title><body><nav>menu</nav>")
        assert "?" in first
        assert "wait" in first
        assert not any(gate.value in first for gate in gates.values())
        for count, name in enumerate(order, 1):
            gates[name].open()
            seen = arrivals.read_until(gates[name].value.encode()).decode()
            assert seen.count("</b>") == count
        arrivals.read_all()
        arrivals.assert_whole()
    page = applied(arrivals.data.decode())
    page.assert_clean()
    assert page.text == (
        "<!doctype html><title>t</title><body><nav>menu</nav>"
        + in_layout(
            "<ul><li ref-sr-id=c><b>C</b><li ref-sr-id=a><b>A</b></ul>"
            "<p ref-sr-id=b><b>B</b></p>"
        )
        + "<footer>end</footer></body>"
    )


def test_components_run_beside_each_other() -> None:
    """Each component begins before any has ended."""
    barrier = threading.Barrier(3, timeout=PATIENCE)

    def meet(name: str) -> str:
        barrier.wait()
        return name

    html = show(
        *(Component(name, meet, name) for name in "abc"),
        layout=layout("<i ref-sr-id=a></i><i ref-sr-id=b></i><i ref-sr-id=c></i>"),
    )
    assert html == in_layout(
        "<i ref-sr-id=a>a</i><i ref-sr-id=b>b</i><i ref-sr-id=c>c</i>"
    )


def test_what_comes_before_is_out_first() -> None:
    """The head is out before the layout is made, and that before what comes after."""
    client = StreamClient(make_app())
    plan = client.watch(lambda: "<p ref-sr-id=a>x</p>")
    after = client.watch(lambda: "<footer></footer>")

    @client.app.get("/")
    def page() -> StreamedResponse:
        return LayoutSR(
            Component("a", say, "A"),
            layout=Layout(plan),
            pre_stream=HEAD,
            post_stream=(Dom(after),),
        ).response

    with client.stream("/", headers=NATIVE) as arrivals:
        arrivals.read_all()
    arrivals.assert_whole()
    arrivals.assert_out_before(b"<body>", plan)
    arrivals.assert_out_before(b"</sr-layout>", after)


def test_contexts() -> None:
    """A component reads the request, the session and `g`, and can render templates."""

    def component() -> str:
        return render_template_string(
            "{{ request.args.q }}{{ session.user }}{{ g.unit }}{{ extra }}", extra="!"
        )

    app = make_app()

    @app.get("/")
    def page() -> StreamedResponse:
        session["user"] = "mona"
        g.unit = "km"
        return LayoutSR(
            Component("a", component), layout=layout("<p ref-sr-id=a></p>")
        ).response

    with app.test_client().get("/?q=7", headers=NATIVE) as response:
        page = applied(response.text)
    assert page.text == in_layout("<p ref-sr-id=a>7monakm!</p>")


def test_a_page_inside_a_component() -> None:
    """What a component's template waits for is part of the component."""

    def component() -> str:
        return render_template_string(
            "{% await x = v %}<b>{{ x }}</b>{% pending %}no{% endawait %}", v=slow()
        )

    async def slow() -> str:
        return "late"

    pages = Pages(
        lambda: LayoutSR(
            Component("a", component), layout=layout("<p ref-sr-id=a></p>")
        )
    )
    assert pages.whole() == in_layout("<p ref-sr-id=a><b>late</b></p>")


def test_nothing_is_left_of_the_machinery() -> None:
    """There is neither a stream div nor an element around a component."""
    gates = gated("a")
    pages = Pages(
        lambda: LayoutSR(
            Component("a", gates["a"]),
            layout=layout('<div class="x" ref-sr-id="a">?</div>'),
            stream_div_id="unused",
            stream_div_layout_id="styled",
        )
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"</sr-layout>")
        gates["a"].open()
        arrivals.read_all()
    assert applied(arrivals.data.decode()).text == (
        '<sr-layout id="styled"><div class="x" ref-sr-id="a"><b>A</b></div></sr-layout>'
    )


def test_one_script_where_it_is_needed() -> None:
    """A browser that can't fill slots gets one script, with the page's nonce."""
    gates = gated("a", "b")
    pages = Pages(
        lambda: LayoutSR(
            *(Component(name, gate) for name, gate in gates.items()),
            layout=layout("<i ref-sr-id=a></i><i ref-sr-id=b></i>"),
            post_stream=FOOT,
        ),
        SLUICE_CSP_NONCE=lambda: "n0nce",
    )
    with pages.open(headers=FALLBACK) as arrivals:
        arrivals.read_until(b"</script>")
        gates["b"].open()
        gates["a"].open()
        arrivals.read_all()
    assert arrivals.data.count(b"<script nonce") == 1
    assert b'</body><script nonce="n0nce">' in arrivals.data
    assert {"User-Agent", "Sec-CH-UA"} <= set(arrivals.headers["Vary"].split(", "))


def test_a_head_request_makes_nothing() -> None:
    """HEAD calls no function."""
    calls: list[object] = []
    pages = Pages(
        lambda: LayoutSR(
            Component("a", calls.append, 1),
            layout=Layout(calls.append, 2),
            pre_stream=Dom(calls.append, 3),
        )
    )
    with pages.open(method="HEAD") as arrivals:
        assert arrivals.read_all() == b""
    assert arrivals.status_code == 200
    assert calls == []


# --- what FlaskSR loses ----------------------------------------------------


def test_a_component_of_six_thousand_nodes() -> None:
    """A component is whole, however big, and is sent at once."""
    big = "".join(f"<i id=n{n}>{n}</i>" for n in range(6000))
    gate = Gate(big)
    pages = Pages(
        lambda: LayoutSR(Component("a", gate), layout=layout("<p ref-sr-id=a>?</p>"))
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"</sr-layout>")
        gate.open()
        assert big.encode() in next(arrivals).data
        arrivals.read_all()
    assert applied(arrivals.data.decode()).text == in_layout(
        f"<p ref-sr-id=a>{big}</p>"
    )


@pytest.mark.parametrize("count", [6, 100, 1000])
def test_components_at_the_page_s_end(count: int) -> None:
    """Components that come in one burst, with the end of the page, all get there."""
    barrier = threading.Event()

    def component(n: int) -> str:
        assert barrier.wait(PATIENCE)
        return f"<b>{n}</b>"

    pages = Pages(
        lambda: LayoutSR(
            *(Component(f"c{n}", component, n) for n in range(count)),
            layout=layout("".join(f"<i ref-sr-id=c{n}>?</i>" for n in range(count))),
        )
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"</sr-layout>")
        barrier.set()
        arrivals.read_all()
    page = applied(arrivals.data.decode())
    page.assert_clean()
    assert page.text == in_layout(
        "".join(f"<i ref-sr-id=c{n}><b>{n}</b></i>" for n in range(count))
    )


@pytest.mark.parametrize("parallel", [True, False])
def test_a_component_that_fails(
    parallel: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its place is empty, the others are whole, and it is reported."""
    pages = Pages(
        lambda: LayoutSR(
            Component("a", say, "A"),
            Component("b", lambda: 1 / 0),
            Component("c", say, "C"),
            layout=layout(
                "<i ref-sr-id=a>?</i><i ref-sr-id=b>?</i><i ref-sr-id=c>?</i>"
            ),
            post_stream=FOOT,
            parallel=parallel,
        )
    )
    assert pages.whole() == (
        in_layout("<i ref-sr-id=a>A</i><i ref-sr-id=b></i><i ref-sr-id=c>C</i>")
        + "<footer>end</footer></body>"
    )
    assert [type(error) for error in pages.errors] == [ZeroDivisionError]
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_a_component_that_would_swallow_others() -> None:
    """HTML that would take in what comes after it isn't sent."""
    pages = Pages(
        lambda: LayoutSR(
            Component("a", say, "<textarea>A"),
            Component("b", say, "B"),
            layout=layout("<i ref-sr-id=a>?</i><i ref-sr-id=b>?</i>"),
        )
    )
    assert pages.whole() == in_layout("<i ref-sr-id=a></i><i ref-sr-id=b>B</i>")
    assert [type(error) for error in pages.errors] == [SlotError]


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_places_in_components(order: tuple[str, ...]) -> None:
    """A component's HTML may have the place of another one, in whatever order."""
    gates = {
        "a": Gate("A<p ref-sr-id=b>wait</p>"),
        "b": Gate("B<textarea ref-sr-id=c>wait</textarea>"),
        "c": Gate("C"),
    }
    pages = Pages(
        lambda: LayoutSR(
            *(Component(name, gate) for name, gate in gates.items()),
            layout=layout("<div ref-sr-id=a>wait</div>"),
        )
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"</sr-layout>")
        for name in order:
            gates[name].open()
        arrivals.read_all()
        arrivals.assert_whole()
    page = applied(arrivals.data.decode())
    page.assert_clean()
    # The mark of the place behind the layout is used too: nothing comes there.
    assert page.text == in_layout(
        "<div ref-sr-id=a>A<p ref-sr-id=b>B<textarea ref-sr-id=c>C</textarea></p></div>"
    )


def test_a_script_in_a_component() -> None:
    """A script is sent as it is, in its place."""
    script = "<p>x</p><script>document.title = '</p>' + 1</script><p>y</p>"
    assert show(
        Component("a", say, script), layout=layout("<div ref-sr-id=a>?</div>")
    ) == in_layout(f"<div ref-sr-id=a>{script}</div>")


# --- components without a place, or with several ---------------------------


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("order", ["ready", "document"])
def test_no_layout(parallel: bool, order: str) -> None:
    """Without a layout the components stand where FlaskSR shows them, one by one."""
    html = show(
        Component("a", say, "A"),
        Component("b&", say, "B"),
        pre_stream=HEAD,
        post_stream=FOOT,
        stream_div_id="mine",
        parallel=parallel,
        order=order,
    )
    assert html == (
        "<!doctype html><title>t</title><body>"
        '<div id="mine"><sr-component sr-id="a">A</sr-component>'
        '<sr-component sr-id="b&amp;">B</sr-component></div>'
        "<footer>end</footer></body>"
    )


@pytest.mark.parametrize("parallel", [True, False])
def test_what_has_no_place(parallel: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A component that nobody has a place for comes after the layout, with a word."""
    html = show(
        Component("lost-1", say, "L<i ref-sr-id=inner></i>"),
        Component("inner", say, "I"),
        Component("a", say, "A"),
        layout=layout("<p ref-sr-id=a></p>"),
        parallel=parallel,
    )
    assert html == (
        in_layout("<p ref-sr-id=a>A</p>")
        + '<div id="stream-div"><sr-component sr-id="lost-1">'
        "L<i ref-sr-id=inner>I</i></sr-component></div>"
    )
    if parallel:  # said once
        assert 'ref-sr-id="lost-1"' in caplog.text
        assert "inner" not in caplog.text


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_what_has_no_place_yet(order: tuple[str, ...]) -> None:
    """Only when all others are there is it known that a component has no place."""
    gates = {"a": Gate("A"), "b": Gate("B<i ref-sr-id=c>?</i>"), "c": Gate("C")}
    pages = Pages(
        lambda: LayoutSR(
            Component("c", gates["c"]),
            Component("b", gates["b"]),
            Component("a", gates["a"]),
            layout=layout("<p ref-sr-id=b></p>"),
        )
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"</sr-layout>")
        for name in order:
            gates[name].open()
        arrivals.read_all()
        arrivals.assert_whole()
    page = applied(arrivals.data.decode())
    page.assert_clean()
    assert page.text == (
        in_layout("<p ref-sr-id=b>B<i ref-sr-id=c>C</i></p>")
        + '<div id="stream-div"><sr-component sr-id="a">A</sr-component></div>'
    )


def test_a_place_in_a_component_that_fails() -> None:
    """What stood in a component that can't be shown comes after the layout."""
    pages = Pages(
        lambda: LayoutSR(
            Component("a", say, "<i ref-sr-id=b></i><template>"),
            Component("b", say, "B"),
            layout=layout("<p ref-sr-id=a></p>"),
        )
    )
    assert pages.whole() == (
        in_layout("<p ref-sr-id=a></p>")
        + '<div id="stream-div"><sr-component sr-id="b">B</sr-component></div>'
    )


def test_a_place_that_no_browser_sees() -> None:
    """What only looks like a place costs its component, and never the page's end."""
    gates = gated("b", "c")
    # To a browser the first end tag is still in the script.
    script = "<script><!--<script></script><p ref-sr-id=b></p>--></script>"
    pages = Pages(
        lambda: LayoutSR(
            Component("a", say, script),
            Component("b", gates["b"]),
            Component("c", gates["c"]),
            layout=layout("<p ref-sr-id=a></p>"),
        )
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"</sr-layout>")
        gates["b"].open()
        gates["c"].open()
        arrivals.read_all()
        arrivals.assert_whole()
    page = applied(arrivals.data.decode())
    page.assert_clean()
    assert '<sr-component sr-id="c"><b>C</b></sr-component>' in page.text


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_several_for_one_place(order: tuple[str, ...]) -> None:
    """Of several components with one id each takes the place of those before it."""
    gates = gated("a", "b", "c")
    pages = Pages(
        lambda: LayoutSR(
            *(Component("x", gate) for gate in gates.values()),
            layout=layout("<p ref-sr-id=x>wait</p>"),
        )
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"</sr-layout>")
        for count, name in enumerate(order, 1):
            gates[name].open()
            if order[:count] == tuple("abc")[:count]:
                # In turn, each is shown meanwhile.
                arrivals.read_until(gates[name].value.encode())
        arrivals.read_all()
        arrivals.assert_whole()
    page = applied(arrivals.data.decode())
    page.assert_clean()
    assert page.text == in_layout("<p ref-sr-id=x><b>C</b></p>")


@pytest.mark.parametrize("order", ["ready", "document"])
def test_the_last_of_several_fails(order: str) -> None:
    """Where the last of several fails, what was there stays."""
    html = show(
        Component("x", say, "<i ref-sr-id=y></i>"),
        Component("y", say, "Y"),
        Component("x", lambda: 1 / 0),
        layout=layout("<p ref-sr-id=x>wait</p>"),
        order=order,
    )
    assert html == in_layout("<p ref-sr-id=x><i ref-sr-id=y>Y</i></p>")


def test_an_id_is_text() -> None:
    """An id of another type is compared as text, as a browser does it."""
    assert show(
        Component(7, say, "A"),  # type: ignore[arg-type]
        layout=layout("<p ref-sr-id=7></p>"),
    ) == in_layout("<p ref-sr-id=7>A</p>")


def test_a_page_that_is_left_open() -> None:
    """What the page leaves open is closed before the components come."""
    gate = Gate("A")
    pages = Pages(
        lambda: LayoutSR(
            Component("a", gate),
            layout=layout("<div><i ref-sr-id=a>?</i><section>"),
            pre_stream=Dom(say, "<main>"),
            post_stream=Dom(say, "<p>end"),
        )
    )
    with pages.open() as arrivals:
        assert arrivals.read_until(b"</main>").endswith(
            b"<p>end</p></section></div></sr-layout></main>"
        )
        gate.open()
        arrivals.read_all()
        arrivals.assert_whole()


# --- in document order -----------------------------------------------------


def test_document_order() -> None:
    """No slots: each place waits for its component, and what stands before is out."""
    gates = gated("a", "b")
    pages = Pages(
        lambda: LayoutSR(
            Component("a", gates["a"]),
            Component("b", gates["b"]),
            layout=layout("<p>1</p><i ref-sr-id=b>?</i><p>2</p><i ref-sr-id=a>?</i>"),
            pre_stream=HEAD,
            post_stream=FOOT,
            order="document",
        )
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"<p>1</p><i ref-sr-id=b>")
        assert b"<p>2</p>" not in arrivals.data
        gates["b"].open()
        arrivals.read_until(b"<b>B</b></i><p>2</p><i ref-sr-id=a>")
        gates["a"].open()
        arrivals.read_all()
        arrivals.assert_whole()
    assert arrivals.data.decode() == (
        "<!doctype html><title>t</title><body>"
        + in_layout(
            "<p>1</p><i ref-sr-id=b><b>B</b></i><p>2</p><i ref-sr-id=a><b>A</b></i>"
        )
        + "<footer>end</footer></body>"
    )


@pytest.mark.parametrize("parallel", [True, False])
def test_crawlers_get_document_order(parallel: bool) -> None:
    """A crawler gets the whole page in order; so does whoever the app says."""

    def make() -> LayoutSR:
        return LayoutSR(
            Component("a", say, "A<i ref-sr-id=b>?</i>"),
            Component("b", say, "B"),
            layout=layout("<p ref-sr-id=a>?</p>"),
            post_stream=FOOT,
            parallel=parallel,
        )

    expected = (
        in_layout("<p ref-sr-id=a>A<i ref-sr-id=b>B</i></p>")
        + "<footer>end</footer></body>"
    )
    asked = Pages(make, SLUICE_IN_ORDER=lambda request: "plain" in request.args)
    for options in ({"headers": CRAWLER}, {"query_string": "plain"}):
        with asked.open(**options) as arrivals:
            assert arrivals.read_all().decode() == expected


# --- one after another -----------------------------------------------------


@pytest.mark.parametrize("order", ["ready", "document"])
def test_one_after_another(order: str) -> None:
    """`parallel=False` calls as FlaskSR does: in turn, and on the view's thread."""
    calls: list[str] = []

    def component(name: str, connection: sqlite3.Connection) -> str:
        calls.append(name)
        g.count += 1
        # A connection refuses to work on another thread than its own.
        (value,) = connection.execute("SELECT ?", [name]).fetchone()
        return f"<b>{value}{g.count}</b>"

    app = make_app()

    @app.get("/")
    def page() -> StreamedResponse:
        g.count = 0
        connection = sqlite3.connect(":memory:")
        response = LayoutSR(
            *(Component(name, component, name, connection) for name in "cab"),
            layout=layout(
                "<i ref-sr-id=a>?</i><i ref-sr-id=b>?</i><i ref-sr-id=c>?</i>"
            ),
            pre_stream=HEAD,
            parallel=False,
            order=order,
        ).response
        response.call_on_close(connection.close)
        return response

    with StreamClient(app).stream("/", headers=NATIVE) as arrivals:
        arrivals.read_all()
        arrivals.assert_whole()
    assert calls == ["c", "a", "b"]
    assert applied(arrivals.data.decode()).text == (
        "<!doctype html><title>t</title><body>"
        + in_layout(
            "<i ref-sr-id=a><b>a2</b></i><i ref-sr-id=b><b>b3</b></i>"
            "<i ref-sr-id=c><b>c1</b></i>"
        )
    )


def test_one_after_another_is_sent_in_turn() -> None:
    """Each component is out before the next one is made."""
    client = StreamClient(make_app())
    watched = [client.watch(lambda n=n: f"<b>{n}</b>") for n in range(3)]

    @client.app.get("/")
    def page() -> StreamedResponse:
        return LayoutSR(
            *(Component(str(n), watch) for n, watch in enumerate(watched)),
            layout=layout("".join(f"<i ref-sr-id={n}></i>" for n in (2, 1, 0))),
            post_stream=FOOT,
            parallel=False,
        ).response

    with client.stream("/", headers=NATIVE) as arrivals:
        arrivals.read_all()
    arrivals.assert_whole()
    arrivals.assert_out_before(b"</body>", watched[0])
    arrivals.assert_out_before(b"<b>0</b>", watched[1])
    arrivals.assert_out_before(b"<b>1</b>", watched[2])


def test_a_whole_app_can_have_it() -> None:
    """A subclass says it once for all of its pages."""

    class InTurn(LayoutSR):
        parallel = False

    assert InTurn().parallel is False
    assert InTurn(parallel=True).parallel is True
    assert LayoutSR().parallel is True


def test_a_reader_who_leaves() -> None:
    """When the client is gone, no further component is made."""
    calls: list[int] = []
    pages = Pages(
        lambda: LayoutSR(
            *(Component(str(n), calls.append, n) for n in range(9)),
            layout=layout("".join(f"<i ref-sr-id={n}></i>" for n in range(9))),
            parallel=False,
        )
    )
    with pages.open() as arrivals:
        arrivals.read_until(b"</template>")
    assert calls == [0]
