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

from .. import native
from ..formats.sse import Event, decode

__all__ = ["Entry", "Ring"]

BATCH = 64  # events in one write
BATCH_BYTES = 65_536
CACHED = 8  # joins that are kept; readers mostly are at one of very few places

_EPOCH_LETTERS = string.ascii_letters + string.digits
_EPOCH_LENGTH = 7  # 41 bits, and nine channels' ids still fit into 128 bytes


class Entry:
    """One event in its place.

    :param event: what was published; or, where only its bytes are known, whether its
        data is JSON.

    :ivar seq: its number.
    :ivar block: its bytes, whose first line is its id; b"" if nobody is to see it.
    :ivar body: where in them the rest begins.
    :ivar key: what it is the newest of.
    :ivar at: when it was published.
    """

    __slots__ = ("_event", "at", "block", "body", "key", "seq")

    def __init__(
        self,
        seq: int,
        block: bytes,
        body: int,
        *,
        event: Event | bool,
        key: str,
        at: float,
    ) -> None:
        self.seq = seq
        self.block = block
        self.body = body
        self.key = key
        self.at = at
        self._event = event

    @property
    def event(self) -> Event:
        """The event itself. Read from its bytes only for those who ask: filters."""
        if isinstance(self._event, bool):
            self._event = decode(self.block[self.body :], is_json=self._event)
        return self._event


class Ring:
    """The last *history* events of one channel, none older than *ttl* seconds.

    :ivar epoch: of which life it is.
    :ivar head: the last event's number; 0 before the first.
    :ivar ready: whether it is known where the channel stands. Always, but for a copy
        of what a broker holds.
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
        """Begin anew, with nothing, under another epoch and with a new lock."""
        self.lock = native.lock()
        self.ready = True
        self.begin(
            "".join(secrets.choice(_EPOCH_LETTERS) for _ in range(_EPOCH_LENGTH)), 0
        )

    @property
    def history(self) -> int:
        """How many events are kept."""
        return self._history

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

    def begin(self, epoch: str, head: int) -> None:
        """Begin anew under *epoch*, of which nothing up to *head* is here."""
        self.epoch = epoch
        self.head = head
        self._entries: deque[Entry] = deque()
        self._newest: OrderedDict[str, Entry] = OrderedDict()
        # The last event that was its key's newest and isn't kept.
        self._forgotten = head
        self._joins: dict[int, tuple[int, bytes]] = {}

    def append(
        self, event: Event | bool, body: bytes, key: str | None, age: float = 0.0
    ) -> int:
        """Add the next event.

        :param event: as for `Entry`.
        :param body: its bytes; b"" for one that only takes a number.
        :param key: what it is the newest of; None: of nothing.
        :param age: seconds since it was published.
        :return: its number.
        """
        seq = self.head + 1
        line = b"id: %b-%d\n" % (self.epoch.encode(), seq) if body else b""
        at = self._clock() - age
        entry = Entry(seq, line + body, len(line), event=event, key=key or "", at=at)
        self._entries.append(entry)
        self.head = seq
        self._joins.clear()
        if key is not None:
            self._keep_newest(key, entry)
        self._trim()
        return seq

    def _keep_newest(self, key: str, entry: Entry) -> None:
        newest = self._newest
        newest[key] = entry
        newest.move_to_end(key)
        if len(newest) > self._history:
            self._forgotten = newest.popitem(last=False)[1].seq

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

    def read(self, cursor: int) -> tuple[int, bytes] | None:
        """Give some of what came after *cursor*, and the cursor after that.

        The very same bytes for everyone who is at that place. None if not all of it is
        here.
        """
        entries = self._entries
        if self.head - cursor == 1 and entries:
            return self.head, entries[-1].block
        if not self.has(cursor):
            return None
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
        after = islice(reversed(self._entries), count)
        return list(islice((entry for entry in after if entry.block), limit))
