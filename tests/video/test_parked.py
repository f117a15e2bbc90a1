"""Viewers on real sockets, carried by the one epoll thread."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable

import pytest

from flask_sluice import native
from flask_sluice.pubsub import drain
from flask_sluice.serve import park
from flask_sluice.serve.park import Parked
from flask_sluice.serve.stream import Departure, Stream
from flask_sluice.video import Camera
from flask_sluice.wire.framing import LAST_CHUNK, chunk
from flask_sluice.wire.pipeline import Pipeline
from helpers import PATIENCE, open_descriptors, read_to_end, tcp_pair, until
from video.watching import HandSource, Steady, jpeg

MakeCamera = Callable[..., Camera]


class Watcher:
    """A client of a camera, and its parked stream."""

    def __init__(self, camera: Camera, *, chunked: bool = True) -> None:
        self.client, server = tcp_pair(receive_buffer=16_384)
        self.stream = Stream("/", "::1", Departure())
        self.ended = threading.Event()
        self.stream.on_finish(lambda _: self.ended.set())
        self.viewer = camera.watch()
        Parked(
            native.RawSocket(fileno=server.detach()),
            self.viewer,
            self.stream,
            chunked=chunked,
            pipeline=Pipeline(),
            half_close="ask",
        )
        self.viewer.start()

    def read_until(self, marker: bytes) -> bytes:
        """Read until *marker* has come; give all."""
        got = b""
        while marker not in got:
            part = self.client.recv(65_536)
            assert part, "the stream has ended"
            got += part
        return got


def numbers(wire: bytes) -> list[int]:
    """Give which frames these bytes hold."""
    return [int(found) for found in re.findall(rb"\xff\xd8 (\d+) ", wire)]


def test_a_frame_is_framed_once_for_everyone(
    make_camera: MakeCamera, source: HandSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty viewers share the bytes down to the socket."""
    framed: list[int] = []

    def counted(data: bytes) -> bytes:
        framed.append(len(data))
        return chunk(data)

    monkeypatch.setattr(park, "chunk", counted)
    camera = make_camera(source, still_every=60)
    watchers = [Watcher(camera) for _ in range(30)]
    head = camera.multipart("early").begin()
    for each in watchers:
        each.read_until(head)
    framed.clear()
    for number in range(1, 6):
        source.put(jpeg(number, 5_000))
        for each in watchers:
            each.read_until(b"\xff\xd8 %d " % number)
    assert len(framed) == 5
    for each in watchers:
        each.client.close()


def test_one_that_stops_reading_holds_little_and_sees_the_newest(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """A hundred frames later it has been given a few, and goes on with the last."""
    camera = make_camera(source, still_every=60)
    quick, stopped = Watcher(camera), Watcher(camera)
    for number in range(1, 101):
        source.put(jpeg(number, 30_000))
        quick.read_until(b"\xff\xd8 %d " % number)
    assert stopped.stream.bytes_made < 15 * 30_000
    seen = numbers(stopped.read_until(b"\xff\xd8 100 "))
    assert len(seen) < 15
    assert seen[-1] == 100
    assert camera.stats.dropped > 80
    for each in (quick, stopped):
        each.client.close()


@pytest.mark.parametrize("chunked", [True, False])
def test_the_end_is_a_proper_one(
    make_camera: MakeCamera, source: HandSource, chunked: bool
) -> None:
    """Drained, a stream ends with its last frame, its boundary and its last chunk."""
    camera = make_camera(source)
    watcher = Watcher(camera, chunked=chunked)
    source.put(jpeg(1))
    watcher.read_until(b"\xff\xd8 1 ")
    assert drain(PATIENCE) >= 1
    rest = read_to_end(watcher.client)
    end = b"--%b--\r\n" % camera.multipart("early").boundary.encode()
    assert numbers(rest) == [1]
    assert rest.endswith(end + b"\r\n" + LAST_CHUNK if chunked else end)
    assert watcher.ended.wait(PATIENCE)
    assert watcher.stream.outcome == "complete"
    watcher.client.close()


def test_many_come_and_go_and_nothing_is_left(make_camera: MakeCamera) -> None:
    """No descriptor, no viewer, no variant; one capture, which then ends."""
    source = Steady()
    camera = make_camera(source, grace=0.3)
    before = open_descriptors()
    for _ in range(6):
        watchers = [Watcher(camera) for _ in range(25)]
        for each in watchers[::2]:
            each.read_until(b"\xff\xd8")
        for each in watchers:
            each.client.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, park.RESET_ON_CLOSE
            )
            each.client.close()
        for each in watchers:
            assert each.ended.wait(PATIENCE)
    assert camera.viewers == camera.stats.variants == 0
    until(lambda: source.closed)
    assert source.opened == 1
    until(lambda: open_descriptors() <= before + 1)
