"""A body on its way to a WSGI server: the iterator that the server gets.

In: chunks, from an iterator or a feed. Out: the same through the pipeline, and at
the end of it, whatever way it comes, one `Stream.finish`. It refuses to know what
is streamed, and it never lets a broken body end like a whole one: to the server it
raises, and where it can reach the client's connection it cuts that as well.

`Pulled` is the driver "pull" for iterators: the request's own thread calls `next()`.
What it runs of the app's code runs in a `contextvars.Context` that belongs to the
request, entered for each step and left again, so that a server may take the steps on
any thread, or none, and no thread is left with somebody's request on it.
"""

from __future__ import annotations

import functools
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import NoReturn, Protocol, Self
from weakref import WeakMethod

from .. import native
from ..errors import ClientLeft, StreamExpired, StreamFailed
from ..typing import Item
from ..wire.chunks import Coalescer
from ..wire.pipeline import PLAIN, Pipeline
from .stream import Outcome, Stream

__all__ = ["Pulled", "Transfer"]

log = logging.getLogger("flask_sluice")

STOPPED = {"left": ClientLeft, "expired": StreamExpired}


class Cuttable(Protocol):
    """A connection, as far as a transfer uses it."""

    def cut(self, *, reset: bool) -> None:
        """End the transfer so that the client sees that it isn't whole."""


