"""What all pages share: headers, filters, and the page for an error."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from flask import Flask, Response, render_template
from werkzeug.exceptions import HTTPException

from .queries import FIRST_DAY, LAST_DAY

#: Everything comes from this app: no script, style or font of anybody else's.
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

#: Words that an airport's name can do without on a board.
FILLER = re.compile(r"\s+(International|Intl|Airport|Airpark|Field|Rgnl|Regional)\b.*")


def short_place(name: str) -> str:
    """Shorten an airport's name: Fort Lauderdale Hollywood Intl loses its last word."""
    return FILLER.sub("", name)


def long_date(day: date) -> str:
    """Write a date as Thursday 4 July 2013."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def size(count: int) -> str:
    """Write a number of bytes for people."""
    amount = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"


def show_error(error: HTTPException) -> tuple[str, int] | HTTPException:
    """Answer an HTTP error with a page that says what to do instead."""
    if error.code is None or error.response is not None:
        return error
    return render_template("error.html", error=error), error.code


def add_headers(response: Response) -> Response:
    """Give each response the security headers."""
    response.headers.extend(SECURITY)
    return response


def names() -> dict[str, Any]:
    """Give each template what all of them use."""
    return {"first_day": FIRST_DAY, "last_day": LAST_DAY}


def init_app(app: Flask) -> None:
    """Register all of it."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        iso_date=date.fromisoformat,
        long_date=long_date,
        short_place=short_place,
        size=size,
    )
    app.context_processor(names)
    app.after_request(add_headers)
    app.register_error_handler(HTTPException, show_error)
