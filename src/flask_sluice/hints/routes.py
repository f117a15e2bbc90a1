"""The app's own routes, as seen from a hinted file.

In: a file's address, during a request. Out: the endpoint that would serve it, and
whether the address can be about somebody. It refuses to know files that Flask doesn't
serve.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from flask import Flask, Request
from werkzeug.exceptions import HTTPException

__all__ = ["Route", "is_fixed", "route_of"]


class Route(NamedTuple):
    """What serves a file.

    :ivar endpoint: its name.
    :ivar values: what the rule takes from the address.
    """

    endpoint: str
    values: Mapping[str, Any]

    @property
    def is_static(self) -> bool:
        """Whether it is a static folder, of the app or of a blueprint."""
        name = self.endpoint.rpartition(".")[2]
        return name == "static" and "filename" in self.values


def route_of(app: Flask, request: Request, target: str) -> Route | None:
    """Give the route of a file; None if it isn't the app's.

    :param target: its address, from the root or with this host.
    """
    parts = urlsplit(target)
    adapter = app.create_url_adapter(request)
    if adapter is None or parts.netloc not in ("", request.host):
        return None
    path = unquote(parts.path).removeprefix(request.script_root)
    try:
        return Route(*adapter.match(path, method="GET"))
    except HTTPException:  # no such route, or elsewhere
        return None


def is_fixed(app: Flask, request: Request, target: str) -> bool:
    """Tell whether an address is the same for everybody.

    It is a static file's, or one in which its rule has nothing to fill in. A query may
    be anything.
    """
    if "?" in target:
        return False
    route = route_of(app, request, target)
    return route is not None and (route.is_static or not route.values)