class Transfer(ABC):
    """What every driver under WSGI has in common.

    :param stream: the stream that it carries.
    :ivar connection: the client's, where the server shows it, else None.
    :ivar reset: the end of the body is the end of the connection, so a cut has to
        be a reset.
    :ivar is_gone: asks the server whether the client left, where it can be asked.
    :ivar unwatch: lets go of what else holds the client's connection.
    :ivar on_hand_over: told that from now on somebody else carries the stream.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.connection: Cuttable | None = None
        self.reset = False
        self.is_gone: Callable[[], bool] | None = None
        self.unwatch: Callable[[], None] = _nothing
        self.on_hand_over: Callable[[], None] = _nothing
        self.pipeline: Pipeline = PLAIN
        self._first: bytes | None = None
        self._see: Callable[[bytes], bool] | None = None
        self._finishing = False
        self._closing = False
        self._busy = threading.Lock()
        self._hand = native.lock()  # on the connection, while it is cut or let go
        # Weakly: the stream is in a registry, and a transfer that a middleware lost
        # has to be found by the garbage collector.
        stream.on_interrupt(functools.partial(_call, WeakMethod(self._interrupted)))

    # What a driver adds.

    @abstractmethod
    def prime(self) -> bool:
        """Make the first chunk; tell whether there is any.

        Raises what the body does.
        """

    @abstractmethod
    def _pull(self) -> bytes | None:
        """Give the next chunk, b"" for a bare edge, None at the end."""

    @abstractmethod
    def _release(self, then: Callable[[], None]) -> None:
        """Close the body, and call *then* when it is closed."""

    def _run(self, step: Callable[[], bytes]) -> bytes:
        return step()

    # What the server sees.

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("Two threads asked for the same stream's next chunk.")
        try:
            return self._run(self._advance)
        finally:
            self._busy.release()
            if self._closing:
                self.close()

    def close(self) -> None:
        """End it now; the client left, unless it had ended before.

        From any thread. While another one is inside the body, which can't be
        interrupted, that one does it as soon as it is out again.
        """
        self._closing = True
        if self._busy.acquire(blocking=False):
            try:
                if not self._finishing:
                    # Time may be up, and a write have failed because of that.
                    self.end(self.stream.verdict or "left")
                with self._hand:
                    self.connection = None
            finally:
                self._busy.release()

    def tap(self, see: Callable[[bytes], bool]) -> None:
        """Show *see* each chunk before it is compressed, until it says True.

        Call it before the server has the transfer. What its feed sends when others
        carry it isn't shown.
        """
        if not (self._first and see(self._first)):
            self._see = see

    def hand_over(self) -> None:
        """Be over without ending the stream: its new carrier will."""
        self._finishing = True
        self.connection = None
        self.on_hand_over()
        # Both lead back to the request, which nobody needs any more.
        self.unwatch = self.on_hand_over = _nothing

    def exhaust(self) -> None:
        """Be over for a body that turned out to be empty."""
        self.end("complete")

    def __del__(self) -> None:
        # A middleware lost it without calling close().
        if not self._finishing:
            self.close()

    # The steps.

    def _advance(self) -> bytes:
        stream = self.stream
        while True:
            if self._finishing:
                raise StopIteration
            if stream.verdict is None and self.is_gone is not None and self.is_gone():
                stream.stop("left")
            if stream.verdict is not None:
                self._stop(stream.verdict)
            try:
                if self._first is not None:
                    data, self._first = self._first, None
                    out = self.pipeline.push(data) if data else b""
                    self.stream.count(len(data), len(out))
                    # Also when it is empty: that makes the server send the headers.
                    return out
                pulled = self._pull()
                if self._has_to_stop():
                    continue
                if pulled is None:
                    out = self.pipeline.finish()
                    stream.count(0, len(out))
                    self.end("complete")
                    if out:
                        return out
                    raise StopIteration
                out = self._push(pulled)
            except StopIteration:
                raise
            except Exception as error:
                if not self._has_to_stop():
                    self._fail(error)
                # Told that its client left, the app cancelled what it waited for.
                log.debug("A stream that had to stop raised", exc_info=error)
                continue
            except BaseException as error:
                self.end("failed", error)
                raise
            if out:
                stream.count(len(pulled), len(out))
                return out

    def _push(self, data: bytes) -> bytes:
        if self._see is not None and self._see(data):
            self._see = None
        return self.pipeline.push(data)

    def end(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """Close the body and, when it is closed, finish the stream."""
        self._finishing = True
        self._release(lambda: self.stream.finish(outcome, error))

    def _has_to_stop(self) -> bool:
        return self.stream.verdict is not None

    def _fail(self, error: Exception) -> NoReturn:
        self.end("failed", error)
        self._cut()
        raise StreamFailed("the body of the stream raised") from error

    def _stop(self, verdict: Outcome) -> NoReturn:
        self.end(verdict)
        self._cut()
        raise STOPPED[verdict](f"the stream ended early: {verdict}")

    def _cut(self) -> None:
        with self._hand:
            connection, self.connection = self.connection, None
            if connection is not None:
                # A copy that is still open would hold a reset back.
                self.unwatch()
                connection.cut(reset=self.reset)

    def _interrupted(self) -> None:
        # From any thread. A client whose time is up isn't kept waiting for a body
        # that is blocked, nor a worker for a reader that stopped reading.
        if self.stream.verdict == "expired":
            self._cut()


def _nothing() -> None:
    pass


def _call(method: WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()


class Pulled(Transfer):
    """An iterator, pulled by the request's own thread.

    :param source: yields text, bytes and edges.
    :param context: where it runs.
    """

    def __init__(
        self, stream: Stream, source: Iterator[Item], context: Context
    ) -> None:
        super().__init__(stream)
        self._source = source
        self._context = context
        self._coalescer = Coalescer(source)

    def prime(self) -> bool:
        """Run the body to its first item, or raise what it raises."""
        try:
            self._first = self._context.run(self._coalescer.first)
        except BaseException:
            self._finishing = True
            self._context.run(_close, self._source)
            raise
        return self._first is not None

    def _pull(self) -> bytes | None:
        return self._coalescer.pull()

    def _run(self, step: Callable[[], bytes]) -> bytes:
        return self._context.run(step)

    def _release(self, then: Callable[[], None]) -> None:
        try:
            self._context.run(_close, self._source)
        except RuntimeError:
            # Inside a step the context is entered already.
            _close(self._source)
        then()


def _close(source: object) -> None:
    close = getattr(source, "close", None)
    if close is None:
        return
    try:
        close()
    except Exception:
        # Whole or not was decided by the body's last item; this came after it.
        log.exception("Closing the body of a stream raised")
