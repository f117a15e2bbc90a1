"""What `stream_events()` writes, as a browser reads it: format, and coming back.

The cases are those of the web-platform-tests' folder `eventsource`, by what they are
about. Each is heard by the browser's own `EventSource` and by sluice.js.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response

from browser.dom import holds
from browser.stage import Stage, data_heard, listen
from flask_sluice import Event, stream_events
from helpers import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

Serve = Callable[[Flask], str]
Heard = list[list[str]]

pytestmark = [
    pytest.mark.parametrize("engine", ["native"]),
    pytest.mark.parametrize("kind", ["plain", "live"]),
]

MANY = "Zürich, 東京, 🛫 " * 20_000


def said(*data: str) -> Heard:
    """Give what is heard of messages without an id."""
    return [["message", each, ""] for each in data]


# What is sent → what is heard: type, data, last id.
EVENTS: dict[str, tuple[list[object], Heard]] = {
    "text": (["one", "two"], said("one", "two")),
    "LF": (["a\nb"], said("a\nb")),
    "CR": (["a\rb"], said("a\nb")),
    "CRLF": (["a\r\nb"], said("a\nb")),
    "LF and CR": (["a\n\rb"], said("a\n\nb")),
    "line end at the end": (["a\n", "b\r\n", "\n"], said("a\n", "b\n", "\n")),
    "line end at the start": (["\na"], said("\na")),
    "no line ends": (
        ["a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei"],
        said("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei"),
    ),
    "empty": (["", "x", b""], said("", "x", "")),
    "spaces": ([" a", "  a", "a ", "\ta", " "], said(" a", "  a", "a ", "\ta", " ")),
    "fields in data": (
        ["data: x", ":x", "id: 7\nevent: left\nretry: 1\n\ndata: y"],
        said("data: x", ":x", "id: 7\nevent: left\nretry: 1\n\ndata: y"),
    ),
    "NUL": (["a\0b", "\0"], said("a\0b", "\0")),
    "BOM": (["\ufeff", "\ufeffa"], said("\ufeff", "\ufeffa")),
    "other letters": (["Grüße, 東京 🛫 é"], said("Grüße, 東京 🛫 é")),
    "long": (
        [MANY, "x" * 200_000 + "\n" * 500],
        said(MANY, "x" * 200_000 + "\n" * 500),
    ),
    "bytes": (["é".encode()], said("é")),
    "JSON": (
        [{"a": [1, None, "\n"]}, 5, True],
        said('{"a":[1,null,"\\n"]}', "5", "true"),
    ),
    "names": (
        [
            Event("1", "left"),
            Event("2", "left "),
            Event("3", " left"),
            Event("4", "a:b"),
            Event("5", "départ"),
            Event("6", "left"),
            Event("7"),
        ],
        [
            ["left", "1", ""],
            ["left ", "2", ""],
            [" left", "3", ""],
            ["a:b", "4", ""],
            ["départ", "5", ""],
            ["left", "6", ""],
            ["message", "7", ""],
        ],
    ),
    "empty name": ([Event("1", ""), Event("", "")], said("1", "")),
    "name and lines": ([Event("a\nb", "left")], [["left", "a\nb", ""]]),
    "ids": (
        [Event("1", id="A.b_c-9"), "2", Event("3", id=""), "4", Event("5", id="0")],
        [
            ["message", "1", "A.b_c-9"],
            ["message", "2", "A.b_c-9"],
            ["message", "3", ""],
            ["message", "4", ""],
            ["message", "5", "0"],
        ],
    ),
    "id alone": ([Event(None, id="x"), "1"], [["message", "1", "x"]]),
    "comments": (
        [Event(None, comment="data: x"), Event("1", comment="a\rdata: y\n\nb"), "2"],
        said("1", "2"),
    ),
    "retry alone": ([Event(None, retry=9), Event("1", retry=10)], said("1")),
    "everything": (
        [Event("d", "left", "i-1", 5, "c")],
        [["left", "d", "i-1"]],
    ),
    "nothing": ([], []),
}

# What others may write; the browser's own EventSource says what is to be heard.
FOREIGN: dict[str, bytes] = {
    "LF": b"data: 1\ndata\ndata: 2\n\n",
    "CR": b"data: 1\rdata\rdata: 2\r\r",
    "CRLF": b"data: 1\r\ndata\r\ndata: 2\r\n\r\n",
    "mixed": b"data: 1\r\n\rdata: 2\n\r\ndata: 3\r\rdata: 4\n\n",
    "BOM": b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\ndata: 3\n\n",
    "two BOMs": b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\ndata: 3\n\n",
    "comments": b":\ndata: 1\n: x\n:\0\ndata:2\n:%b\n:data: 3\n\n" % (b"x" * 2100),
    "no last line": b"data: 1\n\ndata: 2",
    "no last blank line": b"retry: 9\ndata: 1\n\nid: 7\ndata: 2\n",
    "data": b"data:\n\ndata\ndata\n\ndata: 1\n\ndata\n\n",
    "spaces": b"data:\t1\rdata: \rdata:  2\n\n",
    "other fields": b"data: 1\n dat: 2\ndata : 3\nDATA: 4\ndata 5\ndat: 6\n\nx\n\n",
    "names": b"event: left\ndata: 1\n\ndata: 2\n\nevent:\ndata: 3\n\n",
    "name twice": b"event: left\nevent: message\ndata: 1\n\nevent: left\n\ndata: 2\n\n",
    "ids": b"id: 1\ndata: 1\n\nid\ndata: 2\n\nid: x\n\ndata: 3\n\nid:\n\ndata: 4\n\n",
    "id with NUL": b"id: 1\ndata: 1\n\nid: a\0b\ndata: 2\n\nid: \0\ndata: 3\n\n",
    "id of letters": "id: …é\ndata: 1\n\n".encode(),
    "NUL": b"data: \0\n\ndat\0a: 1\ndata\0: 2\n\0data: 3\n\ndata: 4\n\n",
    "bad bytes": b"data: \xff\xc3\n\ndata: \xe2\x80\n\ndata: \xf0\x9f\x9b\xab\n\n",
    "colons": b"data:::1\n\n::\n\ndata: a: b\n\n",
    "empty": b"",
}

GATHER = """async ([kind, cases]) => {
    const found = {};
    for (const [name, url, names] of cases)
        found[name] = await gather(kind, url, names);
    return found;
}"""


def gathered(page: Page, kind: str, cases: list[tuple[str, str]]) -> dict[str, Heard]:
    """Give what is heard under each of these URLs until the stream ends."""
    names = ["left", "left ", " left", "a:b", "départ"]
    found: dict[str, Heard] = page.evaluate(
        GATHER, [kind, [[name, url, names] for name, url in cases]]
    )
    return found


def test_what_is_sent_is_heard(page: Page, serve: Serve, kind: str) -> None:
    """Every kind of event, to the letter."""
    stage = Stage()

    @stage.app.get("/case/<name>")
    def case(name: str) -> Response:
        return stream_events(iter(EVENTS[name][0]))

    page.goto(serve(stage.app))
    found = gathered(page, kind, [(name, f"/case/{name}") for name in EVENTS])
    assert found == {name: heard for name, (_, heard) in EVENTS.items()}


def test_what_others_send_is_heard_alike(page: Page, serve: Serve, kind: str) -> None:
    """sluice.js hears what the browser does, in whatever pieces it comes."""
    stage = Stage()

    @stage.app.get("/case/<name>/<int:size>")
    def case(name: str, size: int) -> Response:
        text = FOREIGN[name]

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(text), size):
                yield text[start : start + size]

        return Response(pieces(), mimetype="text/event-stream")

    page.goto(serve(stage.app))
    whole = [(name, f"/case/{name}/9999") for name in FOREIGN]
    wanted = gathered(page, "plain", whole)
    assert sum(map(bool, wanted.values())) == len(FOREIGN) - 1
    pieces = [(name, f"/case/{name}/1") for name in FOREIGN if name != "comments"]
    found = gathered(page, kind, whole) | gathered(page, kind, pieces)
    assert found == wanted


def test_it_comes_back_to_its_place(page: Page, serve: Serve, kind: str) -> None:
    """A stream that ends, three times: nothing is lost, nothing comes twice."""
    stage = Stage()
    listen(page, serve(stage.app), kind)
    for n in range(1, 4):
        holds(page, "source.readyState == 1")
        until(lambda: stage.channel.subscribers == 1)
        (last,) = stage.publish(f"{n} a")
        holds(page, f"heard.length == {n * 2 - 1}")
        stage.channel.disconnect()
        stage.publish(f"{n} b")
        holds(page, f"heard.length == {n * 2}")
        assert stage.asked[n].last == last
    assert data_heard(page) == ["1 a", "1 b", "2 a", "2 b", "3 a", "3 b"]
    ids = [last for _, _, last in page.evaluate("heard")]
    assert ids == [f"{last.partition('-')[0]}-{n}" for n in range(1, 7)]
    assert page.evaluate("said.filter((name) => name == 'error').length") == 3


def test_the_page_misses_nothing(page: Page, serve: Serve, kind: str) -> None:
    """What is published between the page's render and its connection."""
    stage = Stage()
    page.goto(serve(stage.app))
    stage.publish("early")
    cursor = page.evaluate("document.documentElement.dataset.cursor")
    page.evaluate(
        "([kind, cursor]) => listen(kind, '/events', { cursor })", [kind, cursor]
    )
    holds(page, "heard.length == 1")
    assert data_heard(page) == ["early"]


