"""One client's place in one or several channels, as a feed.

In: channels, and the id that the client came back with. Out: blocks of events, shared
with all who are at the same place; a heartbeat after a silence; the end. It refuses to
keep events: all that it has of a channel is a number, so a slow client costs nothing.

Everything here may run on the loop's thread, and `wake` on any. Flags are set before
`_wake` is called, and read after it is set, so no news falls between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..checks import is_finite
from ..errors import ArgumentError, TooManyStreamsError
from ..formats.sse import Event
from ..jitter import spread
from .place import UNPLACED, Conflate, compose, find, parse, reset_event
from .pulse import Beating, pulse
from .ring import Entry, Ring

if TYPE_CHECKING:
    from .channel import Channel

__all__ = ["Filter", "Subscription", "jittered"]

Filter = Callable[[Event], object]

RETRY_AFTER = 5  # seconds; told to whoever finds a channel full
LONGEST = 10_000  # milliseconds over which a server's clients are spread

CONFLATIONS = (None, "latest", "key")


def jittered(milliseconds: int) -> int:
    """Give a time around *milliseconds*, so that not all come back together."""
    return max(1, round(spread(milliseconds, 0.5, 1.5)))


class Subscription(Beating):
    """A reader of channels. A `Feed`.

    :param channels: what it reads.
    :param last_event_id: where it begins: right after this. None: with what is new.
    :param heartbeat: seconds of silence after which a comment is sent; None: never.
    :param retry: milliseconds until a browser comes back, give or take half; None: as
        the browser likes.
    :param conflate: what a reader that is behind gets: all of it (None), the "latest"
        event alone, or the latest of each "key".
    :param filter: is asked for each event whether this reader gets it.
    :param client: whose it is; see `Channel.close`.
    :raises TooManyStreamsError: a channel has as many readers as it may.
    :raises ArgumentError: an argument can't be used.

    :ivar client: as given.
    """

    __slots__ = (
        "_asked",
        "_channels",
        "_conflate",
        "_cursor",
        "_cursors",
        "_end",
        "_filter",
        "_first",
        "_moved",
        "_wake",
        "client",
    )

    def __init__(
        self,
        channels: Sequence[Channel],
        last_event_id: str | None = None,
        *,
        heartbeat: float | None = 15.0,
        retry: int | None = None,
        conflate: Conflate | None = None,
        filter: Filter | None = None,  # noqa: A002 - what everybody calls it
        client: object = None,
    ) -> None:
        check(heartbeat, retry, conflate)
        self.client = client
        self.place = 0  # the pulse's
        # Each once: with two cursors into one channel everything would come twice.
        self._channels = tuple(dict.fromkeys(channels))
        self._conflate = conflate
        self._filter = filter
        self._heartbeat = heartbeat
        self._wake: Callable[[], None] | None = None
        self._beat_due = False  # a heartbeat is
        self._moved = False  # further than the client knows
        self._over = False
        self._end: bytes | None = None  # the last words, once it is to end
        self._first = b""
        self._asked: str | None = None  # where it is to begin, while that isn't known
        self._cursor = 0  # in the one channel that most read
        self._cursors: list[int] | None = None  # in several
        try:
            self._join(last_event_id, retry)
        except BaseException:
            self.close()
            raise
        clock = pulse()
        self._spoke = clock.now
        if heartbeat is not None:
            clock.enter(self, clock.now + heartbeat)

    def _join(self, last_event_id: str | None, retry: int | None) -> None:
        for channel in self._channels:
            with channel.ring.lock:
                if channel.limit is not None and channel.subscribers >= channel.limit:
                    raise TooManyStreamsError(
                        channel.limit, per_client=False, retry_after=RETRY_AFTER
                    )
                channel.readers.add(self)
        first = b": hello\n"
        if retry is not None:
            first += b"retry: %d\n" % jittered(retry)
        known = parse(last_event_id) or {} if last_event_id else {}
        # Every one of them is to begin to be heard, whatever the others say.
        ready = [channel.attach(known) for channel in self._channels]
        if all(ready):
            self._first = first + self._settle(last_event_id)
        else:
            self._asked = last_event_id or UNPLACED
            self._first = first + b"\n"

    def _settle(self, last_event_id: str | None) -> bytes:
        """Find the place, and say it.

        At once, so that a client that is cut off before the first event comes back to
        this very place.
        """
        rings = [channel.ring for channel in self._channels]
        places = find(last_event_id, rings, self._conflate)
        self._cursor = places[0].cursor
        if len(places) > 1:
            self._cursors = [place.cursor for place in places]
        names = [channel.name for channel in self._channels]
        return b"id: %b\n\n%b" % (self._id(), reset_event(names, places))

    def _is_ready(self) -> bool:
        return all(channel.ring.ready for channel in self._channels)

    # As a feed.

    def take(self) -> bytes | None:
        """Give the events since the last call, or a heartbeat if one is due."""
        if self._over:
            return None
        if self._first:
            data, self._first = self._first, b""
        else:
            data = self._read()
        if data:
            self._beat_due = False
            self._spoke = pulse().now
            return data
        if self._end is not None:
            data, self._end = self._end, b""
            return data or None
        if self._beat_due:
            self._beat_due = False
            return self._beat()
        return b""

    def notify(self, wake: Callable[[], None]) -> None:
        """Have *wake* called when there is something to take."""
        self._wake = wake
        if self._asked is not None:
            # Whoever finds out where the channels stand wakes all readers.
            if self._over or self._beat_due or self._first or self._is_ready():
                wake()
            return
        has_news = False
        cursors = self._cursors or (self._cursor,)
        for channel, cursor in zip(self._channels, cursors, strict=True):
            ring = channel.ring
            with ring.lock:
                if ring.head == cursor:
                    channel.waiting.add(self)
                else:
                    has_news = True
        if (
            has_news
            or self._over
            or self._beat_due
            or self._first
            or self._end is not None
        ):
            wake()

    def close(self) -> None:
        """Leave the channels."""
        self._over = True
        self._wake = None
        pulse().leave(self)
        for channel in self._channels:
            with channel.ring.lock:
                channel.readers.discard(self)
                channel.waiting.discard(self)

    # From others.

    def wake(self) -> None:
        """Tell whoever carries it that there is news. More often is no harm."""
        wake = self._wake
        if wake is not None:
            wake()

    def lose(self) -> None:
        """End, because what it reads has begun anew. With a ring's lock held.

        It comes back, spread out with all others, and is told.
        """
        if self._asked is None:
            self._end = b""

    def end(self) -> None:
        """End now, whatever is still to be said: it may not be heard any more."""
        self._over = True
        self.wake()

    def dismiss(self) -> None:
        """Say what there is, ask the client to come back in a while, and end."""
        self._end = b"retry: %d\n\n" % round(spread(LONGEST, 0.1, 1.0))
        self.wake()

    # What it reads.

    def _beat(self) -> bytes:
        if not self._moved or self._asked is not None:
            return b":\n\n"
        # No event, and yet the browser remembers the id: what was filtered out
        # isn't looked at again when it comes back.
        self._moved = False
        return b":\nid: %b\n\n" % self._id()

    def _read(self) -> bytes:
        if self._asked is not None:
            if not self._is_ready():
                return b""
            asked, self._asked = self._asked, None
            return self._settle(asked)
        if len(self._channels) > 1 or self._filter or self._conflate:
            return b"".join([self._pick(n) for n in range(len(self._channels))])
        ring = self._channels[0].ring
        with ring.lock:
            cursor = self._cursor
            if cursor == ring.head or self._end == b"":
                return b""
            found = ring.read(cursor)
        if found is None:
            self._overtaken(0)
            return b""
        self._cursor, data = found
        return data

    def _pick(self, index: int) -> bytes:
        ring = self._channels[index].ring
        with ring.lock:
            cursor, head = self._at(index), ring.head
            if cursor == head or self._end == b"":
                return b""
            entries = self._entries(ring, cursor)
        if entries is None:
            self._overtaken(index)
            return b""
        if self._conflate is None:
            head = entries[-1].seq
        wanted = self._filtered([entry for entry in entries if entry.block])
        blocks = [self._block(index, entry) for entry in wanted]
        self._move(index, head)
        is_told = bool(wanted) and wanted[-1].seq == head
        self._moved = not is_told and (self._moved or bool(entries))
        return b"".join(blocks)

    def _entries(self, ring: Ring, cursor: int) -> list[Entry] | None:
        if self._conflate == "key":
            return ring.newest(cursor) if ring.has_newest(cursor) else None
        if self._conflate == "latest":
            return ring.newest_first(cursor, 1 if self._filter is None else None)
        return ring.after(cursor) if ring.has(cursor) else None

    def _filtered(self, entries: list[Entry]) -> list[Entry]:
        wanted = self._filter
        if wanted is None:
            return entries
        if self._conflate == "latest":
            found = (entry for entry in entries if wanted(entry.event))
            return [entry] if (entry := next(found, None)) else []
        return [entry for entry in entries if wanted(entry.event)]

    def _block(self, index: int, entry: Entry) -> bytes:
        if len(self._channels) == 1:
            return entry.block
        # Every event has the whole place: the connection may end after any of them.
        self._move(index, entry.seq)
        return b"id: %b\n%b" % (self._id(), entry.block[entry.body :])

    def _overtaken(self, index: int) -> None:
        # It comes back with its id, and is told what can't be replayed.
        self._channels[index].overtaken += 1
        self._end = b""

    def _id(self) -> bytes:
        return compose(
            [
                (channel.ring.epoch, self._at(index))
                for index, channel in enumerate(self._channels)
            ]
        )

    # Where it stands. Ten thousand lists of one number would take a megabyte.

    def _at(self, index: int) -> int:
        return self._cursor if self._cursors is None else self._cursors[index]

    def _move(self, index: int, cursor: int) -> None:
        if self._cursors is None:
            self._cursor = cursor
        else:
            self._cursors[index] = cursor


def check(heartbeat: object, retry: object, conflate: object) -> None:
    """Refuse what can't be used."""
    if heartbeat is not None and not (is_finite(heartbeat) and heartbeat > 0):
        raise ArgumentError(
            f"heartbeat is {heartbeat!r}, but expects seconds above zero, or None."
        )
    if retry is not None and not (type(retry) is int and retry > 0):
        raise ArgumentError(
            f"retry is {retry!r}, but expects milliseconds, 1 or more, or None."
        )
    if conflate not in CONFLATIONS:
        raise ArgumentError(
            f'conflate is {conflate!r}, but expects "latest", "key" or None.'
        )
