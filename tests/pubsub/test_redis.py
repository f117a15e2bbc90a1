"""Channels that Redis carries: what is the same as in one process, and what is more."""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokers import RedisServer, make_certificate, redis_server
from flask_sluice.errors import ArgumentError, BrokerError, ConfigError
from flask_sluice.formats.sse import Event
from flask_sluice.pubsub import Hub, Subscription
from flask_sluice.pubsub import listener as listening
from flask_sluice.pubsub.broker import Place, open_broker
from flask_sluice.pubsub.packet import pack
from helpers import PATIENCE, until
from needs import needs
from reading import blocks, ids, is_told, read, said

pytestmark = needs("redis-server", "redis")


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    """One server for all tests here that don't harm it."""
    with redis_server() as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    """The server, with nothing in it."""
    assert running.say("FLUSHALL") == b"+OK\r\n"
    return running


def news(feed: Subscription) -> bytes:
    """Wait for something that isn't a heartbeat."""
    came = threading.Event()
    found = b""
    while not found:
        found = feed.take() or b""
        if not found:
            came.clear()
            feed.notify(came.set)
            assert came.wait(PATIENCE)
    return found


# --- as in one process --------------------------------------------------------


def test_an_event_arrives_in_another_process(server: RedisServer) -> None:
    """Under the id that its publisher was given, in the bytes that it had there."""
    here, there = Hub(server.url), Hub(server.url)
    feed = read(there.channel("x"))
    identifier = here.channel("x").publish({"a": "ü\n"}, event="left")
    expected = f'id: {identifier}\nevent: left\ndata: {{"a":"ü\\n"}}\n\n'
    assert news(feed) == expected.encode()
    assert re.fullmatch(r"[0-9A-Za-z]{7}-1", identifier)
    assert here.channel("x").cursor() == identifier


def test_channels_have_epochs_of_their_own(server: RedisServer) -> None:
    """So that each part of a composite id says which channel it is about."""
    hub = Hub(server.url)
    names = [f"c{n}" for n in range(50)]
    epochs = {hub.channel(name).cursor().partition("-")[0] for name in names}
    assert len(epochs) == 50
    assert Hub(server.url).cursor(*names) == hub.cursor(*names)


def test_a_new_process_has_the_history(server: RedisServer) -> None:
    """A client resumes in one that has just begun, on a channel it never heard of."""
    old = Hub(server.url)
    place = old.channel("x").cursor()
    for n in range(2500):
        old.channel("x", history=3000).publish(str(n))
    fresh = Hub(server.url).channel("x", history=3000)
    feed = fresh.subscribe(place)
    got: list[str] = []
    while len(got) < 2500:
        got += said(news(feed))
    assert got == [str(n) for n in range(2500)]


def test_a_client_that_is_ahead_of_this_process(server: RedisServer) -> None:
    """What another process told it is read, and isn't called unknown."""
    here = Hub(server.url).channel("x")
    feed = read(here)
    # Straight to the stream: what is published is still on its way to us.
    broker = open_broker(server.url)
    known = Place(here.mirror._epoch, 0)
    key = "sluice:x"
    for n in range(3):
        packet = pack(f"data: {n}\n\n".encode(), "", is_json=False)
        broker.client.xadd(key, {"p": packet, "t": 1}, id=f"{known.epoch}-{n + 1}")
    behind = here.subscribe(f"{here.ring.epoch}-2")
    first = behind.take()
    assert b"reset" not in first
    assert ids(first) == [f"{here.ring.epoch}-2"]
    assert said(news(behind)) == ["2"]
    assert said(news(feed)) == ["0", "1", "2"]


@pytest.mark.parametrize(
    "identifier",
    ["x", "0-0", "a" * 5000, "abcdefg-1", "ABCDEFG-9.hijklmn-8", "{epoch}-99999"],
)
def test_a_hostile_id(server: RedisServer, identifier: str) -> None:
    """It gets a reset, and what comes next."""
    channel = Hub(server.url).channel("x")
    channel.publish("before")
    epoch = channel.cursor().partition("-")[0]
    feed = channel.subscribe(identifier.format(epoch=epoch))
    (reset,) = blocks(feed.take())
    assert reset["event"] == "reset"
    channel.publish("after")
    assert said(news(feed)) == ["after"]


