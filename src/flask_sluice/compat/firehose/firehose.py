"""`Firehose` and its `push()`: a link with whatever attributes a program names.

In: a URL, positional and keyword attributes. Out: the URL, and a hint that is known
by that URL alone, as Flask-Firehose knows it. It refuses to know headers: the hints
of the app's `Sluice` take them there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, current_app
from jinja2.ext import Extension

from ...errors import ArgumentError
from ...extension import Sluice
from ...formats.link import Link, parse
from ...hints import SessionConnector, connectors
from ...hints.gathering import Hint, gatherer
from ...hints.links import offer, target_of

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Connector", "Firehose", "push"]

EXTENSION = "sluice.firehose"


class Connector:
    """Remembers in the session what was pushed: 1 KiB of URLs, the newest.

    Used as it is, or as an object, as in Flask-Firehose.
    """

    @staticmethod
    def get_pushed() -> set[str]:
        """Give the URLs that were pushed to this client."""
        return SessionConnector().get_pushed()

    @staticmethod
    def set_pushed(inset: set[str]) -> None:
        """Remember these URLs."""
        SessionConnector().set_pushed(inset)


def push(url: str, *args: object, **kwargs: object) -> str:
    """Push what is at *url*, once for each client, and give *url* back.

    :param args: attributes after all others: a name, or `name=value`.
    :param kwargs: attributes with values; True is a bare name, None is none at all.
        Without `rel` it is "preload".
    :raises OutsideRequestError: no request is being handled.
    :raises NotInitializedError: the app has neither a `Firehose` nor a `Sluice`.
    :raises ArgumentError: the URL, or an attribute, can't be written into a header.
    """
    own = gatherer("push()")
    attributes = _attributes(args, kwargs)
    if not any(name == "rel" for name, _ in attributes):
        attributes.insert(0, ("rel", "preload"))
    link = Link(target_of("push()", url), tuple(attributes))
    str(link)  # what can't be written raises here, at the line that said so
    connector = current_app.extensions.get(EXTENSION)
    own.add(Hint(link, (EXTENSION, url), str(url), connector, is_push=True))
    return url


def _attributes(
    args: tuple[object, ...], kwargs: dict[str, object]
) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = [
        (name, None if value is True else str(value))
        for name, value in kwargs.items()
        if value is not None and value is not False
    ]
    for text in map(str, args):
        # It may be all that stands between two semicolons, as it was written there.
        read = parse(f"<>; {text}")
        if len(read) != 1 or not read[0].attributes:
            raise ArgumentError(
                f"push() got {text!r}, but expects an attribute: a name, or name=value."
            )
        found += read[0].attributes
    return found


class _Names(Extension):
    """`push` in templates: Flask-Firehose's, whoever else has one."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals["push"] = push


class Firehose:
    """Flask-Firehose for an app, which gets a `Sluice` if it has none.

    :param app: set up at once; None waits for `init_app`.
    :param connector: remembers what was pushed: an object, or a class that is used as
        one.
    """

    def __init__(
        self,
        app: Flask | None = None,
        connector: connectors.Connector | type[Any] = Connector,
    ) -> None:
        self.connector = connector
        self.app = app
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set *app* up.

        :raises ConfigError: it has no `Sluice`, and the value of a `SLUICE_*` key
            can't be used.
        """
        if "sluice" not in app.extensions:
            Sluice(app)
        app.extensions[EXTENSION] = self.connector
        offer(app, _Names)
