"""Slots that fail, that would leak, and that somebody tries to forge."""

from __future__ import annotations

import logging
import re
import threading
from typing import Any

import pytest
from flask import Flask, abort, got_request_exception
from markupsafe import Markup

from flask_sluice import defer
from flask_sluice.errors import DeferredTimeoutError, SlotError
from helpers import PATIENCE, make_app, until
from slots import Gate, Site, applied


class Oops(Exception):
    """What fails here."""


class Told:
    """What `got_request_exception` said of one app."""

    def __init__(self, app: Flask) -> None:
        self.errors: list[BaseException] = []
        got_request_exception.connect(self._tell, app)

    def _tell(self, sender: Flask, exception: BaseException, **_: Any) -> None:
        self.errors.append(exception)


def slot(name: str, body: str = "{{ x }}") -> str:
    """Give a tag that shows the failure's text and id."""
    return (
        f"{{% await x = {name} %}}{body}{{% pending %}}...{{% error e %}}"
        "!{{ e }}|{{ e.id }}|{{ e.timed_out }}!{% endawait %};"
    )


# Error branches.


def test_a_failure_is_shown_in_place_and_its_siblings_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The branch, the log and the signal tell of the same exception by one id."""
    error = Oops("<no>")
    site = Site(slot("a") + slot("b"), {"a": Gate(error), "b": Gate(2)})
    told = Told(site.app)
    page = site.streamed("a", "b")
    page.assert_clean()
    found = re.fullmatch(r"!&lt;no&gt;\|([0-9a-f]{8})\|False!;2;", page.text)
    assert found is not None, page.text
    assert told.errors == [error]
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.getMessage() == f"A slot of / failed ({found[1]})"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_one_failure_is_reported_once_however_many_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All show the same id, also those that come when it is over."""
    site = Site(slot("a") * 3 + slot("b", slot("a")), {"a": Gate(Oops()), "b": Gate()})
    told = Told(site.app)
    page = site.streamed("a", "b")
    ids = re.findall(r"\|(\w{8})\|", page.text)
    assert len(ids) == 4
    assert len(set(ids)) == 1
    assert len(told.errors) == 1
    assert caplog.text.count("failed (") == 1


def test_a_body_that_fails_is_one_failure_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The value was good; each slot that can't show it has an id of its own."""
    site = Site(slot("a", "{{ 1 // x }}") * 2 + slot("a"), {"a": Gate(0)})
    told = Told(site.app)
    page = site.streamed()
    ids = re.findall(r"!integer[^|]*\|(\w{8})\|", page.text)
    assert len(set(ids)) == 2
    assert page.text.endswith(";0;")
    assert [type(error) for error in told.errors] == [ZeroDivisionError] * 2
    assert all(f"failed ({id_})" in caplog.text for id_ in ids)


