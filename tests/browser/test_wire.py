"""The bytes of a page with slots, in a browser: marks, patches and the runtime.

Each test runs in every WAY in which a browser may get a page: with an engine that fills
slots, also without any script, and with one that needs the runtime. The judge of the
outcome is the browser itself, on the same page without slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browser.dom import counts, holds, ready_state, shows, tree
from browser.ways import NONCE, STRICT, Way, both_extremes, every_way
from browser.wire import Reply, Wire
from flask_sluice.formats.html import LAST, SEPARATOR, mark, patch
from flask_sluice.formats.runtime import runtime

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Where a test's own scripts have to run.
with_scripts = pytest.mark.parametrize(
    ("engine", "way"),
    [("native", Way("native")), ("legacy", Way("legacy", runtime=True))],
    ids=["native", "legacy"],
)
runtime_only = pytest.mark.parametrize(
    ("engine", "way"), [("legacy", Way("legacy", runtime=True))], ids=["legacy"]
)


def document(body: str, head: str = "<title>Page</title>", end: str = "") -> str:
    """Give a whole page; *end* is behind its end."""
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>{end}"


class Streamed:
    """A page that is open in the browser, and goes on as the test says."""

    def __init__(self, page: Page, wire: Wire, way: Way) -> None:
        self._page = page
        self._wire = wire
        self._way = way
        self.reply = self._new()

    @property
    def is_native(self) -> bool:
        """Whether the engine fills slots by itself."""
        return self._way.engine == "native"

    def _new(self) -> Reply:
        headers = {}
        if self._way.policy:
            headers["Content_Security_Policy"] = self._way.policy
        return self._wire.reply(**headers)

    def shell(self, html: str) -> str:
        """Give the bytes of a shell: the page, and the runtime where it's needed."""
        return html + (runtime(NONCE) if self._way.runtime else "")

    def patch(self, name: str, content: str) -> str:
        """Give the bytes of a patch."""
        return patch(name, content) + (SEPARATOR if self._way.runtime else "")

    def last(self) -> list[str]:
        """Give what comes behind the last patch."""
        return [LAST] if self._way.runtime else []

    def open(self, html: str) -> None:
        """Send the shell, and have it opened."""
        self.reply.send(self.shell(html))
        self._page.goto(self.reply.url, wait_until="commit")

    def fill(self, name: str, content: str) -> None:
        """Send a patch as one chunk."""
        self.reply.send(self.patch(name, content))

    def end(self) -> str:
        """End the response; give the tree of the finished page."""
        self.reply.send(*self.last()).end()
        self._page.wait_for_load_state()
        return tree(self._page)

    def plain(self, html: str) -> str:
        """Give the tree of a page that came without slots."""
        reply = self._new().send(html).end()
        self._page.goto(reply.url)
        return tree(self._page)


@pytest.fixture
def streamed(page: Page, wire: Wire, way: Way) -> Streamed:
    """The page of this test."""
    return Streamed(page, wire, way)


# --- where slots can stand ---------------------------------------------------

