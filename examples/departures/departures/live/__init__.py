"""A day of 2013 as it went, replayed: what the live board shows, and who says so.

`timeline` makes the board of a day's flights, `clock` says where a replay stands and
publishes what changes, `turn` sees to it that one process does. None knows Flask.
"""

from __future__ import annotations

from .clock import SPEEDS, Replay, Replays, TooManyReplaysError
from .timeline import ROWS, Row, Timeline, Totals, timeline

__all__ = [
    "ROWS",
    "SPEEDS",
    "Replay",
    "Replays",
    "Row",
    "Timeline",
    "TooManyReplaysError",
    "Totals",
    "timeline",
]
