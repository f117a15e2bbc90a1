"""The extension object: what lives as long as the app.

In: an app and its config. Out: `app.extensions["sluice"]`, a WSGI layer that makes
each request a `Visit`, and what is open now. It keeps nothing of an app itself, so
one object may serve several apps of a process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flask import Flask, current_app, has_app_context
from flask import request as flask_request

from .contexts import Visit, serve, visit_of
from .deferral import working
from .errors import AlreadyInitializedError, OutsideRequestError
from .hints.commands import offer_commands
from .hints.gathering import install as install_hints
from .hints.links import offer
from .pubsub.channel import Channel
from .pubsub.hub import Hub
from .script import serve_script
from .serve.stream import Stream
from .state import KEY, State, requested_state, state_of
from .tags import install
from .video.camera import Camera
from .video.cameras import Cameras

__all__ = ["Limits", "Sluice"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many streams are open, and how many may be.

    :ivar open: open now, in this process.
    :ivar max_streams: `SLUICE_MAX_STREAMS`; None is no limit.
    :ivar max_streams_per_client: `SLUICE_MAX_STREAMS_PER_CLIENT`; None is no limit.
    """

    open: int
    max_streams: int | None
    max_streams_per_client: int | None


class Sluice:
    """Flask-Sluice for an app.

    :param app: set up at once; None waits for `init_app`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._hub = Hub()
        self._cameras = Cameras(self._hub.open_broker)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set *app* up.

        :raises AlreadyInitializedError: it has a `Sluice`.
        :raises ConfigError: the value of a `SLUICE_*` key can't be used.
        """
        if "sluice" in app.extensions:
            raise AlreadyInitializedError(app.name)
        state = State(app)
        settings = state.settings
        self._hub.use(settings.broker_url, settings.broker_wait)
        app.extensions["sluice"] = self
        app.extensions[KEY] = state
        app.wsgi_app = partial(  # type: ignore[method-assign]
            serve, app.wsgi_app, settings.half_close
        )
        install(app)
        install_hints(app, settings, self._hub.broker)
        offer(app)
        offer_commands(app)
        serve_script(app)
        # For sluice.cursor() in a page. Not by app.context_processor(): a program
        # written for FlaskSR makes its Sluice in its first request.
        processors = app.template_context_processors
        processors[None] = [*processors[None], lambda: {"sluice": self}]

    @property
    def streams(self) -> list[Stream]:
        """The streams that are open in this process, oldest first.

        :raises OutsideRequestError: there is no app context that says of which app.
        """
        return self._state().registry.list()

    @property
    def limits(self) -> Limits:
        """How many streams are open, and how many may be.

        :raises OutsideRequestError: there is no app context that says of which app.
        """
        state = self._state()
        return Limits(
            open=len(state.registry),
            max_streams=state.settings.max_streams,
            max_streams_per_client=state.settings.max_streams_per_client,
        )

    def channel(
        self,
        name: str,
        history: int | None = None,
        ttl: float | None = None,
        limit: int | None = None,
    ) -> Channel:
        """Give the channel *name*, made when it is first asked for.

        It may be asked for anywhere, also on a thread of its own or before there is
        an app. Apps that share this object share its channels.

        :param history: events that are kept for readers that are slow or come back.
            None: 1000, or as it was.
        :param ttl: seconds after which an event isn't replayed. None: no limit, or
            as it was.
        :param limit: readers that it may have at once in one process. None: no limit,
            or as it was.
        :raises ArgumentError: an argument can't be used.
        """
        return self._hub.channel(name, history, ttl, limit)

    def camera(
        self,
        name: str,
        source: object = None,
        *,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        quality: int = 80,
        grace: float = 2.0,
        still_every: float = 1.0,
        greenlet: bool = False,
    ) -> Camera:
        """Declare the camera *name*, or give it.

        It may be declared anywhere, also before there is an app. Nothing is opened
        until somebody watches.

        :param source: a function that returns an iterator of frames, an object or a
            class with such a function `frames`; a path, a URL, the number of a device;
            or "pattern". A frame is JPEG bytes, a Pillow image or a NumPy array. None
            gives the camera that was declared.
        :param fps: frames a second that are taken at most; None: all that come.
        :param size: width and height that pictures have to fit into; None: as they
            come.
        :param quality: JPEG's, 1 to 95. JPEG bytes are passed on as they are.
        :param grace: seconds that the source stays open after the last viewer.
        :param still_every: seconds after which a picture that hasn't changed is sent
            again.
        :param greenlet: under gevent, run the source among the app's greenlets, because
            it waits for them. None of its calls may block.
        :raises ArgumentError: an argument can't be used; there is no such camera; or
            there is one, with another source or other options.
        :raises BodyTypeError: the source is none.
        :raises MissingExtraError: the source needs a package that isn't installed.
        """
        return self._cameras.camera(
            name,
            source,
            fps=fps,
            size=size,
            quality=quality,
            grace=grace,
            still_every=still_every,
            greenlet=greenlet,
        )

    def cursor(self, *names: str) -> str:
        """Give the id after which everything in these channels is new, as of now.

        A page that opens its stream with it (`?last_event_id=`) misses nothing of what
        is published between its render and its connection.
        """
        return self._hub.cursor(*names)

    def client_gone(self) -> bool:
        """Tell whether the client of the current request is known to have left.

        In a view, in a body, or in a deferred function, where it is also True once
        the function's timeout has passed. It costs nothing to ask often: the
        connection is watched, not asked. Always False where the server shows no
        connection (see the docs' page on servers), until a write fails.

        :raises OutsideRequestError: no request is being handled.
        """
        job = working.get()
        if job is not None:
            return job.gone
        return self._visit("client_gone()").client_gone()

    def on_leave(self, callback: Callable[[], object]) -> None:
        """Have *callback* run once when the client leaves or the deadline passes.

        That is the place to cancel a query or to close an upstream: Python can't
        interrupt a body that is blocked in one. It runs within a second, on another
        thread, without a Flask context, and not at all if the stream ends by itself.
        If the client has left already it runs at once.

        :param callback: takes nothing; what it raises is logged.
        :raises OutsideRequestError: no request is being handled.
        """
        job = working.get()
        if job is not None:
            job.on_leave(callback)
            return
        visit = self._visit("on_leave()")
        visit.watch()
        visit.departure.on_leave(callback)

    def _visit(self, what: str) -> Visit:
        state = requested_state(what)
        environ = flask_request.environ
        return visit_of(environ) or Visit(environ, None, state.settings.half_close)

    def _state(self) -> State:
        if not has_app_context():
            raise OutsideRequestError("sluice.streams and sluice.limits")
        return state_of(current_app._get_current_object())  # type: ignore[attr-defined]
