"""`defer()`: started at once, beside the view, whatever kind of function it gets."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextvars import ContextVar
from typing import Any

import pytest
from flask import (
    Flask,
    appcontext_pushed,
    current_app,
    g,
    has_request_context,
    request,
)

from flask_sluice import Sluice, defer, stream
from flask_sluice.deferral import adopt
from flask_sluice.errors import (
    ArgumentError,
    DeferredDroppedError,
    DeferredTimeoutError,
    NotInitializedError,
    OutsideRequestError,
)
from flask_sluice.pages.deferred import Deferred
from flask_sluice.testing import StreamClient
from helpers import PATIENCE, HandFeed, make_app, until
from needs import needs


@pytest.fixture
def app() -> Flask:
    """An app whose deferred functions have plenty of threads."""
    return make_app()


@pytest.fixture
def small() -> Flask:
    """An app with one thread for deferred functions."""
    return make_app(SLUICE_DEFER_WORKERS=1)


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """The app, with a request."""
    with app.test_request_context("/page?q=7"):
        yield app


class Gate:
    """Where a deferred function waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, value: Any = None) -> Any:
        self.reached.set()
        assert self._open.wait(PATIENCE), "nobody opened the gate"
        return value

    def open(self) -> None:
        self._open.set()


def sluice_of(app: Flask) -> Sluice:
    """Give an app's own."""
    found: Sluice = app.extensions["sluice"]
    return found


# --- what it takes -------------------------------------------------------------


def add(a: int, b: int = 1) -> int:
    """A plain function."""
    return a + b


async def async_add(a: int, b: int = 1) -> int:
    """An async one, which waits for something."""
    await asyncio.sleep(0)
    return a + b


class Adder:
    """Has them all as methods, and can be called."""

    def method(self, a: int, b: int = 1) -> int:
        return a + b

    async def async_method(self, a: int, b: int = 1) -> int:
        return await async_add(a, b)

    @staticmethod
    async def async_static(a: int, b: int = 1) -> int:
        return await async_add(a, b)

    @classmethod
    def classmethod(cls, a: int, b: int = 1) -> int:
        return a + b

    def __call__(self, a: int, b: int = 1) -> int:
        return a + b


class AsyncAdder:
    """Can be called, and then awaited."""

    async def __call__(self, a: int, b: int = 1) -> int:
        return await async_add(a, b)


class Point:
    """A class is a function too."""

    def __init__(self, a: int, b: int = 1) -> None:
        self.sum = a + b

    def __eq__(self, other: object) -> bool:
        return self.sum == other

    __hash__ = None  # type: ignore[assignment]

    async def __call__(self) -> None:
        """Its objects are async functions, which making one is not."""


KINDS: dict[str, Callable[..., Any]] = {
    "function": add,
    "lambda": lambda a, b=1: a + b,
    "method": Adder().method,
    "classmethod": Adder.classmethod,
    "object": Adder(),
    "class": Point,
    "partial": functools.partial(add),
    "cached": functools.lru_cache(add),
    "builtin": lambda a, b=1: sum((a, b)),
    "async": async_add,
    "async method": Adder().async_method,
    "async static": Adder.async_static,
    "async object": AsyncAdder(),
    "async partial": functools.partial(functools.partial(async_add)),
    "partial of an async object": functools.partial(AsyncAdder()),
}


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_function(kind: str) -> None:
    """It is called with what it is given, and its value is the result."""
    assert defer(KINDS[kind], 2, b=3).result(PATIENCE) == 5
    assert defer(KINDS[kind], 2).result(PATIENCE) == 3


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("function", [len, sorted, str.upper, "".join])
def test_a_builtin(function: Callable[..., Any]) -> None:
    """One whose signature nobody knows is called all the same."""
    assert defer(function, "ba").result(PATIENCE) == function("ba")


@pytest.mark.usefixtures("context")
def test_a_generator_is_its_own_value() -> None:
    """A generator function gives a generator, an async one an async generator."""

    def numbers() -> Iterator[int]:
        yield from (1, 2)

    async def async_numbers() -> AsyncIterator[int]:
        yield 1

    assert list(defer(numbers).result(PATIENCE)) == [1, 2]
    made: Any = defer(async_numbers).result(PATIENCE)
    assert hasattr(made, "__anext__")


