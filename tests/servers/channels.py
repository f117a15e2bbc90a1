"""Channels of the conformance app: to read, and to publish to in any quantity.

In: names. Out: streams of events whose data are numbers, one after another.
"""

from __future__ import annotations

from typing import Any

from door import command
from flask import Blueprint, Response, current_app, request

from flask_sluice import stream_events
from flask_sluice.errors import BrokerError
from flask_sluice.pubsub import Channel

channels = Blueprint("channels", __name__)
FILLER = "x" * 1000


def _channel(name: str, **options: Any) -> Channel:
    channel: Channel = current_app.extensions["sluice"].channel(name, **options)
    return channel


@channels.get("/events/<key>")
def events(key: str) -> Any:
    """Read the channels of `?also=`, and the one of the key."""
    names = [key, *request.args.getlist("also")]
    history = request.args.get("history", None, int)
    heartbeat = request.args.get("heartbeat", 15.0, float)
    return stream_events(
        *[_channel(name, history=history) for name in names], heartbeat=heartbeat
    )


@channels.get("/cursor/<key>")
def cursor(key: str) -> str:
    """Tell where the channel stands."""
    return _channel(key).cursor()


@channels.post("/publish/<key>/<number>")
def publish(key: str, number: str) -> Any:
    """Publish a number; give its id, or 503."""
    try:
        return _channel(key).publish(number)
    except BrokerError as error:
        return Response(str(error), 503)


@channels.post("/publish-many/<key>/<int:first>/<int:count>")
def publish_many(key: str, first: int, count: int) -> Any:
    """Publish numbers, one after another as fast as it goes."""
    channel = _channel(key)
    filler = " " + FILLER if "pad" in request.args else ""
    for number in range(first, first + count):
        channel.publish(f"{number}{filler}")
    return ""


@channels.record_once
def _offer(state: Any) -> None:
    app = state.app

    @command
    def subscribers(key: str) -> int:
        """Count a channel's readers."""
        with app.app_context():
            return _channel(key).subscribers
