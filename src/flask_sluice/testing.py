"""A kit for testing streams: chunks with the time they were made, and bad clients.

In: an app, without a server. Out: what left it and when, in an order that a test can
assert on. It needs no pytest, and nothing in it sleeps: time is a `Clock` that the
test moves, and order is counted, not measured.

::

    client = StreamClient(app)
    query = client.watch(slow_query)          # pass it to the app in place of the query
    with client.stream("/report") as arrivals:
        arrivals.read_all()
    arrivals.assert_out_before(b"</header>", query)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast

from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from .errors import ClientLeft
from .typing import Encoder

__all__ = [
    "Arrival",
    "Arrivals",
    "Clock",
    "StreamClient",
    "Watched",
    "check_encoder",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Clock:
    """A clock that stands still until the test moves it.

    Call it for the time in seconds.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Give the time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move it on."""
        self.now += seconds


@dataclass(frozen=True, slots=True)
class Arrival:
    """One chunk that left the app.

    :ivar data: its bytes, never empty.
    :ivar at: seconds on the client's clock.
    :ivar order: its place among all chunks and watched calls of the client.
    """

    data: bytes
    at: float
    order: int


class Watched(Generic[_P, _R]):
    """A function that remembers when it was called.

    :ivar orders: the place of each call among all chunks and calls of the client.
    """

    def __init__(self, function: Callable[_P, _R], tick: Callable[[], int]) -> None:
        self._function = function
        self._tick = tick
        self.orders: list[int] = []
        self.__name__ = getattr(function, "__name__", "function")

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call the function, and note when."""
        self.orders.append(self._tick())
        return self._function(*args, **kwargs)


class StreamClient:
    """Makes requests whose bodies are pulled chunk by chunk.

    :param app: the app.
    :param clock: what arrivals are stamped with; a `Clock` at 0 by default.
    """

    def __init__(self, app: Flask, *, clock: Callable[[], float] | None = None) -> None:
        self.app = app
        self.clock = Clock() if clock is None else clock
        self._tick = itertools.count().__next__

    def watch(self, function: Callable[_P, _R]) -> Watched[_P, _R]:
        """Wrap *function*, so that assertions can tell when it was called."""
        return Watched(function, self._tick)

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        method: str = "GET",
        http: str = "HTTP/1.1",
        leave_after: int | None = None,
        **options: Any,
    ) -> Iterator[Arrivals]:
        """Make a request; the body is pulled as the test reads it.

        A reader that stops is a test that stops reading. Leaving the `with` block
        before the body's end is a client that leaves.

        :param method: as in HTTP.
        :param http: "HTTP/1.0" or "HTTP/1.1".
        :param leave_after: the client leaves once it has so many bytes or more.
        :param options: more for `werkzeug.test.EnvironBuilder`, such as `headers`,
            `query_string`, `data`, `json`.
        """
        builder = EnvironBuilder(path, method=method, **options)
        environ = builder.get_environ()
        environ["SERVER_PROTOCOL"] = http
        head: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            head.append((status, headers))
            return lambda data: None

        body = cast("Iterator[bytes]", self.app(environ, start_response))
        arrivals = Arrivals(body, self.clock, self._tick, leave_after)
        if head:
            arrivals.take_head(*head[-1])
        try:
            yield arrivals
        finally:
            arrivals.close()
            builder.close()