@pytest.mark.usefixtures("context")
def test_a_coroutine_that_comes_back_is_refused() -> None:
    """A plain function that gives a coroutine fails with a hint; no warning is left."""
    with pytest.raises(ArgumentError, match="<lambda> returned a coroutine"):
        defer(lambda: async_add(1)).result(PATIENCE)
    gc.collect()


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("value", [add(1), "add", None, async_add])
def test_only_functions(value: Any) -> None:
    """What a function returned is refused at the line that made the mistake."""
    if value is async_add:
        value = async_add(1)
        try:
            with pytest.raises(ArgumentError, match="got coroutine"):
                defer(value)
        finally:
            value.close()
        return
    with pytest.raises(ArgumentError, match=f"got {type(value).__name__}"):
        defer(value)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), True, "2", []])
def test_only_times(timeout: Any) -> None:
    """A timeout is a number of seconds above zero; the function isn't called."""
    called: list[int] = []
    with pytest.raises(ArgumentError, match="timeout"):
        defer(called.append, 1, timeout=timeout)
    assert called == []


@pytest.mark.usefixtures("context")
def test_the_function_may_have_a_timeout_of_its_own() -> None:
    """The timeout of defer() isn't passed on; partial() sets the function's."""

    def fetch(url: str, timeout: float | None = None) -> tuple[str, float | None]:
        return url, timeout

    assert defer(fetch, "/", timeout=9).result(PATIENCE) == ("/", None)
    bound = functools.partial(fetch, timeout=3)
    assert defer(bound, "/", timeout=9).result(PATIENCE) == ("/", 3)


@pytest.mark.usefixtures("context")
def test_names_are_the_functions_to_choose() -> None:
    """A function may have parameters called function, args, kwargs, self."""

    def odd(**names: int) -> dict[str, int]:
        return names

    names = {"function": 1, "args": 2, "kwargs": 3, "self": 4, "name": 5, "call": 6}
    assert defer(odd, **names).result(PATIENCE) == names


@pytest.mark.usefixtures("context")
def test_its_name() -> None:
    """repr() and errors name the function."""
    assert "add" in repr(defer(add, 1))
    assert "Adder.method" in defer(Adder().method, 1).name
    assert "Adder object" in defer(Adder(), 1).name
    assert "add" in defer(functools.partial(add), 1).name


# --- where ---------------------------------------------------------------------


def test_outside_of_everything() -> None:
    """There is no app that it could run in."""
    with pytest.raises(OutsideRequestError, match="defer"):
        defer(add, 1)


def test_before_init_app() -> None:
    """An app without a Sluice says so."""
    with Flask("bare").app_context(), pytest.raises(NotInitializedError):
        defer(add, 1)


def test_in_an_app_context_alone(app: Flask) -> None:
    """A command line has no request, and may defer."""

    def where() -> tuple[str, bool]:
        return current_app.name, has_request_context()

    with app.app_context():
        assert defer(where).result(PATIENCE) == ("unit", False)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_in_a_view(app: Flask, kind: str) -> None:
    """A view may wait for it itself."""

    def path() -> str:
        return request.path

    async def async_path() -> str:
        return request.path

    @app.get("/view")
    def view() -> str:
        return defer(path if kind == "sync" else async_path).result(PATIENCE)

    assert app.test_client().get("/view").text == "/view"


@pytest.mark.usefixtures("context")
def test_it_starts_at_once() -> None:
    """It runs while the view goes on, and many run together."""
    together = threading.Barrier(9)
    all_of_them = [defer(together.wait, PATIENCE) for _ in range(8)]
    together.wait(PATIENCE)
    assert sorted(one.result(PATIENCE) for one in all_of_them) != []
    assert all(one.done() for one in all_of_them)


@pytest.mark.usefixtures("context")
def test_async_ones_run_together() -> None:
    """Each waits for the others on one loop."""
    count, all_there = 0, asyncio.Event()

    async def meet() -> int:
        nonlocal count
        count += 1
        if count == 8:
            all_there.set()
        await asyncio.wait_for(all_there.wait(), PATIENCE)
        return count

    all_of_them = [defer(meet) for _ in range(8)]
    assert [one.result(PATIENCE) for one in all_of_them] == [8] * 8


