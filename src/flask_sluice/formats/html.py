"""Slots of a page as bytes: a place that is filled later, wherever it stands.

In: names and HTML. Out: the marks and patches that Chromium 150 and newer apply by
themselves, with JavaScript off too ("Out-of-order streaming", merged into the HTML
standard with whatwg/html PR 11818), and that `runtime` applies elsewhere. It refuses
to know who makes the HTML, and when.

To an engine that doesn't know them, the marks are comments. The name is quoted in a
mark, because `<?start name=x>` is parsed but never matches (seen in Chromium 156), and
bare in a patch, where both work.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator

__all__ = ["LAST", "MARK", "SEPARATOR", "mark", "new_names", "patch"]

# Where a place begins, with its name, or ends.
MARK = re.compile(r'<\?start name="([^"]*)">|<\?end>')

# After each patch where the runtime is at work: a next sibling tells it that the patch
# has been parsed to its end. A comment, because text would reopen a formatting element
# that the shell left open, and put all that follows into that.
SEPARATOR = "<?>"

# After the last one there. A script's end has the runtime called (HTML §13.2.6.4.8, "an
# end tag whose tag name is script": a microtask checkpoint), also an empty one's, which
# no policy minds. Chromium 156 would fire DOMContentLoaded first.
LAST = "<script></script>"


def new_names() -> Iterator[str]:
    """Make names for slots: six characters of 64 each, made of random bits.

    What can't be guessed can't be forged by HTML that a user wrote. A mark and a
    patch together cost 60 bytes with such a name. None comes twice: of a million
    pages with a thousand slots each, seven would have the same name for two. And each
    has a capital, so that `lower` leaves no mark as it was: a filter over one is found
    out on every page, not on 22 of 23.
    """
    used: set[str] = set()
    count = 8
    while True:
        # The alphabet of RFC 4648 §5, all of it safe in a mark. Asking the system
        # for randomness may cost more than all the rest of a slot: ask for many.
        letters = base64.urlsafe_b64encode(os.urandom(9 * count // 2)).decode()
        for start in range(0, 6 * count, 6):
            name = letters[start : start + 6]
            if name not in used and name != name.lower():
                used.add(name)
                yield name
        count = 64


def mark(name: str, fallback: str) -> str:
    """Give the place that `patch` fills, showing *fallback* until then."""
    return f'<?start name="{name}">{fallback}<?end>'


def patch(name: str, content: str) -> str:
    """Give what fills the place called *name*. Never sent before its mark."""
    return f"<template for={name}>{content}</template>"
