"""All the Flask pages behind one server: a look at the path tells whose it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import ours, peers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

OURS = {f"/{rule.rule.strip('/')}" for rule in ours.app.url_map.iter_rules()}


def application(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """The extension's pages from its app, the others from an app that lacks it."""
    app = ours.app if environ["PATH_INFO"] in OURS else peers.app
    return app(environ, start_response)
