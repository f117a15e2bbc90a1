"""The history of a channel: its last events, each encoded once, under dense ids.

In: events. Out: what came after a cursor, as bytes that all readers share. It refuses
to know readers: all that one of them is here is a number.

An id is `epoch-seq`. `seq` counts from 1 without a gap, so that a gap can be seen. An
epoch belongs to one life of one channel: a history that begins anew, in a restarted
process or in a worker that was forked off, has another. So an id of an earlier life is
recognised, and never mistaken for a place in this one.
"""

from __future__ import annotations

import secrets
import string
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from .. import native
from ..formats.sse import Event

__all__ = ["Entry", "Ring"]

BATCH = 64  # events in one write
BATCH_BYTES = 65_536
CACHED = 8  # joins that are kept; readers mostly are at one of very few places

_EPOCH_LETTERS = string.ascii_letters + string.digits
_EPOCH_LENGTH = 7  # 41 bits, and nine channels' ids still fit into 128 bytes


class Entry(NamedTuple):
    """One event in its place.

    :ivar block: its bytes, whose first line is its id.
    :ivar body: where in them the rest begins.
    :ivar key: what it is the newest of.
    """

    seq: int
    block: bytes
    body: int
    event: Event
    key: str
    at: float


class Ring:
    """The last *history* events of one channel, none older than *ttl* seconds.

    :ivar epoch: of which life it is.
    :ivar head: the last event's number; 0 before the first.
    """

    def __init__(
        self,
        history: int,
        ttl: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history = history
        self._ttl = ttl
        self._clock = clock
        self.renew()

    def renew(self) -> None:
        """Begin anew, with nothing and under another epoch."""
        self.lock = native.lock()
        self.epoch = "".join(
            secrets.choice(_EPOCH_LETTERS) for _ in range(_EPOCH_LENGTH)
        )
        self.head = 0
        self._entries: deque[Entry] = deque()
        self._newest: OrderedDict[str, Entry] = OrderedDict()
        self._forgotten = 0  # the last event that was its key's newest and isn't kept
        self._joins: dict[int, tuple[int, bytes]] = {}

    @property
    def tail(self) -> int:
        """The cursor from which all that is kept comes."""
        return self.head - len(self._entries)

    def configure(self, history: int | None, ttl: float | None) -> None:
        """Keep more, or less, from now on. None leaves it as it is."""
        with self.lock:
            self._history = self._history if history is None else history
            self._ttl = self._ttl if ttl is None else ttl
            self._trim()

    # All below is called with the lock held.

    def append(self, event: Event, body: bytes, key: str) -> int:
        """Add *event*, whose bytes are *body*; give its number."""
        seq = self.head + 1
        line = b"id: %b-%d\n" % (self.epoch.encode(), seq)
        entry = Entry(seq, line + body, len(line), event, key, self._clock())
        self._entries.append(entry)
        newest = self._newest
        newest[key] = entry
        newest.move_to_end(key)
        if len(newest) > self._history:
            self._forgotten = newest.popitem(last=False)[1].seq
        self.head = seq
        self._joins.clear()
        self._trim()
        return seq

    def _trim(self) -> None:
        entries = self._entries
        while len(entries) > self._history:
            entries.popleft()
        self.expire()

    def expire(self) -> None:
        """Let go of what is too old."""
        if self._ttl is None:
            return
        entries, newest, oldest = self._entries, self._newest, self._clock() - self._ttl
        while entries and entries[0].at < oldest:
            entries.popleft()
            self._joins.clear()
        while newest and next(iter(newest.values())).at < oldest:
            self._forgotten = newest.popitem(last=False)[1].seq

    def has(self, cursor: int) -> bool:
        """Tell whether all that came after *cursor* is here."""
        return self.tail <= cursor <= self.head

    def has_newest(self, cursor: int) -> bool:
        """Tell whether the newest of each key that came after *cursor* is here."""
        return self._forgotten <= cursor <= self.head

    def read(self, cursor: int) -> tuple[int, bytes]:
        """Give some of what came after *cursor*, and the cursor after that.

        The very same bytes for everyone who is at that place.
        """
        if self.head - cursor == 1:
            return self.head, self._entries[-1].block
        joined = self._joins.get(cursor)
        if joined is None:
            blocks = [entry.block for entry in self.after(cursor)]
            joined = cursor + len(blocks), b"".join(blocks)
            if len(self._joins) < CACHED:
                self._joins[cursor] = joined
        return joined

    def after(self, cursor: int) -> list[Entry]:
        """Give the next events after *cursor*, as many as make one write."""
        entries = self._entries
        start = cursor - self.tail
        found: list[Entry] = []
        size = 0
        for entry in islice(entries, start, start + BATCH):
            size += len(entry.block)
            if found and size > BATCH_BYTES:
                break
            found.append(entry)
        return found

    def newest(self, cursor: int) -> list[Entry]:
        """Give the newest event of each key that came after *cursor*, in order."""
        found = []
        # The order of the keys is that of their newest events.
        for entry in reversed(self._newest.values()):
            if entry.seq <= cursor:
                break
            found.append(entry)
        found.reverse()
        return found

    def newest_first(self, cursor: int, limit: int | None) -> list[Entry]:
        """Give what came after *cursor* and is kept, backwards, at most *limit*."""
        count = min(self.head - cursor, len(self._entries))
        return list(islice(reversed(self._entries), min(count, limit or count)))
