"""Bodies that are produced beside the request's thread, as feeds.

In: an iterator that may block, and the context that it runs in. Out: a `Feed`: what
was yielded so far, whenever somebody takes it. It refuses to know who takes it, and
it never runs further ahead than `limit` bytes.

`ThreadPump` bounds the age of a byte: the producer sits in a thread of its own, so
what it yielded can leave while it blocks. Nothing is handed over item by item (a
queue costs 300 ns and more for each): the producer appends to a deque, and whoever
takes, takes all there is. `serve.tasks` has the same for async bodies.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context
from itertools import repeat

from .. import native
from ..typing import Item
from ..wire.chunks import LIMIT, is_edge, join, wrong

__all__ = ["Pump", "ThreadPump"]


class Pump(ABC):
    """A feed that a producer fills.

    :ivar linger: seconds that bytes may be held back to be sent with later ones.
    """

    linger = 0.0

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        self._lock = native.lock()  # on the flags and calls below
        self._due = False  # what is held must not wait any longer
        self._over = False
        self._error: BaseException | None = None
        self._wake: Callable[[], None] | None = None
        self._wake_due: Callable[[], None] | None = None
        self._then: list[Callable[[], None]] = []
        self._stopping = False
        # The one flag that a producer looks at after each item: somebody waits for
        # any item at all, or wants it to stop.
        self._look = False

    @abstractmethod
    def start(self) -> None:
        """Let the producer run."""

    @abstractmethod
    def close(self) -> None:
        """Stop the producer as soon as that is possible."""

    @abstractmethod
    def _go_on(self) -> None:
        """Tell a producer that waits for room that there is some."""

    def take(self) -> bytes | None:
        """Give all that was yielded and not taken yet."""
        with self._lock:
            over = self._over  # read before the count: then nothing comes after it
            self._due = over
        pop = self._items.popleft
        items = [pop() for _ in repeat(None, len(self._items))]
        if items:
            self._go_on()
            return join(items)
        if not over:
            return b""
        error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    def notify(self, wake: Callable[[], None]) -> None:
        """Call *wake* as soon as there is anything to take."""
        with self._lock:
            self._wake = wake
            self._look = True
        # Looked at afterwards, so that an item that came just before isn't missed.
        if self._items or self._over:
            self._stir()

    def notify_due(self, wake: Callable[[], None]) -> None:
        """Call *wake* when what there is must not wait for more."""
        with self._lock:
            if not self._due:
                self._wake_due = wake
                return
        wake()

    def when_ended(self, then: Callable[[], None]) -> None:
        """Call *then* once the producer is closed; at once if it is."""
        with self._lock:
            if not self._over:
                self._then.append(then)
                return
        then()

    # For the producer.

    def _stir(self) -> None:
        with self._lock:
            self._look = self._stopping
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def _press(self) -> None:
        with self._lock:
            self._due = True
            self._look = self._stopping
            calls = (self._wake, self._wake_due)
            self._wake = self._wake_due = None
        for call in calls:
            if call is not None:
                call()

    def _end(self, error: BaseException | None) -> None:
        last = self._items[-1] if self._items else ""
        if isinstance(error, TypeError) and not isinstance(last, (str, bytes)):
            # len() refused it: the item was wrong, not the body.
            self._items.pop()
            error = wrong(last)
        with self._lock:
            self._over = True
            self._error = error
            then, self._then = self._then, []
        self._press()
        for call in then:
            self._tell(call)

    def _tell(self, call: Callable[[], None]) -> None:
        call()


class ThreadPump(Pump):
    """An iterator in a thread of its own, so that no byte grows old.

    :param max_delay: seconds; becomes `linger`.

    The thread that runs the body also closes it, because handles such as SQLite's
    belong to one thread. Under gevent it is a greenlet.
    """

    def __init__(
        self,
        source: Iterator[Item],
        context: Context,
        max_delay: float,
        limit: int = LIMIT,
    ) -> None:
        super().__init__(limit)
        self.linger = max_delay
        self._source = source
        self._context = context
        self._room = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(
            target=self._produce, name="flask-sluice-pump", daemon=True
        ).start()

    def close(self) -> None:
        """Stop it. A producer that is blocked stops at its next yield."""
        self._stopping = self._look = True
        self._room.set()

    def _go_on(self) -> None:
        self._room.set()

    def _produce(self) -> None:
        error: BaseException | None = None
        try:
            self._context.run(self._fill)
        except BaseException as raised:
            error = raised
        close = getattr(self._source, "close", None)
        if close is not None:
            try:
                self._context.run(close)
            except BaseException as raised:
                error = error or raised
        self._end(error)

    def _fill(self) -> None:
        append = self._items.append
        limit = self._limit
        size = 0
        for item in self._source:
            if item:
                append(item)
                size += len(item)  # type: ignore[arg-type]
                if self._look:
                    if self._stopping:
                        return
                    self._stir()
                if size >= limit:
                    self._press()
                    self._wait_for_room()
                    size = 0
            else:
                is_edge(item)
                if self._stopping:
                    return
                if self._items:
                    self._press()

    def _wait_for_room(self) -> None:
        self._room.clear()
        # Asked after the clearing: whoever empties it from now on sets it again.
        if self._items and not self._stopping:
            self._room.wait()