# place → the page's body or head around it, fallback, content
PLACES = {
    "paragraph": ("<p>a {} z</p>", "Loading", "<b>Real</b> text"),
    "body": ("<p>a</p>{}<p>z</p>", "<p>Loading</p>", "<p>One</p><p>Two</p>"),
    "first": ("{}<p>z</p>", "<p>Loading</p>", "<h1>Real</h1>"),
    "no-fallback": ("<p>a {} z</p>", "", "<b>Real</b>"),
    "no-content": ("<p>a {} z</p>", "<i>Loading</i>", ""),
    "text-only": ("<p>a {} z</p>", "Loading", "Real &lt;b&gt; &amp; more"),
    "table": (
        "<table><caption>t</caption>{}</table>",
        "<tbody><tr><td>Loading</td></tr></tbody>",
        "<thead><tr><th>h</th></tr></thead><tbody><tr><td>Real</td></tr></tbody>",
    ),
    "tbody": (
        "<table><tbody><tr><td>a</td></tr>{}<tr><td>z</td></tr></tbody></table>",
        "<tr><td>Loading</td></tr>",
        "<tr><td>One</td></tr><tr><td>Two</td></tr>",
    ),
    "tr": (
        "<table><tbody><tr><td>a</td>{}<td>z</td></tr></tbody></table>",
        "<td>Loading</td>",
        "<td>One</td><th>Two</th>",
    ),
    "td": ("<table><tbody><tr><td>{}</td></tr></tbody></table>", "Loading", "Real"),
    "colgroup": (
        "<table><colgroup>{}</colgroup><tbody><tr><td>a</td></tr></tbody></table>",
        "<col>",
        "<col span=2><col>",
    ),
    "select": (
        "<select><option>a</option>{}</select>",
        "<option>Loading</option>",
        "<option>One</option><optgroup label=g><option>Two</option></optgroup>",
    ),
    "ul": (
        "<ul><li>a</li>{}<li>z</li></ul>",
        "<li>Loading</li>",
        "<li>1</li><li>2</li>",
    ),
    "dl": ("<dl>{}</dl>", "<dt>Loading</dt>", "<dt>Real</dt><dd>thing</dd>"),
    "details": (
        "<details open><summary>s</summary>{}</details>",
        "Loading",
        "<p>x</p>",
    ),
    "svg": ("<div>{}</div>", "Loading", "<svg><circle r=1></circle></svg>"),
    "button": ("<button>{}</button>", "Loading", "<b>Real</b>"),
    "unclosed-items": ("<ul><li>a<li>{}<li>z</ul>", "Loading", "<p>Real</p>"),
    "text-like-marks": (
        "<p>{}</p>",
        '<b>a</b>?end<b>b</b>?start name="placeA"<b>c</b>?start<b>d</b>',
        "Real?end<b>?start</b>",
    ),
    "comments": (
        "<!--?start--><p>a<!-- b -->{}<!--end--></p><!-- ?end -->",
        "Loading<!-- c --><!--d?start--><!-- ?end --><!--s-->",
        "Real<!-- e -->",
    ),
}


@every_way
def test_places(streamed: Streamed) -> None:
    """In every place, a filled slot gives the page that has the content at once."""
    names = [f"place{chr(65 + n)}" for n in range(len(PLACES))]
    slots = dict(zip(names, PLACES.values(), strict=True))
    shell = [
        around.format(mark(name, fallback))
        for name, (around, fallback, _) in slots.items()
    ]
    streamed.open(document("\n".join(shell)))
    for name, (_, _, content) in reversed(slots.items()):
        streamed.fill(name, content)
    found = streamed.end().split("\n")
    final = [around.format(content) for around, _, content in slots.values()]
    assert found == streamed.plain(document("\n".join(final))).split("\n")


HEADS = {
    "title": ("<title>Loading</title>", "<title>Real</title>"),
    "more": (
        "<title>Loading</title>",
        "<title>Real</title><meta name=a><style>p { color: rgb(1, 2, 3) }</style>",
    ),
}


@every_way
@pytest.mark.parametrize("head", HEADS)
def test_head(page: Page, streamed: Streamed, head: str) -> None:
    """The title, and other things of the head, come with a patch behind the body."""
    fallback, content = HEADS[head]
    html = document("<p>a</p>", head="<meta charset=utf-8>{}")
    streamed.open(html.format(mark("h_ead1", fallback)))
    holds(page, "document.title === 'Loading'")
    streamed.fill("h_ead1", content)
    holds(page, "document.title === 'Real'")
    assert ready_state(page) == "loading"
    streamed_tree = streamed.end()
    color = page.evaluate("getComputedStyle(document.querySelector('p')).color")
    assert color == ("rgb(1, 2, 3)" if "color" in content else "rgb(0, 0, 0)")
    assert streamed_tree == streamed.plain(html.format(content))


# --- when slots are filled ---------------------------------------------------


@every_way
def test_any_order(page: Page, streamed: Streamed) -> None:
    """Each slot is shown when its patch has come, while the response is open."""
    html = document("<p>{}</p><p>{}</p><p>{}</p>")
    marks = [mark(f"order{n}", f"Loading {n}") for n in range(3)]
    streamed.open(html.format(*marks))
    expected = ["Loading 0", "Loading 1", "Loading 2"]
    shows(page, "p", expected)
    for number in (1, 2, 0):
        streamed.fill(f"order{number}", f"Real {number}")
        expected[number] = f"Real {number}"
        shows(page, "p", expected)
        assert ready_state(page) == "loading"
    assert streamed.end() == streamed.plain(html.format(*expected))


