"""What one app has of Flask-Sluice: its settings, and the streams that are open."""

from __future__ import annotations

import os
from collections.abc import Callable

from flask import Flask, current_app, has_request_context

from . import native
from .config import Settings
from .errors import NotInitializedError, OutsideRequestError, TooManyStreamsError
from .serve.stream import Registry, Stream

__all__ = ["State", "requested_state", "state_of"]

KEY = "sluice.state"
RETRY_AFTER = 5  # seconds; told to a client that finds a limit reached


class State:
    """One app's part.

    :ivar settings: the config's values, checked.
    :ivar registry: the streams that are open in this process.
    :ivar report: tells how a stream ended that had left its request.
    """

    def __init__(self, app: Flask) -> None:
        self.settings = Settings.of(app.config)
        self.registry = Registry()
        self.report: Callable[[Stream], None] | None = None
        self._crew: native.Crew | native.Greenlets | None = None
        self._pid = 0

    def crew(self) -> native.Crew | native.Greenlets:
        """Give whoever runs this app's deferred functions in this process."""
        if self._crew is None or self._pid != os.getpid():
            # After a fork its threads are the parent's.
            self._pid = os.getpid()
            self._crew = native.hire(self.settings.defer_workers)
        return self._crew

    def admit(self, stream: Stream) -> None:
        """Count *stream* as open.

        :raises TooManyStreamsError: a limit is reached.
        """
        settings = self.settings
        refused = self.registry.admit(
            stream, settings.max_streams, settings.max_streams_per_client
        )
        if refused is not None:
            per_client = refused == "client"
            limit = (
                settings.max_streams_per_client if per_client else settings.max_streams
            )
            raise TooManyStreamsError(
                limit or 0, per_client=per_client, retry_after=RETRY_AFTER
            )


def state_of(app: Flask) -> State:
    """Give *app*'s part.

    :raises NotInitializedError: it has none.
    """
    state = app.extensions.get(KEY)
    if state is None:
        raise NotInitializedError
    assert isinstance(state, State)
    return state


def requested_state(what: str) -> State:
    """Give the part of the app that handles a request now.

    :param what: who asks, for the error.
    :raises OutsideRequestError: no request is being handled.
    :raises NotInitializedError: the app has none.
    """
    if not has_request_context():
        raise OutsideRequestError(what)
    return state_of(current_app._get_current_object())  # type: ignore[attr-defined]
