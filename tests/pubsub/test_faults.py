"""Redis is killed, cut off, emptied and set back, under load: what readers are told.

Each reader has each event that was acknowledged once, or a reset that covers it.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokers import RedisServer, redis_server
from flask_sluice.pubsub import Hub
from following import Follower, Publisher, uncovered
from helpers import until
from needs import needs

pytestmark = needs("redis-server", "redis")

SOME = 150  # events


class Load:
    """A publisher's process and two readers', as far as Redis can tell."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.hubs = [Hub(server.url, wait=5) for _ in range(3)]
        begin = self.hubs[1].channel("x").cursor()
        self.followers = [
            Follower(self.hubs[1].channel("x").subscribe, begin),
            Follower(self.hubs[2].channel("x").subscribe, begin),
        ]
        self.publisher = Publisher(self.hubs[0].channel("x").publish)
        self.publisher.reach(SOME)

    def verdict(self) -> int:
        """End it all; give how often a reader was told that something is lost."""
        acknowledged = self.publisher.stop()
        last = str(acknowledged[-1])
        for follower in self.followers:
            until(lambda follower=follower: follower.has(last), 10)
            assert uncovered(follower.stop(), acknowledged) == []
        return sum(follower.resets for follower in self.followers)

    def stop(self) -> None:
        """End the threads, also of a test that has failed."""
        self.publisher.stop()
        for follower in self.followers:
            with contextlib.suppress(Exception):
                follower.stop()


@contextlib.contextmanager
def load(*options: str) -> Iterator[Load]:
    """Run a load on a server of its own."""
    with redis_server(*options) as server:
        running = Load(server)
        try:
            yield running
        finally:
            running.stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_redis_is_restarted_with_its_history(how: signal.Signals) -> None:
    """Nothing is lost, nobody is told otherwise, and nobody is disconnected."""
    with load("--appendonly", "yes", "--appendfsync", "always") as running:
        running.server.end(how)
        running.server.start()
        running.publisher.reach(SOME)
        assert running.verdict() == 0
        assert [follower.connections for follower in running.followers] == [1, 1]


def test_redis_is_killed_and_forgets() -> None:
    """Without persistence everything is another life, and that is told."""
    with load() as running:
        running.server.end()
        running.server.start()
        running.publisher.reach(SOME)
        assert running.verdict() >= 2


def test_connections_are_cut() -> None:
    """Those of readers and those of publishers, again and again: nothing is lost."""
    with load() as running:
        for kind in ("pubsub", "normal") * 5:
            running.server.say("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            running.publisher.reach(20)
        assert running.verdict() == 0


def test_everything_is_deleted_under_way() -> None:
    """FLUSHALL is history lost: told, once each time, and what follows is whole."""
    with load() as running:
        for _ in range(3):
            running.server.say("FLUSHALL")
            running.publisher.reach(SOME)
        assert running.verdict() >= 2


def test_an_older_copy_is_restored(tmp_path: Path) -> None:
    """Redis comes back with less than was acknowledged: its numbers aren't reused."""
    with load() as running:
        server = running.server
        assert b"OK" in server.say("SAVE")
        copy = tmp_path / "dump.rdb"
        shutil.copy(Path(server._folder, "dump.rdb"), copy)
        running.publisher.reach(SOME)
        server.end()
        shutil.copy(copy, Path(server._folder, "dump.rdb"))
        server.start()
        running.publisher.reach(SOME)
        assert running.verdict() >= 2


def test_others_go_on_from_an_older_copy(tmp_path: Path) -> None:
    """By a publisher that knows nothing of what is lost, while no reader listens."""
    with load() as running:
        server, folder = running.server, Path(running.server._folder)
        assert b"OK" in server.say("SAVE")
        shutil.copy(folder / "dump.rdb", tmp_path)
        running.publisher.reach(SOME)
        acknowledged = running.publisher.stop()
        until(lambda: all(f.has(str(acknowledged[-1])) for f in running.followers))
        server.end()
        shutil.copy(tmp_path / "dump.rdb", folder)
        # At another address, so that readers can't be back before it is done.
        other = RedisServer(str(folder))
        try:
            other.start()
            stranger = Hub(other.url)
            for number in range(SOME + 50):
                stranger.channel("x").publish(str(acknowledged[-1] + 1 + number))
            assert b"OK" in other.say("SAVE")
        finally:
            other.end()
        server.start()
        last = acknowledged[-1] + SOME + 50
        acknowledged += range(acknowledged[-1] + 1, last + 1)
        for follower in running.followers:
            until(lambda follower=follower: follower.resets > 0, 10)
        acknowledged.append(last + 1)
        running.hubs[0].channel("x").publish(str(last + 1))
        for follower in running.followers:
            until(lambda follower=follower: follower.has(str(last + 1)), 10)
            assert uncovered(follower.stop(), acknowledged) == []


def test_more_is_missed_than_is_kept() -> None:
    """A hole in the history is told, and what follows it is whole."""
    with load() as running:
        server = running.server
        first = running.publisher.stop()[-1] + 1
        until(lambda: all(f.has(str(first - 1)) for f in running.followers))
        stranger = Hub(server.url)
        with contextlib.ExitStack() as stack:
            for hub in running.hubs[1:]:
                # Its thread is held where it notices that it was cut off.
                stack.enter_context(hub.channel("x").mirror.listener._lock)
            server.say("CLIENT", "KILL", "TYPE", "pubsub")
            channel = stranger.channel("x", history=100)
            for number in range(first, first + 1500):
                channel.publish(str(number))
        acknowledged = [*running.publisher.acknowledged, *range(first, first + 1501)]
        until(lambda: all(f.resets for f in running.followers))
        channel.publish(str(first + 1500))
        for follower in running.followers:
            until(lambda follower=follower: follower.has(str(first + 1500)), 10)
            assert uncovered(follower.stop(), acknowledged) == []
            assert follower.resets == 1