@both_extremes
def test_patches_in_one_chunk(page: Page, streamed: Streamed) -> None:
    """Patches that share a chunk, with the shell too, are all applied."""
    html = document("<p>{}</p><p>{}</p>")
    shell = streamed.shell(html.format(mark("chunk0", "a"), mark("chunk1", "b")))
    streamed.reply.send(
        shell + streamed.patch("chunk1", "B") + streamed.patch("chunk0", "A")
    )
    page.goto(streamed.reply.url, wait_until="commit")
    shows(page, "p", ["A", "B"])
    assert streamed.end() == streamed.plain(html.format("A", "B"))


@both_extremes
def test_byte_by_byte(page: Page, streamed: Streamed) -> None:
    """A patch and its content come whole, however the network cuts them."""
    html = document("<table><tbody>{}</tbody></table><p>{}</p>")
    content = '<tr><td title="a>b">Käse &amp; <b>Brot</b><!-- c --></td></tr>'
    streamed.open(html.format(mark("cut__1", "<tr></tr>"), mark("cut__2", "Loading")))
    for name, inner in (("cut__1", content), ("cut__2", "Real")):
        whole = streamed.patch(name, inner).encode()
        streamed.reply.send(*(whole[n : n + 1] for n in range(len(whole))))
    shows(page, "td, p", ["Käse & Brot", "Real"])
    assert streamed.end() == streamed.plain(html.format(content, "Real"))


READ = """() => {
    const template = document.querySelector("template");
    const found = root => root?.querySelectorAll("li.big").length ?? 0;
    return found(document) + found(template?.content) >= NUMBER;
}"""


@both_extremes
def test_big_patch_in_two(page: Page, streamed: Streamed) -> None:
    """A patch of 60 KB that stops half-way, for as long as it may, is all there."""
    items = "".join(f"<li class=big>item number {n}</li>" for n in range(2000))
    middle = items.index("<li class=big>item number 1000")
    cuts = {"in tag": 2, "in attribute": 8, "in text": 20, "after a child": 0}
    cuts["before the end"] = len(items) - middle
    html = document("<ul>{}</ul>" * len(cuts))
    names = [f"big__{n}" for n in range(len(cuts))]
    streamed.open(html.format(*(mark(name, "<li>Loading</li>") for name in names)))
    read = 0
    for name, cut in zip(names, cuts.values(), strict=True):
        whole = streamed.patch(name, items)
        at = whole.index(items) + middle + cut
        streamed.reply.send(whole[:at])
        # The parser has been there: the page has all of the first part, somewhere.
        holds(page, READ.replace("NUMBER", str(read + 1000)))
        streamed.reply.send(whole[at:])
        read += 2000
        counts(page, "ul > li.big", read)
    assert streamed.end() == streamed.plain(html.format(*[items] * len(cuts)))


@with_scripts
def test_other_scripts_append_meanwhile(page: Page, streamed: Streamed) -> None:
    """An element that a script appends while a patch comes in doesn't tear it."""
    streamed.open(document(f"<p>{mark('torn_1', 'Loading')}</p>"))
    whole = streamed.patch("torn_1", "<b>One</b><i>Two</i>")
    at = whole.index("<i>")
    streamed.reply.send(whole[:at])
    page.wait_for_selector("template, p > b", state="attached")
    page.evaluate("document.body.append(document.createElement('aside'))")
    streamed.reply.send(whole[at:])
    shows(page, "p", "OneTwo")
    counts(page, "aside", 1)
    streamed.end()
    shows(page, "p", "OneTwo")


@every_way
def test_thousand_slots(page: Page, streamed: Streamed) -> None:
    """A burst of 1,000 patches, the last slot first, fills all of them."""
    numbers = range(1000)
    html = document("".join(f"<p>{n}: {{}}</p>" for n in numbers))
    streamed.open(html.format(*(mark(f"s{n:05}", "Loading") for n in numbers)))
    burst = [streamed.patch(f"s{n:05}", f"<b>Real {n}</b>") for n in numbers]
    streamed.reply.send("".join(reversed(burst)))
    counts(page, "p > b", 1000)
    final = html.format(*(f"<b>Real {n}</b>" for n in numbers))
    assert streamed.end() == streamed.plain(final)


