"""The faults of the design that video tutorials copy, none of which is here.

That design keeps, on a class, one thread and a dictionary of events by thread.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import pytest

from flask_sluice.video import Camera, camera, capture
from helpers import until
from video.watching import END, Eyes, HandSource, Steady, is_no_signal, is_signal, jpeg

MakeCamera = Callable[..., Camera]


def test_viewers_that_come_while_a_frame_is_shown(make_camera: MakeCamera) -> None:
    """First fault: the frame's thread died when a viewer came at the wrong moment."""
    source = Steady(0.0)
    shared = make_camera(source)
    stop = threading.Event()
    errors: list[BaseException] = []

    def come_and_go() -> None:
        try:
            while not stop.is_set():
                with Eyes(shared) as eyes:
                    eyes.see()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(12)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with Eyes(shared) as eyes:
            for thread in threads:
                thread.start()
            for _ in range(40):
                eyes.see()
            stop.set()
            for thread in threads:
                thread.join(10)
            eyes.see()
    finally:
        sys.setswitchinterval(interval)
        stop.set()
    assert errors == []
    assert source.opened == 1
    assert shared.stats.error is None


def test_two_first_viewers_start_one_capture(make_camera: MakeCamera) -> None:
    """Second fault: two viewers that were first at once started a capture each."""
    source = Steady()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(20):
            shared = make_camera(source, grace=0)
            barrier = threading.Barrier(8)
            eyes: list[Eyes] = []

            def come(shared=shared, barrier=barrier, eyes=eyes) -> None:
                barrier.wait()
                eyes.append(Eyes(shared))

            threads = [threading.Thread(target=come) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
            assert len(eyes) == 8
            for each in eyes:
                assert is_signal(each.see())
                each.viewer.close()
            until(lambda shared=shared: shared.state == "idle")
            assert source.opened == source.closed == number + 1
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("end", [OSError("unplugged"), END, SystemExit(1)], ids=repr)
def test_a_source_that_fails_is_opened_again(
    make_camera: MakeCamera, source: HandSource, end: object
) -> None:
    """Third fault: after an error nothing ever came again, to old viewers or new."""
    shared = make_camera(source)
    with Eyes(shared) as old:
        source.put(jpeg(1))
        assert old.see() == jpeg(1)
        source.put(end)
        assert is_no_signal(old.see())
        with Eyes(shared) as new:
            assert is_no_signal(new.see())
            source.put(jpeg(2))
            assert old.see_until(is_signal) == jpeg(2)
            assert new.see_until(is_signal) == jpeg(2)
    assert shared.stats.error is not None
    assert source.most == 1
    assert source.opened == 2


def test_one_who_leaves_is_gone_at_once(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """Fourth fault: those who had left were let go one by one, after seconds."""
    shared = make_camera(source, grace=5)
    eyes = [Eyes(shared) for _ in range(50)]
    source.put(jpeg(1))
    woken = threading.Event()
    for each in eyes:
        each.see()
        each.viewer.notify(woken.set)
    assert shared.viewers == 50
    for each in eyes:
        each.viewer.close()
    assert shared.viewers == 0
    assert shared.stats.variants == 0
    assert not woken.is_set()


def test_two_cameras_share_nothing(make_camera: MakeCamera) -> None:
    """Fifth fault: its state was the class's, so there was but one camera."""
    first, second = HandSource(), HandSource()
    one, two = make_camera(first), make_camera(second)
    with Eyes(one) as left, Eyes(two) as right:
        first.put(jpeg(1))
        second.put(jpeg(2))
        assert (left.see(), right.see()) == (jpeg(1), jpeg(2))
        first.put(jpeg(3))
        assert left.see() == jpeg(3)
        assert right.viewer.take() == b""


def test_the_capture_ends_soon_after_the_last_viewer(make_camera: MakeCamera) -> None:
    """Fifth fault, too: it went on for ten seconds."""
    source = Steady()
    shared = make_camera(source, grace=0.3)
    with Eyes(shared) as eyes:
        eyes.see()
    left = time.monotonic()
    until(lambda: source.closed)
    assert 0.25 < time.monotonic() - left < 1.3
    until(lambda: shared.state == "idle")
    assert source.number > 10


def test_viewers_share_one_bytes_object(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """Fifth fault, too: every viewer had its own copy of every part put together."""
    shared = make_camera(source)
    eyes = [Eyes(shared, "early") for _ in range(3)]
    for each in eyes:
        each.part()
    source.put(jpeg(1))
    parts = {id(each.part()) for each in eyes}
    assert len(parts) == 1
    for each in eyes:
        each.viewer.close()


def test_a_source_that_hangs(
    make_camera: MakeCamera, source: HandSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Viewers see "no signal", new ones at once; no second capture; it may go on."""
    monkeypatch.setattr(camera, "SILENCE", 0.2)
    shared = make_camera(source)
    shared.interval = 0.01
    with Eyes(shared) as old:
        source.put(jpeg(1), jpeg(2))
        old.see_until(lambda frame: frame == jpeg(2))
        old.see_until(is_no_signal)
        assert shared.state == "no signal"
        with Eyes(shared) as new:
            assert is_no_signal(new.see())
            assert source.opened == 1
            source.put(jpeg(3))
            assert old.see_until(is_signal) == new.see_until(is_signal) == jpeg(3)
            assert shared.state == "live"
    assert source.most == 1


def test_a_source_that_hangs_from_the_start(
    make_camera: MakeCamera, source: HandSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first viewer isn't left without a picture either."""
    monkeypatch.setattr(camera, "SILENCE", 0.2)
    shared = make_camera(source)
    with Eyes(shared) as eyes:
        assert is_no_signal(eyes.see())


def test_a_source_is_closed_on_its_thread(make_camera: MakeCamera) -> None:
    """Also one that isn't a generator, and that somebody else holds."""
    closed_on: list[int] = []

    class Device:
        def __iter__(self):
            return self

        def __next__(self):
            self.thread = threading.get_ident()
            return jpeg(1)

        def close(self):
            closed_on.append(threading.get_ident())

    device = Device()
    shared = make_camera(lambda: device)
    with Eyes(shared) as eyes:
        eyes.see()
    until(lambda: shared.state == "idle")
    assert closed_on == [device.thread]
    assert device.thread != threading.get_ident()


@pytest.mark.parametrize("lasts", [False, True])
def test_the_waits_grow(
    make_camera: MakeCamera,
    source: HandSource,
    monkeypatch: pytest.MonkeyPatch,
    lasts: bool,
) -> None:
    """Each is twice as long as the one before, unless the source has lasted."""
    monkeypatch.setattr(capture, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(capture, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(capture, "STEADY", 0.0 if lasts else 10.0)
    monkeypatch.setattr(capture, "spread", lambda wait, low, high: wait)
    shared = make_camera(source)
    waits: list[float | None] = []
    lost = shared.lost

    def noted(error: BaseException, delay: float | None) -> None:
        waits.append(delay)
        lost(error, delay)

    monkeypatch.setattr(shared, "lost", noted)
    with Eyes(shared):
        source.put(*[OSError("unplugged")] * 5)
        until(lambda: len(waits) == 5)
    assert waits == ([0.01] * 5 if lasts else [0.01, 0.02, 0.04, 0.05, 0.05])


@pytest.mark.usefixtures("quick_retries")
def test_a_capture_is_never_beside_another(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """One who comes while the source is being closed waits for that."""
    closing, may_close = threading.Event(), threading.Event()

    def slow_to_close():
        try:
            yield from source()
        finally:
            closing.set()
            assert may_close.wait(5)

    shared = make_camera(slow_to_close, grace=0)
    with Eyes(shared) as eyes:
        source.put(jpeg(1))
        eyes.see()
    source.put(jpeg(2))
    assert closing.wait(5)
    with Eyes(shared) as eyes:
        assert source.opened == 1
        source.put(jpeg(3))
        may_close.set()
        assert eyes.see_until(lambda frame: frame == jpeg(3))
    assert source.most == 1
    assert source.opened == 2
    assert len(source.threads) == 1
    source.put(END)
