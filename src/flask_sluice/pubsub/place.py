"""Where a reader stands, as the id that it is told and comes back with.

In: the id that a client sends, and the channels of its stream. Out: a cursor for each,
and what it has to be told because it can't be replayed. It refuses to trust the id: all
that it may do is choose a place in a channel that the view has named.

Several channels' places are one id, `epoch-seq.epoch-seq`. Each part is recognised by
its epoch, which belongs to one channel alone, so the order and number of a stream's
channels may change between two connections.
"""

from __future__ import annotations

import json
import re
from _thread import LockType
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from ..formats.sse import Event

__all__ = [
    "RESET",
    "UNPLACED",
    "Conflate",
    "Place",
    "compose",
    "find",
    "parse",
    "reset_event",
]

Conflate: TypeAlias = Literal["latest", "key"]

RESET = "reset"  # the event's name
# The id of whoever came while nobody knew where the channel stood. It is no channel's.
UNPLACED = "0-0"
LIMIT = 4096  # characters of an id that are looked at; hundreds of channels

_PART = re.compile(r"([0-9A-Za-z]{1,32})-([0-9]{1,18})")


class History(Protocol):
    """What is asked of a channel's ring."""

    epoch: str
    head: int
    lock: LockType

    def has(self, cursor: int) -> bool:
        """Tell whether all after *cursor* is there."""

    def has_newest(self, cursor: int) -> bool:
        """Tell whether the newest of each key after *cursor* is there."""

    def expire(self) -> None:
        """Let go of what is too old."""


class Place(NamedTuple):
    """A cursor, and why it isn't the one that was asked for.

    :ivar why: "overtaken": what comes next isn't kept any more; "restarted": the id is
        of another life of the channel; "unknown": it is none of ours. None: all well.
    """

    cursor: int
    why: str | None = None


def compose(parts: Sequence[tuple[str, int]]) -> bytes:
    """Give the id of these epochs and cursors."""
    return ".".join([f"{epoch}-{seq}" for epoch, seq in parts]).encode()


def parse(text: str) -> dict[str, int] | None:
    """Read an id; None if it is none of ours."""
    if len(text) > LIMIT:
        return None
    places = {}
    for part in text.split("."):
        match = _PART.fullmatch(part)
        if match is None:
            return None
        places[match[1]] = int(match[2])
    return places


def find(
    text: str | None, rings: Sequence[History], conflate: Conflate | None
) -> list[Place]:
    """Give the place in each of *rings* that follows the id *text*.

    A reader without an id begins with the next event. So does one whose place can't be
    found, and it is told why.
    """
    if not text:
        return [Place(ring.head) for ring in rings]
    places = parse(text)
    if places is None:
        return [Place(ring.head, "unknown") for ring in rings]
    # A part without a ring may be of a channel that the view has left out, a ring
    # without a part of one that it has added. Where both are, a channel may have begun
    # anew, and saying so once too often loses nothing.
    known = {ring.epoch for ring in rings}
    stray = "restarted" if places.keys() - known else None
    return [
        _place(ring, places[ring.epoch], conflate)
        if ring.epoch in places
        else Place(ring.head, stray)
        for ring in rings
    ]


def _place(ring: History, cursor: int, conflate: Conflate | None) -> Place:
    with ring.lock:
        ring.expire()
        if cursor > ring.head:
            return Place(ring.head, "unknown")
        # Where only the newest counts there is nothing that can be missed but that.
        is_there = {None: ring.has, "key": ring.has_newest}.get(conflate)
        if is_there is None or is_there(cursor):
            return Place(cursor)
        return Place(ring.head, "overtaken")


def reset_event(names: Sequence[str], places: Sequence[Place]) -> bytes:
    """Say which channels couldn't be resumed, and why; b"" if all could."""
    lost = {
        name: each.why
        for name, each in zip(names, places, strict=True)
        if each.why is not None
    }
    if not lost:
        return b""
    # A script that looks only at the first reason sees the one that matters most.
    reasons = ("overtaken", "restarted", "unknown")
    reason = next(word for word in reasons if word in lost.values())
    data = json.dumps({"reason": reason, "channels": lost})
    return Event(data, event=RESET).encode()
