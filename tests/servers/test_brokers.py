"""Several workers and Redis: every one of them may die, and no event is lost unsaid."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from brokers import RedisServer, redis_server
from flask_sluice.pubsub import Hub
from following import RESET, Publisher, uncovered
from helpers import PATIENCE, until
from needs import needs
from ports import free_port
from reading import blocks, ids
from servers.client import Client, fetch
from servers.harness import (
    HERE,
    SOURCE,
    START_SECONDS,
    Row,
    running,
    workplace,
)
from servers.rows import only, skip_unless_installed

pytestmark = needs("redis-server", "redis")

WORKERS = 3
SOME = 60  # events


class Browser:
    """A client that reads, comes back, and remembers all that it was told."""

    def __init__(self, port: int, path: str, place: str) -> None:
        self._port, self._path, self._place = port, path, place
        self._over = False
        self._line: Client | None = None
        self.ledger: list[str] = []
        self.connections = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over:
            with contextlib.suppress(OSError), Client(self._port) as self._line:
                self._line.send(self._path, headers=[("Last-Event-ID", self._place)])
                self.connections += 1
                self._read(self._line)

    def _read(self, line: Client) -> None:
        seen = 0
        line.socket.settimeout(PATIENCE)
        while not self._over:
            alive = line.read()
            # Whole blocks only: what was cut off isn't an event.
            end = line.answer.body.rfind(b"\n\n") + 2
            if end > seen + 1:
                block = line.answer.body[seen:end]
                seen = end
                for fields in blocks(block):
                    is_reset = fields.get("event") == RESET
                    self.ledger.append(RESET if is_reset else fields["data"])
                self._place = (ids(block) or [self._place])[-1]
            if not alive:
                return

    def stop(self) -> list[str]:
        """End it; give the ledger."""
        self._over = True
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.socket.shutdown(2)
        self._thread.join(PATIENCE)
        return self.ledger


@dataclass
class Cluster:
    """A server of several workers, and its Redis."""

    port: int
    master: psutil.Process
    redis: RedisServer

    def workers(self) -> list[psutil.Process]:
        """Give the processes that answer."""
        return [child for child in self.master.children() if child.status() != "zombie"]

    def publish(self, number: str) -> str:
        """Publish by a request; raise if it isn't acknowledged."""
        answer = fetch(self.port, f"/publish/news/{number}", method="POST")
        if answer.status != 200 or answer.ending != "whole":
            raise ConnectionError(answer.status)
        return answer.body.decode()


@contextlib.contextmanager
def cluster(row: Row) -> Iterator[Cluster]:
    """Run the conformance app in several workers."""
    redis = redis_server("--appendonly", "yes", "--appendfsync", "always")
    with redis as broker, workplace() as folder:
        port = free_port()
        # Loaded once and forked, but for gevent, which changes what is loaded.
        preload = () if row.name == "gunicorn-gevent" else ("--preload",)
        arguments = ("--workers", str(WORKERS), *preload)
        command = row.command(port, {"arguments": arguments})
        config = {"SLUICE_BROKER_URL": broker.url, "SLUICE_BROKER_WAIT": 5}
        environ = {
            "PYTHONPATH": os.pathsep.join((str(SOURCE), str(HERE))),
            "SLUICE_TEST_CONFIG": json.dumps(config),
        }
        with running(command, folder, folder / "log", environ) as process:
            made = Cluster(port, psutil.Process(process.pid), broker)
            until(lambda: _answers(port), START_SECONDS)
            until(lambda: len(made.workers()) == WORKERS, START_SECONDS)
            yield made


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return fetch(port, "/ping").status == 200
    return False


@contextlib.contextmanager
def traffic(made: Cluster) -> Iterator[tuple[list[Browser], Publisher]]:
    """Have clients on all workers, and something published by requests to them."""
    place = fetch(made.port, "/cursor/news").body.decode()
    browsers = [Browser(made.port, "/events/news", place) for _ in range(12)]
    publisher = Publisher(made.publish, pause=0.002)
    try:
        publisher.reach(SOME)
        yield browsers, publisher
    finally:
        publisher.stop()
        for browser in browsers:
            browser.stop()


def judged(browsers: list[Browser], publisher: Publisher) -> int:
    """Give how many resets there were, when all have had everything or one of them."""
    acknowledged = publisher.stop()
    last = str(acknowledged[-1])
    for browser in browsers:
        until(lambda browser=browser: last in browser.ledger, 20)
        assert uncovered(browser.stop(), acknowledged) == []
    return sum(browser.ledger.count(RESET) for browser in browsers)


@only("gunicorn-gthread", "gunicorn-gevent", "gunicorn-asgi")
def test_workers_and_redis_are_killed(row: Row) -> None:
    """One after another, under way. Whoever was there goes on at another one's."""
    skip_unless_installed(row)
    with cluster(row) as made, traffic(made) as (browsers, publisher):
        for _ in range(3):
            made.workers()[0].kill()
            publisher.reach(SOME)
            until(lambda: len(made.workers()) == WORKERS, START_SECONDS)
        made.redis.say("CLIENT", "KILL", "TYPE", "pubsub")
        publisher.reach(SOME)
        made.redis.end(signal.SIGKILL)
        made.redis.start()
        publisher.reach(SOME)
        assert judged(browsers, publisher) == 0
        assert sum(browser.connections for browser in browsers) > len(browsers)


@only("gunicorn-gthread")
def test_a_program_without_flask_publishes(row: Row) -> None:
    """Each client of each worker gets what it has said."""
    with cluster(row) as made, traffic(made) as (browsers, publisher):
        number = publisher.stop()[-1] + 1
        hub = Hub(made.redis.url)
        hub.channel("news").publish(str(number))
        for browser in browsers:
            until(lambda browser=browser: str(number) in browser.ledger)


@only("gunicorn-gthread", "gunicorn-gevent")
def test_one_worker_has_the_camera(row: Row) -> None:
    """All viewers see its frames; when it is killed, another one's."""
    skip_unless_installed(row)
    with cluster(row) as made, contextlib.ExitStack() as stack:
        watchers: dict[str, Client] = {}
        for _ in range(100):  # until one is in each of two processes
            client = stack.enter_context(Client(made.port))
            client.send("/camera/whose/radar")
            client.until(b"\xff\xd9")
            watchers[client.answer.headers["x-process"]] = client
            if len(watchers) == 2:
                break
        (first,) = {capturing(client) for client in watchers.values()}
        psutil.Process(first).kill()
        (left,) = (c for pid, c in watchers.items() if int(pid) != first)
        until(lambda: left.read() and capturing(left) != first, START_SECONDS)
        # In an orderly change of hands there is no other one beside it.
        seen = len(left.answer.body)
        until(lambda: left.read() and len(left.answer.body) > seen + 500)
        assert len(set(PICTURE.findall(left.answer.body[seen:]))) == 1


PICTURE = re.compile(rb"\xff\xd8#(\d+);")


def capturing(client: Client) -> int:
    """Give the process that made the last frame."""
    return int(PICTURE.findall(client.answer.body)[-1])
