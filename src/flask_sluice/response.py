"""`stream()` and the response that it returns: where Flask meets the machinery.

In: what a view wants streamed, and the request. Out: a `flask.Response` whose status
is decided, because the body has run to its first chunk, and whose body is carried by
the driver that this request's server allows.

The order matters, and is this: the limits are asked before any work; the body runs
to its first chunk inside the view, so that what it raises is the view's own error;
Flask runs its `after_request` functions and saves the session; then the server calls
the response, which from then on can't be changed (`commit`), and which hands a feed
to "park" or "asgi", or keeps the request's contexts and is pulled.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app
from flask import request as flask_request
from flask import session as flask_session

from . import native
from .arguments import (
    check_seconds,
    checked_headers,
    close_unused,
    content_type,
    refuse_whole,
)
from .commit import freeze_headers, freeze_session
from .contexts import Visit, visit_of
from .errors import (
    BodyTypeError,
    CommittedError,
    TooManyStreamsError,
)
from .reporting import report, report_apart
from .serve.drive import EXCHANGE, call_later, drive, hides_a_cut
from .serve.fed import Fed
from .serve.pump import Pump, ThreadPump
from .serve.staged import Staged
from .serve.stream import Stream
from .serve.transfer import Pulled, Transfer
from .signals import stream_started
from .state import State, requested_state
from .typing import Body, Item, is_feed, is_staged
from .wire.compress import compressible, negotiate
from .wire.headers import LIVE, STANDING, attachment
from .wire.pipeline import Pipeline

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["StreamedResponse", "stream"]


def stream(
    body: Body,
    *,
    mimetype: str = "text/html",
    status: int | str = 200,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    compress: bool | None = None,
    max_delay: float | None = None,
    deadline: float | None = None,
    filename: str | None = None,
) -> StreamedResponse:
    """Return a response that is sent while *body* makes it.

    The body runs to its first item before this returns, so an exception, `abort()`
    or `redirect()` raised up to there is the view's own, with its true status. After
    that writes are gathered to 64 KiB while they come quickly; an empty item or
    `flush` sends what there is.

    :param body: an iterable, generator or generator function of `str` (sent as
        UTF-8) or `bytes`, sync or async; or a `Feed`. Its `request`, `session` (to
        read), `g` and `current_app` are the view's, to its last line. A feed has
        none of these: the view's contexts end when it is handed over.
    :param mimetype: the type; `charset=utf-8` is added to text.
    :param status: the status, as for any Flask response.
    :param headers: more headers.
    :param compress: None compresses text where the client accepts zstd, br or gzip,
        but not feeds, because each would hold a compressor's memory. True does it
        for any type that isn't compressed already, and feeds. False never does.
    :param max_delay: seconds that a byte may be held back to be sent with others,
        also while the body blocks. The body then runs in a thread of its own. None:
        a byte is held back only while the next ones come quickly.
    :param deadline: seconds after which the stream is ended, unfinished, with the
        outcome "expired". None: it may take as long as it takes.
    :param filename: the browser saves the body under this name.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises OutsideRequestError: no request is being handled.
    :raises BodyTypeError: *body* isn't iterable, or is itself text or bytes.
    :raises ArgumentError: another argument can't be used.
    :raises TooManyStreamsError: a limit is reached (a 503 with `Retry-After`).
    """
    state = requested_state("stream()")
    refuse_whole(body)
    for name, seconds in (("max_delay", max_delay), ("deadline", deadline)):
        check_seconds(name, seconds)
    response = StreamedResponse(
        status=status,
        headers=checked_headers(headers),
        content_type=content_type(mimetype),
    )
    if filename is not None:
        response.headers["Content-Disposition"] = attachment(filename)
    response.begin(
        state, body, compress=compress, max_delay=max_delay, deadline=deadline
    )
    return response


class StreamedResponse(Response):
    """The response that `stream()` and its kin return.

    A `flask.Response` in all that a view does with it: set headers, cookies or the
    status, return it in a tuple. Once its first byte is on its way, writing to its
    headers or status, or to the session, raises `CommittedError`.
    """

    _sent = False
    _transfer: Transfer | None = None
    _coding: str | None = None
    _hiding: str | None = None
    _holds = False
    _opened = False
    _parks_soon = False
    _stream: Stream

    # What stream() does with it.

    def begin(
        self,
        state: State,
        body: Body,
        *,
        compress: bool | None = None,
        max_delay: float | None = None,
        deadline: float | None = None,
        live: bool | None = None,
    ) -> None:
        """Take *body* on and run it to its first chunk. For `stream()` and its kin.

        :param live: whether it goes on for as long as its reader stays, as most feeds
            do: not compressed then, unless asked for, and not cached. None: a feed.
        """
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._state = state
        environ = flask_request.environ
        self._visit = visit_of(environ) or Visit(
            environ, None, state.settings.half_close
        )
        is_live = is_feed(body) if live is None else live
        for name, value in (LIVE if is_live else STANDING).items():
            self.headers.setdefault(name, value)
        if compress is None:
            compress = not is_live and compressible(self.mimetype or "") is True
        elif compress:
            compress = compressible(self.mimetype or "") is not False
        if compress and "Content-Encoding" not in self.headers:
            self.vary.add("Accept-Encoding")
            self._coding = negotiate(flask_request.headers.get("Accept-Encoding", ""))
            if self._coding is not None:
                self.headers["Content-Encoding"] = self._coding
        if flask_request.method == "HEAD":
            # Not even begun, but closed: it may be a cursor or a file.
            close_unused(body)
            self.response = iter(())
            return
        self._open(body, max_delay, deadline)

    def _open(
        self, body: Body, max_delay: float | None, deadline: float | None
    ) -> None:
        visit = self._visit
        record = Stream(
            flask_request.path, flask_request.remote_addr or "", visit.departure
        )
        try:
            self._state.admit(record)
        except TooManyStreamsError:
            close_unused(body)
            raise
        self._stream, self._opened = record, True
        self._context = copy_context()
        record.on_finish(self._finished)
        try:
            # A third of what parking costs was to watch a connection up to then.
            self._parks_soon = (
                is_feed(body)
                and not is_staged(body)
                and not isinstance(body, Pump)
                and EXCHANGE not in visit.environ
            )
            if not self._parks_soon:
                self._watch()
            if deadline is not None:
                record.timer = call_later(deadline, lambda: record.stop("expired"))
            transfer = self._transfer_of(body, max_delay)
            transfer.unwatch = visit.unwatch
            has_body = transfer.prime()
        except BaseException:
            record.finish("failed")
            raise
        self.response = transfer
        self._transfer = transfer
        visit.responses.append(self)
        if not has_body:
            transfer.exhaust()
            self._transfer = None
            self._drop_coding()
            self.response = []

    def _transfer_of(self, body: Body, max_delay: float | None) -> Transfer:
        made: Any = body
        if callable(body) and not isinstance(body, (Iterable, AsyncIterable)):
            made = self._context.run(body)
            refuse_whole(made)
        if is_feed(made):
            if is_staged(made):
                return Staged(self._stream, made, self._context)
            return Fed(self._stream, made)
        if isinstance(made, AsyncIterable):
            # Not at the top: asyncio is slow to import, and most apps don't need it.
            from .serve.tasks import TaskPump, loop_of

            loop = loop_of(self._visit.environ.get(EXCHANGE))
            return Fed(self._stream, TaskPump(made, self._context, loop))
        if not isinstance(made, Iterable):
            raise BodyTypeError(
                f"stream() got {type(made).__name__}, which yields nothing: give it an"
                " iterable, a generator (function), an async one, or a feed."
            )
        source: Iterator[Item] = iter(made)
        if max_delay is not None:
            return Fed(self._stream, ThreadPump(source, self._context, max_delay))
        return Pulled(self._stream, source, self._context)

    # What Flask and the server do with it.

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Be called as a WSGI application, once."""
        if (transfer := self._transfer) is None:
            return super().__call__(environ, start_response)
        if not self._has_body(environ) or self.is_sequence:  # read, or replaced
            transfer.close()
            self._drop_coding()
            return super().__call__(environ, start_response)
        wrapped = self.response is not transfer
        if wrapped:
            # Somebody put an iterable of his own in front, which pulls ours.
            self._drop_coding()
            self.call_on_close(transfer.close)
        self._announce(transfer)
        status = self.status
        headers = self.get_wsgi_headers(environ).to_wsgi_list()
        freeze_headers(self.headers)
        if self._visit.is_held:
            freeze_session(flask_session._get_current_object())  # type: ignore[attr-defined]
        start_response(status, headers)
        self._sent = True
        if wrapped:
            return self.get_app_iter(environ)
        # The server has it from here. If it is lost there without being closed, the
        # garbage collector is to find it.
        self._transfer = None
        self.response = ()
        settings = self._state.settings
        driven = drive(
            transfer,
            environ,
            start_response,
            status,
            headers,
            connection=self._visit.connection,
            park=settings.park,
            half_close=settings.half_close,
        )
        if self._parks_soon and isinstance(transfer, Fed) and transfer.park is None:
            self._watch()  # it stays after all
        return driven

    def _watch(self) -> None:
        watch = self._visit.watch()
        if watch is not None:
            watch.target = self._stream

    def _has_body(self, environ: WSGIEnvironment) -> bool:
        # RFC 9110 §6.4.1
        status = self.status_code
        return not (
            environ["REQUEST_METHOD"] == "HEAD"
            or 100 <= status < 200
            or status in (204, 304)
        )

    def _announce(self, transfer: Transfer) -> None:
        if self._coding is not None:
            if self.headers.get("Content-Encoding") == self._coding:
                transfer.pipeline = Pipeline(self._coding)
            else:
                # The view says that what it yields is compressed already.
                self._coding = None
        self._hiding = hides_a_cut(self._visit.environ, self._visit.connection)
        is_pulled = True
        if isinstance(transfer, Fed) and not isinstance(transfer.feed, Pump):
            # A feed needs nothing of the request: its contexts end with the view.
            transfer.on_hand_over = self._hand_over
            is_pulled = False
            if isinstance(transfer, Staged) and not transfer.head_over:
                transfer.on_head_over = self._visit.release
                is_pulled = True
        if is_pulled and self._visit.start_response is not None:
            self._visit.hold()
            self._holds = True
        if not self._parks_soon:
            self._watch()
        self._stream.announced = True
        if stream_started.receivers:
            stream_started.send(self._app, stream=self._stream)

    def _drop_coding(self) -> None:
        coding, self._coding = self._coding, None
        if coding is not None and self.headers.get("Content-Encoding") == coding:
            del self.headers["Content-Encoding"]

    # Its end.

    def _hand_over(self) -> None:
        self._visit.unwatch()
        # From here on the stream is all that is left: ten thousand of them must not
        # keep as many requests.
        self._stream.on_finish(report_apart(self._app, self._state, self._on_close))

    def _finished(self, record: Stream) -> None:
        self._state.registry.discard(record)
        if record.announced:
            self._visit.unwatch()
        if record.remote:
            native.post(self._report)
        else:
            self._report()

    def _report(self) -> None:
        record = self._stream
        # A copy, because the body may be inside the context itself.
        self._context.copy().run(
            report, self._app, record, self._on_close, self._hiding
        )
        if self._holds:
            self._visit.release(record.exception)

    @property
    def outcome(self) -> str | None:
        """How it ended: as in `stream_finished`; None while it is open."""
        return self._stream.outcome if self._opened else None

    @property
    def is_open(self) -> bool:
        """Whether its body is still being made or sent."""
        return self._opened and self._stream.outcome is None

    def abandon_unless_sent(self) -> None:
        """Close the body of a response that the view made and didn't return."""
        if not self._sent and self._transfer is not None:
            self._transfer.close()

    @property
    def status(self) -> str:
        """The status, with its phrase."""
        return super().status

    @status.setter
    def status(self, value: str | int) -> None:
        self._refuse_if_sent()
        Response.status.fset(self, value)  # type: ignore[attr-defined]

    @property
    def status_code(self) -> int:
        """The status as a number."""
        return super().status_code

    @status_code.setter
    def status_code(self, code: int) -> None:
        self._refuse_if_sent()
        Response.status_code.fset(self, code)  # type: ignore[attr-defined]

    def _refuse_if_sent(self) -> None:
        if self._sent:
            raise CommittedError("The status")
