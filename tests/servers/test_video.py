"""Cameras on real servers: one capture, viewers that come and go, the end."""

from __future__ import annotations

import random
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from helpers import until
from servers.client import WHOLE, Client, fetch, opened
from servers.harness import Row, Server
from servers.rows import every_server, only

these_servers = only("gunicorn-gthread", "gunicorn-gevent", "uvicorn")
GRACE = 0.5  # as in cameras.py


def jpeg(number: int, size: int = 0) -> bytes:
    """Give the frame that cameras.py makes."""
    return b"\xff\xd8#%d;" % number + b"." * size + b"\xff\xd9"


def numbers(body: bytes) -> list[int]:
    """Give the numbers of the frames that a stream holds."""
    return [int(found) for found in re.findall(rb"\xff\xd8#(\d+);", body)]


def is_closed(server: Server, key: str, count: int = 1) -> float:
    """Wait until the source was closed that often; give when."""
    return float(server.notes(key, "source closed", count)[count - 1]["at"])


@every_server
def test_a_camera_goes_the_way_its_server_allows(server: Server, key: str) -> None:
    """Frames come, by the driver of feeds, and the source is closed after the last."""
    with opened(server.port, f"/camera/steady/{key}") as client:
        client.until(jpeg(5, 30_000))
        stream = server.stream(key)
        assert stream is not None
        assert stream["driver"] == server.row.fed
        client.leave()
        left = time.monotonic()
    assert is_closed(server, key) - left < GRACE + 1
    assert server.noted(key, "stream finished")["outcome"] == "left"


@these_servers
def test_frames_come_one_by_one(server: Server, key: str) -> None:
    """Each is on the wire when it is there, with the next one's header behind it."""
    with opened(server.port, f"/camera/played/{key}") as client:
        kind = client.head().headers["content-type"]
        boundary = kind.partition("boundary=")[2].encode()
        head = b"--%b\r\nContent-Type: image/jpeg\r\n\r\n" % boundary
        for number in (1, 2, 3):
            server.release(f"{key}-frames")
            client.until(jpeg(number) + b"\r\n" + head)
        assert client.answer.body.startswith(head)
        seen = numbers(client.answer.body)
        assert sorted(set(seen)) == [1, 2, 3]
        assert seen == sorted(seen)
    is_closed(server, key)


