"""The pages that all contenders serve, read from `pages.json`: slots and their times.

A slot says what it shows, how long its data takes, whether it fails, and which slots
open inside it when it is there. Flask and Node read the same file and the same style
sheet, so that pages differ only in how they are sent. No framework here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STYLE = "".join((HERE / "page.css").read_text().splitlines())

Slot = dict[str, Any]
"""id, title, text, ms, and perhaps: fails, nested."""


class NoAnswerError(Exception):
    """What the failing slot meets."""


@cache
def _pages() -> dict[str, Any]:
    return dict(json.loads((HERE / "pages.json").read_text()))


def title_of(page: str) -> str:
    """The page's heading."""
    return str(_pages()[page]["title"])


def slots_of(page: str, order: str = "asc") -> list[Slot]:
    """The page's slots as they stand in the document; "desc" turns them round."""
    slots = list(_pages()[page]["slots"])
    return slots[::-1] if order == "desc" else slots


def fetch(slot: Slot) -> None:
    """The work behind a slot: a wait, as for a database, which may come to nothing."""
    time.sleep(slot["ms"] / 1000)
    if slot.get("fails"):
        raise NoAnswerError("no answer")


def ready_times(
    slots: Sequence[Slot], begin: float = 0.0
) -> Iterator[tuple[str, float]]:
    """Each slot's id and the ms after which it can be shown at the earliest.

    All start at once; what is nested starts when what it stands in is there.
    """
    for slot in slots:
        ready = begin + slot["ms"]
        yield slot["id"], ready
        yield from ready_times(slot.get("nested", []), ready)


LOADING = '<p class="wait">Loading</p>'
"""What stands in a slot's place until it is ready: the same everywhere."""
