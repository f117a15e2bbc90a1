"""What `stream()` and its kin are given, checked before anything happens.

In: arguments as a view wrote them. Out: the same, fit for a response, or one error
that names the argument and says what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .errors import ArgumentError, BodyTypeError
from .wire.headers import refuse_controls

__all__ = [
    "check_seconds",
    "checked_headers",
    "close_unused",
    "content_type",
    "refuse_whole",
]


_TEXT_ENDINGS = ("+xml", "/xml", "/javascript")


def refuse_whole(body: object) -> None:
    """Refuse a body that is there already: text would be sent letter by letter."""
    if isinstance(body, (str, bytes, bytearray, memoryview, Mapping)):
        raise BodyTypeError(
            f"stream() got a whole {type(body).__name__}, not something that yields"
            " text or bytes. Return it from the view as it is, or write [body]."
        )


def check_seconds(name: str, seconds: object) -> None:
    """Refuse what isn't a time above zero, or None."""
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise ArgumentError(f"{name} is {seconds!r}, but expects seconds, or None.")
    # Written so that nan is refused too.
    if not 0 < seconds < float("inf"):
        raise ArgumentError(f"{name} is {seconds!r}, but expects seconds above zero.")


def content_type(mimetype: str) -> str:
    """Give the header for *mimetype*, text with its charset."""
    refuse_controls("mimetype", mimetype)
    if ";" not in mimetype and (
        mimetype.startswith("text/") or mimetype.endswith(_TEXT_ENDINGS)
    ):
        return f"{mimetype}; charset=utf-8"
    return mimetype


def checked_headers(
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None,
) -> list[tuple[str, str]]:
    """Give the headers as pairs, without a control character among them."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    checked = []
    for name, value in pairs:
        refuse_controls("A header's name", name)
        checked.append((name, refuse_controls(f"The header {name}", str(value))))
    return checked


def close_unused(body: object) -> None:
    """Close a body that nobody will iterate: a cursor, a file."""
    close = getattr(body, "close", None)
    if close is not None:
        close()
