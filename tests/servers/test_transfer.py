"""What arrives, and when: chunks, framing, headers, compression."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from servers.client import WHOLE, Client, fetch, opened
from servers.harness import Row, Server
from servers.rows import every_server, on

WORDS = ("one", "two", "three")
CRUMBS = b"".join(b"%09d\n" % n for n in range(10_000))
# These speak of one connection or one body, not of the resource.
OF_ONE_TRANSFER = {"date", "transfer-encoding", "connection", "content-length"}


@every_server
def test_a_plain_page_is_left_alone(server: Server, key: str) -> None:
    """A view that doesn't stream answers as ever, with its length."""
    answer = fetch(server.port, f"/plain/{key}")
    assert (answer.status, answer.body) == (200, b"a plain page\n")
    assert (answer.framing, answer.ending) == ("length", WHOLE)


@every_server
@pytest.mark.parametrize("path", ["three", "async"])
def test_each_chunk_arrives_before_the_next_is_made(
    server: Server, key: str, path: str
) -> None:
    """A flushed line is at the client while the producer waits to make the next."""
    with opened(server.port, f"/{path}/{key}") as client:
        for done, word in enumerate(WORDS, start=1):
            client.until(word.encode())
            assert server.made(key) == list(WORDS[:done])
            server.release(key)
        answer = client.rest()
    assert (answer.body, answer.ending) == (b"one\ntwo\nthree\n", WHOLE)
    assert answer.framing == "chunked"
    finished = server.noted(key, "stream finished")
    assert finished["outcome"] == "complete"
    assert finished["driver"] == server.row.pulled
    assert finished["bytes_made"] == finished["bytes_sent"] == len(answer.body)


@every_server
def test_crumbs_are_coalesced(server: Server, key: str) -> None:
    """Ten thousand small items make few chunks and exactly their bytes."""
    answer = fetch(server.port, f"/tiny/{key}")
    assert (answer.body, answer.ending) == (CRUMBS, WHOLE)
    assert answer.chunks < 100


@every_server
def test_an_empty_body_has_length_0(server: Server, key: str) -> None:
    """A body without an item is a 200 that says so in its headers."""
    answer = fetch(server.port, f"/empty/{key}")
    assert (answer.status, answer.body, answer.ending) == (200, b"", WHOLE)
    assert answer.headers["content-length"] == "0"


@every_server
def test_a_connection_goes_on_after_a_stream(server: Server, key: str) -> None:
    """What follows a whole stream, on its connection or a new one, is answered."""
    with Client(server.port) as client:
        client.send(f"/tiny/{key}")
        first = client.rest()
        if first.headers.get("connection", "").lower() != "close":
            client.send(f"/plain/{key}")
            assert client.rest().body == b"a plain page\n"
    assert fetch(server.port, f"/plain/{key}").status == 200


@every_server
def test_an_http_1_0_client_gets_unchunked_bytes(server: Server, key: str) -> None:
    """The old protocol has no chunks: the body is raw and ends with the connection."""
    server.release(key, 3)
    with opened(server.port, f"/three/{key}", version="1.0") as client:
        answer = client.rest()
        raw = client.raw.partition(b"\r\n\r\n")[2]
    assert answer.body == b"one\ntwo\nthree\n"
    if server.row.chunks10:
        assert raw != answer.body, "it is unchunked now: say so in the table"
    else:
        assert raw == answer.body


@every_server
def test_an_http_1_0_client_gets_chunks_as_they_are_made(
    server: Server, key: str
) -> None:
    """Unchunked doesn't mean held back."""
    with opened(server.port, f"/three/{key}", version="1.0") as client:
        for word in WORDS:
            client.until(word.encode())
            server.release(key)
        assert client.rest().body == b"one\ntwo\nthree\n"


@every_server
@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd", "br"])
def test_head_starts_no_producer(server: Server, key: str, coding: str) -> None:
    """HEAD gives GET's headers and runs nothing."""
    accept = [("Accept-Encoding", coding)]
    head = fetch(server.port, f"/three/{key}", method="HEAD", headers=accept)
    assert (head.status, head.body, head.ending) == (200, b"", WHOLE)
    assert "body started" not in server.names(key)
    server.release(key, 3)
    get = fetch(server.port, f"/three/{key}", headers=accept)
    agreed = [
        {n: v for n, v in answer.headers.items() if n not in OF_ONE_TRANSFER}
        for answer in (head, get)
    ]
    assert agreed[0] == agreed[1]