def test_without_an_error_branch_the_place_is_empty(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The fallback goes too, and the log knows."""
    site = Site("[{% await x = a %}{{ x }}{% pending %}...{% endawait %}]")
    site.values = {"a": Gate(Oops("quiet"))}
    page = site.streamed()
    assert page.text == "[]"
    page.assert_clean()
    assert "Oops: quiet" in caplog.text


def test_an_error_branch_that_fails_leaves_the_place_empty() -> None:
    """Both failures are told, and the page ends."""
    source = (
        "[{% await x = a %}{{ x }}{% error e %}{{ e.exception.x.y }}{% endawait %}]"
    )
    site = Site(source, {"a": Gate(Oops())})
    told = Told(site.app)
    assert site.streamed().text == "[]"
    assert [type(e).__name__ for e in told.errors] == ["Oops", "UndefinedError"]


def test_what_is_no_exception_doesnt_keep_a_page_open() -> None:
    """Such as the end of the thread, or a gevent.Timeout: an empty place."""

    class End(BaseException):
        pass

    def end() -> None:
        raise End

    site = Site(slot("a", "{{ end() }}") + slot("b"))
    site.values = {"a": Gate(1), "b": Gate(2), "end": end}
    with site.open() as arrivals:
        site.gates["a"].let()
        arrivals.read_until(b"</template>")
        site.gates["b"].open()
        arrivals.read_all()
        arrivals.assert_whole()
    assert applied(arrivals.data.decode()).text == ";2;"


def test_abort_in_a_slot_is_its_failure() -> None:
    """The status is out: the branch shows what it was about."""
    site = Site(slot("a", "{{ abort(404) }}"), {"a": Gate(1), "abort": abort})
    page = site.streamed()
    assert page.text.startswith("!404 Not Found")


def test_a_timeout_is_shown_in_time() -> None:
    """The branch can tell it from other failures; the late value is dropped."""
    gate = Gate("late")
    app = make_app()
    site = Site(slot("a") + slot("b"), app=app)
    told = Told(app)
    site._context = lambda: {  # type: ignore[method-assign]
        "a": defer(gate, timeout=0.01),
        "b": 2,
    }
    with site.open() as arrivals:
        data = arrivals.read_all().decode()
        arrivals.assert_whole()
    gate.open()
    assert re.fullmatch(
        r"!.+ took longer than its timeout of 0\.01 s\.\|\w{8}\|True!;2;",
        applied(data).text,
    )
    assert [type(error) for error in told.errors] == [DeferredTimeoutError]


def test_a_client_that_leaves_ends_it_all() -> None:
    """Nothing is rendered for it any more, and nothing is left open."""
    rendered: list[Any] = []
    site = Site(slot("a", "{{ see(x) }}"), {"a": Gate(1), "see": rendered.append})
    state = site.app.extensions["sluice.state"]
    with site.open() as arrivals:
        next(arrivals)
        until(lambda: site.gates["a"].started)
        assert len(state.registry) == 1
    until(lambda: len(state.registry) == 0)
    site.gates["a"].open()
    assert rendered == []


# HTML that would leak.


@pytest.mark.parametrize(
    "html",
    [
        "<textarea>",
        "<script>",
        "<script>1</script",
        "<!-- ",
        "<template><p>",
        "</template>",
        "<p title='",
        "<style>",
        "<title>",
        "<iframe>",
        "<plaintext>",
    ],
)
def test_html_that_would_swallow_what_follows_is_a_failure(html: str) -> None:
    """Its error branch is shown, and the next slot is filled."""
    values = {"a": Gate(Markup(html)), "b": Gate(2)}
    site = Site(slot("a") + slot("b"), values)
    told = Told(site.app)
    page = site.streamed("a", "b")
    page.assert_clean()
    assert re.match(r"!This slot would swallow or leak", page.text)
    assert page.text.endswith("2;")
    assert [type(error) for error in told.errors] == [SlotError]


@pytest.mark.parametrize(
    "html",
    ["</div></section>", "<div>", "<li>", "<td>", "a < b & c", "<br/>", "<p>x"],
)
def test_html_that_ends_well_enough_is_fine(html: str) -> None:
    """A template's end closes what was left open in it."""
    site = Site(slot("a") + slot("b"), {"a": Gate(Markup(html)), "b": Gate(2)})
    page = site.streamed("a", "b")
    assert page.text == f"{html};2;"


def test_an_error_branch_that_would_leak_is_left_out() -> None:
    """The place is empty; the page goes on."""
    source = "[{% await x = a %}{% error e %}<textarea>{% endawait %}]" + slot("b")
    site = Site(source, {"a": Gate(Oops()), "b": Gate(2)})
    assert site.streamed("a", "b").text == "[]2;"


# Places that are none.


@pytest.mark.parametrize(
    ("source", "is_place"),
    [
        ("<title>T {}</title>", False),
        ("<textarea>{}</textarea>", False),
        ("<p title='{}'>x</p>", False),
        ("<p {}>x</p>", False),
        ("<!-- {} -->", False),
        ("<script>{}</script>", False),
        ("<style>{}</style>", False),
        ("<noscript>{}</noscript>", False),
        ("<template>{}</template>", False),
        ("<head>{}</head>", True),
        ("<table><tr>{}</tr></table>", True),
        ("<ul>{}</ul>", True),
        ("<select>{}</select>", True),
    ],
)
def test_a_slot_where_a_browser_sees_none_is_refused(
    source: str, is_place: bool
) -> None:
    """With 500 and words, and not with a page that shows a mark."""
    tag = "{% await x = a %}{{ x }}{% endawait %}"
    site = Site("<!doctype html>" + source.format(tag), {"a": Gate("")})
    told = Told(site.app)
    with site.open() as arrivals:
        site.gates["a"].let()
        assert (arrivals.status_code == 200) is is_place
        assert b"<?start" not in arrivals.read_all() or is_place
    assert [type(error) for error in told.errors] == [SlotError] * (not is_place)
    assert all("stands where a browser" in str(error) for error in told.errors)


def test_in_another_slot_it_is_that_ones_failure() -> None:
    """The page itself goes on; the whole element in the tag is the way."""
    inner = "{% await y = b %}{{ y }}{% endawait %}"
    site = Site(slot("a", f"<p title='{inner}'>"), {"a": Gate(1), "b": Gate(2)})
    page = site.streamed("a", "b")
    assert page.text.startswith("!An {% await %} stands where")
    page.assert_clean()
    site = Site("<title>{% await x = a %}{{ x }}{% endawait %}</title>")
    site.values = {"a": "there"}
    assert site.streamed().text == "<title>there</title>"


# Text that others wrote.

FORGED = (
    '<?start name="{0}">stolen<?end><template for={0}>forged</template>'
    "<template for='{0}'>forged</template><?end>"
)


def _names(arrivals: Any) -> list[str]:
    return re.findall(r'<\?start name="([\w-]{6})">', arrivals.data.decode())


def test_escaped_text_is_text() -> None:
    """Even with a slot's true name in it, known by magic."""
    names: list[str] = []
    site = Site(slot("a") + slot("b"), {"a": Gate(1), "b": Gate(2)})
    with site.open() as arrivals:
        next(arrivals)
        names += _names(arrivals)
        site.gates["a"].value = FORGED.format(names[1])
        site.gates["a"].open()
        site.gates["b"].open()
        arrivals.read_all()
    page = applied(arrivals.data.decode())
    page.assert_clean()
    assert page.filled == names
    assert page.text.endswith(";2;")
    assert "&lt;?start name=&#34;" in page.text


@pytest.mark.parametrize("where", ["shell", "slot", "fallback"])
def test_raw_text_cant_fill_or_take_a_slot(where: str) -> None:
    """Printed with |safe, it doesn't know any name: the slots get what is theirs."""
    text = Markup(FORGED.format("abcdef").removesuffix("<?end>"))
    site = Site(
        {
            "shell": "{{ text }}" + slot("a") + slot("b"),
            "slot": slot("a", "{{ text }}{{ x }}") + slot("b"),
            "fallback": "{% await x = a %}{{ x }}{% pending %}{{ text }}{% endawait %};"
            + slot("b"),
        }[where],
        {"a": Gate("one"), "b": Gate("two"), "text": text},
    )
    with site.open() as arrivals:
        next(arrivals)
        names = [name for name in _names(arrivals) if name != "abcdef"]
        site.gates["b"].open()
        site.gates["a"].open()
        arrivals.read_all()
        arrivals.assert_whole()
    patches = re.findall(r"<template for=([\w-]+)>", arrivals.data.decode())
    assert [name for name in patches if name != "abcdef"] == names[::-1]
    wire = arrivals.data.decode()
    own = {name: wire.count(f"<template for={name}>") for name in names}
    assert set(own.values()) == {1}
    assert wire.index(f"<template for={names[0]}>") > wire.index(f'name="{names[0]}"')
    if where != "slot":
        assert "one;" in applied(wire).text
    assert "two;" in applied(wire).text


def test_jobs_render_for_themselves() -> None:
    """A function that renders a template of its own opens no slot of the page."""
    inner = Gate("inner")
    app = make_app()

    def work() -> str:
        from flask import render_template_string

        return render_template_string(
            "{% await x = d %}{{ x }}{% pending %}..{% endawait %}", d=defer(inner)
        )

    site = Site(
        "{% await x = start() %}{{ x }}{% endawait %}",
        {"start": lambda: defer(work)},
        app=app,
    )
    with site.open() as arrivals:
        inner.let()
        arrivals.read_all()
    assert applied(arrivals.data.decode()).text == "inner"


def test_slots_settled_while_the_shell_is_made() -> None:
    """Many threads finish while the page is rendered: each slot is filled, once."""
    count = 60
    names = [f"v{n}" for n in range(count)]
    body = "".join(slot(name) for name in names)
    app = make_app()
    go = threading.Barrier(2, timeout=PATIENCE)

    def value(n: int) -> int:
        if n == 0:
            go.wait()
        return n

    site = Site("{{ go() or '' }}" + body + "{% flush %}" + body, app=app)
    site._context = lambda: {  # type: ignore[method-assign]
        "go": lambda: go.wait() and "",
        **{name: defer(value, n) for n, name in enumerate(names)},
    }
    for _ in range(3):
        page = site.streamed()
        page.assert_clean()
        assert page.text == "".join(f"{n};" for n in range(count)) * 2
