"""The command ``flask --app departures load-data``."""

from __future__ import annotations

from pathlib import Path

import click
from flask import Flask, current_app

from .queries import connect, facts
from .state import state


@click.command("load-data")
def load_data() -> None:
    """Load the flights, unless they are there already."""
    # The app's factory has done it by now: what is left is to say so.
    db = connect(state().database)
    try:
        count = facts(db).flights
    finally:
        db.close()
    folder = Path(current_app.instance_path)
    click.echo(f"{count:,} flights are in {folder / state().database.name}")


def init_app(app: Flask) -> None:
    """Register the command."""
    app.cli.add_command(load_data)
