"""The `Link` header (RFC 8288): links written, and those that are there read.

In: a target and attributes, as an app has them. Out: one line that every parser takes
for just that, or one error. Reading is as forgiving as the RFC's own algorithm
(appendix B): it is done to know what somebody else has put into the header, not to
judge it. It refuses to know what a hint is, and the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from ..errors import ArgumentError, HeaderError

__all__ = ["ROOM", "Key", "Link", "header", "parse", "target"]

# nginx takes 4 KiB of an upstream's headers unless told otherwise, and answers 502
# when there are more. This leaves a fourth for all others.
ROOM = 3072

Key = tuple[str, frozenset[str], str]
"""What makes two links the same to a browser: target, relations, `as`."""

Attribute = tuple[str, str | None]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# A name with an asterisk is how an encoded value is written; that is done here.
_NAME = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]+")
# What no URL may have raw, and browsers don't encode: a mistake, or an attack.
_NOT_IN_URLS = re.compile(r"[<>\\]")
# All of printable ASCII but the space and the quote. Browsers encode these two and
# leave the rest as it is; a hint for another spelling is a second download.
_RAW_IN_URLS = "!#$%&'()*+,/:;=?@[]^`{|}~"
_PLAIN_URL = re.compile(rf"[{re.escape(_RAW_IN_URLS)}.\-_0-9A-Za-z]+")
# attr-char of RFC 8187 §3.2.1, beside letters and digits.
_RAW_IN_VALUES = "!#$&+-.^_`|~"

_SPACE = " \t"
_NAME_ENDS = frozenset(" \t=;,")


def target(url: str) -> str:
    """Give *url* as it stands between `<` and `>`: the one that a browser asks for.

    :raises HeaderError: it has a control character.
    :raises ArgumentError: it is empty, or has `<`, `>` or a backslash.
    """
    if _PLAIN_URL.fullmatch(url):
        return url
    _refuse_controls("The URL", url)
    url = url.strip(" ")
    if not url:
        raise ArgumentError("The URL is empty: a link needs a target.")
    if found := _NOT_IN_URLS.search(url):
        raise ArgumentError(
            f"The URL {url!r} holds {found[0]!r}, which no URL may: percent-encode it."
        )
    return _encoded("The URL", url, _RAW_IN_URLS)


def _refuse_controls(what: str, value: str) -> None:
    if _CONTROLS.search(value):
        raise HeaderError(what, value)


def _encoded(what: str, text: str, raw: str) -> str:
    try:
        return quote(text, safe=raw)
    except UnicodeEncodeError:
        raise ArgumentError(
            f"{what} {text!r} holds half a character, which has no bytes."
        ) from None


@dataclass(frozen=True, slots=True)
class Link:
    """One link.

    :ivar target: as it stands between `<` and `>`. Make it with `target()`.
    :ivar attributes: names and values in order; a value of None is a bare name.
    """

    target: str
    attributes: tuple[Attribute, ...]
    key: Key = field(init=False, compare=False, repr=False)
    _text: str = field(init=False, compare=False, repr=False, default="")

    def __post_init__(self) -> None:
        relations = frozenset((self.get("rel") or "").lower().split())
        key = (self.target, relations, (self.get("as") or "").lower())
        object.__setattr__(self, "key", key)

    @property
    def is_own(self) -> bool:
        """Whether it is of the page's own site, written from the root."""
        return self.target[:1] == "/" != self.target[1:2]

    def get(self, name: str) -> str | None:
        """Give the value of an attribute: where it is repeated the first counts."""
        for known, value in self.attributes:
            if known == name:
                return value or ""
        return None

    def __str__(self) -> str:
        """Write it.

        :raises HeaderError: a value has a control character.
        :raises ArgumentError: a name, or the relation, can't be written.
        """
        if not self._text:
            text = "; ".join([f"<{self.target}>", *map(_written, self.attributes)])
            object.__setattr__(self, "_text", text)
        return self._text


def _written(attribute: Attribute) -> str:
    name, value = attribute
    if not _NAME.fullmatch(name):
        raise ArgumentError(
            f"{name!r} is no name for a link's attribute: letters, digits and dashes."
        )
    if value is None:
        return name
    _refuse_controls(f"The attribute {name}", value)
    if not value.isascii():
        if name == "rel":
            raise ArgumentError(f"rel is {value!r}, but relations are plain ASCII.")
        encoded = _encoded(f"The attribute {name}", value, _RAW_IN_VALUES)
        return f"{name}*=UTF-8''{encoded}"
    if _TOKEN.fullmatch(value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'


def header(links: Iterable[Link]) -> str:
    """Give the header's value for *links*."""
    return ", ".join(map(str, links))


# --- reading ---------------------------------------------------------------


def parse(value: str) -> list[Link]:
    """Give the links in a header's value, as far as they can be read.

    What isn't a link is skipped to the next comma. Names are in lower case; a value
    encoded by RFC 8187 is decoded, and takes the place of the plain one.
    """
    links = []
    at = 0
    while (at := _skip(value, at, _SPACE + ",")) < len(value):
        end = value.find(">", at)
        if value[at] != "<" or end < 0:
            at = _until(value, at, ",")
            continue
        attributes, after = _attributes(value, end + 1)
        links.append(Link(value[at + 1 : end], _decoded(attributes)))
        # Between an attribute and the comma there is nothing that means something.
        at = _until(value, after, ",")
    return links


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _until(text: str, at: int, ends: Iterable[str]) -> int:
    while at < len(text) and text[at] not in ends:
        at += 1
    return at


def _attributes(text: str, at: int) -> tuple[list[Attribute], int]:
    found: list[Attribute] = []
    while (at := _skip(text, at, _SPACE)) < len(text) and text[at] == ";":
        start = _skip(text, at + 1, _SPACE)
        at = _until(text, start, _NAME_ENDS)
        name = text[start:at].lower()
        at = _skip(text, at, _SPACE)
        value: str | None = None
        if text[at : at + 1] == "=":
            at = _skip(text, at + 1, _SPACE)
            if text[at : at + 1] == '"':
                value, at = _quoted(text, at + 1)
            else:
                start, at = at, _until(text, at, ";,")
                value = text[start:at].rstrip(_SPACE)
        if name:
            found.append((name, value))
    return found, at


def _quoted(text: str, at: int) -> tuple[str, int]:
    """Read on behind an opening quote; one that isn't closed goes to the end."""
    parts: list[str] = []
    while at < len(text):
        character = text[at]
        if character == '"':
            return "".join(parts), at + 1
        if character == "\\":
            at += 1
            character = text[at : at + 1]
        parts.append(character)
        at += 1
    return "".join(parts), at


def _decoded(attributes: list[Attribute]) -> tuple[Attribute, ...]:
    better: dict[str, str | None] = {}
    plain: list[Attribute] = []
    for name, value in attributes:
        if not name.endswith("*"):
            plain.append((name, value))
        elif (text := _ext_value(value or "")) is not None:
            better.setdefault(name.removesuffix("*"), text)
    kept = [pair for pair in plain if pair[0] not in better]
    return tuple(kept + list(better.items()))


def _ext_value(value: str) -> str | None:
    charset, _, rest = value.partition("'")
    _, quote_found, encoded = rest.partition("'")
    if not quote_found:
        return None
    try:
        return unquote(encoded, charset, "strict")
    except (LookupError, UnicodeDecodeError):
        return None
