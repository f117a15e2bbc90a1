"""Where a layout's places begin and end, however its tags are written."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_sluice.compat.flasksr.places import Place, mentions, split

IDS = frozenset("abcdefgh")


def filled(html: str) -> str:
    """Put the id into each place, in brackets."""
    return "".join(
        piece if isinstance(piece, str) else piece.around(f"[{piece.id}]")
        for piece in split(html, IDS.__contains__)
    )


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>no place</p>", "<p>no place</p>"),
        ("<p ref-sr-id=a>x</p>y", "<p ref-sr-id=a>[a]</p>y"),
        ("<p ref-sr-id='a'></p>", "<p ref-sr-id='a'>[a]</p>"),
        (
            '<x-y class="a>b" REF-SR-ID="a">x</x-y>',
            '<x-y class="a>b" REF-SR-ID="a">[a]</x-y>',
        ),
        (
            "<div\n ref-sr-id\n=\n'a'\n>x</div >",
            "<div\n ref-sr-id\n=\n'a'\n>[a]</div >",
        ),
        (
            "é\n\r\n<b>\n</b> <i ref-sr-id=a>é\n</i>",
            "é\n\r\n<b>\n</b> <i ref-sr-id=a>[a]</i>",
        ),
        # An element of its own name inside, and what is never closed.
        ("<div ref-sr-id=a><div>x</div>y</div>z", "<div ref-sr-id=a>[a]</div>z"),
        ("<div ref-sr-id=a><br><img><p>x</div>z", "<div ref-sr-id=a>[a]</div>z"),
        ("<div><b ref-sr-id=a>x</div>z", "<div><b ref-sr-id=a>[a]</div>z"),
        ("<div ref-sr-id=a>x", "<div ref-sr-id=a>[a]"),
        # End tags that may be left out, and such as close nothing.
        ("<ul><li ref-sr-id=a>x<li>y</ul>", "<ul><li ref-sr-id=a>[a]<li>y</ul>"),
        ("<li ref-sr-id=a><ul><li>x</ul>y<li>z", "<li ref-sr-id=a>[a]<li>z"),
        ("<p ref-sr-id=a>x<div>y</div>", "<p ref-sr-id=a>[a]<div>y</div>"),
        ("<p ref-sr-id=a>x<button><p>y</button>z", "<p ref-sr-id=a>[a]"),
        (
            "<dl><dt ref-sr-id=a>x<dd ref-sr-id=b>y</dl>",
            "<dl><dt ref-sr-id=a>[a]<dd ref-sr-id=b>[b]</dl>",
        ),
        (
            "<table><tr><td ref-sr-id=a>x<td>y<tr><td ref-sr-id=b></table>z",
            "<table><tr><td ref-sr-id=a>[a]<td>y<tr><td ref-sr-id=b>[b]</table>z",
        ),
        (
            "<table><tr ref-sr-id=a><td><table><td></table><tbody ref-sr-id=b></table>",
            "<table><tr ref-sr-id=a>[a]<tbody ref-sr-id=b>[b]</table>",
        ),
        (
            "<td ref-sr-id=a>x<td ref-sr-id=b>y",
            "<td ref-sr-id=a>[a]<td ref-sr-id=b>[b]",
        ),
        (
            "<select><option ref-sr-id=a>x<option>y</select>",
            "<select><option ref-sr-id=a>[a]<option>y</select>",
        ),
        ("<h2 ref-sr-id=a>x</h3>y", "<h2 ref-sr-id=a>[a]</h3>y"),
        (
            "<ruby>x<rt ref-sr-id=a>y<rt>z</ruby>",
            "<ruby>x<rt ref-sr-id=a>[a]<rt>z</ruby>",
        ),
        (
            "<div ref-sr-id=a>x</span></p></section>y</div>",
            "<div ref-sr-id=a>[a]</div>",
        ),
        (
            "<section><td ref-sr-id=a>x</section><p ref-sr-id=b>y",
            "<section><td ref-sr-id=a>x</section><p ref-sr-id=b>[b]",
        ),
        (
            "<form><form ref-sr-id=a></form><p ref-sr-id=b>x",
            "<form><form ref-sr-id=a></form><p ref-sr-id=b>[b]",
        ),
        (
            "<body ref-sr-id=a><div ref-sr-id=b>x</body></html></div>",
            "<body ref-sr-id=a><div ref-sr-id=b>[b]</div>",
        ),
        # Neither a tag nor an element that could hold anything.
        (
            "<!-- <p ref-sr-id=a> --><p ref-sr-id=b>x</p>",
            "<!-- <p ref-sr-id=a> --><p ref-sr-id=b>[b]</p>",
        ),
        ("<script>'<p ref-sr-id=a>'</script>", "<script>'<p ref-sr-id=a>'</script>"),
        ("<title><p ref-sr-id=a></title>", "<title><p ref-sr-id=a></title>"),
        (
            "<iframe><p ref-sr-id=a></p></iframe>",
            "<iframe><p ref-sr-id=a></p></iframe>",
        ),
        (
            "<template><p ref-sr-id=a></p></template>",
            "<template><p ref-sr-id=a></p></template>",
        ),
        (
            "<svg><g ref-sr-id=a /><title>x</title></svg>",
            "<svg><g ref-sr-id=a /><title>x</title></svg>",
        ),
        ("<img ref-sr-id=a><p ref-sr-id=b>x", "<img ref-sr-id=a><p ref-sr-id=b>[b]"),
        ("<p title='ref-sr-id=a'>x", "<p title='ref-sr-id=a'>x"),
        # Not asked for, asked for twice, or inside of what will be gone.
        (
            "<p ref-sr-id=z>x</p><p ref-sr-id>y</p>",
            "<p ref-sr-id=z>x</p><p ref-sr-id>y</p>",
        ),
        (
            "<p ref-sr-id=a>x</p><p ref-sr-id=a>y</p>",
            "<p ref-sr-id=a>[a]</p><p ref-sr-id=a>y</p>",
        ),
        ("<div ref-sr-id=a><p ref-sr-id=b>x</p></div>", "<div ref-sr-id=a>[a]</div>"),
        (
            "<div ref-sr-id=z><p ref-sr-id=b>x</p></div>",
            "<div ref-sr-id=z><p ref-sr-id=b>[b]</p></div>",
        ),
    ],
)
def test_places(html: str, expected: str) -> None:
    """A place is what a browser would replace if it set `innerHTML`."""
    assert filled(html) == expected


@pytest.mark.parametrize(
    ("html", "place"),
    [
        (
            "<textarea rows=2 ref-sr-id=a>x <b></textarea>",
            Place("a", "x <b>", "<textarea rows=2 ref-sr-id=a>", "</textarea>"),
        ),
        (
            "<SVG ref-sr-id=a><g/><path d=''></SVG >",
            Place("a", "<g/><path d=''>", "<SVG ref-sr-id=a>", "</svg>"),
        ),
        (
            "<template ref-sr-id=a><template></template>x</template>",
            Place(
                "a", "<template></template>x", "<template ref-sr-id=a>", "</template>"
            ),
        ),
    ],
)
def test_whole_elements(html: str, place: Place) -> None:
    """Where a mark would be text, or out of reach, the place is the element."""
    assert list(split(f"<p>{html}y", IDS.__contains__)) == ["<p>", place, "y"]


def test_an_id_is_unescaped() -> None:
    """An id means what it means to a browser."""
    (_, place, _) = split("<p ref-sr-id='a&amp;b &eacute;'>x", lambda _: True)
    assert isinstance(place, Place)
    assert place.id == "a&b é"


def test_most_texts_are_not_read() -> None:
    """The attribute's name is found in any case, and only where it stands."""
    assert mentions("<p REF-sr-Id=a>")
    assert not mentions("<p class='sr-id ref-sr'>" * 1000)


