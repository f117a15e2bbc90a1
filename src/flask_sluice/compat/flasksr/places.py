"""Where a layout wants its components: the elements with `ref-sr-id`.

In: HTML as somebody wrote it. Out: the same text in pieces, with a `Place` for what
stands inside each such element. It refuses to know components.

Tags are found by the standard library's parser. Of the tree only that is followed
which decides where an element ends: end tags that may be left out, end tags that
close more than their own element, and those that close none (the HTML standard's
§13.2.6, without the repair of misnested `<b>`, `<i>` and the like).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import accumulate

__all__ = [
    "ATTRIBUTE",
    "IGNORED",
    "PARTS",
    "SPECIAL",
    "VOID",
    "Place",
    "Reader",
    "mentions",
    "split",
]

ATTRIBUTE = "ref-sr-id"

mentions = re.compile(ATTRIBUTE, re.IGNORECASE).search
"""Find the attribute's name; None in most texts, which need no reading."""

# --- elements --------------------------------------------------------------


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


VOID = _set(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param"
    " source track wbr"
)
# What is in them is text, in `noscript` where scripts run.
TEXT = _set(
    "iframe noembed noframes noscript plaintext script style textarea title xmp"
)
FOREIGN = _set("math svg")
# A mark inside them is no mark, or none that a patch can reach.
SEALED = TEXT | FOREIGN | {"template"}
# Tags without an element of their own, in the middle of a body.
IGNORED = _set("body head html")

# A parser opens them again where they were not closed.
FORMATTING = _set("a b big code em font i nobr s small strike strong tt u")

HEADINGS = _set("h1 h2 h3 h4 h5 h6")
SECTIONS = _set("caption colgroup tbody tfoot thead")
CELLS = _set("td th")
PARTS = SECTIONS | CELLS | {"tr"}

# Starting one of these ends a paragraph.
BLOCKS = HEADINGS | _set(
    "address article aside blockquote center dd details dialog dir div dl dt fieldset"
    " figcaption figure footer form header hgroup hr li listing main menu nav ol p"
    " plaintext pre search section summary table ul xmp"
)
# The standard's "special" ones: an end tag of any other doesn't reach across them.
SPECIAL = (
    BLOCKS | PARTS | VOID | TEXT | _set("applet button marquee object select template")
)

# Across these nothing is closed from the inside, in one matter or another.
IN_TABLE = _set("table template")
IN_SCOPE = IN_TABLE | CELLS | {"applet", "caption", "marquee", "object"}
IN_BUTTON = IN_SCOPE | {"button"}
IN_LIST = IN_SCOPE | {"ol", "ul"}
IN_ITEM = SPECIAL - {"address", "div", "p"}

Rule = tuple[frozenset[str], frozenset[str]]


def _rules(*rows: tuple[str, str, frozenset[str]]) -> dict[str, Rule]:
    return {
        name: (_set(closed), across)
        for names, closed, across in rows
        for name in names.split()
    }


# A start tag of the first ends all of the second, up to one of the third.
STARTS = _rules(
    ("li", "li", IN_ITEM),
    ("dd dt", "dd dt", IN_ITEM),
    ("button", "button", IN_SCOPE),
    ("td th", "td th caption colgroup", IN_TABLE),
    ("tr", "tr caption colgroup", IN_TABLE),
    (" ".join(SECTIONS), " ".join(PARTS), IN_TABLE),
)
# The same for the innermost open element of all, as often as it is one of them.
STARTS_ON_TOP = {
    **dict.fromkeys(HEADINGS, HEADINGS),
    **dict.fromkeys(("rb", "rp", "rt", "rtc"), _set("rb rp rt rtc")),
    "a": _set("a"),
    "optgroup": _set("optgroup option"),
    "option": _set("option"),
}
# The same for end tags; what isn't here ends the innermost of its own name.
ENDS = _rules(
    (" ".join(HEADINGS), " ".join(HEADINGS), IN_SCOPE),
    ("p", "p", IN_BUTTON),
    ("li", "li", IN_LIST),
) | {name: (_set(name), IN_TABLE) for name in ("table", "template", *PARTS)}
PARAGRAPH: Rule = (_set("p"), IN_BUTTON)


