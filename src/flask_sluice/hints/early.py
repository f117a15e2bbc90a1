"""`early_hints()`: what a page will need, told while its view still works.

In: URLs, and whatever `preload()` and its kin were told before. Out: a 103 response
at once, for those who can use it; for all others, and for what comes too late, the
`Link` header of the page. It refuses to know servers.
"""

from __future__ import annotations

from posixpath import splitext
from urllib.parse import urlsplit

from flask import request as flask_request

from ..deferral import working
from ..errors import ArgumentError
from .gathering import gatherer
from .interim import is_navigation, send
from .links import modulepreload, preload

__all__ = ["early_hints"]

_KINDS = {
    ".css": "style",
    ".js": "script",
    **dict.fromkeys((".woff2", ".woff", ".ttf", ".otf"), "font"),
    **dict.fromkeys(
        (".avif", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".webp"), "image"
    ),
}
_MODULE = ".mjs"


def early_hints(*urls: str) -> None:
    """Send this page's hints now, as 103 Early Hints, and not with its first byte.

    Call it in a view, before what takes long. All that `preload()`, `preconnect()`
    and the others were told so far is sent, and *urls*. Each hint goes once, however
    often this is called, and again in the page's `Link` header.

    Where no 103 may go, because `SLUICE_EARLY_HINTS` is off, or the request isn't a
    browser's for a page, or came by HTTP/1.0, or the server can't, that header is all.
    So it is in a function given to `defer()`, and once the headers are decided.

    :param urls: files to `preload()`: for what, their suffix says. ".mjs" is a
        module.
    :raises OutsideRequestError: no request is being handled.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises ArgumentError: a URL can't be used, or its suffix says nothing.
    """
    own = gatherer("early_hints()")
    for url in urls:
        _hint(url)
    # Not beside the request's own thread: that one may be writing the response.
    if own.goes_ahead and working.get() is None and is_navigation(flask_request):
        links = own.ahead()
        if links:
            send(flask_request.environ, links)


def _hint(url: str) -> None:
    if not isinstance(url, str):
        raise ArgumentError(
            f"early_hints() got {type(url).__name__}, but expects URLs as text."
        )
    suffix = splitext(urlsplit(url).path)[1].lower()
    if suffix == _MODULE:
        modulepreload(url)
    elif kind := _KINDS.get(suffix):
        preload(url, kind)
    else:
        raise ArgumentError(
            f"early_hints() can't tell by its suffix what {url!r} is for: hint it with"
            " preload(), and call early_hints() after that."
        )
