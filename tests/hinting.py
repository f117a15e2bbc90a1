"""What the tests of hints share: an app whose view makes some, and the header read.

In: a view. Out: a client of an app that has it, and a response's Link fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from helpers import make_app


def serving(view: Callable[[], Any], **config: Any) -> FlaskClient:
    """Give a client of an app whose pages below /p/ are all this view's."""
    app = make_app(**config)
    app.add_url_rule("/p/<path:_>", "page", lambda _: view())
    return app.test_client()


def links(response: Any) -> list[str]:
    """Give the response's Link fields."""
    return list(response.headers.getlist("Link"))


def told(view: Callable[[], object], **config: Any) -> list[str]:
    """Give the Link fields of this view's response."""
    client = serving(lambda: (view(), "")[1], **config)
    return links(client.get("/p/x"))