@these_servers
def test_first_viewers_at_once_start_one_capture(server: Server, key: str) -> None:
    """Eight come together; the source is opened once, and every one sees it."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(8)]
        for number, client in enumerate(clients):
            client.send(f"/camera/steady/{key}+{number}")
        for client in clients:
            client.until(b"\xff\xd8#")
        stats = server.door("camera_stats", key=key)
        assert (stats["viewers"], stats["starts"], stats["state"]) == (8, 1, "live")
        assert server.names(key).count("source opened") == 1
    is_closed(server, key)


@these_servers
def test_viewers_come_and_go_at_random(server: Server, key: str) -> None:
    """Whoever watches sees frames rise; nobody is left, and one capture has run."""
    dice = random.Random(7)
    plans = [[dice.uniform(0.02, 0.3) for _ in range(6)] for _ in range(6)]
    failures: list[BaseException] = []

    def come_and_go(who: int) -> None:
        try:
            for turn, seconds in enumerate(plans[who]):
                with opened(
                    server.port, f"/camera/steady/{key}+{who}-{turn}"
                ) as client:
                    end = time.monotonic() + seconds
                    client.until(b"\xff\xd8#")
                    while time.monotonic() < end:
                        client.read()
                    seen = numbers(client.answer.body)
                    assert seen == sorted(set(seen))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(6)]
    with opened(server.port, f"/camera/steady/{key}") as stays:
        stays.until(b"\xff\xd8#")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        stays.until(b"#%d;" % (numbers(stays.answer.body)[-1] + 3))
    assert failures == []
    is_closed(server, key)
    stats = server.door("camera_stats", key=key)
    assert (stats["viewers"], stats["variants"], stats["starts"]) == (0, 0, 1)
    assert stats["error"] is None


@these_servers
def test_a_slow_viewer_skips_frames(server: Server, key: str) -> None:
    """One that stops reading holds little, delays nobody, and then sees newer ones."""
    with (
        opened(server.port, f"/camera/steady/{key}") as quick,
        Client(server.port) as slow,
    ):
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        slow.send(f"/camera/steady/{key}+slow")
        slow.until(b"\xff\xd8#")
        first = numbers(slow.answer.body)[-1]
        while len(numbers(quick.answer.body)) < 60:
            quick.read()
        held = server.stream(f"{key}+slow")["bytes_made"]
        slow.until(b"#%d;" % (first + 70))
        seen = numbers(slow.answer.body)
        assert seen == sorted(set(seen))
        if server.row.fed == "park":
            # Elsewhere the kernel's buffers, four megabytes, are all filled first.
            assert held < 1 << 20
            assert len(seen) < 40
    is_closed(server, key)


@these_servers
def test_a_snapshot(server: Server, key: str) -> None:
    """The first starts the camera, the second finds it running."""
    for _ in range(2):
        answer = fetch(server.port, f"/camera/steady/{key}/jpg")
        assert (answer.status, answer.ending) == (200, WHOLE)
        assert numbers(answer.body)
    assert server.names(key).count("source opened") == 1
    is_closed(server, key)


@these_servers
def test_a_source_that_raises(server: Server, key: str) -> None:
    """Viewers see "no signal", and then its next frames, on the same stream."""
    with opened(server.port, f"/camera/played/{key}") as client:
        server.release(f"{key}-frames")
        client.until(jpeg(1))
        server.door("camera_fails", key=key)
        client.until(b"JFIF")
        server.notes(key, "source opened", 2)
        before = len(client.answer.body)
        server.release(f"{key}-frames")
        while jpeg(1) not in client.answer.body[before:]:
            assert client.read()
        assert server.logged("ERROR", f"broken {key}")
    is_closed(server, key, 2)


@these_servers
def test_sigterm_ends_with_the_last_frame(
    launch: Callable[..., Server], row: Row, key: str
) -> None:
    """Streams end within 2 s, and properly."""
    server = launch(row)
    with opened(server.port, f"/camera/steady/{key}") as client:
        client.until(jpeg(3, 30_000))
        said = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answer = client.rest()
        assert time.monotonic() - said < 2
    assert answer.ending == WHOLE
    assert answer.body.endswith(b"--\r\n")
    # The last part is a whole frame.
    assert answer.body.rpartition(b"\r\n--")[0].endswith(b".\xff\xd9")


@only("gunicorn-gevent")
def test_under_gevent_a_capture_leaves_nothing_behind(server: Server, key: str) -> None:
    """Its thread has a hub of its own, with descriptors, and that goes with it."""

    def run(number: int) -> None:
        fetch(server.port, f"/camera/steady/{key}{number}/jpg")
        is_closed(server, f"{key}{number}")

    run(0)
    before = len(server.descriptors())
    for number in range(1, 6):
        run(number)
    until(lambda: len(server.descriptors()) <= before)


@only("gunicorn-gevent")
@pytest.mark.parametrize("kind", ["steady", "played"])
def test_under_gevent_without_parking(
    launch: Callable[..., Server], row: Row, key: str, kind: str
) -> None:
    """A greenlet carries the stream, woken by a thread that isn't its hub's."""
    server = launch(row, config={"SLUICE_PARK": False})
    with opened(server.port, f"/camera/{kind}/{key}") as client:
        for number in range(1, 6):
            server.release(f"{key}-frames")
            client.until(b"#%d;" % number)
            assert server.ping(timeout=2.0)
        assert server.stream(key)["driver"] == "pull"
    is_closed(server, key)