class Arrivals:
    """A response as it arrives. Iterate it, or use a `read_` method.

    :ivar status: as in "200 OK".
    :ivar headers: the response's headers.
    :ivar arrivals: the chunks so far.
    :ivar ended: how it ended: "whole", "cut" or "left"; None while it is open.
    """

    def __init__(
        self,
        body: Iterator[bytes],
        clock: Callable[[], float],
        tick: Callable[[], int],
        leave_after: int | None,
    ) -> None:
        self._iterable = body
        self._body = iter(body)
        self._clock = clock
        self._tick = tick
        self._leave_after = leave_after
        self._closed = False
        self.status = ""
        self.headers = Headers()
        self.arrivals: list[Arrival] = []
        self.ended: str | None = None

    def take_head(self, status: str, headers: list[tuple[str, str]]) -> None:
        """Note status and headers."""
        self.status = status
        self.headers = Headers(headers)

    @property
    def status_code(self) -> int:
        """The status as a number."""
        return int(self.status.split(None, 1)[0])

    @property
    def data(self) -> bytes:
        """What has arrived so far."""
        return b"".join(arrival.data for arrival in self.arrivals)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Arrival:
        if self._leave_after is not None and len(self.data) >= self._leave_after:
            self.close()
        while self.ended is None:
            try:
                data = next(self._body)
            except StopIteration:
                self.ended = "whole"
            except ClientLeft:
                self.ended = "left"
            except Exception:  # noqa: BLE001 - as a server does: it drops the connection
                self.ended = "cut"
                self.close()
            else:
                if data:
                    arrival = Arrival(data, self._clock(), self._tick())
                    self.arrivals.append(arrival)
                    return arrival
        self.close()
        raise StopIteration

    def read_until(self, wanted: bytes) -> bytes:
        """Pull chunks until *wanted* has arrived; give all that has arrived.

        :raises AssertionError: the body ends without it.
        """
        while wanted not in self.data:
            if next(self, None) is None:
                raise AssertionError(f"{wanted!r} never came: {self.data[-200:]!r}")
        return self.data

    def read_all(self) -> bytes:
        """Pull the body to its end, whole or not; give all that arrived."""
        for _ in self:
            pass
        return self.data

    def close(self) -> None:
        """Leave, if the body hasn't ended."""
        if self.ended is None:
            self.ended = "left"
        if not self._closed:
            self._closed = True
            close = getattr(self._iterable, "close", None)
            if close is not None:
                close()

    # Assertions.

    def order_of(self, wanted: bytes) -> int:
        """Give the place of the chunk with which *wanted* was complete.

        :raises AssertionError: it hasn't arrived.
        """
        seen = b""
        for arrival in self.arrivals:
            seen += arrival.data
            if wanted in seen:
                return arrival.order
        raise AssertionError(f"{wanted!r} has not arrived: {seen[-200:]!r}")

    def assert_out_before(self, wanted: bytes, call: Watched[Any, Any]) -> None:
        """Assert that *wanted* was out before *call* was made for the first time."""
        if not call.orders:
            raise AssertionError(f"{call.__name__} was never called")
        if self.order_of(wanted) > call.orders[0]:
            raise AssertionError(
                f"{wanted!r} came out only after {call.__name__} was called"
            )

    def assert_whole(self) -> None:
        """Assert that the body has ended, and properly."""
        if self.ended != "whole":
            raise AssertionError(f"the body is not whole but {self.ended or 'open'}")

    def assert_cut(self) -> None:
        """Assert that the transfer was broken off, so that a client can tell."""
        if self.ended != "cut":
            raise AssertionError(f"the body is not cut but {self.ended or 'open'}")


def check_encoder(make: Callable[[], Encoder], items: Sequence[object]) -> bytes:
    """Feed *items* to fresh encoders in several groupings; all give the same bytes.

    Whole, one item at a time, and in odd groups with empty ones between.

    :param make: gives a fresh encoder at each call.
    :param items: what to encode.
    :return: the bytes.
    :raises AssertionError: two groupings differ.
    """
    whole = _encode(make(), [list(items)])
    groupings = {
        "one at a time": [[item] for item in items],
        "in odd groups": list(_odd_groups(items)),
    }
    for name, groups in groupings.items():
        if (other := _encode(make(), groups)) != whole:
            raise AssertionError(f"fed {name}: {other!r}, fed whole: {whole!r}")
    return whole


def _encode(encoder: Encoder, groups: list[list[object]]) -> bytes:
    parts = [encoder.begin(), *map(encoder.encode, groups), encoder.finish()]
    return b"".join(parts)


def _odd_groups(items: Sequence[object]) -> Iterator[list[object]]:
    rest = iter(items)
    for size in itertools.cycle((2, 0, 1, 3)):
        group = list(itertools.islice(rest, size))
        yield group
        if size and not group:
            return
