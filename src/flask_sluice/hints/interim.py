"""103 Early Hints on the wire: who may have one, how it is sent, how that is tried.

In: a request's environ, and links. Out: one interim response ahead of the real one,
by the call that servers offer as `wsgi.early_hints` (gunicorn does, and `ASGIApp` in
the name of its server). It refuses to know where the links come from.

An interim response is a risk: some proxies take it for the answer. So it goes to
those alone that can use it, and anybody else's request stays as it was. `flask sluice
check-hints` is let through by a token, signed with the app's key: a stranger must not
be able to have one sent through a proxy that it breaks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Request, Response
from itsdangerous import BadSignature, TimestampSigner

from ..formats.link import Link

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = [
    "CHECK",
    "FAILED",
    "NO_API",
    "OLD",
    "SENT",
    "Probe",
    "can_send",
    "is_navigation",
    "send",
    "token",
]

log = logging.getLogger("flask_sluice")

API = "wsgi.early_hints"

# The header with which check-hints asks, and is answered.
CHECK = "Sluice-Check"
_CHECK_KEY = "HTTP_SLUICE_CHECK"
SENT, OLD, NO_API, FAILED = "sent", "http/1.0", "no-api", "failed"
TOKEN_SECONDS = 300
# No browser and no proxy knows this relation, so nothing is fetched or pushed.
PROBE_LINK = Link("/", (("rel", "sluice-check"),))


def is_navigation(request: Request) -> bool:
    """Tell whether a browser asks for a page to show.

    By `Sec-Fetch-Mode` alone. Browsers that act on a 103 send it; a program that
    doesn't may well take the 103 for the answer, as Python's http.client does.
    """
    return (
        request.method == "GET"
        and request.environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
    )


def can_send(environ: WSGIEnvironment) -> bool:
    """Tell whether this request's server can send a 103 to its client."""
    return environ.get("SERVER_PROTOCOL") != "HTTP/1.0" and bool(environ.get(API))


def send(environ: WSGIEnvironment, links: Iterable[Link]) -> str:
    """Send *links* now, and tell what became of that: SENT or why not."""
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return OLD
    call = environ.get(API)
    if call is None:
        return NO_API
    try:
        # Text: gunicorn over HTTP/2 would send bytes as b'...'.
        call([("Link", str(link)) for link in links])
    except Exception:
        # Whatever the server raises: a hint that can't be sent breaks no page.
        log.debug("A 103 could not be sent", exc_info=True)
        return FAILED
    return SENT


# --- check-hints -----------------------------------------------------------


def _signer(app: Flask) -> TimestampSigner | None:
    if not app.secret_key:
        return None
    return TimestampSigner(
        app.secret_key, salt="flask_sluice.check-hints", key_derivation="hmac"
    )


def token(app: Flask) -> str | None:
    """Give what lets check-hints in, or None where the app has no SECRET_KEY."""
    signer = _signer(app)
    return None if signer is None else signer.sign("103").decode()


class Probe:
    """The app's side of check-hints.

    Asked with a token, it sends a 103 whatever the settings say, and tells in a
    header of the response whether it could.

    :param app: the app whose key the token is signed with.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app

    def begin(self, request: Request) -> None:
        """Send the 103, before anything else of the app's runs."""
        environ = request.environ
        if self._is_asked(request):
            environ[self._key] = send(environ, [PROBE_LINK])

    def end(self, request: Request, response: Response) -> None:
        """Tell what became of it."""
        outcome = request.environ.get(self._key)
        if outcome is not None:
            response.headers[CHECK] = outcome
            response.headers["Cache-Control"] = "no-store"

    @property
    def _key(self) -> str:
        return f"flask_sluice.check.{id(self):x}"

    def _is_asked(self, request: Request) -> bool:
        asked = request.environ.get(_CHECK_KEY)
        if asked is None:
            return False
        signer = _signer(self._app)
        try:
            return signer is not None and bool(
                signer.unsign(asked, max_age=TOKEN_SECONDS)
            )
        except BadSignature:
            return False
