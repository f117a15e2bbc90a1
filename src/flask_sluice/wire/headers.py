"""The headers that every stream carries, as a table, and the one for a file's name."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from ..errors import ArgumentError, HeaderError

__all__ = ["STANDING", "attachment", "refuse_controls"]

# Asked of every hop between the app and the client; a value of the view's own stays.
STANDING: dict[str, str] = {
    # nginx: pass each write on, also with gzip on, where it would hold a whole page.
    "X-Accel-Buffering": "no",
    # RFC 10036: the same wish, for everyone.
    "Incremental": "?1",
}

# For live bodies, which nobody may hold back to rewrite them (RFC 9111 §5.2.2.6).
LIVE: dict[str, str] = {**STANDING, "Cache-Control": "no-cache, no-transform"}

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# attr-char of RFC 8187 §3.2.1, beside letters and digits.
_ATTR_CHARS = "!#$&+-.^_`|~"


def refuse_controls(name: str, value: str) -> str:
    """Give *value* back when a header may hold it.

    :raises HeaderError: it has CR, LF, NUL or another control character.
    """
    if _CONTROLS.search(value):
        raise HeaderError(name, value)
    return value


def attachment(filename: str) -> str:
    """Give the `Content-Disposition` that saves the body as *filename*.

    A name beyond ASCII is given twice (RFC 6266 §5): once in `filename*` as it is,
    once for old clients with its accents taken off.

    :raises HeaderError: the name has a control character.
    :raises ArgumentError: the name is empty.
    """
    refuse_controls("filename", filename)
    if "\t" in filename:
        raise HeaderError("filename", filename)
    if not filename:
        raise ArgumentError("filename is empty: leave it out, or name the file.")
    try:
        filename.encode()
    except UnicodeEncodeError:
        raise ArgumentError(
            f"filename {filename!r} holds half a character, which has no bytes."
        ) from None
    bare = unicodedata.normalize("NFKD", filename)
    plain = bare.encode("ascii", "ignore").decode("ascii")
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    value = f'attachment; filename="{quoted}"'
    if plain != filename:
        value += f"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHARS)}"
    return value
