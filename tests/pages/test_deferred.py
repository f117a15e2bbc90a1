"""A value that is on its way: settled once, told to everybody, asked for or logged."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_sluice.errors import DeferredDroppedError, DeferredTimeoutError
from flask_sluice.pages.deferred import Deferred, Failure
from helpers import PATIENCE


def make() -> Deferred[Any]:
    """Give one whose failures are reported to nobody."""
    return Deferred("worst_delays", lambda failure: None)


def told(deferred: Deferred[Any]) -> threading.Event:
    """Give an event that is set when its function is told to stop."""
    event = threading.Event()
    deferred.departure.on_leave(event.set)
    return event


class Timer:
    """A timer that notes whether it was called off."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


# --- settling ----------------------------------------------------------------

SETTLE: list[Any] = [
    pytest.param(lambda d: d.resolve(1), id="resolve"),
    pytest.param(lambda d: d.fail(KeyError("x")), id="fail"),
    pytest.param(lambda d: d.time_out(0.5), id="time_out"),
    pytest.param(lambda d: d.drop(), id="drop"),
]


@pytest.mark.parametrize("settle", SETTLE)
@pytest.mark.parametrize("again", SETTLE)
def test_the_first_settlement_counts(
    settle: Callable[[Deferred[Any]], object], again: Callable[[Deferred[Any]], object]
) -> None:
    """Whatever comes second changes nothing and tells nobody."""
    deferred = make()
    calls: list[Any] = []
    deferred.subscribe(calls.append)
    settle(deferred)
    value, failure = deferred.value, deferred.failure
    again(deferred)
    assert calls == [deferred]
    assert deferred.done()
    assert deferred.value is value
    assert deferred.failure is failure


def test_settling_says_whether_it_counted() -> None:
    """resolve() and fail() are True once."""
    deferred = make()
    assert deferred.resolve(1) is True
    assert deferred.resolve(2) is False
    assert deferred.fail(KeyError()) is False
    assert deferred.result() == 1


@pytest.mark.parametrize("value", [None, False, 0, "", [], Exception("a value")])
def test_any_value_is_a_value(value: object) -> None:
    """Also one that is false, or an exception that wasn't raised."""
    deferred = make()
    deferred.resolve(value)
    assert deferred.result() is value
    assert deferred.failure is None


def test_settling_calls_the_timer_off() -> None:
    """Nothing is left to happen to one that is done."""
    for settle in (lambda d: d.resolve(1), lambda d: d.fail(KeyError())):
        deferred = make()
        deferred.timer = timer = Timer()
        settle(deferred)
        assert timer.cancelled
        assert deferred.failure is None or deferred.done()


def test_of_many_at_once_one_counts() -> None:
    """Twenty threads settle it together: one is told that it did."""
    deferred = make()
    heard: list[Any] = []
    deferred.subscribe(lambda d: heard.append(d.value))
    start = threading.Barrier(20)

    def settle(number: int) -> bool:
        start.wait(PATIENCE)
        return deferred.resolve(number)

    with ThreadPoolExecutor(20) as pool:
        counted = list(pool.map(settle, range(20)))
    assert counted.count(True) == 1
    assert heard == [counted.index(True)] == [deferred.result()]


# --- those who wait ------------------------------------------------------------


def test_a_listener_is_told_on_the_settling_thread() -> None:
    """There the function's contexts are, which a template may need."""
    deferred = make()
    heard: list[int] = []
    assert deferred.subscribe(lambda d: heard.append(threading.get_ident()))
    thread = threading.Thread(target=deferred.resolve, args=(1,))
    thread.start()
    ident = thread.ident
    thread.join(PATIENCE)
    assert heard == [ident]


