"""Too late is said aloud: what can't be changed after the first byte refuses to be.

In: a response's headers, a session. Out: the same objects, readable as before, that
raise `CommittedError` at the line that tries to write. Plain Flask loses such a
write without a word.

Both change their class in place, because the app and its extensions hold references
to the very objects.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, NoReturn

from werkzeug.datastructures import Headers

from .errors import CommittedError

__all__ = ["freeze_headers", "freeze_session"]

log = logging.getLogger("flask_sluice")


def _refusal(what: str) -> Callable[..., NoReturn]:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise CommittedError(what)

    return refuse


_HEADER_WRITERS = (
    "__delitem__",
    "__ior__",
    "__setitem__",
    "add",
    "add_header",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "set",
    "setdefault",
    "setlist",
    "setlistdefault",
    "update",
)

_SESSION_WRITERS = (
    "__delitem__",
    "__ior__",
    "__setitem__",
    "clear",
    "pop",
    "popitem",
    "setdefault",
    "update",
)


class SentHeaders(Headers):
    """Headers that have been sent. A copy of them is free."""

    def copy(self) -> Headers:  # type: ignore[override]
        """Give headers that can be written to."""
        return Headers(list(self))

    __copy__ = copy  # type: ignore[assignment]

    def __or__(self, other: Any) -> Headers:  # type: ignore[override]
        copy = self.copy()
        copy.update(other)
        return copy


for _name in _HEADER_WRITERS:
    setattr(SentHeaders, _name, _refusal("A header"))


def freeze_headers(headers: Headers) -> None:
    """Make every method of *headers* that writes raise."""
    headers.__class__ = SentHeaders


def _read(name: str, session: Any) -> Any:
    try:
        return vars(session)[name]
    except (TypeError, KeyError):
        return getattr(super(type(session), session), name, False)


@functools.cache
def _sent_session(kind: type) -> type:
    refuse = _refusal("The session")
    names = [name for name in _SESSION_WRITERS if hasattr(kind, name)]
    body: dict[str, Any] = dict.fromkeys(names, refuse)
    for name in ("permanent", "modified"):
        # `session.modified = True` is how a nested change is announced.
        body[name] = property(functools.partial(_read, name), refuse)
    body["__slots__"] = ()
    return type(f"Sent{kind.__name__}", (kind,), body)


def freeze_session(session: Any) -> None:
    """Make *session* refuse to be written to.

    A kind of session whose class can't be changed stays as it is.
    """
    try:
        session.__class__ = _sent_session(type(session))  # type: ignore[arg-type]
    except TypeError:
        log.debug("%s can't be frozen", type(session).__name__)
