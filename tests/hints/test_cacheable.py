"""A hinted static file that can't be cached: one line in the log, in debug mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, url_for

from flask_sluice.hints import preload
from helpers import make_app

NEWS = "SEND_FILE_MAX_AGE_DEFAULT"


def hinting(*urls: str | Callable[[], str], **config: Any) -> Flask:
    """Give an app whose page hints these."""
    app = make_app(DEBUG=True, **config)

    @app.get("/")
    def page() -> str:
        for url in urls:
            preload(url if isinstance(url, str) else url(), "style")
        return "page"

    return app


def test_the_fix_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Flask's default is `no-cache`: the line names the file, and what to write."""
    app = hinting(lambda: url_for("static", filename="a.css"), "/static/b.css")
    for _ in range(2):
        app.test_client().get("/")
    (record,) = caplog.records
    assert "/static/a.css is hinted" in record.getMessage()
    assert f'app.config["{NEWS}"] = 31_536_000' in record.getMessage()


def test_below_a_root(caplog: pytest.LogCaptureFixture) -> None:
    """The file is known where the app is mounted below a path."""
    app = hinting(lambda: url_for("static", filename="a.css"))
    app.test_client().get("/", base_url="http://localhost/shop")
    assert "/shop/static/a.css is hinted" in caplog.text


def test_of_a_blueprint(caplog: pytest.LogCaptureFixture) -> None:
    """Its static files are asked for their age, too."""
    app = hinting("/shop/files/a.css")
    app.register_blueprint(
        Blueprint(
            "shop",
            "shop",
            root_path=".",
            static_folder="files",
            url_prefix="/shop",
        )
    )
    app.test_client().get("/")
    assert "/shop/files/a.css is hinted" in caplog.text


@pytest.mark.parametrize(
    ("url", "config"),
    [
        ("/static/a.css", {NEWS: 60}),
        ("/static/a.css", {"DEBUG": False}),
        ("https://o.example/static/a.css", {}),
        ("/", {}),
        ("/nowhere.css", {}),
    ],
)
def test_nothing_to_tell(
    caplog: pytest.LogCaptureFixture, url: str, config: dict[str, Any]
) -> None:
    """A file with an age, one of another site, a page, and outside of debug mode."""
    app = hinting(url)
    app.config.update(config)
    app.test_client().get("/")
    assert NEWS not in caplog.text
