"""A response as it leaves: what its headers say of it, and its first bytes.

In: a response that is decided. Out: the headers that matter to who learns from it, and
the bytes that it begins with, or that pass. It refuses to know what is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from flask import Response

from ..formats.link import Link, parse
from .head import LIMIT
from .policy import without_nonces

__all__ = ["About", "Passing", "about", "first_of"]


class About(NamedTuple):
    """What a response's headers say."""

    is_page: bool
    is_encoded: bool
    links: tuple[Link, ...]
    policies: tuple[str, ...]


def about(response: Response) -> About:
    """Read the headers."""
    is_page = is_encoded = is_file = False
    links: list[Link] = []
    policies: list[str] = []
    # One walk: to ask for a header is to walk along all of them.
    for name, value in response.headers:
        match name.lower():
            case "content-type":
                is_page = value[:9].lower() == "text/html"
            case "content-encoding":
                is_encoded = True
            case "content-disposition":
                is_file = value[:10].lower() == "attachment"
            case "content-security-policy":
                policies.append(without_nonces(value))
            case "link":
                links += parse(value)
    return About(is_page and not is_file, is_encoded, tuple(links), tuple(policies))


def first_of(body: Sequence[str | bytes]) -> bytes:
    """Give a body's first bytes: of one that is in one piece, itself."""
    html = _encoded(body[0])
    if len(body) > 1 and len(html) < LIMIT:
        parts, size = [html], len(html)
        for part in map(_encoded, body[1:]):
            parts.append(part)
            size += len(part)
            if size >= LIMIT:
                break
        html = b"".join(parts)
    return html


def _encoded(part: str | bytes) -> bytes:
    return part.encode() if isinstance(part, str) else part


class Passing:
    """A response's iterator, of which the first bytes are looked at as they pass."""

    def __init__(
        self, source: Iterable[str | bytes], see: Callable[[bytes], bool]
    ) -> None:
        self._source = source
        self._items = iter(source)
        self._see: Callable[[bytes], bool] | None = see

    def __iter__(self) -> Iterator[str | bytes]:
        return self

    def __next__(self) -> str | bytes:
        item = next(self._items)
        if self._see is not None and self._see(_encoded(item)):
            self._see = None
        return item

    def close(self) -> None:
        """Close what it stands for."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
