"""`sluice.channel()` and `sluice.cursor()`: an app's channels, by their names."""

from __future__ import annotations

import re
import threading

from flask import Flask, render_template_string

from flask_sluice import Sluice, stream_events
from flask_sluice.testing import StreamClient
from helpers import PATIENCE


def test_a_name_is_one_channel_everywhere() -> None:
    """In a view, on a thread without a context, and before there is an app."""
    sluice = Sluice()
    early = sluice.channel("departures")
    app = Flask("unit")
    sluice.init_app(app)
    app.add_url_rule(
        "/events", "events", lambda: stream_events(sluice.channel("departures"))
    )
    with StreamClient(app).stream("/events") as arrivals:
        arrivals.read_until(b"\n\n")
        thread = threading.Thread(
            target=lambda: sluice.channel("departures").publish("hi")
        )
        thread.start()
        arrivals.read_until(b"data: hi\n\n")
        thread.join(PATIENCE)
    assert sluice.channel("departures") is early
    assert Sluice().channel("departures") is not early


def test_a_page_gives_the_place_to_begin() -> None:
    """What is published between its render and its connection arrives."""
    app = Flask("unit")
    sluice = Sluice(app)
    app.add_url_rule(
        "/", "page", lambda: render_template_string("{{ sluice.cursor('a', 'b') }}")
    )
    app.add_url_rule(
        "/events",
        "events",
        lambda: stream_events(sluice.channel("a"), sluice.channel("b")),
    )
    place = app.test_client().get("/").text
    assert re.fullmatch(r"\w{7}-0\.\w{7}-0", place)
    sluice.channel("a").publish("one")
    sluice.channel("b").publish("two")
    with StreamClient(app).stream(
        "/events", query_string={"last_event_id": place}
    ) as arrivals:
        arrivals.read_until(b"data: one\n\n")
        arrivals.read_until(b"data: two\n\n")
        assert b"reset" not in arrivals.data


def test_what_a_channel_keeps_is_said_once() -> None:
    """Asking for it again without saying so changes nothing."""
    sluice = Sluice()
    channel = sluice.channel("a", history=2, ttl=60)
    place = channel.cursor()
    for n in range(3):
        sluice.channel("a").publish(str(n))
    first = channel.subscribe(place).take()
    assert first is not None
    assert b"overtaken" in first
