"""One request and its response, between a thread of the app and an event loop.

In: on the thread, what the WSGI app makes; on the loop, what the client does. Out:
ASGI messages. It refuses to know Flask.

The thread and the loop share little, and each part has one owner: the thread appends
to the outbox and the loop takes from it; the loop says that the client has gone and
the thread reads it before each chunk. A feed leaves the thread altogether.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

from .. import native
from ..errors import ClientLeft, TransferCut
from .bell import Bell
from .environ import RequestBody, raw_headers
from .fed import Fed
from .pump import Pump
from .staged import Staged
from .stream import Departure, Stream
from .transfer import Transfer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Exchange", "Message", "Receive", "Send"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

TURN = 16  # writes in a row before the loop's other tasks have their turn
OUTBOX = 128 * 1024  # bytes a producer may be ahead: two chunks


class Exchange:
    """One request and its response, between a thread of the app and the loop.

    :ivar body: the request's body, for the thread to read.
    :ivar loop: the server's event loop.
    :ivar started: the response's head is with the server.
    :ivar takes_trailers: whether server and client do (ASGI's extension, `TE`).
    :ivar trailers: gives them at the end of a whole body, if they are taken.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bell: Bell,
        receive: Receive,
        send: Send,
        *,
        takes_trailers: bool = False,
    ) -> None:
        self.loop = loop
        self.takes_trailers = takes_trailers
        self.trailers: Callable[[], Iterable[tuple[str, str]]] | None = None
        self.body = RequestBody(self._more_body)
        self._bell = bell
        self._receive = receive
        self._send = send
        self._news = asyncio.Event()
        # The app has read what it was given. Made for a body that is long.
        self._drained: asyncio.Event | None = None
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._head_due = False
        self.started = False
        self._outbox: collections.deque[bytes] = collections.deque()
        self._put_in = 0  # bytes; counted by the thread alone
        self._taken_out = 0  # bytes; counted by the loop alone
        self._room: threading.Event | None = None  # made when it is first short
        self._done = False
        self._error: BaseException | None = None
        self._gone = False
        self._was_cut = False
        self._task: asyncio.Task[None] | None = None
        self._writing = False
        self._writes = 0
        self._stopped = False  # the write that waits was told to give up
        self._lock = native.lock()  # on who has the feed, at the end
        self._over = False
        self._departure: Departure | None = None
        self._stream: Stream | None = None
        self._fed: Fed | None = None

    # On the loop.

    async def run(
        self, pool: ThreadPoolExecutor, app: WSGIApplication, environ: dict[str, Any]
    ) -> None:
        """Serve the request, to the end of the response.

        A response that is broken off isn't ended: the servers take that for a
        failure, and drop the connection (or reset the HTTP/2 stream). They do the
        same for an exception, with a second traceback in the log.
        """
        listener = self.loop.create_task(self._listen())
        self._task = asyncio.current_task()
        try:
            pool.submit(self._serve, app, environ)
            del environ
            if await self._send_outbox() and self._fed is not None:
                fed, self._fed = self._fed, None
                await self._carry(fed)
        except (TransferCut, asyncio.CancelledError):
            # Cancelled by a server that is ending: ten thousand streams would log a
            # traceback each.
            if not (self.started or self._gone):
                raise
        except OSError:
            # A server may say so when it is asked to send to a client that left.
            self._leave()
        finally:
            listener.cancel()
            # Whatever is still in the thread has nobody to write to.
            self._leave()
            with self._lock:
                self._over = True
                orphan, self._fed = self._fed, None
            if orphan is not None:
                # The client left while the thread was about to hand it over.
                orphan.end("left")

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._leave()
                return
            more = message.get("more_body", False)
            if more and self._drained is None:
                self._drained = asyncio.Event()
            if self._drained is not None:
                self._drained.clear()
            is_full = self.body.feed(message.get("body", b""), more=more)
            if is_full and more and self._drained is not None:
                await self._drained.wait()

    def _leave(self) -> None:
        if self._gone:
            return
        self._gone = True
        self._stop_writing()
        self.body.abort()
        self._make_room()
        self._news.set()
        if self._stream is not None:
            self._stream.stop("left")
        elif self._departure is not None:
            self._departure.leave()

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()

    async def _send_outbox(self) -> bool:
        """Send what the thread makes, to its end. False if the client left."""
        outbox = self._outbox
        while True:
            await self._news.wait()
            self._news.clear()
            # Read before the outbox: then nothing comes after it.
            done, head_due = self._done, self._head_due
            if self._gone and not done:
                return False
            if head_due and not self.started:
                await self._start()
            while outbox:
                data = outbox.popleft()
                self._taken_out += len(data)
                last = done and not outbox and self._error is None
                last = last and self._fed is None
                await self._write(data, more=not last)
                if self._put_in - self._taken_out <= OUTBOX // 2:
                    self._make_room()
                if last:
                    return True
            if self._was_cut and not done:
                return False
            if done:
                if self._error is not None:
                    if not (self.started or self._gone):
                        raise self._error
                    return False
                if self._fed is None:
                    await self._write(b"", more=False)
                return True

    async def _start(self) -> None:
        self.started = True
        assert self._head is not None
        status, headers = self._head
        await self._send(
            {
                "type": "http.response.start",
                "status": int(status.split(None, 1)[0]),
                "headers": raw_headers(headers),
                "trailers": self.trailers is not None,
            }
        )

    async def _write(self, data: bytes, *, more: bool) -> None:
        self._writing = True
        try:
            await self._send(
                {"type": "http.response.body", "body": data, "more_body": more}
            )
        except asyncio.CancelledError:
            if not self._stopped or self._task is None:
                raise
            # By us: a reader that stopped reading kept it waiting.
            self._task.uncancel()
            if self._gone:
                raise ClientLeft("the client has gone") from None
            raise TransferCut("the stream was cut") from None
        finally:
            self._writing = False
        if not more and self.trailers is not None:
            message = {"type": "http.response.trailers", "more_trailers": False}
            await self._send({**message, "headers": raw_headers(self.trailers())})
        self._writes += 1
        if self._writes % TURN == 0:
            # Not every server's send() waits for anything, and none has to once the
            # client has gone: without this a body that always has more would keep
            # the loop from hearing of that, and everybody else from theirs.
            await asyncio.sleep(0)

    def _stop_writing(self) -> None:
        if self._writing and not self._stopped and self._task is not None:
            self._stopped = True
            self._task.cancel()

    # A feed, on the loop.

    async def _carry(self, fed: Fed) -> None:
        stream, pipeline = fed.stream, fed.pipeline
        stream.on_interrupt(self._interrupted)
        try:
            data: bytes | None = fed.take_first()
            while True:
                if data:
                    out = pipeline.push(data)
                    stream.count(len(data), len(out))
                    await self._write(out, more=True)
                elif data is None:
                    out = pipeline.finish()
                    stream.count(0, len(out))
                    await self._write(out, more=False)
                    fed.end("complete")
                    return
                else:
                    await self._wait_for(fed.feed)
                if stream.verdict is not None:
                    break
                data = fed.feed.take()
        except asyncio.CancelledError:
            fed.end("left")
            raise
        except TransferCut:
            fed.end(stream.verdict or "left")
        except Exception as error:
            if self._gone:
                fed.end("left")
            else:
                fed.end("failed", error)
        else:
            fed.end(stream.verdict)

    async def _wait_for(self, feed: Any) -> None:
        news = self._news
        news.clear()
        feed.notify(self._ring)
        if self._stream is not None and self._stream.verdict is not None:
            return
        await news.wait()
        if isinstance(feed, Pump) and feed.linger:
            news.clear()
            feed.notify_due(self._ring)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), feed.linger)

    # From any thread.

    def _ring(self) -> None:
        self._bell.ring(self._news)

    def _more_body(self) -> None:
        if self._drained is not None:
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._drained.set)

    # On the app's thread.

    def _serve(self, app: WSGIApplication, environ: dict[str, Any]) -> None:
        try:
            body = app(environ, self.start_response)
            try:
                for data in body:
                    self._put(data)
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            self._error = error
        else:
            self._head_due = self._head is not None
        self._done = True
        self._ring()

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: Any = None,
    ) -> Callable[[bytes], object]:
        """Take the head (PEP 3333)."""
        try:
            if exc_info is not None and self._head_due:
                raise exc_info[1].with_traceback(exc_info[2])
            if exc_info is None and self._head is not None:
                raise AssertionError("start_response was called twice")
        finally:
            exc_info = None
        self._head = (status, headers)
        return self._put

    def _put(self, data: bytes) -> None:
        if self._gone:
            raise ClientLeft("the client has gone")
        self._head_due = True
        if data:
            if self._room is not None:
                self._room.clear()
            self._put_in += len(data)
            self._outbox.append(data)
        self._ring()
        if self._put_in - self._taken_out > OUTBOX:
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        if self._room is None:
            self._room = threading.Event()
        # Asked after it was made: from now on the loop sets it.
        if self._put_in - self._taken_out > OUTBOX and not self._gone:
            self._room.wait()

    def cut(self, *, reset: bool) -> None:
        """End the response unfinished, also while the app's thread is blocked."""
        del reset  # what can't be seen over HTTP/1.0 can't be helped here
        self._was_cut = True
        self._ring()
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._stop_writing)

    def _interrupted(self) -> None:
        stream = self._stream
        if stream is not None and stream.verdict == "expired":
            self.cut(reset=False)
        else:
            self._ring()

    def tell(self, departure: Departure) -> None:
        """Tell *departure* when the client leaves."""
        self._departure = departure
        if self._gone:
            departure.leave()

    def carry(self, transfer: Transfer, start_response: object) -> Iterable[bytes]:
        """Take a transfer on, for `drive`."""
        stream = self._stream = transfer.stream
        stream.driver = "asgi"
        if self._gone:
            stream.stop("left")
        # Behind a middleware that may rewrite the body, it is pulled through that.
        if isinstance(transfer, Fed) and start_response == self.start_response:
            if not (isinstance(transfer, Staged) and not transfer.head_over):
                if self._adopt(transfer):
                    return ()
            else:
                transfer.park = self._adopt
        transfer.connection = self
        return transfer

    def _adopt(self, fed: Fed) -> bool:
        with self._lock:
            if self._over:
                return False
            fed.stream.remote = True
            fed.hand_over()
            self._fed = fed
            return True
