"""One open stream: what is known of it, and the one way it ends.

In: what drivers see (bytes gone, the client gone, the deadline passed, the body's
end). Out: one call of `ended`, once, whoever comes first. It knows no Flask, no
socket and no bytes; it is small, because ten thousand of them are open at once.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from .. import native

__all__ = ["Departure", "Outcome", "Registry", "Stream"]

Outcome: TypeAlias = Literal["complete", "failed", "left", "expired"]

_ids = itertools.count(1)

# One for all: it is held for a flag only, and ten thousand would take a megabyte.
_lock = native.lock()


def _renew() -> None:
    global _lock
    _lock = native.lock()


native.after_fork(_renew)


class Departure:
    """The news that a client is gone, and who wants to hear it.

    One for each request that asks. Callbacks run off the thread that noticed, each
    once, and late subscribers at once.
    """

    __slots__ = ("_callbacks", "gone")

    def __init__(self) -> None:
        self.gone = False
        self._callbacks: tuple[Callable[[], object], ...] = ()

    def on_leave(self, callback: Callable[[], object]) -> None:
        """Have *callback* run when the client leaves."""
        with _lock:
            if not self.gone:
                self._callbacks += (callback,)
                return
        native.post(callback)

    def leave(self) -> None:
        """Say that the client is gone."""
        with _lock:
            self.gone = True
            callbacks, self._callbacks = self._callbacks, ()
        for callback in callbacks:
            native.post(callback)

    def forget(self) -> None:
        """Drop the callbacks: the request is over."""
        with _lock:
            self._callbacks = ()


class Cancellable(Protocol):
    """A timer."""

    def cancel(self) -> object:
        """Don't call."""


class Stream:
    """A stream that is open, or was.

    :ivar id: a number, unique in the process.
    :ivar path: the request's path.
    :ivar client: the client's address as the app sees it.
    :ivar driver: "pull", "park" or "asgi".
    :ivar outcome: None while it is open.
    :ivar bytes_made: bytes that the body gave.
    :ivar bytes_sent: bytes handed to the server or the socket.
    :ivar chunks: pieces that they went in.
    :ivar first_byte_seconds: from the start to the first byte, or None.
    :ivar exception: what the body raised, or None.
    :ivar verdict: why it has to stop, said before it has.
    :ivar announced: whether `stream_started` was sent.
    :ivar remote: whether a loop's thread ends it, where the app's code must not run.
    :ivar timer: ends it at its deadline; called off when it ends before.
    """

    __slots__ = (
        "_finish",
        "_interrupt",
        "_seconds",
        "_started",
        "announced",
        "bytes_made",
        "bytes_sent",
        "chunks",
        "client",
        "departure",
        "driver",
        "exception",
        "first_byte_seconds",
        "id",
        "outcome",
        "path",
        "remote",
        "timer",
        "verdict",
    )

    def __init__(self, path: str, client: str, departure: Departure) -> None:
        self.id = next(_ids)
        # The same few for all of them, mostly.
        self.path = sys.intern(path)
        self.client = sys.intern(client)
        self.driver = "pull"
        self.outcome: Outcome | None = None
        self.verdict: Outcome | None = None
        self.exception: BaseException | None = None
        self.announced = False
        self.bytes_made = 0
        self.bytes_sent = 0
        self.chunks = 0
        self.first_byte_seconds: float | None = None
        self.departure = departure
        self.remote = False
        self.timer: Cancellable | None = None
        self._started = time.monotonic()
        self._seconds: float | None = None
        self._interrupt: Callable[[], None] | None = None
        self._finish: Callable[[Stream], None] | None = None

    def __repr__(self) -> str:
        state = self.outcome or "open"
        return f"<Stream {self.id} {self.path} {self.driver} {state}>"

    @property
    def seconds(self) -> float:
        """Seconds since it began, or that it took."""
        if self._seconds is not None:
            return self._seconds
        return time.monotonic() - self._started

    def count(self, made: int, sent: int) -> None:
        """Note a piece that went out."""
        self.bytes_made += made
        if sent:
            self.bytes_sent += sent
            self.chunks += 1
            if self.first_byte_seconds is None:
                self.first_byte_seconds = time.monotonic() - self._started

    def on_interrupt(self, interrupt: Callable[[], None] | None) -> None:
        """Have *interrupt* called, from any thread, when the stream has to stop.

        It wakes whoever waits for the body, or closes what can be closed from
        outside. If the stream has to stop already it is called at once.
        """
        self._interrupt = interrupt
        if interrupt is not None and self.verdict is not None:
            interrupt()

    def stop(self, verdict: Literal["left", "expired"]) -> None:
        """Say from outside that it has to stop: the client left, or time is up.

        Either way the app's callbacks run, because a query for nobody, or one that
        takes too long, is to be cancelled.
        """
        with _lock:
            if self.verdict is not None or self.outcome is not None:
                return
            self.verdict = verdict
        self.departure.leave()
        interrupt = self._interrupt
        if interrupt is not None:
            interrupt()

    def on_finish(self, finish: Callable[[Stream], None]) -> None:
        """Have *finish* called once, when the stream has ended."""
        self._finish = finish

    def finish(self, outcome: Outcome, exception: BaseException | None = None) -> None:
        """End it. The first call counts, later ones do nothing."""
        with _lock:
            if self.outcome is not None:
                return
            self.outcome = outcome
            self.exception = exception
            self._seconds = time.monotonic() - self._started
            self._interrupt = None
            finish, self._finish = self._finish, None
        if self.timer is not None:
            self.timer.cancel()
        if self.announced:
            # One that was made and never sent says nothing of the client.
            if outcome == "left":
                self.departure.leave()
            self.departure.forget()
        if finish is not None:
            finish(self)


class Registry:
    """The streams that are open in this process for one app."""

    def __init__(self) -> None:
        self._lock = native.lock()
        self._open: dict[int, Stream] = {}
        self._by_client: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(
        self, stream: Stream, limit: int | None, limit_per_client: int | None
    ) -> Literal["all", "client"] | None:
        """Note that *stream* is open, or say which limit forbids it."""
        with self._lock:
            theirs = self._by_client.get(stream.client, 0)
            if limit is not None and len(self._open) >= limit:
                return "all"
            if limit_per_client is not None and theirs >= limit_per_client:
                return "client"
            self._open[stream.id] = stream
            self._by_client[stream.client] = theirs + 1
            return None

    def discard(self, stream: Stream) -> None:
        """Note that it isn't any more."""
        with self._lock:
            if self._open.pop(stream.id, None) is None:
                return
            left = self._by_client[stream.client] - 1
            if left:
                self._by_client[stream.client] = left
            else:
                del self._by_client[stream.client]

    def list(self) -> list[Stream]:
        """Give those that are open now, oldest first."""
        with self._lock:
            return list(self._open.values())