@every_server
def test_proxies_are_asked_not_to_buffer(server: Server, key: str) -> None:
    """The headers of a stream say that it is one."""
    server.release(key, 3)
    headers = fetch(server.port, f"/three/{key}").headers
    assert headers["x-accel-buffering"] == "no"
    assert headers["incremental"] == "?1"


DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: zlib.decompressobj(31).decompress,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    "br": lambda: brotli.Decompressor().process,
}


@every_server
@pytest.mark.parametrize("coding", DECODERS)
def test_compressed_chunks_can_be_read_on_arrival(
    server: Server, key: str, coding: str
) -> None:
    """Each flushed line can be decoded before the next is made, and all are there."""
    decode, text, seen = DECODERS[coding](), b"", 0
    accept = [("Accept-Encoding", f"{coding}, identity;q=0.1")]
    with opened(server.port, f"/three/{key}", headers=accept) as client:
        for word in WORDS:
            while word.encode() not in text:
                assert client.read(), f"{word} did not come: {text!r}"
                text += decode(client.answer.body[seen:])
                seen = len(client.answer.body)
            assert server.made(key)[-1] == word
            server.release(key)
        answer = client.rest()
        text += decode(answer.body[seen:])
    assert (text, answer.ending) == (b"one\ntwo\nthree\n", WHOLE)
    assert answer.headers["content-encoding"] == coding
    assert "accept-encoding" in answer.headers["vary"].lower()


@every_server
@pytest.mark.parametrize("query", ["compress=no", "type=image/png"])
def test_compression_can_be_refused(server: Server, key: str, query: str) -> None:
    """The app says no, or the bytes are compressed already: they go as they are."""
    server.release(key, 3)
    accept = [("Accept-Encoding", "gzip")]
    answer = fetch(server.port, f"/three/{key}?{query}", headers=accept)
    assert "content-encoding" not in answer.headers
    assert answer.body == b"one\ntwo\nthree\n"


@every_server
def test_max_delay_sends_while_the_producer_blocks(server: Server, key: str) -> None:
    """With max_delay=0.05 a crumb doesn't wait for the next one."""
    with opened(server.port, f"/delay/{key}") as client:
        client.until(b"crumb")
        made = server.noted(key, "made crumb")["at"]
        assert client.arrived(b"crumb") - made < 0.5
        assert "body ended" not in server.names(key)
        server.release(key)
        answer = client.rest()
    assert (answer.body, answer.ending) == (b"first\ncrumb\nlast\n", WHOLE)
    assert server.noted(key, "stream finished")["outcome"] == "complete"


def _asgi(row: Row) -> bool:
    return row.kind == "asgi"


@on(_asgi)
def test_a_request_body_with_a_length_is_read(server: Server, key: str) -> None:
    """A POST of 3 MB comes through whole, with its length."""
    size = 3_000_000
    answer = fetch(server.port, f"/upload/{key}", method="POST", body=b"x" * size)
    assert answer.status == 200, answer
    assert b'"read":%d' % size in answer.body.replace(b" ", b"")
    assert b'"length":%d' % size in answer.body.replace(b" ", b"")


@on(_asgi)
def test_a_chunked_request_body_streams_in(server: Server, key: str) -> None:
    """The view reads the first piece before the client has sent the second."""
    chunked = [("Transfer-Encoding", "chunked")]
    with Client(server.port) as client:
        client.send(f"/upload/{key}", method="POST", headers=chunked)
        client.send_piece(b"first line\n")
        assert server.noted(key, "read a line")["line"] == "first line\n"
        client.send_piece(b"second")
        client.send_piece(None)
        answer = client.rest()
    assert b'"read":17' in answer.body.replace(b" ", b"")


@on(_asgi)
def test_a_form_can_be_answered_with_a_stream(server: Server, key: str) -> None:
    """A POSTed form is parsed as ever, and the body of the answer uses it."""
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    answer = fetch(
        server.port, f"/echo/{key}", method="POST", headers=form, body=b"name=Ada"
    )
    assert (answer.body, answer.ending) == (b"hello Ada", WHOLE)


@on(_asgi)
def test_lifespan_is_spoken(server: Server) -> None:
    """The server starts with lifespan required, and has nothing to complain about."""
    assert server.ping()
    log = server.log().lower()
    for complaint in ("unsupported", "without lifespan", "lifespan error"):
        assert complaint not in log
