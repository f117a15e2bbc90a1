"""End tags for what a page leaves open.

In: a page, without the components that are still to come. Out: the end tags that it
lacks, if any. It refuses to know what the page is made of.

A component comes behind the page's end. If a `</div>` is missing there, a browser puts
it into that `div`, from where it can't reach a place elsewhere. FlaskSR's script could.

In most pages each end tag belongs to the tag before it, which is quickly told. Only
others are read as places are looked for, with all that tags close by themselves.
"""

from __future__ import annotations

import re

from .places import IGNORED, PARTS, SPECIAL, VOID, Reader

__all__ = ["endings"]

# What is cut off goes on to the end, for a browser too.
_TAG = re.compile(
    r"<!--.*?(?:--!?>|\Z)"
    # What is text, in which no tag counts.
    r"|<(script|style|textarea|title|iframe|noembed|noframes|noscript|xmp)\b"
    r".*?(?:</\1[^>]*>|\Z)"
    r"|<(/?)([a-z][^\s/>]*)"
    r"(?:(?:[^\"'>]|\"[^\"]*\"|'[^']*')*>|[^>]*(?:>|\Z))",
    re.DOTALL | re.IGNORECASE,
)
# Their end tags may be left out.
_LOOSE = PARTS | {"dd", "dt", "li", "optgroup", "option", "p", "rb", "rp", "rt", "rtc"}
_SKIPPED = VOID | IGNORED


def endings(html: str) -> str:
    """Give end tags for whatever *html* leaves open."""
    left = _left_by_order(html)
    if left is None:
        left = Reader(html, lambda _: False).left
    return "".join(f"</{name}>" for name in left)


def _left_by_order(html: str) -> list[str] | None:
    # None where it takes more than this to know.
    stack: list[str] = []
    for tag in _TAG.finditer(html):
        name = (tag[3] or "").lower()
        if not name or name in _SKIPPED:
            continue
        if not tag[2]:
            stack.append(name)
            continue
        depth = len(stack) - 1
        while depth >= 0 and stack[depth] != name and stack[depth] in _LOOSE:
            depth -= 1
        is_stopped = depth < len(stack) - 1 and name not in SPECIAL
        if depth < 0 or stack[depth] != name or is_stopped:
            return None
        del stack[depth:]
    return stack[::-1] if _LOOSE.isdisjoint(stack) else None