def test_an_id_without_an_event_moves_the_place(
    page: Page, serve: Serve, kind: str
) -> None:
    """After what is filtered out a heartbeat has an id, and the client keeps it."""
    stage = Stage()
    stage.options |= {"filter": lambda event: event.data != "no", "heartbeat": 0.05}
    listen(page, serve(stage.app), kind)
    holds(page, "source.readyState == 1")
    *_, last = stage.publish("yes", "no", "no")
    holds(page, "heard.length == 1")

    def is_last() -> bool:
        """Cut it until it has had its heartbeat."""
        if time.monotonic() - stage.asked[-1].at > 0.3:
            stage.channel.disconnect()
        return stage.asked[-1].last == last

    until(is_last)
    stage.publish("yes again")
    holds(page, "heard.length == 2")
    assert data_heard(page) == ["yes", "yes again"]


def test_it_waits_as_long_as_it_is_told(page: Page, serve: Serve, kind: str) -> None:
    """Digits are a time. Nothing else is, or this would take a minute.

    So one that finds a server full, and is answered by a time and the end, asks again.
    """
    stage = Stage()
    for told in (
        b"retry: 300\n\nretry: 60000x\nretry: -1\nretry: 6e4\n retry: 60000\n\n",
        b": full\nretry: 20\n\n",
    ):
        stage.answers.append(Response(told, mimetype="text/event-stream"))
    listen(page, serve(stage.app), kind)
    until(lambda: stage.channel.subscribers == 1)
    first, second, third = stage.asked
    assert 0.25 < second.at - first.at < 2
    assert third.at - second.at < 0.25
    stage.publish("at last")
    holds(page, "heard.length == 1")


