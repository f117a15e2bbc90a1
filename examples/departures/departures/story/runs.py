"""Runs: each types one text into a channel, whether anybody reads it or not.

A text goes in, events come out: `begun`, `token` with some of it, and at the end `done`
or `stopped`. Readers may come, leave, and come back, to any worker where there is a
broker; the channel has all that was typed. What comes quickly goes into one event.

To stop a run is to publish `stop` to its channel, from any process. The one that types
sees by the id of its next event that it isn't alone, because ids are dense.
"""

from __future__ import annotations

import logging
import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from flask_sluice import Sluice
from flask_sluice.errors import BrokerError
from flask_sluice.pubsub import Channel

log = logging.getLogger(__name__)

LINGER = 0.03  # seconds that the first token of an event waits for others
HISTORY = 1000  # events; a text has about 300 tokens
KEEP = 600.0  # seconds for which a finished text can be read
WAITING = {",": 4, ";": 4, ":": 4, ".": 9}  # tokens' time that is thought at such marks

NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.[\w-]{16}")


class TooManyRunsError(Exception):
    """As many as may be are being typed."""


class Typed(NamedTuple):
    """How far a run is.

    :ivar text: so far.
    :ivar count: of its tokens.
    :ivar cursor: the id of the last event.
    :ivar state: "typing", "done" or "stopped".
    """

    text: str
    count: int
    cursor: str
    state: str


class Run:
    """A text that is being typed.

    :param name: its own, which is hard to guess.
    :param pace: seconds for a token, on average.
    """

    def __init__(
        self, name: str, channel: Channel, tokens: list[str], pace: float
    ) -> None:
        self.name = name
        self.channel = channel
        self.began = time.monotonic()
        self._tokens = tokens
        self._pace = pace
        self._lock = threading.Lock()
        self._count = 0
        self._events = 0
        self.state = "typing"

    @property
    def total(self) -> int:
        """How many tokens the text has."""
        return len(self._tokens)

    def typed(self) -> Typed:
        """Tell how far it is."""
        with self._lock:
            text = "".join(self._tokens[: self._count])
            return Typed(text, self._count, self.channel.cursor(), self.state)

    def begin(self) -> None:
        """Let other processes know of it.

        :raises BrokerError: the broker is away.
        """
        self._publish("begun", "")

    # On a thread of its own.

    def type(self) -> None:
        """Type all of it."""
        state = "failed"
        try:
            state = "done" if all(map(self._say, self._bursts())) else "stopped"
        except BrokerError as error:
            log.warning("%s breaks off: %s", self.name, error)
        finally:
            with self._lock:
                self.state = state
                if state != "failed":
                    self._publish(state, "")

    def _bursts(self) -> Iterator[list[str]]:
        """Yield tokens at the pace of a model, some of them together."""
        begun, some = time.monotonic(), []
        for token in self._tokens:
            some.append(token)
            thought = random.uniform(0.3, 1.5)  # noqa: S311 - no secret
            time.sleep(self._pace * thought * WAITING.get(token.strip(), 1))
            if time.monotonic() - begun > LINGER:
                yield some
                begun, some = time.monotonic(), []
        if some:
            yield some

    def _say(self, some: list[str]) -> bool:
        """Publish tokens; tell whether it is to go on."""
        with self._lock:
            self._count += len(some)
            return self._publish("token", "".join(some))

    def _publish(self, event: str, text: str) -> bool:
        self._events += 1
        data = {"n": self._count, "text": text}
        id_ = self.channel.publish(data, event=event)
        return int(id_.rpartition("-")[2]) == self._events


class Runs:
    """The runs of this process.

    :param most: how many may be typed at once.
    :param kept: how many can be read later on; the oldest go first.
    """

    def __init__(
        self,
        sluice: Sluice,
        *,
        pace: float,
        most: int = 10,
        kept: int = 50,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sluice = sluice
        self._pace = pace
        self._most = most
        self._kept = kept
        self._clock = clock
        self._all: dict[str, Run] = {}
        self._lock = threading.Lock()

    def channel(self, name: str) -> Channel:
        """Give a run's channel, in whatever process it is typed."""
        return self._sluice.channel(f"summary:{name}", history=HISTORY)

    def start(self, day: str, tokens: list[str]) -> Run:
        """Have a text typed.

        :raises TooManyRunsError: there are too many.
        :raises BrokerError: the broker is away.
        """
        name = f"{day}.{secrets.token_urlsafe(12)}"
        with self._lock:
            self._expire()
            if sum(run.state == "typing" for run in self._all.values()) >= self._most:
                raise TooManyRunsError
            run = Run(name, self.channel(name), tokens, self._pace)
            run.began = self._clock()
            self._all[name] = run
        run.begin()
        threading.Thread(target=run.type, name=name, daemon=True).start()
        return run

    def get(self, name: str) -> Run | None:
        """Give a run of this process that can be read."""
        with self._lock:
            self._expire()
            return self._all.get(name)

    def _expire(self) -> None:
        ended = [run for run in self._all.values() if run.state != "typing"]
        oldest = self._clock() - KEEP
        for place, run in enumerate(ended):
            if run.began < oldest or place < len(ended) - self._kept:
                del self._all[run.name]
                self._sluice.channel(run.channel.name, history=1)


def day_of(name: str) -> str | None:
    """Give the day of a run by its name; None: it is none."""
    found = NAME.fullmatch(name)
    return found and found[1]
