"""The view's contexts: there to the last line, torn down once, after it."""

from __future__ import annotations

import json

import pytest

from servers.client import WHOLE, fetch, opened
from servers.harness import Server
from servers.rows import every_server

TEARDOWNS = ("request torn down", "app torn down")
FACTS = ["7", "ada", "teal", "conformance", "/plain/k"]


def _torn_down_once_after(server: Server, key: str, last: str) -> None:
    for what in TEARDOWNS:
        server.noted(key, what)
    names = server.names(key)
    for what in TEARDOWNS:
        assert names.count(what) == 1, names
        assert names.index(what) > names.index(last), names


@every_server
def test_contexts_last_to_the_last_line(server: Server, key: str) -> None:
    """Request, session, g, current_app and url_for work until the body has ended."""
    with opened(server.port, f"/context/whole/{key}?q=7") as client:
        client.until(b"\n")
        assert not set(TEARDOWNS) & set(server.names(key))
        server.release(key)
        answer = client.rest()
    assert answer.ending == WHOLE
    assert [json.loads(line) for line in answer.body.splitlines()] == [FACTS, FACTS]
    _torn_down_once_after(server, key, "last line")


@every_server
def test_teardown_runs_once_after_a_failure(server: Server, key: str) -> None:
    """A body that fails is torn down after it, once."""
    server.release(key)
    fetch(server.port, f"/context/fail/{key}?q=7")
    _torn_down_once_after(server, key, "body failed")


@every_server
def test_teardown_runs_once_after_the_client_left(server: Server, key: str) -> None:
    """A body that is closed early is torn down after it, once."""
    server.release(key)
    with opened(server.port, f"/context/leave/{key}?q=7") as client:
        client.until(b"more")
    _torn_down_once_after(server, key, "body closed")
    assert server.noted(key, "stream finished")["outcome"] == "left"


@every_server
@pytest.mark.parametrize("path", ["three", "unstarted"])
def test_teardown_runs_once_for_a_body_that_never_starts(
    server: Server, key: str, path: str
) -> None:
    """HEAD, or a streamed response that the view throws away, tears down once."""
    method = "HEAD" if path == "three" else "GET"
    answer = fetch(server.port, f"/{path}/{key}", method=method)
    assert (answer.status, answer.ending) == (200, WHOLE)
    for what in TEARDOWNS:
        server.noted(key, what)
        assert server.names(key).count(what) == 1
    assert server.stream(key) is None


@every_server
def test_a_feed_holds_no_context(server: Server, key: str) -> None:
    """The view's contexts end when its feed is handed over, not when it ends."""
    with opened(server.port, f"/hand/{key}") as client:
        client.until(b"first")
        for what in TEARDOWNS:
            server.noted(key, what)
        server.door("feed", key=key, line="later\n")
        client.until(b"later")
        server.door("feed", key=key, line=None)
        assert client.rest().ending == WHOLE
    names = server.names(key)
    assert [names.count(what) for what in TEARDOWNS] == [1, 1]


@every_server
def test_a_closed_body_poisons_no_worker(server: Server, key: str) -> None:
    """After many abandoned bodies every thread still tears its requests down."""
    for turn in range(10):
        server.release(f"{key}-{turn}")
        with opened(server.port, f"/context/leave/{key}-{turn}?q=7") as client:
            client.until(b"more")
    for turn in range(10):
        server.noted(f"{key}-{turn}", "stream finished")
    for turn in range(20):
        fetch(server.port, f"/plain/{key}-after-{turn}")
    for turn in range(20):
        for what in TEARDOWNS:
            server.noted(f"{key}-after-{turn}", what)
            assert server.names(f"{key}-after-{turn}").count(what) == 1
