"""A piece of HTML between others: whether it ends where it seems to.

In: a slot's HTML, or a page's shell. Out: a `Scan`. It refuses to know Flask, and what
stands around the piece.

It reads as the HTML standard's tokenizer does (WHATWG HTML §13.2.5): what a parser
would take for text, for an attribute or for a comment is that here. Of the tree it
follows what can swallow a neighbour: elements whose content is text, and templates.
One regular expression skips what is ordinary, inside C, and never goes back over what
it has matched, so hostile text costs no more than other text; the loop sees the rest.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

__all__ = ["Scan", "end_tags", "scan"]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a parser makes of a piece of HTML.

    :ivar fault: a sentence for the developer, if what follows would be swallowed, or
        if this closes what it didn't open.
    :ivar slots: the names of the marks that a parser takes for such, where a patch can
        reach them; up to the fault, if there is one.
    :ivar open_paragraph: what follows would become a child of a `p` without end tag.
    """

    fault: str | None
    slots: frozenset[str]
    open_paragraph: bool


# --- grammar ---------------------------------------------------------------

_S = "\t\n\f\r "
_END = rf"(?=[{_S}/>])"  # what ends a tag's name


def _many(pattern: str) -> str:
    # Before 3.11.5 a possessive group may keep half of what didn't match:
    # https://github.com/python/cpython/issues/106052
    if sys.version_info >= (3, 11, 5):
        return rf"(?:{pattern})*+"
    return rf"(?>(?:{pattern})*)"


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _names(names: str) -> str:
    # Sets are matched faster than with re.IGNORECASE.
    def either(letter: str) -> str:
        return f"[{letter}{letter.upper()}]" if letter.isalpha() else letter

    return rf"(?:{'|'.join(''.join(map(either, n)) for n in names.split())}){_END}"


_VALUE = rf"(?:\"[^\"]*+\"|'[^']*+'|(?=>)|[^{_S}>\"'][^{_S}>]*+)"
# `=` is part of a name where a name begins; quotes are, everywhere.
_ATTRIBUTE = (
    rf"[^{_S}/>][^{_S}/>=]*+"
    rf"(?:=\"[^\"]*+\"|=[{_S}]*+{_VALUE}|(?![{_S}]*+=)|[{_S}]++=[{_S}]*+{_VALUE})"
)
# From a tag's name to the tag's end.
_TAIL = rf"[^{_S}/>]*+(?:>|{_many(rf'[{_S}/]*+{_ATTRIBUTE}')}[{_S}/]*+>)"
_COMMENT = rf"!--(?:-?>|[^-]*+{_many('-(?!-!?>)[^-]*+')}--!?>)"
# What isn't a tag: comments, bogus ones, other instructions, a `<` alone.
_OTHER = (
    rf"{_COMMENT}|!(?!--|\[CDATA\[)[^>]*+>|/>|/[^a-zA-Z>][^>]*+>"
    rf"|\?(?!start[{_S}])[^>]*+>|(?![a-zA-Z/!?])"
)

_TEXT = "iframe noembed noframes script style textarea title xmp"
# In svg and math the content of `title` and its like is markup, unless HTML stands
# there again; parsers made before 2025 ignore such tags in a select.
_ODD = _set("math select svg")
_SEEN = _names(f"{_TEXT} math noscript plaintext select svg template")
_SEEN_ENDS = _names("math noscript select svg template")

_skip = re.compile(
    "[^<]*+"
    + _many(
        # The commonest forms of the commonest tags come first.
        rf"<(?:/?+[tT][dDrRhH]>|/(?!{_SEEN_ENDS})[a-zA-Z]{_TAIL}"
        rf"|(?!{_SEEN})[a-zA-Z]{_TAIL}|{_OTHER})[^<]*+"
    )
).match
_tag = re.compile(rf"<(/?+)([a-zA-Z][^{_S}/>]*+){_TAIL}").match
_slot = re.compile(rf"<\?start[{_S}]++name=\"([^\">]*+)\"[{_S}]*+\??>").match
_ends = {name: re.compile(f"</{_names(name)}").search for name in _TEXT.split()}
_noscript_end = re.compile(f"</{_names('noscript')}").search

# Script data and its two escaped states (§13.2.5.4, .20 to .32).
_script = re.compile(rf"</{_names('script')}|<!--").search
_escaped = re.compile(rf"-->|<(/?+){_names('script')}").search

# --- paragraphs ------------------------------------------------------------

_paragraph = re.compile(rf"<{_names('p')}").finditer
# What closes a p: its end tag, elements that can't be in it, the end of one around it.
_closes = re.compile(
    "<(?:/(?!"
    + _names(
        "a abbr b bdi bdo big body button cite code data del dfn em font html i ins kbd"
        " label map mark meter object output progress q ruby s samp select small span"
        " strike strong sub sup time tt u var"
    )
    + ")[a-zA-Z]|"
    + _names(
        "address article aside blockquote center dd details dialog dir div dl dt"
        " fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr li"
        " listing main menu nav ol p pre search section summary table ul xmp"
    )
    + ")"
).search


def _leaves_paragraph(html: str) -> bool:
    last = None
    for last in _paragraph(html):  # noqa: B007 - the last one is wanted
        pass
    return last is not None and _closes(html, last.end()) is None


# --- end tags --------------------------------------------------------------

_markup = re.compile(rf"<(?:{_COMMENT}|(/?+)([a-zA-Z][^{_S}/>]*+){_TAIL})").finditer
_VOID = _set("area base br col embed hr img input link meta param source track wbr")
_SIBLINGS = {
    **dict.fromkeys(("dd", "dt"), _set("dd dt")),
    **dict.fromkeys(("td", "th"), _set("td th")),
    **{name: _set(name) for name in ("li", "option", "tr")},
}