@both_extremes
def test_last_patch_at_the_end(page: Page, wire: Wire, way: Way) -> None:
    """What comes together with the page's end is never lost, in 20 of 20 pages."""
    for number in range(20):
        streamed = Streamed(page, wire, way)
        slots = [f"end_{n}_" for n in range(number % 3 + 1)]
        html = "".join(f"<p>{mark(name, 'Loading')}</p>" for name in slots)
        patches = "".join(streamed.patch(name, "Real") for name in slots)
        if number % 2:
            streamed.reply.send(streamed.shell(document(html)) + patches)
        else:
            streamed.reply.send(streamed.shell(document(html)), patches)
        page.goto(streamed.reply.end().url)
        assert page.locator("p").all_inner_texts() == ["Real"] * len(slots)


@with_scripts
def test_deferred_scripts_see_all_slots(
    page: Page, wire: Wire, streamed: Streamed
) -> None:
    """Deferred scripts and DOMContentLoaded come after the last patch, 10 times."""
    tell = "seen.push(document.querySelectorAll('p > b').length)"
    listen = f"<script>seen = []; addEventListener('DOMContentLoaded', () => {tell})"
    heads = {
        f"{listen}</script><script src=/tell.js defer></script>": [5, 5],
        f"{listen}</script>": [5],
    }
    names = [f"defer{n}" for n in range(5)]
    patches = "".join(streamed.patch(name, "<b>Real</b>") for name in names)
    body = "".join(f"<p>{mark(name, '')}</p>" for name in names)
    for number, (head, seen) in enumerate([*heads.items()] * 10):
        wire.reply("/tell.js", "text/javascript").send(tell).end()
        shell = streamed.shell(document(body, head))
        rest = [patches + last for last in streamed.last() or [""]]
        url = wire.reply(f"/page/{number}").send(shell, *rest).end().url
        page.goto(url)
        assert page.evaluate("seen") == seen


# --- slots in slots ------------------------------------------------------------


@every_way
def test_nested(page: Page, streamed: Streamed) -> None:
    """A patch may bring slots of its own, to any depth; they are filled later."""
    streamed.open(document(f"<div>{mark('nest_0', 'Loading')}</div>"))
    for depth in range(1, 6):
        inner = mark(f"nest_{depth}", f"Loading {depth}")
        streamed.fill(f"nest_{depth - 1}", f"<section>{depth} {inner}</section>")
        shows(
            page,
            "div",
            "".join(f"{n} " for n in range(1, depth)) + f"{depth} Loading {depth}",
        )
    streamed.fill("nest_5", "<b>Real</b>")
    shows(page, "div", "1 2 3 4 5 Real")
    whole = "<b>Real</b>"
    for depth in range(5, 0, -1):
        whole = f"<section>{depth} {whole}</section>"
    assert streamed.end() == streamed.plain(document(f"<div>{whole}</div>"))


@both_extremes
def test_nested_in_one_chunk(streamed: Streamed) -> None:
    """A parent and its children's patches may share a chunk, rows of a table too."""
    html = document("<table><tbody>{}</tbody></table>")
    rows = "".join(mark(f"row__{n}", "<tr><td>Loading</td></tr>") for n in range(3))
    streamed.open(html.format(mark("rows_1", "<tr></tr>")))
    patches = [streamed.patch("rows_1", f"<tr><th>h</th></tr>{rows}")]
    patches += [
        streamed.patch(f"row__{n}", f"<tr><td>Real {n}</td></tr>") for n in (2, 0, 1)
    ]
    streamed.reply.send("".join(patches))
    real = "".join(f"<tr><td>Real {n}</td></tr>" for n in range(3))
    assert streamed.end() == streamed.plain(html.format(f"<tr><th>h</th></tr>{real}"))


FALLBACK = "<i>a</i>{}<i>b {}</i>{}<i>c</i>"


@both_extremes
@pytest.mark.parametrize("filled", [(), (0,), (1,), (0, 1, 2)], ids=str)
def test_slots_in_a_fallback(
    page: Page, streamed: Streamed, filled: tuple[int, ...]
) -> None:
    """A fallback's own slots, filled or not, go when the slot itself is filled."""
    html = document("<p>x{}y{}z</p>")
    inner = FALLBACK.format(*(mark(f"inner{n}", "<u>wait</u>") for n in range(3)))
    streamed.open(html.format(mark("outer1", inner), mark("outer2", "Loading")))
    counts(page, "i", 3)
    for number in filled:
        # With a comment and a slot of its own, which mustn't end the outer one.
        streamed.fill(f"inner{number}", f"<s>real</s><!-- c -->{mark('in_in1', 'w')}")
    counts(page, "s", len(filled))
    streamed.fill("outer1", "<b>Real</b>")
    counts(page, "b", 1)
    # Too late: their places are gone.
    late = [number for number in range(3) if number not in filled]
    for number in late:
        streamed.fill(f"inner{number}", "<s>late</s>")
    streamed.fill("outer2", "End")
    shows(page, "p", "xRealyEndz")
    streamed.reply.end()
    page.wait_for_load_state()
    counts(page, "s", 0)
    counts(page, "template", len(late) if streamed.is_native else 0)


