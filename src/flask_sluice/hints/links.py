"""`preload()` and its kin: from an app's words to a link, checked, and the URL back.

In: a URL and what it is for. Out: the same URL, so that the call can stand where the
URL stands, and a `Hint` for the response's header. It refuses to know when that goes
out. In templates they are names like any others; there `as=` says what Python, where
that is a word of its own, calls `as_`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urljoin, urlsplit

from flask import request as flask_request
from jinja2.ext import Extension
from markupsafe import Markup

from ..errors import ArgumentError
from ..formats.link import Link, target
from .gathering import Hint, gatherer

if TYPE_CHECKING:
    from flask import Flask
    from jinja2 import Environment

__all__ = [
    "HintNames",
    "dns_prefetch",
    "modulepreload",
    "offer",
    "preconnect",
    "preload",
    "push",
    "target_of",
]

CrossOrigin = Literal["anonymous", "use-credentials"] | bool | None
Priority = Literal["high", "low", "auto"] | None

_CROSSORIGIN: dict[object, str | bool | None] = {
    None: None,
    False: None,
    True: True,
    "": True,
    "anonymous": True,
    "use-credentials": "use-credentials",
}
_PRIORITIES = (None, "high", "low", "auto")


def preload(
    url: str,
    as_: str | None = None,
    *,
    rel: str = "preload",
    crossorigin: CrossOrigin = None,
    fetchpriority: Priority = None,
    type: str | None = None,  # noqa: A002 - the attribute's name
    media: str | None = None,
    imagesrcset: str | None = None,
    imagesizes: str | None = None,
    integrity: str | None = None,
    nopush: bool = False,
) -> str:
    """Tell the browser that this page needs *url*, and give *url* back.

    The arguments are the attributes of a `<link>` of that name, and have to be what
    the element that uses the file will ask for, or it is fetched twice.

    :param url: as it will stand in the page. One that is relative to the page's own
        address is written into the header from the root.
    :param as_: what it is for: "style", "script", "font", "image", "fetch", "track".
        In a template `as=` will do.
    :param rel: another relation, such as "prefetch", which needs no *as_*.
    :param crossorigin: None: as for an element without it, but for a font, which is
        never fetched otherwise, "anonymous".
    :param nopush: ask proxies not to push it.
    :raises OutsideRequestError: no request is being handled.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises ArgumentError: an argument can't be used.
    """
    if as_ is None and "preload" in rel.lower().split():
        raise ArgumentError(
            'preload() has no as_, and browsers ignore it without: "style", "script",'
            ' "font", "image", "fetch" or "track".'
        )
    return _file(
        "preload()",
        url,
        rel=rel,
        as_=as_,
        crossorigin=crossorigin,
        fetchpriority=fetchpriority,
        type=type,
        media=media,
        imagesrcset=imagesrcset,
        imagesizes=imagesizes,
        integrity=integrity,
        nopush=nopush,
    )


def modulepreload(
    url: str,
    as_: str | None = None,
    *,
    crossorigin: CrossOrigin = None,
    fetchpriority: Priority = None,
    media: str | None = None,
    integrity: str | None = None,
    nopush: bool = False,
) -> str:
    """Tell the browser that this page needs the JavaScript module *url*.

    It is fetched, compiled and kept as a module. Arguments and errors are
    `preload()`'s; *as_* is "script" when it is left out.
    """
    return _file(
        "modulepreload()",
        url,
        rel="modulepreload",
        as_=as_,
        crossorigin=crossorigin,
        fetchpriority=fetchpriority,
        media=media,
        integrity=integrity,
        nopush=nopush,
    )


def push(
    url: str,
    as_: str | None = None,
    *,
    crossorigin: CrossOrigin = None,
    fetchpriority: Priority = None,
    type: str | None = None,  # noqa: A002 - the attribute's name
    media: str | None = None,
    integrity: str | None = None,
) -> str:
    """Have a proxy or server that does HTTP/2 push send *url* along with the page.

    To a browser it is a `preload()`, with the same arguments and errors. *as_* may be
    left out where only proxies are meant, which don't ask for it. They push what is
    on their own site.
    """
    return _file(
        "push()",
        url,
        is_push=True,
        rel="preload",
        as_=as_,
        crossorigin=crossorigin,
        fetchpriority=fetchpriority,
        type=type,
        media=media,
        integrity=integrity,
    )


def preconnect(url: str, *, crossorigin: CrossOrigin = None) -> str:
    """Tell the browser to open a connection to the other origin that *url* is on.

    :param crossorigin: True for what is fetched without cookies, such as fonts: that
        goes over a connection of its own.
    """
    attributes: dict[str, object] = {
        "rel": "preconnect",
        "crossorigin": _crossorigin(crossorigin),
    }
    return _hint("preconnect()", url, attributes, is_elsewhere=True)


def dns_prefetch(url: str) -> str:
    """Tell the browser to look up the address of the other origin that *url* is on."""
    return _hint("dns_prefetch()", url, {"rel": "dns-prefetch"}, is_elsewhere=True)


def _file(
    what: str,
    url: str,
    *,
    rel: str,
    as_: str | None,
    crossorigin: CrossOrigin,
    fetchpriority: Priority,
    is_push: bool = False,
    **others: object,
) -> str:
    """Hint a file, which the browser keeps, and which need not be hinted twice."""
    if crossorigin is None and as_ == "font":
        crossorigin = "anonymous"
    attributes = {
        "rel": rel,
        "as": as_,
        "crossorigin": _crossorigin(crossorigin),
        "fetchpriority": _priority(fetchpriority),
        **others,
    }
    return _hint(what, url, attributes, is_kept=True, is_push=is_push)


def _crossorigin(value: object) -> str | bool | None:
    try:
        return _CROSSORIGIN[value]
    except (KeyError, TypeError):
        raise ArgumentError(
            f'crossorigin is {value!r}, but expects "anonymous", "use-credentials",'
            " True or None."
        ) from None


def _priority(value: Priority) -> Priority:
    if value not in _PRIORITIES:
        raise ArgumentError(
            f'fetchpriority is {value!r}, but expects "high", "low", "auto" or None.'
        )
    return value


def _hint(
    what: str,
    url: str,
    attributes: dict[str, object],
    *,
    is_kept: bool = False,
    is_elsewhere: bool = False,
    is_push: bool = False,
) -> str:
    own = gatherer(what)
    link = Link(target_of(what, url), tuple(_pairs(attributes)))
    if is_elsewhere and not urlsplit(link.target).netloc:
        raise ArgumentError(
            f"{what} got {url!r}, which is on this site: it is for other origins, such"
            ' as "https://fonts.example".'
        )
    str(link)  # what can't be written raises here, at the line that said so
    once = own.once if is_kept else None
    own.add(Hint(link, link.key, link.target, once, is_push))
    return url


def _pairs(attributes: dict[str, object]) -> list[tuple[str, str | None]]:
    pairs: list[tuple[str, str | None]] = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        if value is True:
            pairs.append((name, None))
            continue
        if not isinstance(value, str) or not value.strip():
            raise ArgumentError(f"{name} is {value!r}, but expects text.")
        text = str(value.unescape() if isinstance(value, Markup) else value)
        # It is a list of URLs, and browsers read no other spelling of it.
        pairs.append((name, _ascii(text) if name == "imagesrcset" else text))
    return pairs


def _ascii(urls: str) -> str:
    if urls.isascii():
        return urls
    return "".join(part if part.isascii() else target(part) for part in urls)


def target_of(what: str, url: object) -> str:
    """Give the link's target for *url*.

    Where it is relative to the page's address it is made to begin at the root: some
    proxies would push what it literally says.

    :raises ArgumentError: it isn't text, or no URL.
    """
    if not isinstance(url, str):
        raise ArgumentError(
            f"{what} got {type(url).__name__}, but expects a URL as text."
        )
    # In a template that is what `{% set %}` and `|safe` give.
    found = target(str(url.unescape() if isinstance(url, Markup) else url))
    if found.startswith("/") or urlsplit(found).scheme:
        return found
    request = flask_request
    return urljoin(quote(request.script_root + request.path), found)


# --- templates -------------------------------------------------------------


def _in_template(function: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(function)
    def call(*args: Any, **attributes: Any) -> str:
        if "as" in attributes:
            attributes["as_"] = attributes.pop("as")
        return function(*args, **attributes)

    return call


class HintNames(Extension):
    """The names in templates. What an app calls so itself stays its own."""

    names: dict[str, Callable[..., str]] = {  # noqa: RUF012 - never changed
        function.__name__: _in_template(function)
        for function in (preload, modulepreload, preconnect, dns_prefetch, push)
    }

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        for name, function in self.names.items():
            environment.globals.setdefault(name, function)


def offer(app: Flask, names: type[Extension] = HintNames) -> None:
    """Give *app*'s templates the names of *names*."""
    if "jinja_env" in app.__dict__:
        app.jinja_env.add_extension(names)
        return
    # Its environment isn't made yet, and its options may still change.
    known = app.jinja_options.get("extensions", [])
    app.jinja_options = {**app.jinja_options, "extensions": [*known, names]}
