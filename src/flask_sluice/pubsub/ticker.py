"""A line every so often, made once and given to any number of clients.

In: a function from a number to a line. Out: a feed for each subscriber, all of which
share the same bytes object. It refuses to know what a client is.

The smallest real feed, and a useful one: a clock, a heartbeat, a board that changes
once a second. A subscriber is a cursor into one ring, so a slow one costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .. import native
from ..errors import ArgumentError, BodyTypeError, FellBehindError

__all__ = ["Subscription", "Ticker"]


class Ticker:
    """Makes a line every *interval* seconds while anyone listens.

    :param line: gets the tick's number, from 1, and gives its text or bytes. It runs
        once for each tick, on the ticker's own thread, without a Flask context. If
        it raises, the streams that listen fail; the next tick is tried all the same.
    :param interval: seconds between two ticks.
    :param history: ticks that a client may be behind. One that is further behind
        fails with `FellBehindError` rather than miss a line without a word.
    :raises ArgumentError: *interval* or *history* isn't above zero.
    """

    def __init__(
        self,
        line: Callable[[int], str | bytes],
        interval: float = 1.0,
        *,
        history: int = 60,
    ) -> None:
        # Written so that nan is refused too.
        if not (0 < interval < float("inf") and history > 0):
            raise ArgumentError("A Ticker's interval and history are above zero.")
        self._line = line
        self._interval = interval
        self._history = history + 1
        self._ring: list[bytes | Exception] = [b""] * self._history
        self._head = 0
        self._lock = native.lock()
        self._waiting: list[Callable[[], None]] = []
        self._listeners = 0
        self._running = False

    @property
    def listeners(self) -> int:
        """How many are subscribed now."""
        return self._listeners

    def subscribe(self) -> Subscription:
        """Make a feed that begins with the next tick."""
        with self._lock:
            self._listeners += 1
            start, self._running = not self._running, True
        if start:
            threading.Thread(
                target=self._run, name="flask-sluice-ticker", daemon=True
            ).start()
        return Subscription(self, self._head)

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            due += self._interval
            time.sleep(max(0.0, due - time.monotonic()))
            with self._lock:
                if not self._listeners:
                    self._running = False
                    return
            self._tick()

    def _tick(self) -> None:
        number = self._head + 1
        made: bytes | Exception
        try:
            line = self._line(number)
            made = _encode(line)
        except Exception as error:  # noqa: BLE001 - it is told to every listener
            made = error
        self._ring[number % self._history] = made
        with self._lock:
            self._head = number
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    # For subscriptions.

    def read(self, cursor: int) -> tuple[int, bytes]:
        """Give what came after *cursor*, and the cursor after that.

        :raises FellBehindError: a part of it is no longer there.
        """
        head = self._head
        if head == cursor:
            return cursor, b""
        ring, size = self._ring, self._history
        parts = [ring[number % size] for number in range(cursor + 1, head + 1)]
        # Asked after the copy, because a tick may have come meanwhile. One place is
        # kept back: a tick is written before the head counts it.
        if self._head - cursor >= size:
            raise FellBehindError(self._head - cursor, size - 1)
        for part in parts:
            if isinstance(part, Exception):
                raise part
        if len(parts) == 1:
            return head, parts[0]  # type: ignore[return-value]
        return head, b"".join(parts)  # type: ignore[arg-type]

    def wait(self, cursor: int, wake: Callable[[], None]) -> None:
        """Call *wake* when there is something after *cursor*."""
        with self._lock:
            if self._head == cursor:
                self._waiting.append(wake)
                return
        wake()

    def leave(self) -> None:
        """Count one listener less."""
        with self._lock:
            self._listeners -= 1


def _encode(line: object) -> bytes:
    if isinstance(line, str):
        return line.encode()
    if isinstance(line, bytes):
        return line
    raise BodyTypeError(
        f"A Ticker's line function gave {type(line).__name__}, not str or bytes."
    )


class Subscription:
    """One client's place in a ticker. A `Feed`."""

    __slots__ = ("_closed", "_cursor", "_ticker")

    def __init__(self, ticker: Ticker, cursor: int) -> None:
        self._ticker = ticker
        self._cursor = cursor
        self._closed = False

    def take(self) -> bytes | None:
        """Give the lines since the last call."""
        self._cursor, lines = self._ticker.read(self._cursor)
        return lines

    def notify(self, wake: Callable[[], None]) -> None:
        """Have *wake* called at the next tick."""
        self._ticker.wait(self._cursor, wake)

    def close(self) -> None:
        """Stop listening."""
        if not self._closed:
            self._closed = True
            self._ticker.leave()
