"""A value that is on its way, and whoever waits for it.

In: one settlement, by the function that was deferred, its timeout, or its client's
leaving; whichever comes first counts. Out: the value or the failure, once, to those
that subscribed, on the thread that settled it and inside whatever it set up there, so
that a template can still follow a database object's relations. It refuses to know
who runs the function.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from .. import native
from ..errors import DeferredDroppedError, DeferredError, DeferredTimeoutError
from ..serve.stream import Cancellable, Departure

__all__ = ["Deferred", "Failure"]

log = logging.getLogger("flask_sluice")

T = TypeVar("T")


class Failure:
    """What went wrong with a slot; the `e` of `{% error e %}`.

    As text it is the exception's own text, which may say more than a visitor
    should read; `id` is what can always be shown.

    :ivar exception: what was raised.
    :ivar id: eight letters and digits, the same in the log.
    :ivar timed_out: whether it took longer than its timeout.
    """

    __slots__ = ("exception", "id", "reported", "timed_out")

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception
        self.id = secrets.token_hex(4)
        self.timed_out = isinstance(exception, DeferredTimeoutError)
        self.reported = False

    def __str__(self) -> str:
        return str(self.exception)

    def __repr__(self) -> str:
        return f"<Failure {self.id} {self.exception!r}>"


class Deferred(Generic[T]):
    """A value that is on its way. Made by `defer`.

    :ivar name: the function's, for people.
    :ivar departure: tells the function that nobody waits any more.
    :ivar report: tells the app of a failure: its log, its error collectors.
    :ivar run_here: runs the function on this thread if it hasn't begun and this is
        a place for it; set until it begins.
    """

    def __init__(self, name: str, report: Callable[[Failure], None]) -> None:
        self.name = name
        self.departure = Departure()
        self.report = report
        self.timer: Cancellable | None = None
        self.run_here: Callable[[], None] | None = None
        self._lock = native.lock()
        self._begun = False
        self._done = False
        self._asked = False
        self._value: T | None = None
        self._failure: Failure | None = None
        self._listeners: list[Callable[[Deferred[T]], None]] = []
        self._settled: threading.Event | None = None

    def __repr__(self) -> str:
        state = "running" if self._begun else "waiting"
        if self._done:
            state = "failed" if self._failure else "done"
        return f"<Deferred {self.name} {state}>"

    def __del__(self) -> None:
        failure = getattr(self, "_failure", None)
        if failure is None or self._asked or self.departure.gone:
            return  # of one that was told to stop, a failure is no news
        if not isinstance(failure.exception, DeferredError):
            log.error(
                "%s was deferred and failed, and nobody asked for its result",
                self.name,
                exc_info=failure.exception,
            )

    # For whoever wants the value.

    def done(self) -> bool:
        """Tell whether `result` would return, or raise, at once."""
        return self._done

    def result(self, timeout: float | None = None) -> T:
        """Wait for the value.

        :param timeout: seconds to wait; the function's own timeout is another
            matter. None: as long as it takes.
        :raises TimeoutError: *timeout* passed.
        :raises DeferredTimeoutError: the function's own timeout passed.
        :raises DeferredDroppedError: the client left before the function began.
        :raises Exception: whatever the function raised.
        """
        self.wait(timeout)
        failure = self.failure
        if failure is not None:
            raise failure.exception
        return self.value

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it is done, one way or the other.

        :raises TimeoutError: *timeout* seconds passed.
        """
        run_here = self.run_here
        if timeout is None and run_here is not None:
            run_here()
        with self._lock:
            if not self._done and self._settled is None:
                self._settled = threading.Event()
        settled = self._settled
        if not self._done and settled is not None and not settled.wait(timeout):
            raise TimeoutError(f"{self.name} wasn't done after {timeout:g} s.")

    @property
    def value(self) -> T:
        """The value; None before it is there, or when it never came."""
        return cast("T", self._value)

    @property
    def failure(self) -> Failure | None:
        """What went wrong, or None."""
        self._asked = True
        return self._failure

    def subscribe(self, listener: Callable[[Deferred[T]], None]) -> bool:
        """Have *listener* called when it is done.

        :return: False if it is done already; *listener* isn't called then.
        """
        with self._lock:
            if self._done:
                return False
            self._listeners.append(listener)
            return True

    # For whoever makes it.

    def begin(self) -> bool:
        """Say that the function runs now. False if it does already, or needn't."""
        with self._lock:
            first, self._begun = not self._begun, True
            self.run_here = None
            return first and not self._done

    def resolve(self, value: T) -> bool:
        """Say that it returned. False if that is too late."""
        return self._settle(value, None)

    def fail(self, exception: BaseException) -> bool:
        """Say that it raised. False if that is too late."""
        return self._settle(None, exception)

    def time_out(self, seconds: float) -> None:
        """Say that its time is up."""
        if self.fail(DeferredTimeoutError(self.name, seconds)):
            self.departure.leave()

    def drop(self) -> None:
        """Say that its client has left: it isn't begun, or told if it was."""
        with self._lock:
            begun = self._begun
        if begun:
            self.departure.leave()
        else:
            self.fail(DeferredDroppedError(self.name))

    def _settle(self, value: Any, exception: BaseException | None) -> bool:
        with self._lock:
            if self._done:
                return False
            self._value = value
            if exception is not None:
                self._failure = Failure(exception)
            self._done = True
            listeners, self._listeners = self._listeners, []
            settled = self._settled
            self.run_here = None
        if self.timer is not None:
            self.timer.cancel()
        if settled is not None:
            settled.set()
        for listener in listeners:
            try:
                listener(self)
            except BaseException:
                # Also SystemExit: the next one waits, and this thread is needed.
                log.exception("A listener of %s raised", self.name)
        return True
