"""`flask sluice`: what is asked on the command line.

In: words typed after it. Out: words printed, and an exit code. It refuses to know how
anything is found out.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from .check import NoCurlError, check
from .interim import token

__all__ = ["offer_commands"]

sluice = AppGroup("sluice", help="Flask-Sluice: look after what the app sends.")


def offer_commands(app: Flask) -> None:
    """Give `flask` the group, unless *app* has one of that name."""
    if "sluice" not in app.cli.commands:
        app.cli.add_command(sluice)


@sluice.command("check-hints")
@click.argument("url")
@click.option("--insecure", is_flag=True, help="Take any certificate.")
def check_hints(url: str, insecure: bool) -> None:
    """Ask whether 103 Early Hints get through to URL's visitors.

    URL is a page of this app where it is deployed, as its visitors have it. Run this
    before setting SLUICE_EARLY_HINTS, and with the deployed app's SECRET_KEY.

    The exit code is 0 if hints do no harm there, 1 if they break the page, and 2 if
    that can't be told.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise click.BadParameter(f"{url!r} isn't https://site/page.")
    word = token(current_app)
    if word is None:
        raise click.ClickException(
            "This app has no SECRET_KEY, by which the deployed one knows who asks."
        )
    try:
        verdicts = check(url, word, insecure=insecure)
    except NoCurlError:
        raise click.ClickException("This needs curl, and there is none.") from None
    for verdict in verdicts:
        click.echo(f"{verdict.version}: {verdict.words}")
        for line in verdict.advice:
            click.echo(f"    {line}")
    outcomes = {verdict.outcome for verdict in verdicts}
    if "breaks" in outcomes:
        raise SystemExit(1)
    if "unknown" in outcomes or outcomes == {"unspoken"}:
        raise SystemExit(2)