# --- any tree --------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """HTML, and the same with its places filled."""

    html: str
    filled: str

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.html + other.html, self.filled + other.filled)


def plain(html: str) -> Piece:
    """Give what stays as it is."""
    return Piece(html, html)


def join(pieces: list[Piece]) -> Piece:
    """Give one after another."""
    return sum(pieces, plain(""))


LEAVES = st.sampled_from(
    [
        *("text", "&lt;", " ", "<br>", "<img alt='>'>", "<input/>", "</b>", "a < b"),
        *("<!-- <p ref-sr-id=a> -->", "<script>'<p ref-sr-id=a>'</script>"),
        *("<svg><g ref-sr-id=a /></svg>", "<textarea></p></textarea>", "<!bogus>"),
    ]
).map(plain)

# Tags around what may stand in them; an end tag of None is left out.
BLOCKS = ("div", "section", "x-card", "article", "main", "form", "blockquote")


@st.composite
def flow(draw: st.DrawFn, inner: st.SearchStrategy[Piece]) -> Piece:
    """Give an element, or several that belong together, with children in it."""

    def element(name: str, *, end: bool = True) -> Piece:
        children = join(draw(st.lists(inner, max_size=3)))
        identity = draw(st.sampled_from(["", "", "z", "id"]))
        tag = plain(f"<{name}>")
        if identity == "z":
            tag = plain(f"<{name} class='x>y' ref-sr-id=z>")
        elif identity == "id":
            # A place of its own name; ids are given when all is known.
            tag = plain(f'<{name} ref-sr-id="?">')
            children = Piece(children.html.replace("?", "!"), "[?]")
        close = plain(f"</{name}>" if end else "")
        return tag + children + close

    def several(names: tuple[str, ...]) -> Piece:
        count = draw(st.integers(1, 3))
        return join(
            [
                element(draw(st.sampled_from(names)), end=draw(st.booleans()))
                for _ in range(count)
            ]
        )

    kind = draw(st.sampled_from(["block", "span", "p", "list", "dl", "rows", "select"]))
    if kind == "block":
        return element(draw(st.sampled_from(BLOCKS[:5])))
    if kind == "span":
        return element("span")
    if kind == "p":
        # What comes next ends it.
        return plain("<p>text") + element("div")
    if kind == "list":
        return plain("<ul>") + several(("li",)) + plain("</ul>")
    if kind == "dl":
        return plain("<dl>") + several(("dt", "dd")) + plain("</dl>")
    if kind == "rows":
        cells = several(("td", "th"))
        return plain("<table><tr>") + cells + plain("<tr><td>x</table>")
    return plain("<select><option>x<option>y</select>")


def numbered(piece: Piece) -> Piece:
    """Give each place an id of its own, in the order in which they stand."""
    html, text = piece.html, piece.filled
    for id_ in sorted(IDS):
        html = html.replace('"?"', f'"{id_}"', 1)
        text = text.replace('"?"', f'"{id_}"', 1).replace("[?]", f"[{id_}]", 1)
    return Piece(html.replace('"?"', "z").replace('"!"', "z"), text)


@given(st.recursive(LEAVES, flow, max_leaves=12))
def test_any_tree(piece: Piece) -> None:
    """Whatever is nested in whatever, each place is found, from end to end."""
    if piece.html.count('"?"') <= len(IDS):
        made = numbered(piece)
        assert filled(made.html) == made.filled
