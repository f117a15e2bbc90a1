"""The chunked transfer coding, read back by h11."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.wire.framing import LAST_CHUNK, chunk

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def parse(wire: bytes, size: int) -> tuple[bytes, bool]:
    """Read *wire* in pieces of *size*; give the body, and whether it ended."""
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target="/", headers=[("Host", "x")])
    connection.send(request)
    connection.send(h11.EndOfMessage())
    body, ended = b"", False
    for start in range(0, len(wire), size):
        connection.receive_data(wire[start : start + size])
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return body, True
            elif event is h11.NEED_DATA:
                break
    return body, ended


@settings(deadline=None, max_examples=60)
@given(parts=st.lists(st.binary(max_size=300), max_size=8))
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_h11_reads_it_back(size: int, parts: list[bytes]) -> None:
    """Whole or one byte at a time, the body is the parts and ends with the last."""
    wire = HEAD + b"".join(map(chunk, parts))
    assert parse(wire, size) == (b"".join(parts), False)
    assert parse(wire + LAST_CHUNK, size) == (b"".join(parts), True)


def test_nothing_makes_no_chunk() -> None:
    """A chunk of length zero would end the message."""
    assert chunk(b"") == b""
