"""The bodies that are streamed: generators that cost as little as a generator can.

What they make is the same for every contender, so that what differs between two
numbers is the road the bytes took and not the bytes. No Flask, no server here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import repeat

ITEM = b"1234567,987.654321,alpha beta customer,plain,2024-01-01,yes\n"
"""60 bytes, about one short CSV row."""

ITEM_TEXT = ITEM.decode()


def blocks(size: int, count: int) -> Iterator[bytes]:
    """The same block of bytes again and again: the cheapest source of big items."""
    block = os.urandom(size)
    for _ in repeat(None, count):
        yield block


def items(count: int) -> Iterator[bytes]:
    """60-byte rows as bytes."""
    item = ITEM
    for _ in repeat(None, count):
        yield item


def text_items(count: int) -> Iterator[str]:
    """60-byte rows as text, which somebody must encode."""
    item = ITEM_TEXT
    for _ in repeat(None, count):
        yield item


HEAD = b"<!doctype html><title>A page</title><h1>A page</h1>\n"
ROW = b"<p>" + b"A paragraph of the page, as it is. " * 28 + b"</p>\n"


def page(pause_ms: int, count: int) -> Iterator[bytes]:
    """A page whose head is ready at once and whose rest takes its time."""
    yield HEAD
    time.sleep(pause_ms / 1000)
    for _ in repeat(None, count):
        yield ROW


BODIES: dict[str, Callable[..., Iterator[bytes] | Iterator[str]]] = {
    "blocks": blocks,
    "items": items,
    "text_items": text_items,
    "page": page,
}
