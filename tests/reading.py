"""What tests of channels share: to read a feed as a browser would.

In: a feed, or what it gave. Out: events, data, ids. It knows no fixture.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from flask_sluice.pubsub.channel import Channel
from flask_sluice.pubsub.subscription import Subscription
from flask_sluice.typing import Feed


def blocks(data: bytes | None) -> list[dict[str, str]]:
    """Give the fields of each block that has data."""
    assert data is not None
    found = []
    for block in data.decode().split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        if "data" in fields:
            found.append(fields)
    return found


def said(data: bytes | None) -> list[str]:
    """Give the data of each event."""
    return [fields["data"] for fields in blocks(data)]


def ids(data: bytes | None) -> list[str]:
    """Give every id, also those without an event."""
    assert data is not None
    return re.findall(r"^id: (.*)$", data.decode(), re.MULTILINE)


def read(*channels: Channel, at: str | None = None, **options: Any) -> Subscription:
    """Subscribe, and take the greeting."""
    feed = Subscription(channels, at, **options)
    assert feed.take()
    return feed


def drained(feed: Feed) -> bytes:
    """Take all there is."""
    parts = []
    while data := feed.take():
        parts.append(data)
    return b"".join(parts)


def is_told(feed: Feed) -> Callable[[], bool]:
    """Ask to be woken; give a function that says whether it has happened."""
    told = threading.Event()
    feed.notify(told.set)
    return told.is_set
