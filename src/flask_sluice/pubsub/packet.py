"""An event on its way between processes, as one string of bytes.

In: an event's bytes, made once where it was published. Out: the same, wherever it is
read. It refuses to know what carries it.

`token kind length key body`: the token tells one publication from all others, so that
a second try of one that may have arrived isn't taken for another, and so that a
history that was written anew is told from the one that it replaced.
"""

from __future__ import annotations

import itertools
import json
import secrets
from typing import NamedTuple

from .. import native

__all__ = ["Packet", "control", "pack", "unpack"]

TEXT, JSON, CONTROL = b"t", b"j", b"c"


class Packet(NamedTuple):
    """What was published.

    :ivar token: no other's.
    :ivar kind: TEXT, JSON or CONTROL.
    :ivar key: what it is the newest of.
    :ivar body: the event's bytes without its id; of a CONTROL, what is to be done.
    """

    token: bytes
    kind: bytes
    key: str
    body: bytes


_numbers = itertools.count(1)
_process = b""


def _token() -> bytes:
    global _process
    if not _process:
        _process = secrets.token_hex(6).encode()
    return b"%b.%x" % (_process, next(_numbers))


def _forget() -> None:
    global _process
    _process = b""


native.after_fork(_forget)


def pack(body: bytes, key: str, *, is_json: bool) -> bytes:
    """Give an event as a packet.

    :param body: its bytes without an id.
    :param key: what it is the newest of.
    :param is_json: its data was no text.
    """
    name = key.encode()
    kind = JSON if is_json else TEXT
    return b"%b %b %d %b%b" % (_token(), kind, len(name), name, body)


def control(order: object) -> bytes:
    """Give an order to all processes as a packet.

    :raises TypeError: it has no form in JSON.
    """
    return b"%b %b 0 %b" % (_token(), CONTROL, json.dumps(order).encode())


def unpack(packet: bytes) -> Packet:
    """Read a packet.

    :raises ValueError: it is none.
    """
    token, kind, length, rest = packet.split(b" ", 3)
    size = int(length)
    return Packet(token, kind, rest[:size].decode(), rest[size:])
