"""A channel: what is published to it reaches all who read it, and is kept a while.

In: events, from any thread. Out: a feed for each reader. It refuses to know who
publishes and who may read: its name is the app's, and a view decides.

To publish is to add to the ring and to wake whoever waits. A reader that was woken and
hasn't looked yet isn't woken again, so a burst costs one wake, and then one write.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .. import native
from ..checks import is_finite
from ..errors import ArgumentError
from ..formats.sse import Event
from ..stopping import before_stop
from .place import RESET, compose
from .ring import Ring

if TYPE_CHECKING:
    from .mirror import Mirror
from .subscription import Subscription

__all__ = ["Channel", "drain", "enroll"]

HISTORY = 1000
BREATH = 0.001  # seconds


class Channel:
    """Events for any number of readers.

    :param name: the app's name for it; readers see it only when they are told that
        something of it can't be replayed.
    :param history: events that are kept, for readers that are slow or come back.
    :param ttl: seconds after which an event isn't replayed; None: no limit.
    :param limit: readers that it may have at once; None: no limit.
    :raises ArgumentError: an argument can't be used.

    :ivar name: as given.
    :ivar limit: as given.
    :ivar mirror: keeps it in step with a broker; None: it is this process's alone.
    :ivar overtaken: how often a reader was so slow that its place left the history.
    """

    def __init__(
        self,
        name: str,
        history: int = HISTORY,
        ttl: float | None = None,
        *,
        limit: int | None = None,
    ) -> None:
        check(name, history, ttl, limit)
        self.name = name
        self.mirror: Mirror | None = None
        self.limit = limit
        self.overtaken = 0
        self.ring = Ring(history, ttl)
        # Both under the ring's lock.
        self.readers: set[Subscription] = set()
        self.waiting: set[Subscription] = set()
        self._ahead = 0  # events since anybody waited for one
        enroll(self)

    def __repr__(self) -> str:
        return f"<Channel {self.name!r} {self.subscribers} readers>"

    @property
    def subscribers(self) -> int:
        """How many read it now, in this process."""
        return len(self.readers)

    def publish(
        self, data: object, event: str | None = None, *, key: str | None = None
    ) -> str:
        """Send an event to everyone who reads, and keep it for those who come back.

        From any thread. It never waits for a reader, but lets them run in a burst that
        is as long as the history; for a broker it waits.

        :param data: text, or what is sent as JSON; or a whole `Event`, without an id.
        :param event: its name; None is "message".
        :param key: what it is the newest of, for readers with `conflate="key"`: a
            flight, a share. None: its name is.
        :return: the event's id.
        :raises ArgumentError: it can't be sent, or has an id.
        :raises BrokerError: the broker is away. Nobody gets it.
        """
        made = _event(data, event)
        body = made.encode()
        key = (made.event or "") if key is None else key
        if self.mirror is not None:
            return self.mirror.publish(made, body, key)
        ring = self.ring
        with ring.lock:
            seq = ring.append(made, body, key)
            waiting = self.take_waiting()
            self._ahead = 0 if waiting else self._ahead + 1
            ahead = self._ahead if self.readers else 0
        for reader in waiting:
            reader.wake()
        # In a burst readers are woken by its first event, and may not come to run
        # before Python gives them a turn, which is after 5 ms or a thousand events.
        # One that doesn't read for this long is slow by itself, and isn't waited for.
        if ahead and not ahead % (ring.history // 4 or 1) and ahead <= ring.history:
            native.sleep(BREATH)
        return f"{ring.epoch}-{seq}"

    def cursor(self) -> str:
        """Give the id after which everything is new, as of now.

        While a broker is away, and this process doesn't know the place, it is one that
        a `reset` follows.
        """
        if self.mirror is not None:
            self.mirror.attach({})
        with self.ring.lock:
            return compose([(self.ring.epoch, self.ring.head)]).decode()

    def subscribe(
        self, last_event_id: str | None = None, **options: Any
    ) -> Subscription:
        """Make a feed of its events.

        :param last_event_id: begins right after this one; None: with the next.
        :param options: as for `Subscription`.
        """
        return Subscription((self,), last_event_id, **options)

    def close(self, client: object) -> int:
        """End the streams of *client* now: a permission was revoked.

        A browser comes back, and its view can refuse it. With a broker they are ended
        in every process, also in one that is cut off from it for a while.

        :param client: what `stream_events(client=)` was given. With a broker, something
            that is JSON: a number, text.
        :return: how many in this process.
        :raises ArgumentError: it has to be JSON, and isn't.
        :raises BrokerError: the broker is away; they are ended in this process only.
        """
        count = self.disconnect(lambda other: other == client)
        if self.mirror is not None:
            try:
                self.mirror.close(client)
            except TypeError as error:
                raise ArgumentError(
                    f"With a broker, client has to be JSON: {error}."
                ) from None
        return count

    def obey(self, order: bytes) -> None:
        """Do what another process has said."""
        client = json.loads(order)["close"]
        self.disconnect(lambda other: other == client)

    def disconnect(self, filter: Callable[[Any], object] | None = None) -> int:  # noqa: A002
        """End streams of this process now.

        A browser comes back, and its view can refuse it.

        :param filter: is given each stream's `client`, and says whether to end it.
            None: all are ended.
        :return: how many in this process.
        """
        with self.ring.lock:
            readers = list(self.readers)
        chosen = [each for each in readers if filter is None or filter(each.client)]
        for reader in chosen:
            reader.end()
        return len(chosen)

    def configure(
        self, history: int | None, ttl: float | None, limit: int | None
    ) -> None:
        """Change what is kept, and how many may read. None leaves it."""
        check(self.name, HISTORY if history is None else history, ttl, limit)
        self.ring.configure(history, ttl)
        self.limit = self.limit if limit is None else limit

    def attach(self, places: dict[str, int]) -> bool:
        """See to it that the ring is up to date.

        :param places: where a client says that it is.
        :return: False if that isn't known now; `ring.ready` says when it is.
        """
        return self.mirror is None or self.mirror.attach(places)

    def take_waiting(self) -> set[Subscription]:
        """Give whoever waits for news, each once. With the ring's lock held."""
        waiting, self.waiting = self.waiting, set()
        return waiting

    def renew(self) -> None:
        """Begin anew in a process that was forked off."""
        self.ring.renew()
        self.readers, self.waiting = set(), set()
        self.overtaken = 0
        if self.mirror is not None:
            self.mirror.renew()


