"""A page by itself: shell, slots and feed, without Flask, threads or a server."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from typing import Any

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import SlotError
from flask_sluice.formats.fragment import scan
from flask_sluice.formats.html import LAST, SEPARATOR
from flask_sluice.pages.deferred import Deferred, Failure
from flask_sluice.pages.page import Page
from flask_sluice.pages.slot import Slot, fill, inside
from flask_sluice.tags import SluiceTags
from slots import Applied, applied

Kept = Deferred[Any]


@pytest.fixture(autouse=True)
def _own_context() -> Iterator[None]:
    """Undo what a shell, which has a context of its own, leaves in the test's."""
    before = inside.set(None)
    yield
    inside.reset(before)


def deferred(failures: list[Failure] | None = None) -> Kept:
    """Give a value that the test settles by hand."""
    told = [] if failures is None else failures
    return Deferred("by hand", told.append)


class View:
    """What a slot shows, as given."""

    def __init__(
        self, body: str = "{}", pending: str = "...", error: str = "!"
    ) -> None:
        self._body, self._pending, self._error = body, pending, error
        self.rendered = 0

    def pending(self) -> str:
        return "..."

    def body(self, value: Any) -> str:
        self.rendered += 1
        return self._body.format(value)

    def error(self, failure: Failure) -> str:
        return "!"


def read(page: Page) -> str:
    """Give all that is ready."""
    parts = []
    while made := page.take():
        parts.append(made)
    return b"".join(parts).decode()


def pieces(*texts: str) -> Generator[str, None, None]:
    """Give the events of a shell."""
    yield from texts


def shell_of(page: Page, *texts: str) -> str:
    """Give the shell of a page whose slots were opened before."""
    page._events = pieces(*texts)
    return "".join(page.shell())


class Script:
    """The events of a shell, in which slots are opened."""

    def __init__(self, *steps: Any) -> None:
        self._steps = steps
        self.page = Page(self._events())

    def _events(self) -> Generator[str, None, None]:
        for step in self._steps:
            yield step if isinstance(step, str) else self.opened(*step)

    def opened(self, value: Kept, view: View) -> str:
        made = self.page.open(value, view)
        return fill(value, view) if made is None else made

    def shell(self) -> str:
        return "".join(self.page.shell())


# The feed.


def test_a_page_without_slots_is_over_with_its_shell() -> None:
    """The feed has nothing, and says so."""
    script = Script("a", "b")
    assert script.shell() == "ab"
    assert script.page.is_over
    assert script.page.take() is None


def test_take_never_waits_and_ends_when_all_is_taken() -> None:
    """b"" while a slot is open, its patch once, then None."""
    value = deferred()
    script = Script("<p>", (value, View()), "</p>")
    shell = script.shell()
    assert script.page.take() == b""
    assert not script.page.is_over
    value.resolve(7)
    assert not script.page.is_over  # there is something to take
    assert applied(shell + read(script.page)).text == "<p>7</p>"
    assert script.page.is_over
    assert script.page.take() is None


def test_notify_wakes_once_for_a_slot() -> None:
    """When a patch is ready: at once if it is so already; not before the shell."""
    first, second = deferred(), deferred()
    script = Script((first, View()), (second, View()))
    calls: list[str] = []
    script.shell()
    script.page.notify(lambda: calls.append("a"))
    script.page.notify(lambda: calls.append("b"))  # replaces the first
    assert calls == []
    first.resolve(1)
    assert calls == ["b"]
    script.page.notify(lambda: calls.append("c"))
    assert calls == ["b", "c"]
    read(script.page)
    second.resolve(2)
    read(script.page)
    script.page.notify(lambda: calls.append("d"))
    assert calls == ["b", "c", "d"]


def test_a_slot_settled_before_the_shell_is_over_waits_for_it() -> None:
    """Its mark has to be out first."""
    value = deferred()

    def steps() -> Generator[str, None, None]:
        yield "a"
        page.flush_due = True
        yield str(page.open(value, View()))
        value.resolve(1)
        page.flush_due = True
        yield "b"
        yield "c"

    page = Page(steps())
    shell = []
    for part in page.shell():
        shell.append(part)
        if not page.shell_over:
            assert page.take() == b""
    assert [part[-1] for part in shell] == [">", "b", "c"]
    assert applied("".join(shell) + read(page)).text == "a1bc"


