"""Cameras of several processes: one captures, the others see what it sends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from brokers import RedisServer, redis_server
from flask_sluice.pubsub import Hub
from flask_sluice.video import Camera, relay
from helpers import until
from needs import needs
from video.watching import Eyes, HandSource, Steady, jpeg

pytestmark = needs("redis-server", "redis")

Make = Callable[..., Camera]


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    """One server for all tests here that don't harm it."""
    with redis_server() as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    """The server, with nothing in it."""
    running.say("FLUSHALL")
    return running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have processes look around more often."""
    monkeypatch.setattr(relay, "LEASE", 0.6)
    monkeypatch.setattr(relay, "LOOK", 0.02)


@pytest.fixture
def shared(make_camera: Make, server: RedisServer) -> Make:
    """Make cameras of one name, each as if in a process of its own."""

    def make(source: object, url: str = "", **options: object) -> Camera:
        camera = make_camera(source, **options)
        camera.name = "radar"
        camera.share(Hub(url or server.url).open_broker)
        return camera

    return make


@contextlib.contextmanager
def near_first(eyes: Eyes) -> Iterator[None]:
    """Go on when this one has seen something, so that it is his who has the source."""
    eyes.see()
    yield


def test_one_source_for_all(shared: Make) -> None:
    """Whoever watches first opens it; the others get the very frames."""
    source = HandSource()
    with Eyes(shared(source, grace=30)) as one:
        source.put(jpeg(1))
        assert one.see() == jpeg(1)
        other = shared(source, grace=30)
        with Eyes(other) as two:
            assert two.see() == jpeg(1)
            source.put(jpeg(3))
            assert two.see_until(lambda frame: frame == jpeg(3))
            assert one.see_until(lambda frame: frame == jpeg(3))
            assert other.state == "live"
    assert source.opened == 1


@needs("pillow")
def test_each_process_has_its_own_variants(shared: Make) -> None:
    """A small picture of what another one captures, and of what this one does."""
    from PIL import Image

    from flask_sluice.video.picture import shape

    def frames() -> Iterator[Image.Image]:
        while threading.Event().wait(0.005) is False:
            yield Image.new("RGB", (640, 480))

    cameras = [shared(frames, size=(320, 240)) for _ in range(2)]
    with Eyes(cameras[0]) as large, Eyes(cameras[0], size=(80, 60)) as small:
        assert shape(large.see()) == (320, 240)
        assert shape(small.see()) == (80, 60)
        with Eyes(cameras[1]) as far, Eyes(cameras[1], size=(160, 120)) as medium:
            assert shape(far.see()) == (320, 240)
            assert shape(medium.see()) == (160, 120)


def test_it_goes_on_while_anybody_watches(shared: Make) -> None:
    """Also when nobody does in the process that captures; then it ends, once."""
    source = Steady()
    one, two = shared(source), shared(source)
    near = Eyes(one)
    near.see()
    with Eyes(two) as far:
        far.see()
        near.viewer.close()
        for _ in range(60):  # longer than the grace
            far.see()
        assert (source.opened, one.viewers, one.state) == (1, 0, "live")
    until(lambda: (one.state, two.state) == ("idle", "idle"))
    assert (source.opened, source.closed) == (1, 1)


def test_another_takes_over_at_once(shared: Make) -> None:
    """From one that ends in an orderly way."""
    source = HandSource()
    one, two = shared(source, grace=30), shared(source, grace=30)
    source.put(jpeg(1))
    with Eyes(one) as near, near_first(near), Eyes(two) as far:
        far.see_until(lambda frame: frame == jpeg(1))  # though nothing moves
        one.end()
        source.put(jpeg(3), jpeg(4))
        far.see_until(lambda frame: frame == jpeg(4))
        until(lambda: source.opened == 2)
    assert source.most == 1


def test_one_that_dies_is_succeeded(shared: Make) -> None:
    """When its lease runs out; should it come back, it follows."""
    lost, source = HandSource(), Steady()
    one, two = shared(lost, grace=30), shared(source, grace=30)
    lost.put(jpeg(1000))
    with Eyes(one) as near, near_first(near), Eyes(two) as far:
        assert far.see() == jpeg(1000)
        assert source.opened == 0
        one.relay._holder = ""  # nobody renews it any more
        far.see_until(lambda frame: source.number > 0 and frame == jpeg(source.number))
        lost.put(jpeg(1001))
        near.see_until(lambda frame: frame not in (jpeg(1000), jpeg(1001)))
        assert (lost.opened, lost.closed, source.opened) == (1, 1, 1)


def test_a_source_that_hangs_keeps_its_camera(shared: Make) -> None:
    """The device is taken, so nobody else opens it."""
    source = HandSource()
    one, two = shared(source, grace=30), shared(source, grace=30)
    source.put(jpeg(1))
    with Eyes(one) as near, near_first(near), Eyes(two):
        beats = threading.Event()
        for _ in range(10):  # several leases
            beats.wait(0.2)
        assert source.opened == 1


def test_redis_is_away(make_camera: Make, quick_retries: None) -> None:
    """Who captures goes on for its own viewers; who begins says why it can't."""
    with redis_server() as server:
        source = Steady()
        cameras = [make_camera(source, grace=30) for _ in range(2)]
        for camera in cameras:
            camera.share(Hub(server.url).open_broker)
        with Eyes(cameras[0]) as near:
            near.see()
            server.end()
            for _ in range(200):
                near.see()
            with Eyes(cameras[1]):
                until(lambda: "BrokerError" in (cameras[1].stats.error or ""))
                assert cameras[1].state == "no signal"
                server.start()
                until(lambda: cameras[1].state == "live")
            assert source.opened >= 1
            assert cameras[0].state == "live"
