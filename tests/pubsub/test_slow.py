"""Slow, choosy and silent readers: what they get, and that nothing piles up."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flask_sluice.formats.sse import Event
from flask_sluice.pubsub.channel import Channel
from flask_sluice.pubsub.pulse import STEP, Pulse
from helpers import PATIENCE
from reading import blocks, drained, ids, is_told, read, said

# --- slow readers -----------------------------------------------------------


def test_an_overtaken_reader_is_closed() -> None:
    """Not one event later, and what it comes back for is told by a reset."""
    channel = Channel("c", history=5)
    feed = read(channel)
    place = channel.cursor()
    for n in range(5):
        channel.publish(str(n))
    just, slow = read(channel, at=place), feed
    assert said(just.take()) == ["0", "1", "2", "3", "4"]
    channel.publish("5")
    assert is_told(slow)()
    assert slow.take() is None
    assert channel.overtaken == 1
    assert blocks(channel.subscribe(place).take())[0]["event"] == "reset"


def test_a_reader_may_be_exactly_its_history_behind() -> None:
    """`history` events behind is fine."""
    channel = Channel("c", history=5)
    feed = read(channel)
    for n in range(5):
        channel.publish(str(n))
    assert said(drained(feed)) == ["0", "1", "2", "3", "4"]
    assert channel.overtaken == 0


def test_latest_jumps_to_the_newest() -> None:
    """However far behind, and never a reset for that."""
    channel = Channel("c", history=5)
    place = channel.cursor()
    feed = read(channel, conflate="latest")
    for n in range(50):
        channel.publish(str(n))
    assert said(drained(feed)) == ["49"]
    assert said(drained(channel.subscribe(place, conflate="latest"))) == ["49"]
    channel.publish("50")
    assert said(drained(feed)) == ["50"]


def test_by_key_the_newest_of_each() -> None:
    """In the order in which they came, also those that left the history."""
    channel = Channel("c", history=5)
    place = channel.cursor()
    feed = read(channel, conflate="key")
    channel.publish("x", key="rare")
    for n in range(50):
        channel.publish(str(n), key="ab"[n % 2])
    assert said(drained(feed)) == ["x", "48", "49"]
    assert said(drained(channel.subscribe(place, conflate="key"))) == ["x", "48", "49"]
    channel.publish("y", event="rare")
    assert said(drained(feed)) == ["y"]


def test_more_keys_than_are_kept_is_told() -> None:
    """The newest of a key that was forgotten can't be sent: closed, then a reset."""
    channel = Channel("c", history=5)
    place = channel.cursor()
    feed = read(channel, conflate="key")
    for n in range(6):
        channel.publish(str(n), key=str(n))
    assert feed.take() is None
    back = channel.subscribe(place, conflate="key")
    assert blocks(back.take())[0]["event"] == "reset"


def test_conflated_readers_miss_no_key() -> None:
    """Random places, random keys: each key's newest arrives, and ids never go back."""
    dice = random.Random(7)
    channels = [Channel("a", history=40), Channel("b", history=40)]
    feed = read(*channels, conflate="key")
    state: dict[str, str] = {}
    truth: dict[str, str] = {}
    place = None
    for n in range(400):
        channel = dice.choice(channels)
        key = f"{channel.name}{dice.randrange(8)}"
        channel.publish(f"{key} {n}", key=key)
        truth[key] = f"{key} {n}"
        if dice.random() < 0.1:
            got = blocks(drained(feed))
            cut = dice.randrange(len(got) + 1)
            for fields in got[:cut]:
                state[fields["data"].split()[0]] = fields["data"]
                place = fields["id"]
            if cut < len(got):  # the connection is lost in mid-write
                feed = read(*channels, at=place, conflate="key")
                if place is None:
                    feed = read(*channels, at=None, conflate="key")
                    truth.clear()
                    state.clear()
    for fields in blocks(drained(feed)):
        state[fields["data"].split()[0]] = fields["data"]
    assert state == truth