# --- what goes wrong, or looks like it -------------------------------------------


@both_extremes
def test_no_mark(page: Page, streamed: Streamed) -> None:
    """A patch without a mark shows nothing, and harms no other."""
    html = document("<p>{}</p><p>{}</p>")
    streamed.open(html.format(mark("known1", "Loading"), mark("known2", "Loading")))
    for name in ("nobody", "known1", "constructor", "__proto__", "?end", "known2"):
        streamed.reply.send(f'<template for="{name}">Real {name}</template>{SEPARATOR}')
    shows(page, "p", ["Real known1", "Real known2"])
    streamed.end()
    shows(page, "body", "Real known1Real known2")


@both_extremes
def test_other_templates_stay(page: Page, streamed: Streamed) -> None:
    """A page's own templates, and labels with a `for`, are left alone."""
    own = "<template id=own><b>own</b></template><label for=label1>l</label>"
    streamed.open(document(f"<p>{mark('label1', 'Loading')}</p>{own}"))
    streamed.reply.send(f"<template id=late><b>late</b></template>{SEPARATOR}")
    streamed.fill("label1", "Real")
    shows(page, "p", "Real")
    streamed.reply.send("<i>text</i> and more text")
    streamed.end()
    assert page.locator("template").evaluate_all(
        "all => all.map(one => one.id + one.content.textContent)"
    ) == ["ownown", "latelate"]


@both_extremes
def test_open_paragraph(page: Page, streamed: Streamed) -> None:
    """A shell that leaves out its last </p> is cured by one behind it."""
    html = document("<p>{}</p><p>Hello {}", end="</p>")
    streamed.open(html.format(mark("para_1", "Loading"), mark("para_2", "Loading")))
    streamed.fill("para_2", "Real 2")
    streamed.fill("para_1", "Real 1")
    shows(page, "p", ["Real 1", "Hello Real 2"])
    assert streamed.end() == streamed.plain(html.format("Real 1", "Real 2"))


@both_extremes
def test_open_formatting(page: Page, streamed: Streamed) -> None:
    """A shell may leave <b> or <a> open, where the separator is no text.

    Text opens such an element anew, and what follows would stand inside it.
    """
    streamed.open(document(f"<p>{mark('open_1', '')}</p><p><b><a href=x>Hello</p>"))
    patches = [patch("open_1", f"Real {mark('open_2', '')}"), patch("open_2", "2")]
    streamed.reply.send("<?>".join([*patches, ""]))
    shows(page, "p", ["Real 2", "Hello"])
    streamed.end()


@both_extremes
def test_no_body_tags(page: Page, streamed: Streamed) -> None:
    """A page may leave out html, head and body, and end with white space."""
    html = "<!doctype html><title>t</title><h1>{}</h1><ul><li>{}<li>b</ul>\n"
    streamed.open(html.format(mark("bare_1", "Loading"), mark("bare_2", "Loading")))
    streamed.fill("bare_2", "Real 2")
    streamed.fill("bare_1", "Real 1")
    shows(page, "h1, li", ["Real 1", "Real 2", "b"])
    assert streamed.end() == streamed.plain(html.format("Real 1", "Real 2"))


@both_extremes
def test_end_in_another_parent(page: Page, streamed: Streamed) -> None:
    """A fallback that leaves an element open takes the rest of its parent along."""
    fallback = mark("open_1", "<p>Loading")
    streamed.open(document(f"<div>a {fallback}<p>eaten</p></div><p>kept</p>"))
    streamed.fill("open_1", "<p>Real</p>")
    shows(page, "p", ["Real", "kept"])
    assert "eaten" not in streamed.end()


