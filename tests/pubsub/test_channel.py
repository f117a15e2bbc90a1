"""Channels: every event once, in order, to all; their ends and their names."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable

import pytest

from flask_sluice.errors import ArgumentError, TooManyStreamsError
from flask_sluice.formats.sse import Event
from flask_sluice.pubsub.channel import Channel, drain
from flask_sluice.pubsub.hub import Hub
from flask_sluice.typing import is_feed
from helpers import PATIENCE
from reading import blocks, drained, ids, is_told, read, said

# --- delivery ---------------------------------------------------------------


def test_a_subscription_is_a_feed() -> None:
    """A greeting with the place, silence, then each event, then silence."""
    channel = Channel("c")
    feed = channel.subscribe(retry=100)
    assert is_feed(feed)
    first = feed.take()
    assert first is not None
    assert first.startswith(b": hello\n")
    assert ids(first) == [channel.cursor()]
    (retry,) = re.findall(rb"^retry: (\d+)$", first, re.MULTILINE)
    assert 50 <= int(retry) <= 150
    assert first.endswith(b"\n\n")
    assert feed.take() == b""
    told = is_told(feed)
    assert not told()
    identifier = channel.publish({"a": 1}, event="left")
    assert told()
    assert feed.take() == f'id: {identifier}\nevent: left\ndata: {{"a":1}}\n\n'.encode()
    assert feed.take() == b""


def test_ids_are_dense() -> None:
    """`epoch-1`, `epoch-2` and so on, of characters that are safe across origins."""
    channel = Channel("c")
    made = [channel.publish(str(n)) for n in range(3)]
    epoch = made[0].partition("-")[0]
    assert made == [f"{epoch}-1", f"{epoch}-2", f"{epoch}-3"]
    assert re.fullmatch("[0-9A-Za-z]{7}", epoch)
    assert channel.cursor() == made[-1]
    assert Channel("c").cursor().partition("-")[0] != epoch


def test_everyone_gets_the_very_same_bytes() -> None:
    """One event or many: encoded once, joined once."""
    channel = Channel("c")
    feeds = [read(channel) for _ in range(5)]
    channel.publish("1")
    assert len({id(feed.take()) for feed in feeds}) == 1
    for n in range(3):
        channel.publish(str(n))
    taken = [feed.take() for feed in feeds]
    assert len(set(map(id, taken))) == 1
    assert said(taken[0]) == ["0", "1", "2"]


def test_a_late_reader_gets_all_in_one_write() -> None:
    """Also what came after somebody else was at the same place."""
    channel = Channel("c")
    early, late = read(channel), read(channel)
    channel.publish("0")
    channel.publish("1")
    assert said(early.take()) == ["0", "1"]
    channel.publish("2")
    assert said(late.take()) == ["0", "1", "2"]
    assert said(early.take()) == ["2"]


def test_many_events_are_one_wake() -> None:
    """A reader that was woken isn't woken again before it has looked."""
    channel = Channel("c")
    feed = read(channel)
    wakes: list[int] = []
    feed.notify(lambda: wakes.append(1))
    for n in range(20):
        channel.publish(str(n))
    assert len(wakes) == 1
    assert said(feed.take()) == [str(n) for n in range(20)]


def test_one_write_has_a_limit() -> None:
    """At most 64 events, or 64 KiB, and the rest at once afterwards."""
    channel = Channel("c")
    feed = read(channel)
    for n in range(70):
        channel.publish(str(n))
    assert len(said(feed.take())) == 64
    assert is_told(feed)()
    assert said(feed.take()) == [str(n) for n in range(64, 70)]
    for _ in range(3):
        channel.publish("x" * 40_000)
    assert [len(said(feed.take())) for _ in range(3)] == [1, 1, 1]