def test_a_late_listener_is_refused() -> None:
    """It has to look itself; it isn't called."""
    deferred = make()
    deferred.resolve(1)
    calls: list[Any] = []
    assert deferred.subscribe(calls.append) is False
    assert calls == []


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)])
def test_a_listener_that_raises_harms_no_other(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one is told, the settling thread goes on, and the log says why."""
    deferred = make()
    calls: list[Any] = []

    def broken(_: Deferred[Any]) -> None:
        raise error

    deferred.subscribe(broken)
    deferred.subscribe(calls.append)
    assert deferred.resolve(1) is True
    assert calls == [deferred]
    (record,) = caplog.records
    assert "worst_delays" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_listeners_are_let_go() -> None:
    """A deferred value that lives on holds no page that has had it."""

    class Page:
        def heard(self, deferred: Deferred[Any]) -> None:
            pass

    deferred = make()
    page = Page()
    gone = weakref.ref(page)
    deferred.subscribe(page.heard)
    deferred.resolve(1)
    del page
    assert gone() is None


def test_many_wait_for_one() -> None:
    """Fifty threads ask for the result and all get the very object."""
    deferred = make()
    value = object()
    waiting = threading.Barrier(51)

    def ask() -> object:
        waiting.wait(PATIENCE)
        return deferred.result(PATIENCE)

    with ThreadPoolExecutor(50) as pool:
        results = [pool.submit(ask) for _ in range(50)]
        waiting.wait(PATIENCE)
        deferred.resolve(value)
        assert all(result.result(PATIENCE) is value for result in results)


def test_many_waiting_get_the_exception() -> None:
    """A failure is raised to each who asks, the same one."""
    deferred = make()
    error = KeyError("lost")
    with ThreadPoolExecutor(5) as pool:
        results = [pool.submit(deferred.result, PATIENCE) for _ in range(5)]
        deferred.fail(error)
        assert [result.exception(PATIENCE) for result in results] == [error] * 5


def test_who_waits_may_give_up() -> None:
    """result(timeout) raises TimeoutError, and the value may still come."""
    deferred = make()
    with pytest.raises(TimeoutError, match=r"worst_delays wasn't done after 0\.01 s"):
        deferred.result(0.01)
    with pytest.raises(TimeoutError):
        deferred.wait(0)
    assert not deferred.done()
    deferred.resolve(7)
    assert deferred.result(0) == 7


# --- its function --------------------------------------------------------------


def test_it_begins_once() -> None:
    """Of two that are to run the function, one does."""
    deferred = make()
    assert deferred.begin() is True
    assert deferred.begin() is False


@pytest.mark.parametrize("settle", SETTLE)
def test_it_does_not_begin_when_it_is_done(
    settle: Callable[[Deferred[Any]], object],
) -> None:
    """Nobody needs what it would give."""
    deferred = make()
    settle(deferred)
    assert deferred.begin() is False
    assert deferred.failure is None or deferred.failure.exception


def test_who_waits_may_be_the_one_to_run_it() -> None:
    """wait() without a time asks for that, once, and not of one that runs."""
    deferred = make()
    asked: list[str] = []

    def run_here() -> None:
        asked.append("asked")
        if deferred.begin():
            deferred.resolve("value")

    deferred.run_here = run_here
    with pytest.raises(TimeoutError):
        deferred.result(0)
    assert asked == []
    assert deferred.result() == "value"
    assert deferred.result() == "value"
    assert asked == ["asked"]


def test_one_dropped_before_it_begins_has_failed() -> None:
    """Whoever waits for it is told, and not left waiting."""
    deferred = make()
    heard: list[Any] = []
    deferred.subscribe(heard.append)
    stop = told(deferred)
    deferred.drop()
    assert heard == [deferred]
    with pytest.raises(DeferredDroppedError, match="worst_delays"):
        deferred.result()
    assert not stop.is_set()


def test_one_that_runs_is_told_when_it_is_dropped() -> None:
    """It isn't interrupted; what it gives still counts for whoever waits."""
    deferred = make()
    deferred.begin()
    stop = told(deferred)
    deferred.drop()
    assert stop.wait(PATIENCE)
    assert not deferred.done()
    deferred.resolve(1)
    assert deferred.result() == 1


def test_one_that_is_late_has_failed_and_is_told() -> None:
    """The timeout settles it, and the late value is nobody's."""
    deferred = make()
    deferred.begin()
    stop = told(deferred)
    deferred.time_out(1.5)
    assert stop.wait(PATIENCE)
    with pytest.raises(DeferredTimeoutError, match=r"worst_delays .* 1\.5 s") as raised:
        deferred.result()
    assert raised.value.seconds == 1.5
    assert isinstance(raised.value, TimeoutError)
    assert deferred.resolve(1) is False
    assert deferred.value is None


def test_one_that_was_in_time_is_not_told() -> None:
    """A timer that comes a moment late changes nothing."""
    deferred = make()
    deferred.begin()
    deferred.resolve(1)
    deferred.time_out(1.5)
    assert not deferred.departure.gone
    assert deferred.result() == 1


# --- failures ------------------------------------------------------------------


def test_a_failure_has_what_a_branch_shows() -> None:
    """Its text, a short id that is its own, and whether it was late."""
    failure, other = Failure(KeyError("x")), Failure(DeferredTimeoutError("f", 2))
    assert str(failure) == str(KeyError("x"))
    assert len(failure.id) == 8
    assert failure.id.isalnum()
    assert failure.id != other.id
    assert (failure.timed_out, other.timed_out) == (False, True)
    assert failure.id in repr(failure)
    assert "KeyError" in repr(failure)


def test_a_failure_nobody_asked_for_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When the last one lets go of it, with the traceback."""
    deferred = make()
    error = KeyError("lost")
    deferred.fail(error)
    assert caplog.records == []
    del deferred
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "worst_delays" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@pytest.mark.parametrize("how", ["failure", "result"])
def test_a_failure_somebody_asked_for_is_his(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It isn't logged as well."""
    deferred = make()
    deferred.fail(KeyError("lost"))
    if how == "failure":
        assert deferred.failure is not None
    else:
        with pytest.raises(KeyError):
            deferred.result()
    del deferred
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("settle", SETTLE[2:])
def test_what_ran_out_of_time_or_client_is_no_failure_to_log(
    settle: Callable[[Deferred[Any]], object], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for it, and nothing is wrong with it."""
    deferred = make()
    settle(deferred)
    assert deferred.done()
    del deferred
    gc.collect()
    assert caplog.records == []


def test_its_state_can_be_read() -> None:
    """repr() says where it is."""
    deferred = make()
    assert repr(deferred) == "<Deferred worst_delays waiting>"
    deferred.begin()
    assert repr(deferred) == "<Deferred worst_delays running>"
    deferred.resolve(1)
    assert repr(deferred) == "<Deferred worst_delays done>"
    failed = make()
    failed.time_out(1)
    assert repr(failed) == "<Deferred worst_delays failed>"