def test_several_channels_in_one_stream(server: RedisServer) -> None:
    """One id for all of them, to come back with."""
    here, there = Hub(server.url), Hub(server.url)
    names = ("a", "b", "c")
    feed = read(*map(there.channel, names))
    place = there.cursor(*names)
    for name in names:
        here.channel(name).publish(name)
    got: list[str] = []
    while len(got) < 3:
        got += said(news(feed))
    assert sorted(got) == ["a", "b", "c"]
    again = Subscription([Hub(server.url).channel(name) for name in names], place)
    assert said(again.take() + news(again)) == ["a", "b", "c"]


def test_a_filter_sees_events(server: RedisServer) -> None:
    """As they were published, as far as JSON keeps it."""
    here, there = Hub(server.url), Hub(server.url)
    seen: list[Event] = []

    def is_wanted(event: Event) -> bool:
        seen.append(event)
        return event.event != "no"

    feed = read(there.channel("x"), filter=is_wanted)
    here.channel("x").publish("text", event="no")
    here.channel("x").publish("1")
    here.channel("x").publish(Event({"a": (1, 2)}, event="yes", comment="c", retry=5))
    got: list[str] = []
    while len(got) < 2:
        got += said(news(feed))
    assert got == ["1", '{"a":[1,2]}']
    expected = Event({"a": [1, 2]}, event="yes", comment="c", retry=5)
    assert seen == [Event("text", "no"), Event("1"), expected]


def test_conflation_by_key(server: RedisServer) -> None:
    """The newest of each, also out of the history."""
    here = Hub(server.url)
    place = here.channel("x").cursor()
    for n in range(10):
        here.channel("x").publish(str(n), key=str(n % 3))
    here.channel("x").close(1)  # an order is nobody's news
    fresh = Hub(server.url).channel("x")
    for conflate, expected in (("key", ["7", "8", "9"]), ("latest", ["9"])):
        feed = fresh.subscribe(place, conflate=conflate)
        feed.take()
        assert said(news(feed)) == expected


def test_what_is_too_old_is_not_replayed(server: RedisServer) -> None:
    """By the time at which it was published, in whichever process."""
    here = Hub(server.url).channel("x", ttl=3600)
    place = here.cursor()
    here.publish("old")
    broker = open_broker(server.url)
    _, (entry, fields) = broker.client.xrange("sluice:x")
    broker.client.delete("sluice:x")
    before = int(fields[b"t"]) - 3700 * 10**6
    broker.client.xadd("sluice:x", {"p": fields[b"p"], "t": before}, id=entry)
    fresh = Hub(server.url).channel("x", ttl=3600)
    (reset,) = blocks(fresh.subscribe(place).take())
    assert "overtaken" in reset["data"]


# --- orders -------------------------------------------------------------------


def test_a_client_is_closed_everywhere(server: RedisServer) -> None:
    """Its streams end in all processes; others' don't, and nobody sees an event."""
    here, there = Hub(server.url).channel("x"), Hub(server.url).channel("x")
    mine = [read(here, client=7), read(there, client=7)]
    other = read(there, client=8)
    told = [is_told(feed) for feed in mine]
    assert here.close(7) == 1
    until(lambda: all(each() for each in told))
    assert [feed.take() for feed in mine] == [None, None]
    here.publish("1")
    assert said(news(other)) == ["1"]
    # Orders are for those who were there.
    assert read(there, client=7).take() == b""
    with pytest.raises(ArgumentError, match="has to be JSON"):
        here.close(object())


def test_a_life_that_ends_closes_its_readers(server: RedisServer) -> None:
    """Also one whose place is a place in the next life."""
    channel = Hub(server.url).channel("x")
    channel.publish("1")
    feed = read(channel, at=channel.cursor())
    told = is_told(feed)
    server.say("FLUSHALL")
    for n in range(5):
        channel.publish(str(n))
    until(lambda: told() and channel.ring.head == 5)
    assert feed.take() is None


