"""What goes wrong: decided before the first byte, or plainly broken after it."""

from __future__ import annotations

import re

import pytest

from needs import needs
from servers.client import CUT, RESET, WHOLE, cookie_of, curl, fetch, opened
from servers.harness import Server
from servers.rows import every_server, on


@every_server
@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [("handled", 500, b"handled: sorry\n"), ("missing", 404, b"Not Found")],
)
def test_an_error_before_the_first_byte_is_handled(
    server: Server, key: str, kind: str, status: int, body: bytes
) -> None:
    """The app's error handlers answer, with the true status and a whole body."""
    answer = fetch(server.port, f"/early/{kind}/{key}")
    assert (answer.status, answer.ending) == (status, WHOLE)
    assert body in answer.body
    assert server.stream(key) is None


@every_server
def test_a_body_can_redirect_before_the_first_byte(server: Server, key: str) -> None:
    """A redirect out of the body is a redirect."""
    answer = fetch(server.port, f"/early/redirect/{key}")
    assert (answer.status, answer.headers["location"]) == (302, "/ping")


@every_server
def test_cookies_session_and_flash_before_the_first_byte(
    server: Server, key: str
) -> None:
    """What the body writes before its first yield reaches the client's cookies."""
    answer = fetch(server.port, f"/cookies/{key}")
    assert (answer.status, answer.body) == (200, b"first\n")
    cookies = cookie_of(answer)
    assert f"crumb={key}" in cookies
    said = fetch(server.port, f"/whoami/{key}", headers=[("Cookie", cookies)]).body
    assert f'"seen":"{key}"'.encode() in said.replace(b" ", b"")
    assert b"welcome" in said


@needs("curl")
@every_server
@pytest.mark.parametrize("path", ["late", "late-async", "late-delay", "late-feed"])
def test_a_failed_body_never_looks_whole(server: Server, key: str, path: str) -> None:
    """Curl gets what was sent and exits non-zero; where it can't, a log line says so.

    The failure is logged once with its traceback, sent as a signal once, and is the
    stream's outcome.
    """
    code, sent = curl(server.port, f"/{path}/{key}")
    assert sent.removeprefix(b"one\n") in (b"", b"first\n")
    assert sent
    finished = server.noted(key, "stream finished")
    assert finished["outcome"] == "failed"
    assert finished["exception"] == f"Oops('broken {key}')"
    names = server.names(key)
    assert names.count("exception sent") == 1
    assert names.count("stream finished") == 1
    (entry,) = server.logged("ERROR", f"broken {key}")
    assert "raise oops(" in entry["traceback"]
    if server.row.cut:
        assert code != 0
    else:
        assert code == 0, "this server can cut a transfer now: say so in the table"


@needs("curl")
@on(lambda row: not row.cut)
def test_where_a_cut_is_impossible_the_log_says_so_once(
    server: Server, key: str
) -> None:
    """A server that ends every body properly earns one warning, not one a failure."""
    for turn in range(3):
        curl(server.port, f"/late/{key}-{turn}")
        server.noted(f"{key}-{turn}", "stream finished")
    (told,) = server.logged("WARNING", "failed")
    assert "granian" in told["message"].lower()


@every_server
@pytest.mark.parametrize("path", ["late", "late-async", "late-delay", "late-feed"])
def test_a_failure_over_http_1_0(server: Server, key: str, path: str) -> None:
    """Where the socket is at hand a reset tells; elsewhere one log line does."""
    endings = []
    for turn in range(2):
        name = f"{key}-{turn}"
        with opened(server.port, f"/{path}/{name}", version="1.0") as client:
            endings.append(client.rest().ending)
        assert server.noted(name, "stream finished")["outcome"] == "failed"
    told = server.logged("WARNING", "failed")
    if server.row.cut10:
        assert set(endings) <= {RESET, CUT}
        assert told == [] or server.row.chunks10
    else:
        assert set(endings) == {WHOLE}
        assert len(told) == 1
        assert ("HTTP/1.0" in told[0]["message"]) == server.row.cut


@needs("curl")
@on(lambda row: row.cut10)
def test_curl_sees_a_failure_over_http_1_0(server: Server, key: str) -> None:
    """The old protocol's only sign of a failure, a reset, makes curl exit non-zero."""
    code, sent = curl(server.port, f"/late/{key}", "--http1.0")
    assert code != 0
    assert sent in (b"", b"one\n")


@every_server
@pytest.mark.parametrize("what", ["session", "headers"])
def test_a_late_change_raises_at_its_line(server: Server, key: str, what: str) -> None:
    """After the first byte a write to session or headers is an error, not a loss."""
    answer = fetch(server.port, f"/committed/{what}/{key}")
    assert answer.body == b"one\n"
    assert server.noted(key, "committed")
    assert server.noted(key, "stream finished")["outcome"] == "failed"
    assert server.noted(key, "exception sent")["error"].startswith("CommittedError")
    traceback = server.logged("ERROR", "CommittedError")[-1]["traceback"]
    assert re.search(r"in body\n.*# the line that the log must name", traceback)
    assert (answer.ending == WHOLE) == (not server.row.cut)


@every_server
def test_a_failure_breaks_no_other_request(server: Server, key: str) -> None:
    """Before, beside and after failed streams, others are answered."""
    for turn in range(10):
        fetch(server.port, f"/late/{key}-{turn}")
        assert fetch(server.port, f"/plain/{key}").ending == WHOLE
    assert fetch(server.port, f"/tiny/{key}").ending == WHOLE
