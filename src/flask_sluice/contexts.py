"""Flask's contexts of one request, kept until its stream has ended, popped once.

In: a WSGI call. Out: the same call, made inside a `contextvars.Context` that belongs
to the request. That is what makes holding on simple: whoever pushes a context there
finds it there, and no server thread ever has it on, so none is left poisoned by a
body that another thread closed (flask #6123).

To hold, a context is pushed once more; to let go, it is popped. Flask 3.1 and 3.2
both count pushes and run teardown at the last pop, so nothing but the two public
methods is used, and teardown runs once on either (with `stream_with_context` it runs
twice on 3.1, and before the first chunk without).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from flask import globals as flask_globals

from . import native
from .serve.client import Connection, HalfClose, Watch
from .serve.drive import EXCHANGE
from .serve.stream import Departure

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from .response import StreamedResponse

__all__ = ["Visit", "serve", "visit_of"]

log = logging.getLogger("flask_sluice")

# Where Werkzeug's debugger and Flask's test client ask for a request's contexts, to
# push them again later.
PRESERVE = "werkzeug.debug.preserve_context"

VISIT = "flask_sluice.visit"


def visit_of(environ: WSGIEnvironment) -> Visit | None:
    """Give the visit that this request is, if it came through `serve`."""
    return cast("Visit | None", environ.get(VISIT))


class Visit:
    """One request's stay in the app.

    :ivar context: what the whole call runs in.
    :ivar departure: the news that the client left.
    :ivar responses: the streamed responses made so far.
    """

    __slots__ = (
        "_connection",
        "_due",
        "_held",
        "_inside",
        "_lock",
        "_watch",
        "context",
        "departure",
        "environ",
        "half_close",
        "responses",
        "start_response",
    )

    def __init__(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse | None,
        half_close: HalfClose,
    ) -> None:
        self.environ = environ
        self.start_response = start_response
        self.half_close = half_close
        self.context: Context = copy_context()
        self.departure = Departure()
        self.responses: list[StreamedResponse] = []
        self._held: Any = None
        self._inside = False  # the WSGI call isn't over yet
        self._due: list[tuple[Any, BaseException | None]] = []
        self._lock = native.lock()
        self._watch: Watch | None = None
        self._connection: Connection | Literal[False] | None = False  # not looked for

    @property
    def is_held(self) -> bool:
        """Whether a stream still needs the request's contexts."""
        return self._held is not None

    # Contexts.

    def hold(self) -> None:
        """Keep the request's contexts. Call it inside the WSGI call."""
        if self._held is None:
            context = _flask_context()
            context.push()
            self._held = context

    def release(self, error: BaseException | None = None) -> None:
        """Pop what was held: teardown runs now, with *error*.

        A stream may end before the WSGI call does, when a middleware gathers it:
        then teardown waits for that. An error in teardown is logged; the stream has
        ended by then, one way or another, and its outcome is what it was.
        """
        with self._lock:
            held, self._held = self._held, None
            if held is None:
                return
            if self._inside:
                self._due.append((held, error))
                return
        self.context.run(_pop, held, error)
        self.environ.pop(VISIT, None)

    def enter(self) -> None:
        """Note that the WSGI call begins."""
        self._inside = True

    def leave(self) -> None:
        """Note that it is over, and pop what was to be popped meanwhile."""
        with self._lock:
            self._inside = False
            due, self._due = self._due, []
        for held, error in due:
            _pop(held, error)

    # The client.

    @property
    def connection(self) -> Connection | None:
        """The client's connection, where the server shows it."""
        if self._connection is False:
            self._connection = Connection.of(self.environ)
        return self._connection

    def watch(self) -> Watch | None:
        """Look out for the client, if the server shows its connection."""
        exchange = self.environ.get(EXCHANGE)
        if exchange is not None:
            exchange.tell(self.departure)
        elif self._watch is None and self.connection is not None:
            with contextlib.suppress(OSError):  # closed under our hands
                self._watch = Watch(self.connection, self.departure, self.half_close)
        return self._watch

    def unwatch(self) -> None:
        """Look out no more."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    def client_gone(self) -> bool:
        """Tell whether the client is known to have left."""
        if not self.departure.gone:
            is_gone = self.environ.get("waitress.client_disconnected")
            if is_gone is not None and is_gone():
                self.departure.leave()
            elif (watch := self.watch()) is not None:
                watch.look()
        return self.departure.gone


def _pop(context: Any, error: BaseException | None) -> None:
    try:
        context.pop(error)
    except Exception:
        log.exception("Teardown after a stream raised")


def _flask_context() -> Any:
    # Flask 3.2 has one context for app and request; 3.1 has a request context that
    # holds the app's.
    proxies: Any = flask_globals
    app_context = proxies.app_ctx._get_current_object()
    if hasattr(app_context, "has_request"):
        return app_context
    return proxies.request_ctx._get_current_object()


def serve(
    wsgi_app: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]],
    half_close: HalfClose,
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    """Call *wsgi_app* as one visit."""
    visit = Visit(environ, start_response, half_close)
    return visit.context.run(_serve, visit, wsgi_app, environ, start_response)


def _serve(
    visit: Visit,
    wsgi_app: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]],
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    environ[VISIT] = visit
    visit.enter()
    preserve = environ.get(PRESERVE)
    kept: list[Any] = []
    if preserve is not None:
        environ[PRESERVE] = kept.append
    try:
        return wsgi_app(environ, start_response)
    finally:
        for response in visit.responses:
            response.abandon_unless_sent()
        # They know the visit; without this only the garbage collector would free them.
        is_open = any(response.is_open for response in visit.responses)
        visit.responses.clear()
        visit.leave()
        if not is_open:
            visit.unwatch()
            visit.departure.forget()
        if not visit.is_held:
            # Visit and environ know each other; without this only the garbage
            # collector would free them.
            environ.pop(VISIT, None)
        if preserve is not None:
            environ[PRESERVE] = preserve
            for context in kept:
                preserve(_Twin(context) if visit.is_held else context)


class _Twin:
    """Stands for a context that a stream still has: enters a copy of it.

    Flask's own can't be pushed in the test's `contextvars.Context` as long as they
    are pushed in the request's: 3.1 would pop the other one's, 3.2 wouldn't push.
    """

    def __init__(self, original: Any) -> None:
        copy = getattr(original, "copy", None)
        self._context = original.app.app_context() if copy is None else copy()
        if hasattr(original, "g"):
            self._context.g = original.g

    def __enter__(self) -> Self:
        self._context.push()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._context.pop(error)