# --- what is in a patch ----------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "way"),
    [
        ("native", Way("native", policy=STRICT)),
        ("legacy", Way("legacy", policy=STRICT, runtime=True)),
    ],
    ids=["native", "legacy"],
)
def test_scripts_in_patches(page: Page, streamed: Streamed) -> None:
    """A script in a patch runs once, when it has the page's nonce."""
    streamed.open(document(f"<p>{mark('code_1', 'Loading')}</p>"))
    code = "document.body.dataset.runs = 1 + +(document.body.dataset.runs ?? 0)"
    streamed.fill("code_1", f"<b>Real</b><script nonce={NONCE}>{code}</script>")
    shows(page, "p > b", "Real")
    streamed.end()
    assert page.evaluate("document.body.dataset.runs") == "1"


@with_scripts
def test_the_rest_is_untouched(page: Page, streamed: Streamed) -> None:
    """What a visitor typed beside a slot stays, and so does the focus."""
    streamed.open(document(f"<input><p>{mark('focus1', 'Loading')}</p>"))
    page.fill("input", "typed")
    page.focus("input")
    streamed.fill("focus1", "Real")
    shows(page, "p", "Real")
    assert page.input_value("input") == "typed"
    assert page.evaluate("document.activeElement.localName") == "input"
    streamed.end()


# --- the runtime -----------------------------------------------------------------

GLOBALS = "before = Object.getOwnPropertyNames(window)"


@runtime_only
def test_runtime_leaves_no_names(page: Page, streamed: Streamed) -> None:
    """No variable of the runtime is seen by the page, or stands in its way."""
    names = "const d = 1, m = 2, t = 3, n = 4, c = 5, P = 6, r = 7, w = 8, z = 9;"
    head = f"<script>{names}{GLOBALS}</script>"
    streamed.open(document(f"<p>{mark('names1', 'Loading')}</p>", head))
    streamed.fill("names1", "Real")
    shows(page, "p", "Real")
    streamed.end()
    assert page.evaluate("[d, m, t, n, c, P, r, w, z].join('')") == "123456789"
    added = "Object.getOwnPropertyNames(window).filter(x => !before.includes(x))"
    assert page.evaluate(added) == ["before"]


COUNTERS = """(() => {
    const tally = window.tally = {walks: 0, steps: 0, looks: 0};
    const wrap = (prototype, name, note) => {
        const original = prototype[name];
        prototype[name] = function (...given) {
            note(this, ...given);
            return original.apply(this, given);
        };
    };
    wrap(Document.prototype, "createTreeWalker", (_, root) => {
        tally.walks += root === document;
    });
    wrap(TreeWalker.prototype, "nextNode", () => { tally.steps++; });
    const {get} = Object.getOwnPropertyDescriptor(Node.prototype, "nextSibling");
    Object.defineProperty(Node.prototype, "nextSibling", {
        get() { tally.steps++; return get.call(this); },
    });
    for (const prototype of [Document.prototype, Element.prototype]) {
        for (const name of ["querySelector", "querySelectorAll",
                            "getElementsByTagName", "getElementsByClassName"]) {
            wrap(prototype, name, () => { tally.looks++; });
        }
    }
    for (const name of ["createNodeIterator", "evaluate", "getElementById"]) {
        wrap(Document.prototype, name, () => { tally.looks++; });
    }
})()"""


@runtime_only
def test_runtime_is_linear(page: Page, wire: Wire, way: Way) -> None:
    """One walk over the document, and a fixed number of steps for each slot."""
    page.add_init_script(COUNTERS)
    tallies = []
    for slots in (100, 1000):
        streamed = Streamed(page, wire, way)
        names = [f"l{n:05}" for n in range(slots)]
        marks = "".join(f"<p>{mark(name, 'Loading')}</p>" for name in names)
        patches = [streamed.patch(name, "<b>Real</b>") for name in names]
        streamed.open(document(marks))
        streamed.reply.send("".join(patches[: slots // 2]))
        counts(page, "b", slots // 2)
        streamed.reply.send(*patches[slots // 2 :])
        counts(page, "b", slots)
        tallies.append(page.evaluate("tally"))
        streamed.reply.end()
    few, many = tallies
    assert few["walks"] == many["walks"] == 1
    assert few["looks"] == many["looks"] == 0
    # Two comments and one patch each, one look per node of the fallback and its end.
    assert few["steps"] < 10 * 100
    assert many["steps"] <= 10 * few["steps"]
