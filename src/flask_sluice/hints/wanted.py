"""From a page's tags to links that may go ahead of it.

In: what `head` has read, the page's own `Link`s, its policies and its address. Out:
links to files of the page's own site, from the root. It refuses to know when they go.

What is worth it is what keeps a browser from showing the page: stylesheets, scripts
without `async` and `defer`, modules, and whatever the page itself hints. A script
with `async` or `defer` keeps nobody waiting, and hinted it would go before what does.
Hints of connections aren't taken: they are for other sites, which an address that was
only read somewhere isn't asked to reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from ..errors import ArgumentError, HeaderError
from ..formats.link import ROOM, Attribute, Link, target
from .head import Tag, attributes_of
from .policy import Origin, allows

__all__ = ["Wanted", "wanted"]

_FILES = frozenset({"preload", "modulepreload"})
_CARRIED = ("type", "media", "imagesrcset", "imagesizes", "integrity", "fetchpriority")
_KEPT = frozenset({"rel", "as", "crossorigin", "nopush", *_CARRIED})
_CLASSIC = frozenset({"", "text/javascript", "application/javascript"})


class Wanted(NamedTuple):
    """What one page would like to have gone ahead.

    :ivar links: in the page's order.
    :ivar is_relative: some depends on the page's own path.
    """

    links: tuple[Link, ...]
    is_relative: bool


def wanted(
    tags: Iterable[Tag],
    own: Iterable[Link],
    *,
    policies: Iterable[str],
    origin: Origin,
    path: str,
    limit: int,
) -> Wanted:
    """Give the links of one page.

    :param own: what its `Link` header says, and was hinted for it.
    :param path: the page's, with the app's prefix.
    :param limit: how many at most.
    """
    asked: list[tuple[str, list[Attribute]]] = []
    rules = list(policies)
    base: str | None = None
    for tag in tags:
        name, attributes = tag[0], attributes_of(tag)
        if name == b"base":
            base = attributes.get("href") if base is None else base
        elif name == b"meta":
            if attributes.get("http-equiv", "").lower() == "content-security-policy":
                rules.append(attributes.get("content", ""))
        else:
            asked += _asked_by(name, attributes)
    found: dict[object, Link] = {}
    # The header's are read against the page's address, its elements' against the base.
    header, page = (_Page(origin, quote(path), one) for one in (None, base))
    made = [
        header.link(link.target, [pair for pair in link.attributes if pair[0] in _KEPT])
        for link in own
        if _is_use(link)
    ]
    made += [page.link(url, pairs) for url, pairs in asked]
    for link in made:
        if link is not None:
            found.setdefault(link.key, link)
    links: list[Link] = []
    room = ROOM
    for link in found.values():
        if len(links) < limit and allows(rules, _kind(link), link.target, origin):
            room -= len(str(link)) + 2
            if room < 0:
                break
            links.append(link)
    return Wanted(tuple(links), header.met_relative or page.met_relative)


def _is_use(link: Link) -> bool:
    # Without `as` browsers ignore a preload; with an anchor it is about another page.
    is_one = "modulepreload" in link.key[1] or bool(
        "preload" in link.key[1] and link.get("as")
    )
    return is_one and link.get("anchor") is None


def _kind(link: Link) -> str:
    return link.get("as") or "script"  # a module's


def _asked_by(
    name: bytes, attributes: Mapping[str, str]
) -> list[tuple[str, list[Attribute]]]:
    carried = _carried(attributes)
    if name == b"script":
        return _asked_by_script(attributes, carried)
    href = attributes.get("href", "")
    relations = attributes.get("rel", "").lower().split()
    asked: list[tuple[str, list[Attribute]]] = []
    for relation in relations:
        if relation in _FILES:
            kind = attributes.get("as", "").strip().lower()
            if kind or relation == "modulepreload":
                as_: list[Attribute] = [("as", kind)] if kind else []
                asked.append((href, [("rel", relation), *as_, *carried]))
    is_css = attributes.get("type", "").strip().lower() in ("", "text/css")
    if (
        "stylesheet" in relations
        and "alternate" not in relations
        and "disabled" not in attributes
        and is_css
    ):
        # Its type would only be one more thing that has to be the same.
        pairs = [pair for pair in carried if pair[0] != "type"]
        asked.append((href, [("rel", "preload"), ("as", "style"), *pairs]))
    return asked


def _asked_by_script(
    attributes: Mapping[str, str], carried: list[Attribute]
) -> list[tuple[str, list[Attribute]]]:
    kind = attributes.get("type", "").strip().lower()
    pairs = [pair for pair in carried if pair[0] not in ("type", "media")]
    rel: list[Attribute]
    if kind == "module" and "async" not in attributes:
        rel = [("rel", "modulepreload")]
    elif kind in _CLASSIC and not attributes.keys() & {"async", "defer", "nomodule"}:
        rel = [("rel", "preload"), ("as", "script")]
    else:
        return []
    return [(attributes.get("src", ""), [*rel, *pairs])]


def _carried(attributes: Mapping[str, str]) -> list[Attribute]:
    pairs: list[Attribute] = []
    crossorigin = attributes.get("crossorigin")
    if crossorigin is not None:
        is_asked = crossorigin.strip().lower() == "use-credentials"
        pairs.append(("crossorigin", "use-credentials" if is_asked else None))
    for name in _CARRIED:
        value = attributes.get(name, "").strip()
        if value:
            pairs.append((name, value))
    return pairs


class _Page:
    """The page's address, against which others are read.

    :ivar met_relative: an address depended on it.
    """

    def __init__(self, origin: Origin, path: str, base: str | None) -> None:
        self.met_relative = False
        self._origin = origin
        self._path = path
        self._has_base = base is not None
        # `/a.css` is on the base's site, whichever that is.
        self._is_lost = base is not None and self._rooted(base.strip()) is None

    def link(self, url: str, pairs: list[Attribute]) -> Link | None:
        """Make the link; None if its file isn't on this site, or can't be written."""
        # As browsers do, which then ask for what is left.
        url = "".join(url.split("\n")).replace("\t", "").replace("\r", "").strip()
        if not url or "\ufffd" in url or self._is_lost:
            return None
        path = self._rooted(url)
        images = dict(pairs).get("imagesrcset") or ""
        if path is None or not all(map(_is_rooted, images.split(","))):
            return None
        try:
            link = Link(target(path.partition("#")[0]), tuple(pairs))
            str(link)
        except (ArgumentError, HeaderError):
            return None
        return link

    def _rooted(self, url: str) -> str | None:
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        if parts.scheme or parts.netloc:
            scheme, host = self._origin
            own = (parts.scheme or scheme, parts.netloc.lower()) == (scheme, host)
            if not own or not parts.netloc:
                return None
            url = url.partition("//")[2]
            url = url[len(parts.netloc) :] or "/"
        if _is_rooted(url):
            return url
        if parts.netloc:
            return None
        if self._has_base:
            return None
        self.met_relative = True
        joined = urljoin(self._path, url)
        return joined if _is_rooted(joined) else None


def _is_rooted(url: str) -> bool:
    url = url.strip()
    # The empty one is what stands between no commas.
    return not url or (url[0] == "/" and url[1:2] not in ("/", "\\"))
