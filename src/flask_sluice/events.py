"""`stream_events()`: server-sent events, of channels or of one's own.

In: channels, or an iterable, and the request. Out: a `StreamedResponse`, whose headers
go out at once. This is where the client's last id is read, and where a server that is
full says so in the one way that browsers come back from: `200`, a time to wait, an end.
(After a 503 an `EventSource` is closed for good.)

Nothing in the request chooses a channel: it chooses a place in those the view named.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from flask import request as flask_request

from .arguments import close_unused, refuse_whole
from .errors import (
    ArgumentError,
    BodyTypeError,
    TooManyStreamsError,
)
from .formats.sse import Event
from .pubsub.channel import Channel
from .pubsub.place import Conflate
from .pubsub.subscription import Filter, Subscription, check, jittered
from .response import StreamedResponse
from .serve.drive import EXCHANGE
from .state import State, requested_state
from .typing import Feed
from .wire.headers import LIVE

if TYPE_CHECKING:
    from .tokens import AsyncTokens, Tokens

__all__ = ["Event", "stream_events"]

MIMETYPE = "text/event-stream"  # plain: another charset than UTF-8 is refused
RETRY = 2_000  # milliseconds, give or take half
FULL_RETRY = 10_000  # milliseconds, give or take half

Own: TypeAlias = Iterable[object] | AsyncIterable[object]
Source: TypeAlias = Channel | Own | Callable[[], Own]


def stream_events(
    *sources: Source,
    retry: int | None = RETRY,
    heartbeat: float | None = 15,
    conflate: Conflate | None = None,
    filter: Filter | None = None,  # noqa: A002 - what everybody calls it
    client: object = None,
) -> StreamedResponse:
    """Return a response of server-sent events, for a browser's `EventSource`.

    Headers and a first comment go out at once. A client that comes back says which
    event it saw last, by `Last-Event-ID` or `?last_event_id=`, and goes on right after
    it. What can't be replayed is told once, by an event `reset`.

    :param sources: channels; or one iterable, generator or generator function, sync or
        async, of `Event`, `str`, or anything that is JSON. What one's own iterable
        yields is sent at most 20 ms later; it is closed when the client leaves.
    :param retry: milliseconds until a browser comes back; each gets another, between
        half of it and half as much again. None: as the browser likes.
    :param heartbeat: seconds of silence after which a comment is sent, so that proxies
        don't cut the stream, and a client that is gone is noticed. None: never.
    :param conflate: what a client that is behind gets: every event (None), the
        "latest" alone, or the latest of each "key". For channels.
    :param filter: a function of an `Event`: whether this client gets it. It runs for
        each event and client, on a thread that is everybody's and without a Flask
        context, so it has to be quick. For channels.
    :param client: whose stream it is, for `Channel.close` and `Channel.disconnect`.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises OutsideRequestError: no request is being handled.
    :raises ArgumentError: an argument can't be used.
    :raises BodyTypeError: a source is neither a channel nor iterable.
    :raises TooManyStreamsError: a limit is reached, and the client says that it accepts
        no `text/event-stream`; any other is asked to come back.
    """
    state = requested_state("stream_events()")
    check(heartbeat, retry, conflate)
    channels = _channels(sources)
    if not channels and (conflate is not None or filter is not None):
        raise ArgumentError("conflate and filter are for channels.")
    try:
        feed: Feed
        if channels:
            feed = Subscription(
                channels,
                last_event_id(),
                heartbeat=heartbeat,
                retry=retry,
                conflate=conflate,
                filter=filter,
                client=client,
            )
        else:
            feed = _own(cast("Own | Callable[[], Own]", sources[0]), retry, heartbeat)
        return _begun(state, feed)
    except TooManyStreamsError:
        accepted = flask_request.accept_mimetypes
        if accepted and not accepted[MIMETYPE]:
            raise
        return _full()


def last_event_id() -> str | None:
    """Give the id that the current request's client has seen last.

    A header is what a browser sends that comes back. The query is for its first
    request, and for the polyfills that can't set headers.
    """
    header = flask_request.headers.get("Last-Event-ID")
    return flask_request.args.get("last_event_id") if header is None else header


def _channels(sources: tuple[Source, ...]) -> list[Channel]:
    if not sources:
        raise ArgumentError("stream_events() needs a channel, or an iterable.")
    channels = [source for source in sources if isinstance(source, Channel)]
    if channels and len(channels) < len(sources):
        raise ArgumentError("stream_events() takes channels or an iterable, not both.")
    if not channels and len(sources) > 1:
        raise ArgumentError("stream_events() takes one iterable, not several.")
    return channels


def _own(
    source: Own | Callable[[], Own], retry: int | None, heartbeat: float | None
) -> Tokens | AsyncTokens:
    # Not at the top: it needs asyncio, which is slow to import.
    from .serve.tasks import loop_of
    from .tokens import AsyncTokens, Tokens

    refuse_whole(source)
    made: Any = source
    if callable(source) and not isinstance(source, (Iterable, AsyncIterable)):
        made = source()
        refuse_whole(made)
    first = b": hello\n"
    if retry is not None:
        first += b"retry: %d\n" % jittered(retry)
    first += b"\n"
    if isinstance(made, AsyncIterable):
        loop = loop_of(flask_request.environ.get(EXCHANGE))
        return AsyncTokens(made, copy_context(), loop, first, heartbeat)
    if isinstance(made, Iterable):
        return Tokens(made, copy_context(), first, heartbeat)
    raise BodyTypeError(
        f"stream_events() got {type(made).__name__}, which is neither a channel nor"
        " something that yields events."
    )


def _begun(state: State, feed: Feed) -> StreamedResponse:
    response = StreamedResponse(content_type=MIMETYPE)
    try:
        response.begin(state, feed, live=True)
    except BaseException:
        # A second time, if it has got as far as that; closing twice does no harm.
        close_unused(feed)
        raise
    return response


def _full() -> StreamedResponse:
    wait = jittered(FULL_RETRY)
    response = StreamedResponse(
        f": full\nretry: {wait}\n\n", content_type=MIMETYPE, headers=LIVE
    )
    response.headers["Cache-Control"] = "no-store"
    return response
