"""The bytes of events: to the letter, and read back by two foreign parsers."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st
from sseclient import SSEClient

from flask_sluice.errors import ArgumentError
from flask_sluice.formats.sse import ID_LIMIT, Event, as_event


@dataclasses.dataclass
class Departed:
    """A flight, late by so many minutes."""

    flight: str
    late: int


EXACT = {
    "text": (Event("hi"), b"data: hi\n\n"),
    "nothing": (Event(""), b"data:\n\n"),
    "a space": (Event(" hi"), b"data:  hi\n\n"),
    "a colon": (Event(":hi"), b"data: :hi\n\n"),
    "three kinds of line end": (
        Event("a\nb\rc\r\nd"),
        b"data: a\ndata: b\ndata: c\ndata: d\n\n",
    ),
    "LF CR is two": (Event("a\n\rb"), b"data: a\ndata:\ndata: b\n\n"),
    "a line end at the end": (Event("a\n"), b"data: a\ndata:\n\n"),
    "no line ends to a browser": (
        Event("a\u2028b\x0bc\x85d"),
        "data: a\u2028b\x0bc\x85d\n\n".encode(),
    ),
    "NUL in data": (Event("a\0b"), b"data: a\0b\n\n"),
    "a name": (Event("x", event="left"), b"event: left\ndata: x\n\n"),
    "a name as it is": (Event("x", event=" a b "), b"event:  a b \ndata: x\n\n"),
    "all": (
        Event("x", event="e", id="a-1", retry=50, comment="c\nd"),
        b"id: a-1\n: c\n: d\nretry: 50\nevent: e\ndata: x\n\n",
    ),
    "an id alone": (Event(None, id="a-1"), b"id: a-1\n\n"),
    "the id forgotten": (Event(None, id=""), b"id\n\n"),
    "retry alone": (Event(None, retry=1), b"retry: 1\n\n"),
    "a comment alone": (Event(None, comment=""), b": \n\n"),
    "a dict": (Event({"a": [1, "é"]}), '{"a":[1,"é"]}'),
    "a dataclass": (Event(Departed("UA1545", 2)), '{"flight":"UA1545","late":2}'),
    "a number": (Event(0), "0"),
    "false": (Event(False), "false"),
    "bytes are text": (Event("é".encode()), "é"),
    "a line end inside JSON": (Event(["a\nb"]), '["a\\nb"]'),
}


@pytest.mark.parametrize(("event", "wanted"), EXACT.values(), ids=EXACT)
def test_the_bytes_are_these(event: Event, wanted: bytes | str) -> None:
    """Each field on lines of its own, and a blank line at the end."""
    if isinstance(wanted, str):
        wanted = f"data: {wanted}\n\n".encode()
    assert event.encode() == wanted


REFUSED: dict[str, dict[str, Any]] = {
    **{f"event with {c!r}": {"data": "", "event": f"a{c}b"} for c in "\r\n\0"},
    **{f"id with {c!r}": {"data": "", "id": f"a{c}b"} for c in "\r\n\0: ,\"é{'"},
    "an id that is too long": {"data": "", "id": "a" * (ID_LIMIT + 1)},
    "retry 0": {"data": "", "retry": 0},
    "retry below 0": {"data": "", "retry": -5},
    "retry of a fraction": {"data": "", "retry": 0.5},
    "retry that is true": {"data": "", "retry": True},
    "an event without data": {"data": None, "event": "left"},
    "nothing at all": {"data": None},
    "a name that is a number": {"data": "", "event": 5},
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_what_a_browser_would_drop_is_refused(fields: dict[str, Any]) -> None:
    """Where the event is made, by an error that says so."""
    with pytest.raises(ArgumentError):
        Event(**fields)


@pytest.mark.parametrize("data", ["\ud800", b"\xff", object(), {"a": object()}])
def test_data_without_a_form_is_refused(data: object) -> None:
    """Neither half a character nor an object of any class is sent."""
    with pytest.raises(ArgumentError, match="can't be sent"):
        Event(data).encode()


def test_as_event_keeps_an_event() -> None:
    """And wraps anything else."""
    event = Event("x")
    assert as_event(event) is event
    assert as_event({"a": 1}) == Event({"a": 1})


# --- foreign parsers --------------------------------------------------------


class Read(NamedTuple):
    """What a parser made of an event."""

    data: str
    event: str
    id: str | None
    retry: int | None


def by_httpx_sse(stream: bytes, sizes: list[int]) -> Iterator[Read]:
    """Read with httpx-sse, from pieces of these sizes."""
    response = httpx.Response(
        200,
        headers={"content-type": "text/event-stream"},
        content=pieces_of(stream, sizes),
    )
    for sse in EventSource(response).iter_sse():
        yield Read(sse.data, sse.event or "message", sse.id or None, sse.retry)


def pieces_of(stream: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cut *stream* up."""
    start = 0
    for size in sizes:
        yield stream[start : start + size]
        start += size
    yield stream[start:]


def by_sseclient(stream: bytes, sizes: list[int]) -> Iterator[Read]:
    """Read with sseclient-py, which forgets the id after each event."""
    pieces = (line for line in re.split(b"(?<=\n\n)", stream) if line)
    last = None
    for sse in SSEClient(pieces).events():
        last = sse.id if sse.id is not None else last
        retry = None if sse.retry is None else int(sse.retry)
        yield Read(sse.data, sse.event, last or None, retry)


# Lone surrogates can't be sent, and neither parser is given one.
text = st.text(st.characters(exclude_categories=["Cs"]))
awkward = st.text(st.sampled_from("a: \r\n\0\x0b\x0c\x1c\x85\u2028\u2029\ufeffdé{\t"))
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1
)
ids = st.text(st.sampled_from("09AZaz._-"), min_size=1, max_size=ID_LIMIT)
events = st.builds(
    Event,
    st.one_of(text, awkward),
    event=st.none() | names,
    id=st.none() | ids,
    retry=st.none() | st.integers(1, 10**12),
    comment=st.none() | text | awkward,
)


def normal(data: str) -> str:
    """Give what a browser makes of data: each line end is one LF."""
    return re.sub("\r\n|\r", "\n", data)


@pytest.mark.parametrize("parse", [by_httpx_sse, by_sseclient])
@given(sent=st.lists(events, max_size=6), sizes=st.lists(st.integers(0, 40)))
def test_a_foreign_parser_reads_what_was_said(
    parse: Any, sent: list[Event], sizes: list[int]
) -> None:
    """Any text, in any pieces: data, names, ids and times come out as they went in."""
    stream = b"".join(event.encode() for event in sent)
    last = None
    wanted = []
    for event in sent:
        last = event.id or last
        data = normal(event.text())
        wanted.append(Read(data, event.event or "message", last, event.retry))
    assert list(parse(stream, sizes)) == wanted


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | text | awkward,
        lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    ).filter(lambda value: value is not None and not isinstance(value, str))
)
def test_json_is_one_line(value: object) -> None:
    """A browser's `JSON.parse(event.data)` gives what was sent."""
    (read,) = by_httpx_sse(Event(value).encode(), [])
    assert json.loads(read.data) == value
    assert Event(value).encode().count(b"\n") == 2


@given(st.lists(events, min_size=1))
def test_a_stream_never_begins_with_a_bom(sent: list[Event]) -> None:
    """A browser would skip one: a field's name comes first."""
    assert not b"".join(event.encode() for event in sent).startswith(b"\xef\xbb\xbf")
