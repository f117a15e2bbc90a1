"""Signals: sent by the app, one finished for each that was started."""

from __future__ import annotations

from typing import Any

import pytest

from flask_sluice import signals, stream
from flask_sluice.testing import StreamClient
from helpers import make_app


def test_they_are_blinker_signals_with_the_app_as_sender() -> None:
    """A receiver of one app hears nothing of another."""
    apps = [make_app(), make_app()]
    heard: list[Any] = []

    def hear(sender: Any, **news: Any) -> None:
        heard.append(sender)

    for app in apps:
        app.add_url_rule("/", "view", lambda: stream(["x"]))
    with signals.stream_finished.connected_to(hear, apps[0]):
        for app in apps:
            assert app.test_client().get("/").data == b"x"
    assert heard == [apps[0]]


@pytest.mark.parametrize("name", ["stream_started", "stream_finished"])
def test_each_says_what_it_carries(name: str) -> None:
    """Its docstring names the keyword arguments."""
    assert ":param stream:" in (getattr(signals, name).__doc__ or "")


def test_one_started_for_one_finished() -> None:
    """Whether a client stays or leaves, before the first chunk or after it."""
    app = make_app()
    app.add_url_rule("/", "view", lambda: stream(["x", "", "y"]))
    started: list[Any] = []
    finished: list[Any] = []

    def start(sender: Any, **news: Any) -> None:
        started.append(news["stream"].id)

    def finish(sender: Any, **news: Any) -> None:
        finished.append(news["stream"].id)

    with (
        signals.stream_started.connected_to(start, app),
        signals.stream_finished.connected_to(finish, app),
    ):
        for pulls in range(4):
            with StreamClient(app).stream("/") as arrivals:
                for _ in range(pulls):
                    next(arrivals, None)
    assert started == finished
    assert len(set(started)) == 4
