"""What the app keeps for as long as it runs, and the request's database connection."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, current_app, g

from flask_sluice.pubsub import Ticker

from .board import Board
from .queries import connect
from .scope.screens import Screens
from .tally import Tally

KEY = "departures"


@dataclass(frozen=True, slots=True)
class State:
    """One for each app."""

    database: Path
    board: Board
    ticker: Ticker
    tally: Tally
    screens: Screens


def state() -> State:
    """Return the state of the current app."""
    found: State = current_app.extensions[KEY]
    return found


def get_db() -> sqlite3.Connection:
    """Return the request's connection.

    A streamed body keeps the request's contexts to its last line, so the connection
    serves the view and its generator alike, and is closed once, after both.
    """
    if "db" not in g:
        g.db = connect(state().database)
    db: sqlite3.Connection = g.db
    return db


def close_db(_error: BaseException | None = None) -> None:
    """Close the request's connection if it has one."""
    if (db := g.pop("db", None)) is not None:
        db.close()


def init_app(app: Flask, found: State) -> None:
    """Give the app its state."""
    app.extensions[KEY] = found
    app.teardown_appcontext(close_db)
