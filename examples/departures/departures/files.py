"""Static files under addresses that change with them, so that browsers may keep them.

In: the static folder. Out: /static/<mark>/<name>, which is kept for a year; under
another mark, or none, a file is the same, and is asked for again each time. The mark is
a hash of all files: they name each other by relative paths, so a stylesheet finds its
fonts, and a module the others of its own version, under the mark that it has itself.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, Response, g

YEAR = 31_536_000  # seconds
KEPT = f"public, max-age={YEAR}, immutable"
ASKED_AGAIN = "no-cache"

MARKED = re.compile(r"([0-9a-f]{12})/(.+)")


def mark_of(folder: Path) -> str:
    """Give the hash of all files in *folder*, names and contents."""
    found = sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            found.update(f"{path.relative_to(folder)}\n{len(data)}\n".encode())
            found.update(data)
    return found.hexdigest()[:12]


def init_app(app: Flask) -> None:
    """Mark what `url_for("static", ...)` gives, and say how long it may be kept."""
    folder = Path(app.static_folder or "")
    first = mark_of(folder)
    # Without an age here a hint for a file would be warned of in debug mode.
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = YEAR

    def mark() -> str:
        return mark_of(folder) if app.debug else first

    def add_mark(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values["filename"] = f"{mark()}/{values['filename']}"

    def take_mark(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if endpoint == "static" and values:
            found = MARKED.fullmatch(values["filename"])
            is_own = found is not None and found[1] == mark()
            g.caching = KEPT if is_own else ASKED_AGAIN
            if found:
                values["filename"] = found[2]

    def say_how_long(response: Response) -> Response:
        if "caching" in g and response.status_code < 400:
            response.headers["Cache-Control"] = g.caching
            del response.headers["Expires"]
        return response

    app.url_defaults(add_mark)
    app.url_value_preprocessor(take_mark)
    app.after_request(say_how_long)
