"""A page's head, read from its first bytes: which elements ask for files.

In: HTML, as far as it is there. Out: the tags that may ask for a file, or say what
may be asked for, still as they were written; and where the head ends. It refuses to
know what is made of them.

Not by html.parser, which takes seven times as long (140 µs for a head of 1.5 KiB): a
head with a token in it is new with each page, and read with each. What has no say is
skipped: comments, and the content of scripts, styles, titles, templates, and
of noscript, which browsers that run scripts don't look into.
"""

from __future__ import annotations

import re
from html import unescape
from typing import NamedTuple

__all__ = ["LIMIT", "Head", "HeadReader", "Tag", "attributes_of", "read"]

LIMIT = 65_536  # bytes in which a head has to end

# All behind a tag's name.
_REST = rb"(?=[\s/>])(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+"


def _whole(name: bytes, rest: bytes) -> bytes:
    """Give the pattern of an element whose content is skipped."""
    return rest + rb">[^<]*+(?:<(?!/" + name + rb"[\s/>])[^<]*+)*+</" + name


_SKIPPED = b"|".join(
    name + _whole(name, _REST)
    for name in (b"title", b"style", b"noscript", b"template")
)
# At each `<`: what has no group has no say, and is gone by without a word of Python.
_MARKUP = re.compile(
    rb"<(?:meta(?![^>]*http-equiv)" + _REST + rb">"
    rb"|(?P<void>(?P<name>link|base|meta)(?P<rest>" + _REST + rb")>)"
    rb"|" + _SKIPPED +
    rb"|script(?![^>]*src)" + _whole(b"script", _REST) +
    rb"|(?P<script>script" + _whole(b"script", b"(?P<source>" + _REST + b")") + rb")"
    rb"|(?:html|head)" + _REST + rb">"
    rb"|!--(?:-?>|(?:[^-]++|-(?!->))*+-->)"
    rb"|[!?](?!--)[^>]*+>"
    rb"|/(?!head[\s/>])[^>]*+>"
    rb"|(?=[^a-z!?/])"
    rb"|(?P<end>/head"
    rb"|(?!(?:meta|link|base|title|style|noscript|template|script|html|head)[\s/>])"
    rb"[a-z][^\s/>]*+[\s/>])"
    # It isn't there to its end.
    rb"|(?P<cut>))",
    re.IGNORECASE,
)  # fmt: skip
_ATTRIBUTE = re.compile(
    rb"([^\s\"'>/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+)))?"
)
# It is another one at each request, and nothing is made of it.
_NONCE = re.compile(rb"\bnonce\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)

Tag = tuple[bytes, bytes]
"""A tag's name in lower case, and all behind it, as written but for a nonce."""


class Head(NamedTuple):
    """What was read.

    :ivar tags: those that have a say, in their order.
    :ivar size: bytes up to the head's end. The same bytes are the same head.
    :ivar is_over: its end was seen.
    """

    tags: tuple[Tag, ...]
    size: int
    is_over: bool


def read(html: bytes) -> Head:
    """Read the head that *html* begins with."""
    tags: list[Tag] = []
    for found in _MARKUP.finditer(html, 0, LIMIT):
        kind = found.lastgroup
        if kind is None:
            continue
        if kind == "void":
            tags.append((found["name"].lower(), _lasting(found["rest"])))
        elif kind == "script":
            tags.append((b"script", _lasting(found["source"])))
        elif kind == "end":
            return Head(tuple(tags), found.end(), True)
        else:
            break
    return Head(tuple(tags), min(len(html), LIMIT), len(html) >= LIMIT)


def _lasting(rest: bytes) -> bytes:
    return _NONCE.sub(b"", rest) if b"nonce" in rest.lower() else rest


def attributes_of(tag: Tag) -> dict[str, str]:
    """Give a tag's attributes: names in lower case; of two the first counts."""
    attributes: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(tag[1]):
        value = (double or single or bare).decode(errors="replace")
        attributes.setdefault(
            name.decode(errors="replace").lower(),
            unescape(value) if "&" in value else value,
        )
    return attributes


class HeadReader:
    """Gathers a streamed page's first bytes until its head is over.

    :ivar html: what was gathered.
    """

    def __init__(self) -> None:
        self.html = b""
        self._tried = 0

    def take(self, data: bytes) -> Head | None:
        """Take the next bytes; give the head when it is over, and None until then."""
        if len(self.html) + len(data) > LIMIT:
            data = data[: LIMIT - len(self.html)]
        known = self.html
        self.html = html = known + data
        # Many small pieces aren't read again from the beginning for each of them.
        is_due = len(html) >= min(2 * self._tried, LIMIT)
        if not is_due:
            end = known[-5:] + data
            is_due = b"</head" in end or b"<body" in end
        if not is_due:
            return None
        self._tried = len(html)
        head = read(html)
        return head if head.is_over else None
