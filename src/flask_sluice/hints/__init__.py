"""Hints: what a page will need, told to the browser before the page is there.

`preload()` and its kin are called in a view or stand in a template's `href`; what
they are told goes out in the response's `Link` header, and by `early_hints()` ahead
of the response. The docs' page on hints says what browsers and proxies make of it.
"""

from .connectors import Connector, CookieConnector, SessionConnector
from .early import early_hints
from .links import dns_prefetch, modulepreload, preconnect, preload, push

__all__ = [
    "Connector",
    "CookieConnector",
    "SessionConnector",
    "dns_prefetch",
    "early_hints",
    "modulepreload",
    "preconnect",
    "preload",
    "push",
]
