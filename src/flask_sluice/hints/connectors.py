"""Connectors: what a client was hinted before, remembered without a database.

In: the URLs that a response hints. Out: the same set at the client's next request.
A connector's two methods are called while the request is handled; one that needs the
response has a third, `keep`. It refuses to know what is done with the set.

Both built-in ones forget: the oldest when there is no room, because a cookie is sent
with every request. A hint that was forgotten is sent again, which is the safe side.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import blake2b
from typing import Any, Protocol, runtime_checkable

from flask import Flask, Response, current_app, g, session
from flask import request as flask_request
from itsdangerous import BadSignature, Signer

from ..errors import ArgumentError, ConfigError

__all__ = ["Connector", "CookieConnector", "SessionConnector"]

SESSION_KEY = "h2-pushed"
SESSION_ROOM = 1024  # characters of URLs: a session is a cookie of 4 KiB at most

# 40 hashes are 267 characters of base64. With a signature (27), the cookie's name and
# its attributes that leaves room below 512 bytes for a long domain and path.
HASHES = 40
HASH_BYTES = 5
START_BYTES = 4
# A hash stands among URLs in a set, and no target of a link begins like this.
HASH_MARK = "#"

now = time.time


@runtime_checkable
class Connector(Protocol):
    """Remembers for a client what it was hinted.

    One with a method `keep(response)` has it called after the others, with the
    response, which it may change: a cookie goes there.
    """

    def get_pushed(self) -> set[str]:
        """Give what was hinted before. The set is the caller's to change."""
        ...

    def set_pushed(self, pushed: set[str], /) -> None:
        """Remember all of *pushed*: what was hinted before, and now."""
        ...


class SessionConnector:
    """Remembers URLs in the session, under "h2-pushed": at most 1 KiB of them."""

    def get_pushed(self) -> set[str]:
        """Give the URLs."""
        return set(self._known())

    def set_pushed(self, pushed: set[str], /) -> None:
        """Remember the URLs, the newest if there is no room for all."""
        known = [url for url in self._known() if url in pushed]
        room = SESSION_ROOM
        kept: list[str] = []
        for url in reversed(known + sorted(pushed.difference(known))):
            room -= len(url)
            if room < 0:
                break
            kept.append(url)
        session[SESSION_KEY] = kept[::-1]

    def _known(self) -> list[str]:
        value = session.get(SESSION_KEY)
        if isinstance(value, str):  # as Flask-Firehose has it
            return [url for url in value.split(",") if url]
        return list(value) if isinstance(value, list) else []


class CookieConnector:
    """Remembers hashes of 40 URLs in a signed cookie of its own, of 512 bytes at most.

    :param name: the cookie's.
    :param max_age: seconds after which all is forgotten, counted from the first hint.
        No longer than the hinted files may be cached: what a client has thrown away
        it isn't hinted before.
    :raises ArgumentError: *max_age* isn't a whole number of seconds above zero.
    """

    def __init__(self, name: str = "sluice_hints", *, max_age: int = 86_400) -> None:
        if type(max_age) is not int or max_age <= 0:
            raise ArgumentError(
                f"max_age is {max_age!r}, but expects whole seconds above zero."
            )
        self.name = name
        self.max_age = max_age

    def get_pushed(self) -> set[str]:
        """Give what is remembered: ask it with `in`, as the URLs can't be given."""
        return _Hashes(self._read()[1])

    def set_pushed(self, pushed: set[str], /) -> None:
        """Remember *pushed*, the newest if there is no room for all."""
        start, known = self._read()
        hashes = {item if item[:1] == HASH_MARK else _hash(item) for item in pushed}
        kept = [item for item in known if item in hashes]
        kept += sorted(hashes.difference(known))
        # Until keep() is called, which has the response.
        g._sluice_hinted = (start, kept[-HASHES:])

    def keep(self, response: Response, /) -> None:
        """Set the cookie, if there is something new."""
        response.vary.add("Cookie")
        hinted = g.pop("_sluice_hinted", None)
        if hinted is None:
            return
        start, hashes = hinted
        app = _app()
        interface = app.session_interface
        payload = start.to_bytes(START_BYTES) + b"".join(map(_bytes_of, hashes))
        response.set_cookie(
            self.name,
            self._signer().sign(urlsafe_b64encode(payload).rstrip(b"=")).decode(),
            max_age=max(0, start + self.max_age - int(now())),
            path=interface.get_cookie_path(app),
            domain=interface.get_cookie_domain(app),
            secure=interface.get_cookie_secure(app) or flask_request.is_secure,
            httponly=True,
            samesite="Lax",
        )

    def _read(self) -> tuple[int, list[str]]:
        """Give when it was begun, and the hashes, oldest first."""
        fresh = (int(now()), list[str]())
        try:
            text = self._signer().unsign(flask_request.cookies.get(self.name, ""))
            payload = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except (BadSignature, Base64Error):
            return fresh
        start = int.from_bytes(payload[:START_BYTES])
        if not fresh[0] - self.max_age < start <= fresh[0]:
            return fresh
        body = payload[START_BYTES:]
        cuts = range(0, len(body), HASH_BYTES)
        return start, [HASH_MARK + body[at : at + HASH_BYTES].hex() for at in cuts]

    def _signer(self) -> Signer:
        app = _app()
        if not app.secret_key:
            raise ConfigError(
                "CookieConnector signs its cookie: set SECRET_KEY, as for a session."
            )
        older = app.config.get("SECRET_KEY_FALLBACKS") or ()
        keys: list[Any] = [*older, app.secret_key]
        return Signer(keys, salt="flask_sluice.hints", key_derivation="hmac")


class _Hashes(set[str]):
    """Hashes that can be asked for URLs."""

    def __contains__(self, url: object) -> bool:
        return super().__contains__(url) or (
            isinstance(url, str) and super().__contains__(_hash(url))
        )


def _hash(url: str) -> str:
    return HASH_MARK + blake2b(url.encode(), digest_size=HASH_BYTES).hexdigest()


def _bytes_of(item: str) -> bytes:
    return bytes.fromhex(item.removeprefix(HASH_MARK))


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app
