"""What all pages share: headers, filters, and the page for an error."""

from __future__ import annotations

import re
import secrets
from datetime import date
from typing import Any

from flask import Flask, Response, g, render_template
from werkzeug.exceptions import HTTPException

from .queries import FIRST_DAY, LAST_DAY

#: Everything comes from this app: no script, style or font of anybody else's.
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; object-src 'none'; "
    "frame-ancestors "
)
SECURITY = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

#: Words that an airport's name can do without on a board.
FILLER = re.compile(r"\s+(International|Intl|Airport|Airpark|Field|Rgnl|Regional)\b.*")
#: What an airline's name ends with in a register of companies.
COMPANY = re.compile(r",? (Inc|Co|Corporation)\b\.?")


def short_place(name: str) -> str:
    """Shorten an airport's name: Fort Lauderdale Hollywood Intl loses its last word."""
    # The source escapes the apostrophe of Martha\\'s Vineyard.
    return FILLER.sub("", name).replace("\\", "")


def short_airline(name: str) -> str:
    """Shorten an airline's name: Delta Air Lines Inc. loses its last word."""
    return COMPANY.sub("", name)


def percent(share: float) -> str:
    """Write a share, 0 to 1, as 81 %."""
    return f"{100 * share:.0f} %"


def minutes(count: float) -> str:
    """Write minutes of delay as +13 min, or -2 min for what left early."""
    return f"{count:+.0f} min"


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


def nonce() -> str:
    """Give the nonce of this response's inline script: a page with slots may need one.

    `set_policy` allows it, and where nobody asked for one no inline script at all.
    """
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    made: str = g.nonce
    return made


def set_policy(response: Response, frame_ancestors: str = "'none'") -> Response:
    """Say what the page may load, and who may put it in a frame."""
    policy = POLICY + frame_ancestors
    if "nonce" in g:
        policy += f"; script-src 'self' 'nonce-{nonce()}'"
    response.headers["Content-Security-Policy"] = policy
    return response


def add_headers(response: Response) -> Response:
    """Give each response the security headers."""
    response.headers.extend(SECURITY)
    if "Content-Security-Policy" not in response.headers:
        set_policy(response)
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
        minutes=minutes,
        percent=percent,
        short_airline=short_airline,
        short_place=short_place,
        size=size,
    )
    app.context_processor(names)
    app.after_request(add_headers)
    app.register_error_handler(HTTPException, show_error)
