"""Channels by their names.

In: a name. Out: the channel of that name, the same for everyone who asks. It refuses to
grow with the names that were ever used: channels that nobody reads, nobody holds and
nobody has used for long are let go. Whoever comes back to one is told so, by `reset`.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict

from .. import native
from .channel import HISTORY, Channel

__all__ = ["Hub"]

KEPT = 10_000  # channels that are kept though nobody reads or holds them


class Hub:
    """The channels of one app.

    :param kept: how many idle channels keep their history.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = native.lock()
        self._all: weakref.WeakValueDictionary[str, Channel] = (
            weakref.WeakValueDictionary()
        )
        self._recent: OrderedDict[str, Channel] = OrderedDict()
        _hubs.add(self)

    def __len__(self) -> int:
        return len(self._all)

    def channel(
        self, name: str, history: int | None = None, ttl: float | None = None
    ) -> Channel:
        """Give the channel *name*, made if there is none.

        :param history: events that are kept; None: 1000, or as it was.
        :param ttl: seconds after which an event isn't replayed; None: no limit, or as
            it was.
        :raises ArgumentError: an argument can't be used.
        """
        with self._lock:
            channel = self._all.get(name)
            if channel is None:
                channel = Channel(name, HISTORY if history is None else history, ttl)
                self._all[name] = channel
            elif history is not None or ttl is not None:
                channel.configure(history, ttl)
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


_hubs: weakref.WeakSet[Hub] = weakref.WeakSet()


def _renew_all() -> None:
    for hub in list(_hubs):
        hub.renew()


native.after_fork(_renew_all)
