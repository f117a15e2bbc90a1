"""Channels by their names, and the broker that carries them, if there is one.

In: a name. Out: the channel of that name, the same for everyone who asks. It refuses to
grow with the names that were ever used: channels that nobody reads, nobody holds and
nobody has used for long are let go. Whoever comes back to one is told so, by `reset`.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict

from .. import native
from ..errors import ConfigError
from .broker import WAIT, Broker, open_broker
from .channel import HISTORY, Channel
from .listener import Listener
from .mirror import Mirror

__all__ = ["Hub"]

MEMORY = "memory://"

KEPT = 10_000  # channels that are kept though nobody reads or holds them


class Hub:
    """The channels of one app, or of a program that only publishes.

    :param broker: `memory://`: of this process alone. `redis://`, `rediss://` or
        `unix://`: of all processes that say so.
    :param wait: seconds that publishing tries while the broker is away, before it
        raises `BrokerError`.
    :param kept: how many idle channels keep their history.
    :raises ConfigError: the broker's URL can't be used.
    :raises MissingExtraError: `flask-sluice[redis]` isn't installed.
    """

    def __init__(
        self, broker: str = MEMORY, *, wait: float = WAIT, kept: int = KEPT
    ) -> None:
        self._kept = kept
        self._url = MEMORY
        self._wait = wait
        self._broker: Broker | None = None
        self._listener: Listener | None = None
        self._lock = native.lock()
        self._all: weakref.WeakValueDictionary[str, Channel] = (
            weakref.WeakValueDictionary()
        )
        self._recent: OrderedDict[str, Channel] = OrderedDict()
        _hubs.add(self)
        self.use(broker, wait)

    def use(self, broker: str, wait: float = WAIT) -> None:
        """Have the channels carried by *broker*, those that there are as well.

        :raises ConfigError: it can't be used; or it is another one, and the channels
            are in use.
        """
        if broker == self._url:
            return
        made = open_broker(broker, wait)
        with self._lock:
            if self._url != MEMORY or any(
                channel.ring.head or channel.readers for channel in self._all.values()
            ):
                raise ConfigError(
                    "The channels of this Sluice are in use already, without this"
                    " broker: say SLUICE_BROKER_URL before the first publish(), and the"
                    " same in all apps that share them."
                )
            self._url, self._wait, self._broker = broker, wait, made
            self._listener = None if made is None else Listener(made)
            for channel in self._all.values():
                self._mirror(channel)

    def open_broker(self) -> Broker | None:
        """Give another one like `broker`, whose connections are its caller's own."""
        return open_broker(self._url, self._wait)

    @property
    def broker(self) -> Broker | None:
        """What carries the channels; None: they are this process's alone."""
        return self._broker

    def _mirror(self, channel: Channel) -> None:
        if self._broker is not None and self._listener is not None:
            channel.mirror = Mirror(channel, self._broker, self._listener)

    def __len__(self) -> int:
        return len(self._all)

    def channel(
        self,
        name: str,
        history: int | None = None,
        ttl: float | None = None,
        limit: int | None = None,
    ) -> Channel:
        """Give the channel *name*, made if there is none.

        :param history: events that are kept; None: 1000, or as it was.
        :param ttl: seconds after which an event isn't replayed; None: no limit, or as
            it was.
        :param limit: readers that it may have at once in one process; None: no limit,
            or as it was.
        :raises ArgumentError: an argument can't be used.
        """
        with self._lock:
            channel = self._all.get(name)
            if channel is None:
                kept = HISTORY if history is None else history
                channel = Channel(name, kept, ttl, limit=limit)
                self._mirror(channel)
                self._all[name] = channel
            elif (history, ttl, limit) != (None, None, None):
                channel.configure(history, ttl, limit)
            self._recent[name] = channel
            self._recent.move_to_end(name)
            if len(self._recent) > self._kept:
                self._recent.popitem(last=False)
            return channel

    def cursor(self, *names: str) -> str:
        """Give the id after which everything in these channels is new, as of now."""
        return ".".join([self.channel(name).cursor() for name in names])

    def renew(self) -> None:
        """Go on in a process that was forked off."""
        self._lock = native.lock()
        if self._broker is not None and self._listener is not None:
            self._broker.renew()
            self._listener.renew()


_hubs: weakref.WeakSet[Hub] = weakref.WeakSet()


def _renew_all() -> None:
    for hub in list(_hubs):
        hub.renew()


native.after_fork(_renew_all)
