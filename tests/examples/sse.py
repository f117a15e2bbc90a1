"""Events as a test reads them, from a server or a test client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Got(NamedTuple):
    """An event that arrived."""

    event: str
    id: str
    data: Any

    @property
    def seq(self) -> int:
        """Its number in the channel."""
        return int(self.id.rpartition("-")[2])


def events(lines: Iterable[bytes]) -> Iterator[Got]:
    """Read events, with data that is JSON, from lines that end with a line feed."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode().rstrip("\n").partition(":")
        if line != b"\n":
            fields[name] = value.removeprefix(" ")
        else:
            if "data" in fields:
                data = json.loads(fields["data"] or "null")
                yield Got(fields.get("event", "message"), fields["id"], data)
            fields = {}


def all_events(body: bytes) -> list[Got]:
    """Read all events of a body."""
    return list(events(body.splitlines(keepends=True)))
