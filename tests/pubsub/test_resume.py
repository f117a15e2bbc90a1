"""Coming back: right after the last event, or a reset that says why not."""

from __future__ import annotations

import json
import random

import pytest

from flask_sluice.pubsub.channel import Channel
from flask_sluice.pubsub.hub import Hub
from flask_sluice.pubsub.subscription import Subscription
from reading import blocks, drained, ids, read, said

# --- resume -----------------------------------------------------------------


def test_a_reader_comes_back_right_after_its_last_event() -> None:
    """From every place that is kept, without a gap, and nothing twice."""
    channel = Channel("c", history=5)
    made = [channel.publish(str(n)) for n in range(8)]
    for n in range(2, 8):
        feed = channel.subscribe(made[n])
        assert said(drained(feed)) == [str(m) for m in range(n + 1, 8)]


def test_a_place_that_is_not_kept_is_told_once() -> None:
    """`reset`, with the reason; then what is new, and the reset isn't repeated."""
    channel = Channel("c", history=5)
    made = [channel.publish(str(n)) for n in range(8)]
    feed = channel.subscribe(made[1])
    (reset,) = blocks(feed.take())
    assert reset["event"] == "reset"
    assert json.loads(reset["data"]) == {
        "reason": "overtaken",
        "channels": {"c": "overtaken"},
    }
    assert feed.take() == b""
    channel.publish("new")
    assert said(feed.take()) == ["new"]
    again = channel.subscribe(made[-1])
    assert said(drained(again)) == ["new"]


HOSTILE = {
    "another epoch": ("abcdefg-3", "restarted"),
    "the future": ("{epoch}-9", "unknown"),
    "a huge number": ("{epoch}-" + "9" * 18, "unknown"),
    "too many digits": ("{epoch}-" + "9" * 19, "unknown"),
    "no number": ("{epoch}-", "unknown"),
    "a sign": ("{epoch}--1", "unknown"),
    "digits of another script": ("{epoch}-٣", "unknown"),
    "a line end": ("{epoch}-1\n", "unknown"),
    "a NUL": ("{epoch}-1\0", "unknown"),
    "text": ("'; drop table", "unknown"),
    "very long": ("{epoch}-1." * 2000, "unknown"),
    "raw UTF-8": ("é".encode().decode("latin-1"), "unknown"),
    "dots": ("...", "unknown"),
}


@pytest.mark.parametrize(("identifier", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_id_is_a_reset(identifier: str, reason: str) -> None:
    """Nothing that a client sends is an error of ours, or a place in the channel."""
    channel = Channel("c")
    for n in range(3):
        channel.publish(str(n))
    feed = channel.subscribe(identifier.replace("{epoch}", channel.ring.epoch))
    (reset,) = blocks(feed.take())
    assert json.loads(reset["data"])["reason"] == reason
    assert feed.take() == b""


def test_an_empty_id_is_none() -> None:
    """It begins with the next event, and nothing has to be told."""
    channel = Channel("c")
    channel.publish("old")
    assert said(drained(channel.subscribe(""))) == []


def test_several_channels_have_one_id() -> None:
    """Cut off after any event, a reader of three channels gets exactly the rest."""
    channels = [Channel(name) for name in "abc"]
    feed = read(*channels)
    dice = random.Random(6)
    sent = []
    for n in range(30):
        channel = dice.choice(channels)
        channel.publish(f"{channel.name}{n}")
        sent.append(f"{channel.name}{n}")
    got = blocks(drained(feed))
    assert sorted(fields["data"] for fields in got) == sorted(sent)
    for n, fields in enumerate(got):
        dice.shuffle(channels)  # another order in the view is no harm
        rest = said(drained(Subscription(channels, fields["id"])))
        assert sorted(rest) == sorted(each["data"] for each in got[n + 1 :])


def test_a_channel_more_or_less_is_no_reset() -> None:
    """One that the view has added begins with what is new, one left out is left out."""
    a, b, c = Channel("a"), Channel("b"), Channel("c")
    both = Subscription((a, b), None).take()
    (place,) = ids(both)
    for channel in (a, b, c):
        channel.publish(channel.name)
    assert said(drained(Subscription((a,), place))) == ["a"]
    assert said(drained(Subscription((a, b, c), place))) == ["a", "b"]
    swapped = blocks(drained(Subscription((a, c), place)))
    assert [fields.get("event") for fields in swapped] == ["reset", None]
    assert json.loads(swapped[0]["data"])["channels"] == {"c": "restarted"}


def test_the_same_channel_twice_is_once() -> None:
    """No event comes twice."""
    channel = Channel("c")
    feed = read(channel, channel)
    channel.publish("x")
    assert said(drained(feed)) == ["x"]


def test_nothing_is_lost_between_a_page_and_its_stream() -> None:
    """The cursor of the render is the place where the stream begins."""
    hub = Hub()
    cursor = hub.cursor("a", "b")
    hub.channel("a").publish("1")
    hub.channel("b").publish("2")
    feed = Subscription((hub.channel("b"), hub.channel("a")), cursor)
    assert sorted(said(drained(feed))) == ["1", "2"]


def test_an_event_has_its_time() -> None:
    """Older than `ttl` it isn't replayed, and that is told."""
    channel = Channel("c", ttl=10)
    now = [0.0]
    channel.ring._clock = lambda: now[0]
    first = channel.publish("1")
    now[0] = 6.0
    second = channel.publish("2")
    assert said(drained(channel.subscribe(first))) == ["2"]
    now[0] = 11.0
    assert said(drained(channel.subscribe(first))) == ["2"]
    now[0] = 17.0
    (reset,) = blocks(channel.subscribe(first).take())
    assert reset["event"] == "reset"
    assert said(drained(channel.subscribe(second))) == []
    assert not channel.ring._entries