# --- filters ----------------------------------------------------------------


def test_a_filter_chooses() -> None:
    """By the event as it was published; the others get what they want."""
    channel = Channel("c")
    even = read(channel, filter=lambda event: event.data % 2 == 0)
    every = read(channel)
    for n in range(6):
        channel.publish(n)
    assert said(drained(even)) == ["0", "2", "4"]
    assert said(drained(every)) == ["0", "1", "2", "3", "4", "5"]


def test_the_latest_that_passes() -> None:
    """A filter comes before the jump."""
    channel = Channel("c")
    feed = read(channel, conflate="latest", filter=lambda event: event.data < 4)
    for n in range(6):
        channel.publish(n)
    assert said(drained(feed)) == ["3"]


def test_a_filter_that_raises_fails_its_own_stream() -> None:
    """And nobody else's."""
    channel = Channel("c")
    bad, good = read(channel, filter=lambda event: 1 / 0), read(channel)
    channel.publish("x")
    with pytest.raises(ZeroDivisionError):
        bad.take()
    assert said(good.take()) == ["x"]


# --- heartbeats -------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Give a function that moves the pulse's time."""
    now = [100.0]
    made = Pulse(lambda: now[0], threaded=False)
    monkeypatch.setattr("flask_sluice.pubsub.pulse._pulse", made)

    def advance(seconds: float) -> None:
        now[0] += seconds
        made.look()

    advance.pulse = made  # type: ignore[attr-defined]
    return advance


def test_silence_is_broken(clock: Any) -> None:
    """A comment after each `heartbeat` of silence, and none before."""
    feed = read(Channel("c"), heartbeat=15)
    told = is_told(feed)
    clock(14)
    assert not told()
    assert feed.take() == b""
    clock(1 + STEP)
    assert told()
    assert feed.take() == b":\n\n"
    assert feed.take() == b""
    clock(15 + STEP)
    assert feed.take() == b":\n\n"


def test_events_put_heartbeats_off(clock: Any) -> None:
    """Fifteen seconds count from the last thing that was said."""
    channel = Channel("c")
    feed = read(channel, heartbeat=15)
    clock(10)
    channel.publish("x")
    assert said(feed.take()) == ["x"]
    clock(10)
    assert feed.take() == b""
    clock(5 + STEP)
    assert feed.take() == b":\n\n"


def test_a_heartbeat_moves_the_cursor(clock: Any) -> None:
    """What was filtered out isn't looked at again by one that comes back."""
    channel = Channel("c")
    other = Channel("d")
    feed = read(channel, other, heartbeat=15, filter=lambda event: event.data == "x")
    channel.publish("y")
    assert feed.take() == b""
    clock(15 + STEP)
    beat = feed.take()
    assert said(beat) == []
    (place,) = ids(beat)
    seen: list[Event] = []
    back = read(channel, other, at=place, filter=seen.append)
    assert drained(back) == b""
    assert seen == []
    clock(15 + STEP)
    assert feed.take() == b":\n\n"


def test_one_that_left_is_not_asked(clock: Any) -> None:
    """Nothing of it stays: not in the pulse, and not in the channel."""
    channel = Channel("c")
    feeds = [read(channel, heartbeat=15) for _ in range(50)]
    for feed in feeds:
        is_told(feed)
    assert len(clock.pulse) == channel.subscribers == 50
    for feed in feeds:
        feed.close()
    assert len(clock.pulse) == channel.subscribers == len(channel.waiting) == 0
    assert feeds[0].take() is None


def test_the_pulse_has_a_thread() -> None:
    """The real one asks by itself."""
    feed = read(Channel("c"), heartbeat=0.01)
    told = threading.Event()
    feed.notify(told.set)
    assert told.wait(PATIENCE)
    assert feed.take() == b":\n\n"
    feed.close()