# --- Redis is away --------------------------------------------------------------


def test_who_comes_while_redis_is_away() -> None:
    """Is greeted, kept alive, and goes on when it is back."""
    with redis_server("--appendonly", "yes", "--appendfsync", "always") as server:
        hub = Hub(server.url, wait=0.05)
        place = hub.channel("x").cursor()
        hub.channel("x").publish("0")
        server.end()
        until(lambda: not hub.channel("x").ring.ready)
        with pytest.raises(BrokerError, match=f"127.0.0.1:{server.port}/0 can't be"):
            hub.channel("x").publish("lost")
        late = Hub(server.url)
        feeds = [hub.channel("x").subscribe(place), late.channel("x").subscribe(place)]
        feeds.append(late.channel("x").subscribe())
        unknown = late.channel("x").cursor()
        for feed in feeds:
            assert feed.take() == b": hello\n\n"
            assert feed.take() == b""
            feed._beat_due = True
            assert feed.take() == b":\n\n"
        server.start()
        hub.channel("x").publish("1")
        for feed in feeds[:2]:
            assert b"reset" not in (first := news(feed))
            assert said(first + news(feed)) == ["0", "1"]
        # Who was given no place can't be sure that nothing was missed.
        for feed in (feeds[2], late.channel("x").subscribe(unknown)):
            assert blocks(news(feed))[0]["event"] == "reset"


def test_publishing_waits_for_redis() -> None:
    """As long as it was told to, and then it is published once."""
    with redis_server() as server:
        hub = Hub(server.url, wait=20)
        server.end()
        done: list[str] = []
        thread = threading.Thread(
            target=lambda: done.append(hub.channel("x").publish("1"))
        )
        thread.start()
        server.start()
        thread.join(20)
        assert done == [hub.channel("x").cursor()]
        assert done[0].endswith("-1")


def test_a_second_try_is_not_a_second_event(server: RedisServer) -> None:
    """If the first has arrived, and only its answer was lost."""
    broker = open_broker(server.url)
    packet = pack(b"data: 1\n\n", "", is_json=False)
    first = broker.publish("x", packet, 10, Place(0, 0))
    real, tried = broker._script, []

    def fails_once(**arguments: object) -> object:
        tried.append(arguments)
        found = real(**arguments)
        if len(tried) == 1:
            raise ConnectionResetError
        return found

    broker._script = fails_once
    other = pack(b"data: 1\n\n", "", is_json=False)
    second = broker.publish("x", other, 10, Place(0, 0))
    assert len(tried) == 2
    assert second == Place(first.epoch, 2)
    assert [stored.packet for stored in broker.newest("x", 5)] == [packet, other]


# --- what is kept -------------------------------------------------------------


