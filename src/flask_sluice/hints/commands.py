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
from .gathering import EXTENSION
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


_KINDS = {
    "known": "visitors with a cookie or a login",
    "unknown": "visitors without",
}


@sluice.command("hints")
def list_hints() -> None:
    """List what the app's pages were seen to use.

    That is what goes ahead of each endpoint's next page when SLUICE_EARLY_HINTS is
    "learned". All workers tell it a few seconds after they have learned it. Run this
    as the user that the server runs as.
    """
    learner = current_app.extensions[EXTENSION].learner
    if learner is None:
        raise click.ClickException(
            'Nothing is learned: SLUICE_EARLY_HINTS isn\'t "learned".'
        )
    try:
        lessons = learner.known()
    except Exception as error:  # noqa: BLE001 - whatever keeps it
        raise click.ClickException(f"What was learned can't be read: {error}") from None
    if not lessons:
        click.echo(
            "Nothing was learned in the last hour: no browser has asked for a page, or"
            " the server runs as another user, or on another machine."
        )
    for (endpoint, kind, root), lesson in lessons:
        rules = current_app.url_map.iter_rules(endpoint)
        places = " ".join(sorted(f"{root}{rule.rule}" for rule in rules))
        click.echo(f"{endpoint}  {places}")
        click.echo(f"  {_KINDS[kind]}; goes to {lesson.reach}")
        for link in lesson.shared:
            click.echo(f"    {link}")