def test_closing_lets_go_of_everything() -> None:
    """What is settled afterwards is rendered for nobody."""
    value, view = deferred(), View()
    script = Script((value, view))
    script.shell()
    script.page.close()
    value.resolve(1)
    assert view.rendered == 0
    assert script.page.take() in (b"", None)


def test_closing_in_the_middle_of_the_shell() -> None:
    """The shell may go on, to its end."""
    done, value = deferred(), deferred()

    def steps() -> Generator[str, None, None]:
        yield "a"
        page.close()
        yield str(page.open(value, View()))
        done.resolve(1)
        assert page.open(done, View()) is None
        yield "b"

    page = Page(steps())
    assert "".join(page.shell())[-1] == "b"
    value.resolve(1)


def test_rendering_leaves_no_trace_in_the_thread() -> None:
    """The slot that is being rendered is known then, and then only."""
    value = deferred()
    seen: list[Slot | None] = []

    class Looking(View):
        def body(self, value: Any) -> str:
            seen.append(inside.get())
            return ""

    script = Script((value, Looking()))
    script.shell()
    inside.set(None)
    value.resolve(1)
    assert seen[0] is not None
    assert seen[0].page is script.page
    assert inside.get() is None


# The runtime.


@pytest.mark.parametrize("script", ["", "<script>1</script>"])
def test_the_script_is_sent_only_to_pages_with_slots(script: str) -> None:
    """Behind the shell; patches are then followed by a separator."""
    value = deferred()

    def steps(*values: Kept) -> Generator[str, None, None]:
        for one in values:
            yield str(page.open(one, View()))
        yield "."

    page = Page(steps(), script=lambda: script)
    assert "".join(page.shell()) == "."
    page = Page(steps(value), script=lambda: script)
    shell = "".join(page.shell())
    assert shell.endswith("." + script)
    value.resolve(1)
    end = "</template>" + (SEPARATOR + LAST if script else "")
    assert read(page).endswith(end)


def test_a_paragraph_left_open_is_closed() -> None:
    """Or patches would be its children, and reach no further."""
    value = deferred()
    script = Script("<!doctype html><p>text", (value, View()))
    assert script.shell().endswith("<?end></p>")


def test_a_shell_that_ends_inside_an_element_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Patches would become its text: the page is sent, and the log says so."""
    script = Script((deferred(), View()), "<textarea>")
    with caplog.at_level(logging.WARNING):
        script.shell()
    assert "may not be filled" in caplog.text


# Marks.


def test_marks_that_are_printed_again_get_names_of_their_own() -> None:
    """Nothing depends on which of two equal names a browser fills first."""
    value = deferred()
    page = Page(pieces())
    made = page.open(value, View())
    shell = shell_of(page, f"{made}-{made}-{made}")
    value.resolve(1)
    result = applied(shell + read(page))
    result.assert_clean()
    assert result.text == "1-1-1"
    assert len(set(result.filled)) == 3


def test_a_slot_that_is_printed_inside_itself_ends() -> None:
    """A page that can't be right is still a page that ends."""
    value = deferred()
    view = View()
    page = Page(pieces())
    made = str(page.open(value, view))
    view._body = made + "{}"
    shell = shell_of(page, made)
    value.resolve(1)
    assert read(page).count("<template") == 1
    assert page.is_over
    assert "..." in shell


def test_a_slot_that_was_sent_and_is_printed_again_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Unless it was to be kept; its fallback stays, and the page ends."""
    first, second = deferred(), deferred()
    view = View()
    page = Page(pieces())
    made = str(page.open(first, View()))
    view._body = made + "{}"
    shell = shell_of(page, made, str(page.open(second, view)))
    first.resolve(1)
    with caplog.at_level(logging.WARNING):
        second.resolve(2)
    assert "printed again" in caplog.text
    assert applied(shell + read(page)).text.startswith("1<?start")
    assert page.is_over


@pytest.mark.parametrize(
    ("html", "fine"),
    [
        ('<?start name="{0}">', True),
        ("<p title='<?start name=\"{0}\">'>", False),
        ('<?START NAME="{0}">', False),
        ('<?start name="{1}">', False),
        ('&lt;?start name="zzzzzz">', True),
        ("{0}", True),
    ],
)
def test_check_knows_its_own_names(html: str, fine: bool) -> None:
    """A mark that a browser doesn't see, or that a filter changed, is refused."""
    page = Page(pieces())
    page.names = iter(["AbCdEf"])
    page.open(deferred(), View())
    text = html.format("AbCdEf", "abcdef")
    if fine:
        page.check(text, scan(text).slots)
    else:
        with pytest.raises(SlotError):
            page.check(text, scan(text).slots)


