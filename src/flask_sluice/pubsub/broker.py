"""What carries a channel's events between processes, and holds its history.

In: packets. Out: the same, in one order for all, under dense numbers. It refuses to
know channels, rings and readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from ..errors import ConfigError

__all__ = ["Broker", "Link", "Place", "Stored", "open_broker"]

WAIT = 1.0  # seconds


class Place(NamedTuple):
    """Where a channel stands, as a broker numbers it.

    :ivar epoch: which life of the channel; later ones have higher numbers. 0: none.
    :ivar seq: the last event's number in it.
    """

    epoch: int
    seq: int


class Stored(NamedTuple):
    """An event that a broker holds."""

    place: Place
    packet: bytes
    age: float  # seconds


class Link(Protocol):
    """A connection on which packets arrive as they are published. One thread reads."""

    def subscribe(self, topics: Sequence[str]) -> None:
        """Have what is published to *topics* arrive."""

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Don't, any more."""

    def receive(self, timeout: float) -> tuple[str, str, bytes] | None:
        """Give the next arrival: its kind, its topic, and what a "message" says.

        A "subscribed" says that from now on nothing of its topic is missed. None:
        nothing in *timeout* seconds.

        :raises BrokerError: the connection is broken.
        """

    def close(self) -> None:
        """End it."""


class Broker(Protocol):
    """A broker. Every call may wait, and raises `BrokerError` if it can't be done."""

    def topic(self, name: str) -> str:
        """Give the topic of the channel *name*."""

    def publish(
        self, name: str, packet: bytes, history: int, known: Place, *, wait: bool = True
    ) -> Place:
        """Add *packet* to the channel *name*, and send it to all who listen.

        :param history: how many packets are kept, at least.
        :param known: the newest place that the caller knows of. A broker that knows
            less has lost it, and begins a new epoch.
        :param wait: whether to try for a while.
        """

    def attend(self, name: str, known: Place) -> Place:
        """Have the channel *name* exist, and give where it stands.

        :param known: as for `publish`.
        """

    def newest(self, name: str, count: int) -> list[Stored]:
        """Give the last *count* packets, the oldest first."""

    def since(self, name: str, place: Place) -> list[Stored]:
        """Give all from *place* on, itself included, the oldest first."""

    def read(self, message: bytes) -> tuple[Place, bytes]:
        """Give the place and the packet of a message that `publish` has sent."""

    def shout(self, topic: str, message: bytes) -> None:
        """Send *message* to all who listen now. It is kept nowhere."""

    def listeners(self, topic: str) -> int:
        """Count the connections that listen."""

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Give *name* to *holder* for a while, also again, or tell that it is taken."""

    def release(self, name: str, holder: str) -> None:
        """Take it back from *holder*, if it has it."""

    def keep(self, folder: str, texts: dict[str, str], seconds: float) -> None:
        """Keep *texts* by their names, beside those that are in *folder*.

        :param seconds: until the folder is dropped, if nobody keeps anything in it.
        """

    def kept(self, folder: str) -> dict[str, str]:
        """Give what is in *folder*."""

    def link(self) -> Link:
        """Connect, to listen."""

    def renew(self) -> None:
        """Go on in a process that was forked off."""


def open_broker(url: str, wait: float = WAIT) -> Broker | None:
    """Give the broker at *url*; None for `memory://`, where a process is by itself.

    :param wait: seconds that publishing tries while it is away.
    :raises ConfigError: the URL can't be used.
    :raises MissingExtraError: `flask-sluice[redis]` isn't installed.
    """
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        return None
    if scheme not in ("redis", "rediss", "unix"):
        raise ConfigError(
            f"A broker is memory://, redis://, rediss:// or unix://, and not {url!r}."
        )
    from .redis import RedisBroker

    return RedisBroker(url, wait)