def test_threads_publish_and_read_and_nothing_is_lost() -> None:
    """Each reader gets every event once, each publisher's in its order."""
    first, second = Channel("a", history=10_000), Channel("b", history=10_000)
    each, publishers, readers = 300, 3, 6
    feeds = [
        read(*random.Random(n).choice([(first,), (second,), (first, second)]))
        for n in range(readers)
    ]
    got: list[list[str]] = [[] for _ in feeds]

    def listen(n: int) -> None:
        wanted = each * publishers * len(feeds[n]._channels)
        while len(got[n]) < wanted:
            told = threading.Event()
            feeds[n].notify(told.set)
            assert told.wait(PATIENCE)
            got[n] += said(drained(feeds[n]))

    def publish(who: int) -> None:
        for n in range(each):
            first.publish(f"a {who} {n}")
            second.publish(f"b {who} {n}")

    threads = [threading.Thread(target=listen, args=(n,)) for n in range(readers)]
    threads += [threading.Thread(target=publish, args=(n,)) for n in range(publishers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * PATIENCE)
        assert not thread.is_alive()
    for feed, lines in zip(feeds, got, strict=True):
        for channel in feed._channels:
            for who in range(publishers):
                start = f"{channel.name} {who} "
                mine = [line for line in lines if line.startswith(start)]
                assert mine == [f"{start}{n}" for n in range(each)]


# --- ends -------------------------------------------------------------------


def test_a_client_is_disconnected() -> None:
    """By what it is, and at once; the others stay."""
    channel = Channel("c")
    feeds = {who: read(channel, client=who) for who in ("ann", "bob", "eve")}
    told = is_told(feeds["eve"])
    assert channel.close("eve") == 1
    assert told()
    channel.publish("secret")
    assert feeds["eve"].take() is None
    assert said(feeds["ann"].take()) == ["secret"]
    assert channel.disconnect(lambda who: who.startswith("b")) == 1
    assert feeds["bob"].take() is None
    for feed in feeds.values():
        feed.close()
    assert channel.disconnect() == 0


def test_draining_spreads_who_comes_back() -> None:
    """What there is, a time of its own for each, and the end."""
    channel = Channel("c")
    feeds = [read(channel) for _ in range(40)]
    channel.publish("last")
    told = [is_told(feed) for feed in feeds]
    assert drain(patience=0) >= 40
    assert all(ask() for ask in told)
    times = []
    for feed in feeds:
        assert said(feed.take()) == ["last"]
        (retry,) = re.findall(rb"\Aretry: (\d+)\n\n\Z", feed.take() or b"")
        times.append(int(retry))
        assert feed.take() is None
        feed.close()
    assert 1_000 <= min(times) < max(times) <= 10_000
    assert len(set(times)) > 20


def test_a_full_channel_takes_no_more() -> None:
    """Counted with those that are open; one that leaves makes room."""
    channel = Channel("c", limit=2)
    feeds = [read(channel) for _ in range(2)]
    with pytest.raises(TooManyStreamsError):
        channel.subscribe()
    assert channel.subscribers == 2
    feeds[0].close()
    assert read(channel).take() == b""


# --- names and arguments ----------------------------------------------------


def test_a_hub_gives_the_same_channel() -> None:
    """By its name; and another name is another channel."""
    hub = Hub()
    assert hub.channel("a") is hub.channel("a")
    assert hub.channel("a") is not hub.channel("b")


def test_a_hub_lets_idle_channels_go() -> None:
    """The longest unused first, and none that somebody holds or reads."""
    hub = Hub(kept=3)
    held = hub.channel("held")
    feed = read(hub.channel("read"))
    for n in range(10):
        hub.channel(f"user:{n}").publish("x")
    assert len(hub) == 5
    assert hub.channel("held") is held
    hub.channel("read").publish("still")
    assert said(feed.take()) == ["still"]
    (reset,) = blocks(hub.channel("user:0").subscribe("abcdefg-1").take())
    assert reset["event"] == "reset"


def test_what_is_kept_can_be_changed() -> None:
    """Also when the channel was made without saying so."""
    hub = Hub()
    channel = hub.channel("a")
    first = channel.publish("0")
    for n in range(1, 9):
        channel.publish(str(n))
    assert hub.channel("a", history=4) is channel
    assert hub.channel("a") is channel
    assert blocks(channel.subscribe(first).take())[0]["event"] == "reset"
    assert len(channel.ring._entries) == 4


BAD: dict[str, Callable[[Channel], object]] = {
    "no name": lambda c: Channel(""),
    "a name of bytes": lambda c: Channel(b"c"),  # type: ignore[arg-type]
    "no history": lambda c: Channel("c", history=0),
    "half a history": lambda c: Channel("c", history=1.5),  # type: ignore[arg-type]
    "no time": lambda c: Channel("c", ttl=0),
    "nan": lambda c: Channel("c", ttl=float("nan")),
    "limit 0": lambda c: Channel("c", limit=0),
    "an id": lambda c: c.publish(Event("x", id="1")),
    "two names": lambda c: c.publish(Event("x"), event="y"),
    "the name reset": lambda c: c.publish("x", event="reset"),
    "no JSON": lambda c: c.publish(object()),
    "heartbeat 0": lambda c: c.subscribe(heartbeat=0),
    "heartbeat true": lambda c: c.subscribe(heartbeat=True),
    "retry 0": lambda c: c.subscribe(retry=0),
    "conflate": lambda c: c.subscribe(conflate="newest"),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_refused(call: Callable[[Channel], object]) -> None:
    """With the argument's name, and nothing is left behind."""
    channel = Channel("c")
    with pytest.raises(ArgumentError):
        call(channel)
    assert channel.subscribers == 0
    assert channel.cursor().endswith("-0")


def test_none_is_null() -> None:
    """As JSON has it."""
    channel = Channel("c")
    feed = read(channel)
    channel.publish(None)
    assert said(feed.take()) == ["null"]


def test_a_fork_begins_anew() -> None:
    """Another epoch and no readers: a worker's ids never look like its parent's."""
    channel = Channel("c")
    read(channel)
    before = channel.publish("x")
    channel.renew()
    assert channel.subscribers == 0
    after = channel.publish("y")
    assert after.partition("-")[0] != before.partition("-")[0]
    assert after.endswith("-1")
