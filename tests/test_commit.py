"""Too late is said aloud, at the line; reading goes on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import flash, get_flashed_messages, session
from werkzeug.datastructures import Headers

from flask_sluice import flush, stream
from flask_sluice.commit import freeze_headers, freeze_session
from flask_sluice.errors import CommittedError
from flask_sluice.testing import StreamClient
from helpers import make_app

HEADER_WRITERS: dict[str, Callable[[Headers], object]] = {
    "[]=": lambda h: h.__setitem__("X-A", "2"),
    "del": lambda h: h.__delitem__("X-A"),
    "|=": lambda h: h.__ior__({"X-A": "2"}),
    "add": lambda h: h.add("X-B", "2"),
    "add_header": lambda h: h.add_header("X-B", "2"),
    "clear": lambda h: h.clear(),
    "extend": lambda h: h.extend({"X-B": "2"}),
    "pop": lambda h: h.pop("X-A"),
    "popitem": lambda h: h.popitem(),
    "remove": lambda h: h.remove("X-A"),
    "set": lambda h: h.set("X-A", "2"),
    "setdefault": lambda h: h.setdefault("X-B", "2"),
    "setlist": lambda h: h.setlist("X-B", ["2"]),
    "setlistdefault": lambda h: h.setlistdefault("X-B", ["2"]),
    "update": lambda h: h.update({"X-B": "2"}),
}
SESSION_WRITERS: dict[str, Callable[[Any], object]] = {
    "[]=": lambda s: s.__setitem__("a", 2),
    "del": lambda s: s.__delitem__("a"),
    "|=": lambda s: s.__ior__({"a": 2}),
    "clear": lambda s: s.clear(),
    "pop": lambda s: s.pop("a"),
    "pop with default": lambda s: s.pop("none", None),
    "popitem": lambda s: s.popitem(),
    "setdefault": lambda s: s.setdefault("b", 2),
    "update": lambda s: s.update(b=2),
    "modified": lambda s: setattr(s, "modified", True),
    "permanent": lambda s: setattr(s, "permanent", True),
}


def late(act: Callable[[Any], object]) -> Any:
    """Run *act* with the response after the first byte; give what it raised."""
    caught: list[BaseException] = []
    holder: list[Any] = []

    def body() -> Iterator[Any]:
        yield "first"
        yield flush
        try:
            act(holder[0])
        except Exception as error:
            caught.append(error)
        yield "second"

    app = make_app()

    @app.get("/")
    def view() -> Any:
        session["a"] = 1
        flash("hello")
        response = stream(body(), headers={"X-A": "1"})
        holder.append(response)
        return response

    with StreamClient(app).stream("/") as arrivals:
        assert arrivals.read_all() == b"firstsecond"
        arrivals.assert_whole()
    return caught[0] if caught else None


@pytest.mark.parametrize("name", HEADER_WRITERS)
def test_headers_refuse_to_be_written(name: str) -> None:
    """Each method that writes raises at its line."""
    error = late(lambda response: HEADER_WRITERS[name](response.headers))
    assert isinstance(error, CommittedError)
    assert "header" in str(error)


def _names(kind: type) -> set[str]:
    return {name for name in dir(kind) if callable(getattr(kind, name))}


def test_no_writer_of_headers_is_forgotten() -> None:
    """Every public method of Headers either reads, or refuses once they are sent."""
    readers = {
        "copy", "get", "get_all", "getlist", "has_key", "items", "keys", "lists",
        "listvalues", "to_wsgi_list", "values", "get_content_length",
    }  # fmt: skip
    headers = Headers({"X-A": "1"})
    freeze_headers(headers)
    public = {n for n in _names(Headers) if not n.startswith("_")} - readers
    for name in public:
        with pytest.raises(CommittedError):
            getattr(headers, name)("X-A")
    assert public


@pytest.mark.parametrize(
    "act",
    [
        lambda r: setattr(r, "status_code", 500),
        lambda r: setattr(r, "status", "500 no"),
        lambda r: r.set_cookie("a", "1"),
        lambda r: r.delete_cookie("a"),
        lambda r: setattr(r, "mimetype", "text/plain"),
        lambda r: setattr(r, "content_type", "text/plain"),
        lambda r: setattr(r, "location", "/"),
        lambda r: r.cache_control.__setattr__("no_store", True),
        lambda r: r.vary.add("Origin"),
        lambda r: r.set_etag("x"),
    ],
)
def test_the_response_refuses_to_be_changed(act: Callable[[Any], object]) -> None:
    """Status, cookies and every property that is a header."""
    assert isinstance(late(act), CommittedError)


@pytest.mark.parametrize("name", SESSION_WRITERS)
def test_the_session_refuses_to_be_written(name: str) -> None:
    """Each method that writes raises at its line."""
    error = late(lambda response: SESSION_WRITERS[name](session))
    assert isinstance(error, CommittedError)
    assert "session" in str(error)


def test_flashing_late_raises() -> None:
    """Writing a message, and taking messages, both change the session."""
    assert isinstance(late(lambda response: flash("late")), CommittedError)
    assert isinstance(late(lambda response: get_flashed_messages()), CommittedError)


def test_reading_goes_on() -> None:
    """Headers, status and session can be read to the last line."""
    seen: list[Any] = []

    def read(response: Any) -> None:
        seen.extend(
            [
                response.headers["X-A"],
                response.status_code,
                response.status,
                response.mimetype,
                session["a"],
                session.get("none", "-"),
                dict(session)["a"],
                "a" in session,
                session.modified,
                session.permanent,
                len(session) > 0,
                dict(response.headers)["X-A"],
            ]
        )

    assert late(read) is None
    assert seen == [
        "1", 200, "200 OK", "text/html", 1, "-", 1, True, True, False, True, "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "copied",
    [lambda h: h.copy(), copy.copy, copy.deepcopy, lambda h: h | {}, Headers],
    ids=["method", "copy", "deepcopy", "or", "class"],
)
def test_a_copy_of_the_headers_can_be_made(copied: Callable[[Headers], Any]) -> None:
    """Copying is reading."""
    headers = Headers({"X-A": "1"})
    freeze_headers(headers)
    assert copied(headers)["X-A"] == "1"


def test_the_failure_of_a_late_write_cuts_the_stream() -> None:
    """Uncaught, it is a failure like any other."""

    def body() -> Iterator[Any]:
        yield "first"
        yield flush
        session["late"] = 1
        yield "never"

    app = make_app()
    app.add_url_rule("/", "view", lambda: stream(body()))
    with StreamClient(app).stream("/") as arrivals:
        assert arrivals.read_all() == b"first"
        arrivals.assert_cut()


def test_a_session_of_any_kind_is_frozen_or_left() -> None:
    """A class of the app's own works; a plain dict can't be changed and stays."""

    class Own(dict):  # type: ignore[type-arg]
        """A session."""

        modified = False

        @property
        def permanent(self) -> bool:
            return bool(self.get("_permanent"))

        @permanent.setter
        def permanent(self, value: bool) -> None:
            self["_permanent"] = value

    own = Own(a=1, _permanent=True)
    freeze_session(own)
    assert isinstance(own, Own)
    assert (own["a"], own.permanent, own.modified) == (1, True, False)
    with pytest.raises(CommittedError):
        own["b"] = 1
    plain = {"a": 1}
    freeze_session(plain)
    plain["b"] = 2
    assert plain == {"a": 1, "b": 2}


def test_other_responses_stay_open() -> None:
    """Freezing one changes no class that others use."""
    frozen, other = Headers({"X-A": "1"}), Headers({"X-A": "1"})
    freeze_headers(frozen)
    other["X-A"] = "2"
    assert other["X-A"] == "2"
    assert frozen.to_wsgi_list() == [("X-A", "1")]
