"""Departures: every flight that left New York in 2013, streamed.

``create_app`` loads the data on first start, makes the board, its ticker and the radar,
and joins them to the views, which stream with ``stream``, ``stream_page``,
``stream_rows`` and ``stream_frames``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from flask_sluice import Sluice, receipts
from flask_sluice.pubsub import Ticker

from . import board, cli, data, files, pages, state, tally
from .scope.screens import Screens
from .views import (
    dashboard,
    export,
    flights,
    home,
    live,
    radar,
    stats,
    streamhtml,
    summary,
    ticker,
)

__all__ = ["create_app"]

VIEWS = (home, dashboard, flights, export, ticker, radar, streamhtml, stats)


def create_app(test_config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app.

    The database lives in the instance folder: the key INSTANCE_PATH of *test_config*,
    else the environment's DEPARTURES_INSTANCE, else the folder that Flask chooses.
    """
    config = dict(test_config or {})
    folder = config.pop("INSTANCE_PATH", None) or os.environ.get("DEPARTURES_INSTANCE")
    app = Flask(__name__, instance_path=folder and str(Path(folder).resolve()))
    app.config["SLUICE_CSP_NONCE"] = pages.nonce
    files.init_app(app)
    app.config.from_prefixed_env()  # FLASK_SLUICE_PARK=false and the like
    app.config.update(config)

    sluice = Sluice(app)
    database = data.ensure(Path(app.instance_path), tell)
    shown = board.Board(database)
    state.init_app(
        app,
        state.State(
            database=database,
            board=shown,
            ticker=Ticker(shown.line, interval=1.0),
            tally=tally.Tally(app, sluice),
            screens=Screens(sluice, database),
        ),
    )
    pages.init_app(app)
    cli.init_app(app)
    for module in VIEWS:
        app.register_blueprint(module.bp)
    live.init_app(app, sluice, database)
    summary.init_app(app, sluice)
    app.register_blueprint(receipts.blueprint)
    return app


def tell(message: str) -> None:
    """Show the loader's progress; a server's log goes to the same place."""
    print(message, file=sys.stderr, flush=True)