def _event(data: object, event: str | None) -> Event:
    if isinstance(data, Event):
        if data.id is not None:
            raise ArgumentError("A channel gives its events their ids: leave id out.")
        if event is not None:
            raise ArgumentError("An Event has its name already: leave event out.")
        made = data
    else:
        made = Event("null" if data is None else data, event)
    if made.event == RESET:
        raise ArgumentError(
            "The event 'reset' is a channel's own: it tells a reader that something"
            " can't be replayed. Use another name."
        )
    return made


def check(name: object, history: object, ttl: object, limit: object) -> None:
    """Refuse what can't be used."""
    if limit is not None and not (type(limit) is int and limit > 0):
        raise ArgumentError(f"limit is {limit!r}, but expects a count, or None.")
    if not isinstance(name, str) or not name:
        raise ArgumentError(f"A channel's name is text, and not {name!r}.")
    if type(history) is not int or history < 1:
        raise ArgumentError(f"history is {history!r}, but expects a count of events.")
    if ttl is not None and not (is_finite(ttl) and ttl > 0):
        raise ArgumentError(f"ttl is {ttl!r}, but expects seconds, or None.")


class Shared(Protocol):
    """What ends with the process, and begins anew in one that is forked off."""

    @property
    def readers(self) -> set[Any]:
        """Those who can be dismissed."""

    def renew(self) -> None:
        """Begin anew."""


_channels: weakref.WeakSet[Shared] = weakref.WeakSet()


def enroll(shared: Shared) -> None:
    """Have `drain` dismiss its readers, and a fork renew it."""
    _channels.add(shared)


def drain(patience: float = 1.0) -> int:
    """Ask every reader in this process to come back, spread over ten seconds, and end.

    It runs by itself: when the process exits, and under `ASGIApp` when its server is
    told to stop, since such a server waits for its streams before it exits. Where
    another does, call it when it is told.

    :param patience: seconds that it waits at most for the last words to be sent.
    :return: how many were asked.
    """
    readers = {
        reader for channel in list(_channels) for reader in list(channel.readers)
    }
    for reader in readers:
        reader.dismiss()
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not any(channel.readers for channel in list(_channels)):
            break
        time.sleep(0.005)
    return len(readers)


def _renew_all() -> None:
    # A forked worker goes on with events of its own, under ids of its own.
    for channel in list(_channels):
        channel.renew()


native.after_fork(_renew_all)
before_stop(drain)