# Any tree.

MACROS = (
    "{% macro m() %}({% await y = a %}{{ y }}{{ caller() }}{% error e %}{{ e }}"
    "{{ caller() }}{% endawait %}){% endmacro %}"
    "{% macro n(t) %}[{% await y = b %}{{ t }}{% pending %}{{ t }}{% error %}{{ t }}"
    "{% endawait %}]{% endmacro %}"
)
NAMES = "abcd"


def _slot(name: str, body: str, pending: str, error: str | None, fails: bool) -> str:
    last = "{{ 1 // 0 }}" if fails else ""
    shown = "" if error is None else "{% error e %}!{{ e }}" + error
    return (
        f"{{% await x = {name} %}}{{{{ x }}}}{body}{last}{{% pending %}}..{pending}"
        f"{shown}{{% endawait %}};"
    )


def _trees() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(
        [
            "t",
            "{{ i|default('-') }}{{ x|default('-') }}",
            "{{ settle('c') }}",
            "{{ settle('d') }}",
            "{% flush %}",
        ]
    )
    names = st.sampled_from(NAMES)

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        body = st.lists(inner, min_size=1, max_size=3).map("".join)
        little = st.one_of(st.just(""), inner)
        slots = st.builds(
            _slot, names, body, little, st.one_of(st.none(), little), st.booleans()
        )
        loops = body.map(
            lambda html: (
                f"{{% for i in 'pq' %}}{{{{ loop.index }}}}{html}{{% endfor %}}"
            )
        )
        calls = body.map(lambda html: f"{{% call m() %}}{html}{{% endcall %}}")
        captures = st.builds(
            lambda html, times, name: (
                f"{{% set v %}}{html}{{% endset %}}"
                + "{{ v }}" * times
                + ("{{ n(v) }}" if name else "")
            ),
            body,
            st.integers(0, 2),
            st.booleans(),
        )
        return st.one_of(slots, slots, loops, calls, captures)

    return st.recursive(leaves, grow, max_leaves=7)


ENV = jinja2.Environment(extensions=[SluiceTags])


class Values:
    """The four values of a page, settled in some order."""

    def __init__(self, failing: frozenset[str]) -> None:
        self._failing = failing
        self.deferred = {name: deferred() for name in NAMES}

    def settle(self, name: str) -> str:
        if name in self._failing:
            self.deferred[name].fail(ValueError(f"no {name}"))
        else:
            self.deferred[name].resolve(name.upper())
        return ""

    def context(self, template: jinja2.Template) -> Any:
        return template.new_context({**self.deferred, "settle": self.settle})


@settings(max_examples=60, deadline=None)
@given(
    tree=st.lists(_trees(), min_size=1, max_size=3).map("".join),
    order=st.permutations(NAMES),
    failing=st.frozensets(st.sampled_from(NAMES)),
    early=st.integers(0, 2),
)
def test_any_tree_in_any_order(
    tree: str, order: list[str], failing: frozenset[str], early: int
) -> None:
    """A page becomes what a plain rendering gives, each mark filled once, and ends."""
    template = ENV.from_string(MACROS + tree)
    plain = Values(failing)
    for name in NAMES:
        plain.settle(name)
    inside.set(None)
    twin = "".join(template.root_render_func(plain.context(template)))
    values = Values(failing)
    for name in order[:early]:
        values.settle(name)
    page = Page(template.root_render_func(values.context(template)))
    data = "".join(page.shell())
    inside.set(None)
    for name in order[early:]:
        data += read(page)
        values.settle(name)
    data += read(page)
    assert page.take() is None
    for one in (*values.deferred.values(), *plain.deferred.values()):
        assert (one.failure is None) is (one.value is not None)
    result: Applied = applied(data)
    result.assert_clean()
    assert result.text == twin
    assert len(result.filled) == len(set(result.filled))