# --- places ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """What stands inside an element with `ref-sr-id`.

    Nothing can be marked inside a `textarea` or an `svg`: there the place is the
    whole element, and *head* and *foot* are its tags.

    :ivar id: the attribute's value.
    :ivar inner: what stands there meanwhile.
    """

    id: str
    inner: str
    head: str = ""
    foot: str = ""

    def around(self, content: str) -> str:
        """Give *content* as it is to stand there."""
        return f"{self.head}{content}{self.foot}"


def split(html: str, wanted: Callable[[str], bool]) -> Iterator[str | Place]:
    """Yield *html* in pieces: text, and the places that are wanted.

    The first element of an id counts. What stands inside a place goes away with its
    filling, so no place is looked for in there.

    :param wanted: tells whether there is a component of that id.
    """
    done = 0
    for place, start, end in Reader(html, wanted).places:
        yield html[done:start]
        yield place
        done = end
    yield html[done:]


class _Open:
    """An element that is open; *place* if it is one that is looked for."""

    __slots__ = ("after", "at", "name", "place")

    def __init__(self, name: str, at: int, after: int, place: str | None) -> None:
        self.name = name
        self.at = at
        self.after = after
        self.place = place


class Reader(HTMLParser):
    """Reads HTML to its end.

    :param wanted: as for `split`.
    :ivar places: the places, with where each begins and ends.
    :ivar left: the names of what is open in the end, innermost first.
    """

    def __init__(self, html: str, wanted: Callable[[str], bool]) -> None:
        super().__init__(convert_charrefs=False)
        self.places: list[tuple[Place, int, int]] = []
        self._html = html
        self._lines = [0, *accumulate(len(line) + 1 for line in html.split("\n"))]
        self._wanted = wanted
        self._seen: set[str] = set()
        self._stack: list[_Open] = []
        self._sealed = 0  # open elements in which no place is looked for
        self._formatting: list[str] = []
        self.feed(html)
        self.close()
        self.left = [element.name for element in reversed(self._stack)]
        self.left += self._formatting
        while self._stack:
            self._pop(len(html))
        self.places.sort(key=lambda found: found[1])

    # Tags.

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element, and close what can't go on beside it."""
        at = self._offset()
        if self._is_ignored(tag):
            return
        if tag in BLOCKS:
            self._close(PARAGRAPH, at)
        if tag in STARTS:
            while self._close(STARTS[tag], at):
                pass
        on_top = STARTS_ON_TOP.get(tag, ())
        while self._stack and self._stack[-1].name in on_top:
            self._pop(at)
        if tag in VOID:
            return
        after = at + len(self.get_starttag_text() or "")
        self._stack.append(_Open(tag, at, after, self._place_of(attrs)))
        self._sealed += self._seals(self._stack[-1])
        if tag in TEXT and not self._has(FOREIGN):
            # The standard library's parser doesn't know all of them.
            self.set_cdata_mode(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element; the slash means nothing, but in svg and math."""
        self.handle_starttag(tag, attrs)
        if self._has(FOREIGN):
            self._pop(self._stack[-1].after)

    def handle_endtag(self, tag: str) -> None:
        """Close what this end tag closes."""
        if tag in IGNORED:
            return
        rule = ENDS.get(tag)
        if rule is None:
            across = IN_SCOPE if tag in SPECIAL else SPECIAL - {tag}
            rule = frozenset((tag,)), across
        if not self._close(rule, self._offset()) and tag in self._formatting:
            self._formatting.remove(tag)

    def unknown_decl(self, data: str) -> None:
        """Pass over `<![CDATA[`, which is a comment in HTML."""

    # The stack.

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def _is_ignored(self, tag: str) -> bool:
        if tag in PARTS:
            # Where nothing is open, a table may be open around all of this.
            return bool(self._stack) and not self._has(PARTS | {"table"})
        return tag in IGNORED or (tag == "form" and self._has({"form"}))

    def _has(self, names: AbstractSet[str]) -> bool:
        return any(element.name in names for element in self._stack)

    def _place_of(self, attrs: list[tuple[str, str | None]]) -> str | None:
        if self._sealed:
            return None
        found = next((value or "" for name, value in attrs if name == ATTRIBUTE), None)
        if found is None or found in self._seen or not self._wanted(found):
            return None
        self._seen.add(found)
        return found

    @staticmethod
    def _seals(element: _Open) -> bool:
        return element.place is not None or element.name in SEALED

    def _close(self, rule: Rule, at: int) -> bool:
        closed, across = rule
        for depth, element in enumerate(reversed(self._stack), 1):
            if element.name in closed:
                for inner in self._stack[-depth + 1 :] if depth > 1 else ():
                    if inner.name in FORMATTING:
                        self._formatting.append(inner.name)
                for _ in range(depth):
                    self._pop(at)
                return True
            if element.name in across:
                break
        return False

    def _pop(self, at: int) -> None:
        element = self._stack.pop()
        self._sealed -= self._seals(element)
        if element.place is None:
            return
        html = self._html
        if element.name not in SEALED:
            place = Place(element.place, html[element.after : at])
            self.places.append((place, element.after, at))
            return
        foot, end = f"</{element.name}>", at
        if html[at : at + len(foot) - 1].lower() == foot[:-1]:
            end = html.find(">", at) + 1 or len(html)
        place = Place(
            element.place,
            html[element.after : at],
            html[element.at : element.after],
            foot,
        )
        self.places.append((place, element.at, end))