def test_what_it_stops_at(
    page: Page, serve: Serve, complaints: list[str], kind: str
) -> None:
    """204 is the way to say so; a refusal does, too, and what isn't a stream."""
    stage = Stage()
    page.goto(serve(stage.app))
    answers = [(204, "text/event-stream"), (401, "text/plain"), (200, "text/plain")]
    for number, (status, mimetype) in enumerate(answers, 1):
        stage.answers.append(Response(status=status, mimetype=mimetype))
        page.evaluate("(kind) => listen(kind, '/events') && 0", kind)
        holds(page, "source.readyState == 2")
        assert len(stage.asked) == number
        assert page.evaluate("said")[-1] == "error"
    # The browser says so, too: both for a status, and EventSource for a type.
    assert len(complaints) == {"plain": 2, "live": 1}[kind]
    assert "status of 401" in complaints[0]
    complaints.clear()


def test_what_cannot_be_replayed_is_told_once(
    page: Page, serve: Serve, kind: str
) -> None:
    """`reset` says why; what follows it is complete."""
    stage = Stage()
    stage.sluice.channel("c", history=3)
    listen(page, serve(stage.app), kind)
    holds(page, "source.readyState == 1")
    stage.publish("1")
    holds(page, "heard.length == 1")
    stage.channel.disconnect()
    stage.publish(*map(str, range(2, 9)))
    holds(page, "told.length == 1")
    stage.publish("9")
    holds(page, "heard.at(-1)[1] == '9'")
    stage.channel.disconnect()
    stage.publish("10")
    holds(page, "heard.at(-1)[1] == '10'")
    (told,) = page.evaluate("told")
    of_event: list[Any] = ["overtaken", "overtaken"] if kind == "live" else [None, None]
    assert told == ["overtaken", *of_event]
    assert data_heard(page) == ["1", "9", "10"]