def end_tags(html: str) -> str:
    """Give the end tags that *html* leaves out, those that may be left out too.

    A mark after an open `p` or `li` would be the child of that.
    """
    stack: list[str] = []
    for found in _markup(html):
        name = (found[2] or "").lower()
        if found[1]:
            if name in stack:
                while stack.pop() != name:
                    pass
        elif name and name not in _VOID and not found[0].endswith("/>"):
            if stack and _ends_by_itself(stack[-1], name, found[0]):
                stack.pop()
            stack.append(name)
    return "".join(f"</{name}>" for name in reversed(stack))


def _ends_by_itself(name: str, after: str, tag: str) -> bool:
    if name == "p":
        return _closes(tag) is not None
    return after in _SIBLINGS.get(name, ())


# --- reading ---------------------------------------------------------------


def scan(html: str) -> Scan:
    """Read *html* to its end, and tell what it leaves behind."""
    reader = _Reader(html)
    at = reader.read()
    fault = reader.fault
    if fault is not None:
        fault = f"{fault} (line {html.count(chr(10), 0, at) + 1})"
        return Scan(fault, frozenset(reader.slots), False)
    return Scan(None, frozenset(reader.slots), _leaves_paragraph(html))


class _Reader:
    def __init__(self, html: str) -> None:
        self.html = html
        self.fault: str | None = None
        self.slots: set[str] = set()
        self._templates: list[int] = []
        self._unseen = 0  # noscript elements around
        self._text_end: int | None = None  # of the noscript around, read as text
        self._odd = 0  # elements around in which text may be read as markup

    def read(self) -> int:
        """Read all, or up to a fault; give the place."""
        html, at = self.html, 0
        while self.fault is None:
            skipped = _skip(html, at)
            assert skipped is not None
            at = skipped.end()
            if self._text_end is not None and at > self._text_end:
                self.fault = "</noscript> stands where only some see a tag"
                break
            if at == len(html):
                if self._templates:
                    at = self._templates[-1]
                    self.fault = "<template> is not closed"
                break
            if (slot := _slot(html, at)) is not None:
                if not (self._templates or self._unseen):
                    self.slots.add(slot[1])
                at = slot.end()
            elif (tag := _tag(html, at)) is not None:
                at = self._past_tag(at, tag)
            elif (past := _past_markup(html, at, self._odd)) is not None:
                at = past
            else:
                self.fault = _unfinished(html, at)
        return at

    def _past_tag(self, at: int, tag: re.Match[str]) -> int:
        name, end = tag[2].lower(), tag.end()
        is_end = tag[1] == "/"
        if name in _ODD:
            # A slash closes in svg and math, though not everything that is in them.
            is_closed = name != "select" and tag[0].endswith("/>")
            self._odd = max(self._odd + (-1 if is_end else not is_closed), 0)
        elif name == "template":
            self._template(at, is_end=is_end)
        elif name == "plaintext":
            self.fault = "<plaintext> can't be closed"
        elif name == "noscript":
            # Text to a browser with scripting, markup to one without. The reading goes
            # on inside, and has to come to the same end.
            self._unseen = max(self._unseen + (-1 if is_end else 1), 0)
            if at == self._text_end:
                self._text_end = None
            elif not is_end and self._text_end is None:
                found = _noscript_end(self.html, end)
                if found is None:
                    self.fault = "<noscript> is not closed"
                else:
                    self._text_end = found.start()
        else:
            past = _end_of_text(self.html, name, end)
            if past is None:
                self.fault = f"<{name}> is not closed"
            elif self._odd and "<" in self.html[end:past]:
                self.fault = f"<{name}> in svg, math or select has a < in its text"
            else:
                return past
        return at if self.fault else end

    def _template(self, at: int, *, is_end: bool) -> None:
        if self._odd:
            self.fault = "a <template> in svg, math or select"
        elif not is_end:
            self._templates.append(at)
        elif self._templates:
            self._templates.pop()
        else:
            self.fault = "</template> closes what isn't open here"


def _past_markup(html: str, at: int, odd: int) -> int | None:
    if html.startswith("<![CDATA[", at):
        # Characters in svg and math; elsewhere a comment, up to the first ">".
        end = html.find("]]>", at) if odd else html.find(">", at)
        if odd and "<" in html[at + 1 : end]:
            return None
        return None if end < 0 else html.index(">", end) + 1
    if html.startswith("<?", at):  # a mark that isn't written like ours
        return html.find(">", at) + 1 or None
    return None


def _unfinished(html: str, at: int) -> str:
    if html.startswith("<!--", at):
        return "a comment is not closed"
    if html.startswith(("<!", "<?"), at):
        return f"{html[at : at + 12]!r} is not closed"
    return f"the tag {html[at : at + 24]!r} is cut off, or a quote in it isn't closed"


def _end_of_text(html: str, name: str, at: int) -> int | None:
    if name == "script":
        return _end_of_script(html, at)
    end = _ends[name](html, at)
    return None if end is None else end.start()


def _end_of_script(html: str, at: int) -> int | None:
    while (found := _script(html, at)) is not None:
        if found[0] != "<!--":
            return found.start()
        # Escaped. Its dashes may be those of the end, too: <!-->
        at = found.start() + 2
        doubly = False
        while (inner := _escaped(html, at)) is not None:
            at = inner.end()
            if inner[0] == "-->":
                break
            if inner[1] and not doubly:
                return inner.start()
            doubly = not inner[1]
        else:
            return None
    return None