@pytest.mark.usefixtures("context")
def test_the_callers_context_variables() -> None:
    """A tracer's span is seen in the function; what that sets is not seen outside."""
    span: ContextVar[str] = ContextVar("span", default="none")

    def trace() -> str:
        seen = span.get()
        span.set("inner")
        return seen

    async def async_trace() -> str:
        await asyncio.sleep(0)
        return trace()

    token = span.set("outer")
    try:
        jobs = [defer(trace), defer(async_trace)]
    finally:
        span.reset(token)
    assert [job.result(PATIENCE) for job in jobs] == ["outer", "outer"]
    assert span.get() == "none"
    assert defer(trace).result(PATIENCE) == "none"


# --- failures -------------------------------------------------------------------


def fail(error: BaseException) -> None:
    """Raise it."""
    raise error


async def async_fail(error: BaseException) -> None:
    """Raise it later."""
    await asyncio.sleep(0)
    raise error


FAILING = [fail, async_fail]


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("function", FAILING)
@pytest.mark.parametrize(
    "error",
    [ValueError("no"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()],
    ids=repr,
)
def test_what_it_raises_is_raised_by_result(
    function: Callable[..., Any], error: BaseException
) -> None:
    """Whatever it is, the very object; and the next one runs as if nothing was."""
    deferred = defer(function, error)
    with pytest.raises(type(error)) as raised:
        deferred.result(PATIENCE)
    assert raised.value is error
    assert defer(add, 1).result(PATIENCE) == 2
    assert defer(async_add, 1).result(PATIENCE) == 2


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("function", [add, async_add, AsyncAdder()])
def test_wrong_arguments(function: Callable[..., Any]) -> None:
    """An async function that can't even be called fails like any other."""
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        defer(function).result(PATIENCE)


@pytest.mark.usefixtures("context")
def test_one_that_is_cancelled() -> None:
    """It is a failure like others, and cancels nobody who asks for the result."""

    async def wait_for_a_cancelled_one() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    with pytest.raises(CancelledError, match="wait_for_a_cancelled_one") as raised:
        defer(wait_for_a_cancelled_one).result(PATIENCE)
    assert isinstance(raised.value, Exception)


@pytest.mark.parametrize("function", FAILING)
def test_a_failure_nobody_asked_for_is_logged_once(
    app: Flask, caplog: pytest.LogCaptureFixture, function: Callable[..., Any]
) -> None:
    """With its traceback, once everybody has let go of it."""

    @app.get("/")
    def view() -> str:
        defer(function, KeyError("lost"))
        return "fine"

    assert app.test_client().get("/").text == "fine"

    def is_logged() -> bool:
        gc.collect()
        return bool(caplog.records)

    until(is_logged)
    gc.collect()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert function.__name__ in record.getMessage()
    assert record.exc_info is not None
    assert repr(record.exc_info[1]) == "KeyError('lost')"


@pytest.mark.parametrize("kind", ["sync", "async", "timeout"])
def test_contexts_that_can_not_be_opened(
    app: Flask, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits is told, instead of waiting for ever."""
    broken = threading.Event()

    def refuse(sender: Flask, **more: Any) -> None:
        if broken.is_set():
            raise RuntimeError("no context today")

    gate = Gate()
    with app.test_request_context(), appcontext_pushed.connected_to(refuse, app):
        if kind == "timeout":
            late = defer(gate, timeout=0.05)
            assert gate.reached.wait(PATIENCE)
            broken.set()
            with pytest.raises(DeferredTimeoutError):
                late.result(PATIENCE)
            gate.open()
            until(lambda: caplog.records)
            assert "no context today" in caplog.text
            return
        broken.set()
        with pytest.raises(RuntimeError, match="no context today"):
            defer(add if kind == "sync" else async_add, 1).result(PATIENCE)
        broken.clear()
        assert defer(add, 1).result(PATIENCE) == 2


# --- how many -------------------------------------------------------------------


class Meter:
    """Counts how many of its calls are under way at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self.begun: list[int] = []
        self.most = 0
        self.gates = [Gate() for _ in range(20)]

    def __call__(self, number: int) -> int:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            self.begun.append(number)
        self.gates[number]()
        with self._lock:
            self._running -= 1
        return number


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_than_the_config_says_run_at_once(workers: int) -> None:
    """One more begins when one has ended, first come first served."""
    app = make_app(SLUICE_DEFER_WORKERS=workers)
    meter = Meter()
    with app.test_request_context():
        jobs = [defer(meter, number) for number in range(12)]
        for number in range(12):
            assert meter.gates[number].reached.wait(PATIENCE)
            meter.gates[number].open()
            assert jobs[number].result(PATIENCE) == number
    assert meter.most == workers
    assert sorted(meter.begun) == list(range(12))
    if workers == 1:
        assert meter.begun == list(range(12))


def test_each_app_has_its_own_threads(small: Flask, app: Flask) -> None:
    """One app's jobs don't wait for another one's."""
    gate = Gate()
    with small.test_request_context():
        blocked = defer(gate, 1)
    assert gate.reached.wait(PATIENCE)
    with app.test_request_context():
        assert defer(add, 1).result(PATIENCE) == 2
    gate.open()
    assert blocked.result(PATIENCE) == 1


def test_async_ones_need_no_place(small: Flask) -> None:
    """They begin and end while all threads are taken."""
    gate = Gate()
    with small.test_request_context():
        blocked = defer(gate, 1)
        assert gate.reached.wait(PATIENCE)
        assert defer(async_add, 1).result(PATIENCE) == 2
        failed = defer(async_fail, KeyError("lost"))
        with pytest.raises(KeyError):
            failed.result(PATIENCE)
        gate.open()
        assert blocked.result(PATIENCE) == 1


def test_threads_are_used_again(context: Flask) -> None:
    """A thousand jobs, one after the other, need a few threads."""
    for number in range(1000):
        assert defer(add, number, 0).result(PATIENCE) == number
    crew = context.extensions["sluice.state"].crew()
    assert crew._size <= 4


# --- one in another -------------------------------------------------------------


@pytest.mark.usefixtures("context")
def test_a_job_may_defer() -> None:
    """It has what it needs for that: the app, the request."""

    def outer() -> tuple[str, str]:
        return request.args["q"], defer(inner).result(PATIENCE)

    def inner() -> str:
        return request.path

    assert defer(outer).result(PATIENCE) == ("7", "/page")


@pytest.mark.parametrize("depth", [1, 8])
def test_jobs_that_wait_for_jobs_always_get_on(small: Flask, depth: int) -> None:
    """With the one thread taken by whoever waits, the job runs on that thread."""

    def nest(left: int) -> int:
        return left and 1 + defer(nest, left - 1).result()

    with small.test_request_context():
        jobs = [defer(nest, depth) for _ in range(5)]
        assert [job.result(PATIENCE) for job in jobs] == [depth] * 5


def test_jobs_that_wait_for_async_ones_always_get_on(small: Flask) -> None:
    """Those need no thread."""

    def outer() -> int:
        return defer(async_add, 1).result()

    with small.test_request_context():
        assert defer(outer).result(PATIENCE) == 2


def test_what_runs_on_the_waiting_thread_has_contexts_of_its_own(small: Flask) -> None:
    """Its request and g are copies, its teardown is its own, and the other's stay."""
    torn: list[str] = []

    @small.teardown_appcontext
    def tear(error: BaseException | None) -> None:
        torn.append(g.get("who", "view"))

    def outer() -> list[str]:
        g.who = "outer"
        seen = defer(inner).result()
        return [seen, g.who, *torn]

    def inner() -> str:
        seen: str = g.who
        g.who = "inner"
        return seen

    with small.test_request_context():
        job = defer(outer)
        assert job.result(PATIENCE) == ["outer", "outer", "inner"]
        until(lambda: torn == ["inner", "outer"])


def test_a_view_does_not_do_a_jobs_work(small: Flask) -> None:
    """The limit holds for it too: what has no place yet waits for one."""
    gate = Gate()
    ran_on: list[int] = []
    with small.test_request_context():
        blocked = defer(gate)
        assert gate.reached.wait(PATIENCE)
        waiting = defer(lambda: ran_on.append(threading.get_ident()))
        view = threading.Thread(target=waiting.result)
        view.start()
        until(lambda: waiting._settled is not None)
        gate.open()
        blocked.result(PATIENCE)
        view.join(PATIENCE)
    assert ran_on not in ([], [view.ident])


# --- values from elsewhere ---------------------------------------------------------


def test_a_plain_value_is_there() -> None:
    """Nothing has to be waited for."""
    for value in (None, 1, "text", [], object()):
        assert adopt(value) is None


@pytest.mark.usefixtures("context")
def test_a_coroutine_is_awaited() -> None:
    """So is whatever else can be."""

    class Query:
        def __await__(self) -> Iterator[Any]:
            return async_add(1).__await__()

    for value in (async_add(1), Query()):
        deferred = adopt(value)
        assert deferred is not None
        assert deferred.result(PATIENCE) == 2


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("first", ["adopted", "settled"])
@pytest.mark.parametrize("how", ["value", "error", "cancelled"])
def test_a_future_of_somebody_elses_pool(first: str, how: str) -> None:
    """Its value is taken when it is there, with the contexts of a job."""
    future: Future[int] = Future()

    def settle() -> None:
        if how == "value":
            future.set_result(1)
        elif how == "error":
            future.set_exception(KeyError("lost"))
        else:
            future.cancel()

    if first == "settled":
        settle()
    deferred = adopt(future)
    assert deferred is not None
    paths: list[str] = []
    heard = threading.Event()
    is_early = deferred.subscribe(lambda _: (paths.append(request.path), heard.set()))
    if first == "adopted":
        assert is_early
        settle()
        assert heard.wait(PATIENCE)
        assert paths == ["/page"]
    if how == "value":
        assert deferred.result(PATIENCE) == 1
    else:
        error = KeyError if how == "error" else CancelledError
        with pytest.raises(error):
            deferred.result(PATIENCE)


@pytest.mark.usefixtures("context")
def test_a_deferred_one_stays_itself() -> None:
    """It isn't deferred twice."""
    deferred = defer(add, 1)
    assert adopt(deferred) is deferred
    assert deferred.result(PATIENCE) == 2


# --- too late ---------------------------------------------------------------------


class Told:
    """A job that says what it is told of."""

    def __init__(self, app: Flask) -> None:
        self._sluice = sluice_of(app)
        self.gate = Gate()
        self.left = threading.Event()
        self.gone_before: bool | None = None
        self.gone_after: bool | None = None
        self.ended = threading.Event()

    def __call__(self) -> str:
        self.gone_before = self._sluice.client_gone()
        self._sluice.on_leave(self.left.set)
        self.gate()
        self.gone_after = self._sluice.client_gone()
        self.ended.set()
        return "late"


def test_a_timeout_is_told_to_the_job(context: Flask) -> None:
    """client_gone() turns true, on_leave runs, and what it returns is ignored."""
    job = Told(context)
    deferred = defer(job, timeout=0.05)
    with pytest.raises(DeferredTimeoutError, match=r"timeout of 0\.05 s"):
        deferred.result(PATIENCE)
    assert job.left.wait(PATIENCE)
    job.gate.open()
    assert job.ended.wait(PATIENCE)
    assert (job.gone_before, job.gone_after) == (False, True)
    assert not sluice_of(context).client_gone()
    assert deferred.value is None
    with pytest.raises(DeferredTimeoutError):
        deferred.result()


@pytest.mark.usefixtures("context")
def test_a_late_failure_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """The timeout is what it failed by; the log has the rest, if asked."""
    caplog.set_level(logging.DEBUG, "flask_sluice")
    gate = Gate()
    deferred = defer(lambda: gate() or fail(KeyError("late")), timeout=0.05)
    with pytest.raises(DeferredTimeoutError):
        deferred.result(PATIENCE)
    gate.open()
    until(lambda: caplog.records)
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "after its time" in record.getMessage()


def test_an_async_one_is_cancelled_at_its_timeout(context: Flask) -> None:
    """It sees CancelledError where it waits, and has heard of the timeout."""
    news: list[Any] = []
    ended = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            news.append(sluice_of(context).client_gone())
            raise
        finally:
            ended.set()

    deferred = defer(wait, timeout=0.05)
    with pytest.raises(DeferredTimeoutError):
        deferred.result(PATIENCE)
    assert ended.wait(PATIENCE)
    assert news == [True]


def test_a_job_that_times_out_in_the_queue_never_begins(small: Flask) -> None:
    """Waiting for its turn counts."""
    gate, called = Gate(), []
    with small.test_request_context():
        blocked = defer(gate)
        assert gate.reached.wait(PATIENCE)
        late = defer(called.append, 1, timeout=0.05)
        with pytest.raises(DeferredTimeoutError):
            late.result(PATIENCE)
        gate.open()
        blocked.result(PATIENCE)
        assert defer(add, 1).result(PATIENCE) == 2
    assert called == []


def test_one_in_time_is_told_nothing(context: Flask) -> None:
    """Its timer is called off, and its callbacks are forgotten."""
    job = Told(context)
    job.gate.open()
    deferred = defer(job, timeout=30)
    assert deferred.result(PATIENCE) == "late"
    assert deferred.timer is not None
    assert deferred.timer.callback is None  # type: ignore[attr-defined]
    until(lambda: deferred.departure._callbacks == ())
    assert not job.left.is_set()
    assert not deferred.departure.gone


def test_what_a_late_job_deferred_is_told_too(context: Flask) -> None:
    """Nobody will show it."""
    inner = Told(context)
    begun: list[Deferred[Any]] = []

    def outer() -> None:
        begun.append(defer(inner))
        inner.gate()

    late = defer(outer, timeout=0.2)
    assert inner.gate.reached.wait(PATIENCE)
    with pytest.raises(DeferredTimeoutError):
        late.result(PATIENCE)
    assert inner.left.wait(PATIENCE)
    inner.gate.open()
    assert inner.ended.wait(PATIENCE)
    assert begun[0].result(PATIENCE) == "late"


# --- a client that leaves ------------------------------------------------------------


class Visit:
    """A view that has deferred something, and whose client then leaves."""

    def __init__(self, app: Flask, begin: Callable[[], Any]) -> None:
        self.made: list[Any] = []

        @app.get("/visit")
        def view() -> Any:
            self.made.append(begin())
            return stream(HandFeed(b"first"))

        self._client = StreamClient(app)

    def leave(self, when: Callable[[], object] = lambda: None) -> None:
        """Come, read the first byte, and go when *when* has returned."""
        with self._client.stream("/visit") as arrivals:
            arrivals.read_until(b"first")
            when()


def test_a_running_job_is_told_that_the_client_left(app: Flask) -> None:
    """client_gone() and on_leave() work in it as in the view."""
    job = Told(app)
    visit = Visit(app, lambda: defer(job))
    visit.leave(lambda: job.gate.reached.wait(PATIENCE))
    assert job.left.wait(PATIENCE)
    job.gate.open()
    assert job.ended.wait(PATIENCE)
    assert (job.gone_before, job.gone_after) == (False, True)


def test_a_waiting_job_is_dropped_when_the_client_leaves(small: Flask) -> None:
    """It is never begun, and whoever waits for it hears so."""
    gate, called = Gate(), []
    visit = Visit(small, lambda: [defer(gate), defer(called.append, 1)])
    visit.leave(lambda: gate.reached.wait(PATIENCE))
    with pytest.raises(DeferredDroppedError, match="append"):
        visit.made[0][1].result(PATIENCE)
    gate.open()
    visit.made[0][0].result(PATIENCE)
    with small.app_context():
        assert defer(add, 1).result(PATIENCE) == 2
    assert called == []


def test_an_async_job_is_cancelled_when_the_client_leaves(app: Flask) -> None:
    """Whoever waits hears that, as an exception that he can catch."""
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    visit = Visit(app, lambda: defer(wait))
    visit.leave(lambda: begun.wait(PATIENCE))
    assert ended.wait(PATIENCE)
    with pytest.raises(DeferredDroppedError):
        visit.made[0].result(PATIENCE)


@pytest.mark.parametrize("parent", ["runs", "has returned"])
def test_a_jobs_job_is_told_that_the_client_left(app: Flask, parent: str) -> None:
    """Also when the job that deferred it is over by then."""
    inner = Told(app)
    gate = Gate()

    def outer() -> Deferred[str]:
        deferred = defer(inner)
        if parent == "runs":
            gate()
        return deferred

    visit = Visit(app, lambda: defer(outer))

    def ready() -> None:
        assert inner.gate.reached.wait(PATIENCE)
        if parent == "runs":
            assert gate.reached.wait(PATIENCE)
        else:
            visit.made[0].result(PATIENCE)
            until(lambda: visit.made[0].departure._callbacks == ())

    visit.leave(ready)
    assert inner.left.wait(PATIENCE)
    gate.open()
    inner.gate.open()
    assert inner.ended.wait(PATIENCE)
    assert inner.gone_after is True


def test_a_job_outlives_a_view_that_is_done(app: Flask) -> None:
    """Nobody left: it isn't told, and neither is what it defers afterwards."""
    outer, inner = Told(app), Told(app)
    made: list[Deferred[Any]] = []

    def work() -> str:
        outer()
        made.append(defer(inner))
        return "done"

    @app.get("/")
    def view() -> str:
        made.append(defer(work))
        return "fine"

    assert app.test_client().get("/").text == "fine"
    assert outer.gate.reached.wait(PATIENCE)
    outer.gate.open()
    assert made[0].result(PATIENCE) == "done"
    inner.gate.open()
    assert made[1].result(PATIENCE) == "late"
    assert (outer.gone_after, inner.gone_after) == (False, False)


# --- processes and greenlets ----------------------------------------------------


def run_apart(program: str) -> list[str]:
    """Run *program* in a process of its own; give the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_child_process_has_threads_of_its_own() -> None:
    """Those of the parent stay there, also the event loop's and the timers'."""
    program = """
        import os, threading
        from flask import Flask
        from flask_sluice import Sluice, defer
        from flask_sluice.errors import DeferredTimeoutError

        app = Flask("forks")
        app.config["SLUICE_DEFER_WORKERS"] = 2
        Sluice(app)

        async def aloud():
            return "async"

        def check(who):
            with app.app_context():
                never = threading.Event()
                stuck = defer(never.wait, timeout=0.05)
                print(who, defer(str, "sync").result(9), defer(aloud).result(9))
                try:
                    stuck.result(9)
                except DeferredTimeoutError:
                    print(who, "timeout", flush=True)
                never.set()

        check("parent")
        for number in range(2):
            child = os.fork()
            if not child:
                check(f"child {number}")
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        check("parent")
    """
    names = ["parent", "child 0", "child 1", "parent"]
    expected = [line for n in names for line in (f"{n} sync async", f"{n} timeout")]
    assert run_apart(program) == expected


@needs("gevent")
def test_under_gevent() -> None:
    """Greenlets of the hub: bounded too, with contexts, timeouts and async ones."""
    program = """
        from gevent import monkey
        monkey.patch_all()
        import asyncio, threading, gevent
        from flask import Flask, g, request
        from flask_sluice import Sluice, defer
        from flask_sluice.errors import DeferredTimeoutError

        app = Flask("greenlets")
        app.config["SLUICE_DEFER_WORKERS"] = 3
        sluice = Sluice(app)
        torn = []
        app.teardown_appcontext(lambda error: torn.append(repr(error)))
        running = most = 0
        gates = [threading.Event() for _ in range(12)]

        def measured(number):
            global running, most
            running += 1
            most = max(most, running)
            gates[number].wait()
            running -= 1
            return gevent.getcurrent() is not main, request.args["q"], g.name

        async def meet(event, number):
            if number:
                event.set()
            await asyncio.wait_for(event.wait(), 9)
            return request.args["q"]

        def nest(left):
            return left and 1 + defer(nest, left - 1).result()

        main = gevent.getcurrent()
        with app.test_request_context("/?q=7"):
            g.name = "ada"
            jobs = [defer(measured, number) for number in range(12)]
            for number in range(12):
                gates[number].set()
                assert jobs[number].result(9) == (True, "7", "ada")
            print("most", most)
            event = asyncio.Event()
            print([job.result(9) for job in [defer(meet, event, n) for n in (0, 1)]])
            print([job.result(9) for job in [defer(nest, 5) for _ in range(4)]])
            never = threading.Event()
            told = threading.Event()

            def late():
                sluice.on_leave(told.set)
                never.wait()
                print("gone", sluice.client_gone())

            try:
                defer(late, timeout=0.05).result(9)
            except DeferredTimeoutError:
                print("timeout", told.wait(9))
            never.set()
            print(defer(len, "abc").result(9), threading.active_count() < 30)
        print(len(torn), set(torn))
    """
    lines = run_apart(program)
    assert lines == [
        "most 3",
        "['7', '7']",
        "[5, 5, 5, 5]",
        "timeout True",
        "gone True",
        "3 True",
        "42 {'None'}",
    ]
