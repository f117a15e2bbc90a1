"""`defer()`: a function started beside the view, in contexts of its own.

In: a function and its arguments, in a view. Out: a `Deferred`. The function runs at
once on the app's own crew of threads (greenlets under gevent), an `async def` one on
the server's event loop, or on one in the background. What waits for its value runs
right after it on the same thread and in the same contexts, and then those are torn
down, once.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flask import (
    Flask,
    current_app,
    got_request_exception,
    has_app_context,
    has_request_context,
)
from flask import request as flask_request

from . import native
from .arguments import check_seconds
from .contexts import visit_of
from .errands import Errand, Opened
from .errors import ArgumentError, DeferredDroppedError, OutsideRequestError
from .pages.deferred import Deferred, Failure
from .pages.slot import inside
from .serve.drive import EXCHANGE, call_later
from .serve.stream import Departure
from .state import state_of

if TYPE_CHECKING:
    import asyncio

__all__ = ["adopt", "defer", "report", "working"]

log = logging.getLogger("flask_sluice")

R = TypeVar("R")

working: ContextVar[Departure | None] = ContextVar("flask_sluice_job", default=None)
"""Tells the deferred function that is running whether anybody still waits for it."""

_client: ContextVar[Departure | None] = ContextVar("flask_sluice_client", default=None)
"""Tells of the client itself, to functions that are deferred in a deferred one."""

_in_crew: ContextVar[bool] = ContextVar("flask_sluice_in_crew", default=False)
"""Whether this is a thread of the crew, which may wait for others of its kind."""


@overload
def defer(
    function: Callable[..., Coroutine[Any, Any, R]],
    /,
    *args: Any,
    timeout: float | None = None,
    **kwargs: Any,
) -> Deferred[R]: ...
@overload
def defer(
    function: Callable[..., R],
    /,
    *args: Any,
    timeout: float | None = None,
    **kwargs: Any,
) -> Deferred[R]: ...
def defer(
    function: Callable[..., Any],
    /,
    *args: Any,
    timeout: float | None = None,
    **kwargs: Any,
) -> Deferred[Any]:
    """Start *function* now, beside the view, and give what will be its value.

    It has an app context and a copy of the request context of its own: the same
    `request`, the `session` to read, and a copy of `g` without what can be closed
    (a database connection belongs to the view's thread: open another). They are
    torn down once, when it and the slots that wait for it are done. In it
    `sluice.client_gone()` and `sluice.on_leave()` tell of a client that left, and
    of a timeout that passed. At most `SLUICE_DEFER_WORKERS` run at once.

    :param function: a function, or an `async def` one; called with *args* and
        *kwargs*.
    :param timeout: seconds from now, waiting for its turn included, after which it
        counts as failed. It isn't interrupted, but told. None: no limit. A function
        that has a `timeout` of its own gets it through `functools.partial`.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises OutsideRequestError: there is no app context.
    :raises ArgumentError: *function* can't be called, or *timeout* is no time.
    """
    if not callable(function):
        raise ArgumentError(
            f"defer() got {type(function).__name__}: give it the function and its"
            " arguments, not what it returned."
        )
    check_seconds("timeout", timeout)
    name = getattr(function, "__qualname__", None) or repr(function)
    job = _Job(name, functools.partial(function, *args, **kwargs))
    job.start(timeout)
    return job.deferred


def adopt(value: object) -> Deferred[Any] | None:
    """Give *value* as a `Deferred` if it is on its way; None if it is there.

    A coroutine, another awaitable and a `concurrent.futures.Future` will do too.
    """
    if isinstance(value, Deferred):
        return value
    if isinstance(value, Future):
        return _Job("a Future", value.result).follow(value)
    if inspect.isawaitable(value):
        return defer(_wait_for, value)
    return None


async def _wait_for(value: Awaitable[R]) -> R:
    return await value


class _Job:
    """One deferred function, its contexts, and where it runs."""

    def __init__(self, name: str, call: Callable[[], Any]) -> None:
        if not has_app_context():
            raise OutsideRequestError("defer()")
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._crew = state_of(app).crew()
        self._call = call
        environ = flask_request.environ if has_request_context() else {}
        # Sooner than the errand: that copies the context variables.
        parent = working.get()
        self._client = _client.get()
        visit = visit_of(environ) if parent is None else None
        if visit is not None:
            self._client = visit.departure
            visit.watch()
        self._exchange = environ.get(EXCHANGE)
        self._errand = Errand()
        self.deferred: Deferred[Any] = Deferred(
            name, functools.partial(report, app, "slot")
        )
        if parent is not None:
            parent.on_leave(self.deferred.drop)
        # A parent that has returned says no more, and this one may go on. Of one
        # that is gone the parent was told while it ran, if it still was the client.
        if self._client is not None and not (parent and self._client.gone):
            self._client.on_leave(self.deferred.drop)

    def start(self, timeout: float | None) -> None:
        """Have it run as soon as there is a place."""
        deferred = self.deferred
        if timeout is not None:
            expire = functools.partial(
                native.post, functools.partial(self._expire, timeout)
            )
            native.crew()  # made here, where the app's own code runs
            deferred.timer = call_later(timeout, expire)
        if _is_async(self._call):
            self._start_task()
        else:
            if timeout is None:
                deferred.run_here = self._run_here
            self._crew.post(self._run)

    def follow(self, future: Future[Any]) -> Deferred[Any]:
        """Take the value from somebody else's pool."""
        future.add_done_callback(lambda _: self._crew.post(self._run))
        return self.deferred

    def _expire(self, seconds: float) -> None:
        if self.deferred.done():
            return
        try:
            self._errand.run(self._time_out, seconds)
        except BaseException:
            self.deferred.time_out(seconds)
            raise

    def _time_out(self, seconds: float) -> None:
        _client.set(self._client)
        self.deferred.time_out(seconds)

    def _open(self) -> Opened | None:
        try:
            opened = self._errand.open()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self.deferred.fail(error)
            return None
        opened.vars.run(self._enter)
        return opened

    def _enter(self) -> None:
        working.set(self.deferred.departure)
        _client.set(self._client)
        _in_crew.set(False)
        # What the function renders is its own, and no slot of the page.
        inside.set(None)

    def _settle(self, value: Any, error: BaseException | None) -> None:
        deferred = self.deferred
        if error is None:
            deferred.resolve(value)
        elif not deferred.fail(error):
            log.debug("%s raised after its time", deferred.name, exc_info=error)
        deferred.departure.forget()

    # A plain function, on a thread of the crew.

    def _run(self) -> None:
        if not self.deferred.begin():
            return
        opened = self._open()
        if opened is not None:
            opened.close(opened.vars.run(self._work))

    def _run_here(self) -> None:
        # All of a crew may be waiting for functions that only wait for a place in
        # it. Whoever waits as one of the crew can as well do the work.
        if _in_crew.get():
            self._run()

    def _work(self) -> BaseException | None:
        _in_crew.set(True)
        value = error = None
        try:
            value = self._call()
            if inspect.iscoroutine(value):
                value.close()
                raise ArgumentError(
                    f"{self.deferred.name} returned a coroutine: defer an async def"
                    " function, or the coroutine itself in the template."
                )
        except BaseException as raised:  # noqa: BLE001 - told to whoever waits
            error = raised
        self._settle(value, error)
        return error

    # An async one, as a task. It needs no place in the crew: its contexts are opened
    # here, and closed where callbacks run.

    def _start_task(self) -> None:
        from .serve.tasks import loop_of

        self._loop: asyncio.AbstractEventLoop = loop_of(self._exchange)
        self._task: asyncio.Task[Any] | None = None
        native.crew()
        opened = self._open()
        if opened is None:
            return
        self._opened = opened
        self.deferred.begin()
        self.deferred.departure.on_leave(self._cancel)
        try:
            self._loop.call_soon_threadsafe(self._begin_task)
        except RuntimeError as error:  # the loop is closed: the server is ending
            self._end_task(None, error)

    def _begin_task(self) -> None:
        self._task = self._loop.create_task(
            _outcome(self._call), context=self._opened.vars
        )
        self._task.add_done_callback(self._task_done)
        if self.deferred.departure.gone:
            self._task.cancel()

    def _cancel(self) -> None:
        with contextlib.suppress(RuntimeError):  # a closed loop has no tasks
            self._loop.call_soon_threadsafe(self._cancel_task)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        import asyncio

        # On the loop, which is everybody's: the rest may block.
        value, error = None, None
        if not task.cancelled():
            value, error = task.result()
        if task.cancelled() or isinstance(error, asyncio.CancelledError):
            # By us, or because the loop ends. Not as asyncio's own, which is no
            # Exception: whoever asks for the result isn't cancelled.
            error = self._cancelled()
        native.post(functools.partial(self._end_task, value, error))

    def _cancelled(self) -> Exception:
        name = self.deferred.name
        if self.deferred.departure.gone:
            return DeferredDroppedError(name)
        return CancelledError(f"{name} was cancelled.")

    def _end_task(self, value: Any, error: BaseException | None) -> None:
        opened = self._opened
        opened.vars.run(_in_crew.set, True)
        opened.vars.run(self._settle, value, error)
        opened.close(error)


async def _outcome(
    call: Callable[[], Awaitable[Any]],
) -> tuple[Any, BaseException | None]:
    # A task lets SystemExit and the like through to its loop, which would end then,
    # and with it everybody's async functions, or the server.
    try:
        return await call(), None
    except BaseException as error:  # noqa: BLE001 - told to whoever waits
        return None, error


def _is_async(call: Any) -> bool:
    while isinstance(call, functools.partial):
        call = call.func
    if not (inspect.isroutine(call) or isinstance(call, type)):
        # An object whose __call__ is async counts too.
        call = getattr(call, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(call)


def report(app: Flask, what: str, failure: Failure) -> None:
    """Tell the app's log and its error collectors of a failure.

    :param what: what of the page failed, for people.
    """
    error = failure.exception
    if isinstance(error, DeferredDroppedError):
        return  # nobody is there to see it
    path = flask_request.path if has_request_context() else "no request"
    app.logger.error("A %s of %s failed (%s)", what, path, failure.id, exc_info=error)
    got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