def test_channels_that_nobody_reads_are_let_go(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their subscription and their events; not their place."""
    monkeypatch.setattr(listening, "TICK", 0.02)
    monkeypatch.setattr(listening, "LINGER", 0.1)
    hub = Hub(server.url)
    channel, other = hub.channel("idle"), Hub(server.url).channel("idle")
    feed, kept = read(channel), read(hub.channel("idler"))
    other.publish("1")
    assert said(news(feed)) == ["1"]
    place = channel.cursor()
    feed.close()
    until(lambda: b"sluice:0:idle\r" not in server.say("PUBSUB", "CHANNELS"))
    assert not channel.ring.ready
    other.publish("2")
    again = channel.subscribe(place)
    assert said(again.take() + news(again)) == ["2"]
    hub.channel("idler").publish("y")
    assert said(news(kept)) == ["y"]
    assert int(server.say("PTTL", "sluice:idle").strip(b":\r\n")) > 86_000_000


def test_the_history_is_bounded(server: RedisServer) -> None:
    """To about what the channel keeps."""
    channel = Hub(server.url).channel("x", history=100)
    for n in range(1000):
        channel.publish(str(n))
    length = int(server.say("XLEN", "sluice:x").strip(b":\r\n"))
    assert 100 <= length <= 250


# --- addresses ----------------------------------------------------------------


def test_databases_and_prefixes_are_apart(server: RedisServer) -> None:
    """Pub/sub itself knows neither."""
    urls = [
        server.url,
        server.url.replace("/0", "/1"),
        f"{server.url}?prefix=shop",
    ]
    channels = [Hub(url).channel("x") for url in urls]
    feeds = [read(channel) for channel in channels]
    for n, channel in enumerate(channels):
        channel.publish(str(n))
    for n, feed in enumerate(feeds):
        assert said(news(feed)) == [str(n)]
        assert feed.take() == b""


def test_a_password() -> None:
    """In the URL; and a wrong one is said at once, without it."""
    with redis_server("--requirepass", "s3cret") as server:
        good = server.url.replace("//", "//:s3cret@")
        hub = Hub(good)
        feed = read(hub.channel("x"))
        hub.channel("x").publish("1")
        assert said(news(feed)) == ["1"]
        bad = Hub(server.url.replace("//", "//:wr0ng@"), wait=30)
        with pytest.raises(BrokerError) as caught:
            bad.channel("x").publish("1")
        assert "wr0ng" not in str(caught.value)
        assert str(server.port) in str(caught.value)


def test_tls(tmp_path: Path) -> None:
    """By `rediss://`, with the options of the package redis in the query."""
    certificate, key = make_certificate(tmp_path)
    with redis_server() as plain:
        port = plain.port
    options = ["--tls-cert-file", certificate, "--tls-key-file", key]
    options += ["--tls-ca-cert-file", certificate, "--tls-auth-clients", "no"]
    with redis_server(*options, "--tls-port", str(port)):
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
        hub = Hub(url)
        feed = read(hub.channel("x"))
        hub.channel("x").publish("1")
        assert said(news(feed)) == ["1"]


def test_a_node_of_a_cluster() -> None:
    """Each channel is one key, so its script runs where that is."""
    with redis_server("--cluster-enabled", "yes") as server:
        assert server.say("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == b"+OK\r\n"
        until(lambda: b"cluster_state:ok" in server.say("CLUSTER", "INFO"), 10)
        here, there = Hub(server.url), Hub(server.url)
        feeds = [read(there.channel(name)) for name in ("a", "b", "c")]
        for name in ("a", "b", "c"):
            here.channel(name).publish(name)
        assert [said(news(feed)) for feed in feeds] == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(
    "url", ["http://x", "redis//x", "", "redis://127.0.0.1/?prefix=", "redis://h:x/"]
)
def test_a_url_that_is_none(url: str) -> None:
    """Is refused where it is said."""
    with pytest.raises(ConfigError):
        Hub(url)


def test_a_broker_comes_before_what_it_carries(server: RedisServer) -> None:
    """What one process alone has seen isn't silently made common."""
    hub = Hub()
    early = hub.channel("early")
    hub.use(server.url)
    feed = read(Hub(server.url).channel("early"))
    early.publish("1")
    assert said(news(feed)) == ["1"]
    hub.use(server.url)
    used = Hub()
    used.channel("x").publish("1")
    for each, url in ((used, server.url), (hub, "redis://127.0.0.1:1/0")):
        with pytest.raises(ConfigError, match="in use already"):
            each.use(url)


def _publish_and_read(hub: Hub, pipe: object) -> None:
    feed = hub.channel("x").subscribe()
    feed.take()
    hub.channel("x").publish(f"from {os.getpid()}")
    pipe.send(said(news(feed)))


def test_a_forked_process(server: RedisServer) -> None:
    """Has connections of its own, and its parent keeps its own."""
    hub = Hub(server.url)
    feed = read(hub.channel("x"))
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    child = context.Process(target=_publish_and_read, args=(hub, theirs))
    child.start()
    assert mine.poll(PATIENCE)
    assert mine.recv() == [f"from {child.pid}"]
    child.join(PATIENCE)
    assert said(news(feed)) == [f"from {child.pid}"]
    hub.channel("x").publish("mine")
    assert said(news(feed)) == ["mine"]
