"""What an app can listen to. blinker signals.

A stream's have the app as their sender; a camera's have the `Camera`, which may be
several apps', and are sent without a Flask context.

Nothing is computed for a signal that nobody listens to.
"""

from __future__ import annotations

from blinker import Namespace

__all__ = [
    "camera_failed",
    "camera_started",
    "camera_stopped",
    "stream_finished",
    "stream_started",
]

_signals = Namespace()

stream_started = _signals.signal(
    "stream-started",
    doc="""A stream's headers are about to go out.

    :param stream: the `Stream`, as in `sluice.streams`.
    """,
)

stream_finished = _signals.signal(
    "stream-finished",
    doc="""A stream has ended. Sent once for each `stream_started`.

    :param stream: the `Stream`.
    :param outcome: "complete", "failed" (the body raised), "left" (the client went
        away) or "expired" (the deadline passed).
    :param bytes_made: bytes that the body yielded.
    :param bytes_sent: bytes that were given to the server or the socket, after
        compression.
    :param chunks: how many pieces they went in.
    :param seconds: from `stream()` to the end.
    :param first_byte_seconds: from `stream()` to the first byte; None if none went.
    :param exception: what the body raised, else None.
    """,
)

camera_started = _signals.signal(
    "camera-started",
    doc="""A camera's source is about to be opened, for a first viewer.

    :param camera: the `Camera`, as from `sluice.camera`.
    """,
)

camera_stopped = _signals.signal(
    "camera-stopped",
    doc="""A camera's source is closed: nobody has watched for its `grace`.

    :param camera: the `Camera`.
    """,
)

camera_failed = _signals.signal(
    "camera-failed",
    doc="""A camera's source has raised, has ended or gives nothing. Viewers see
    "no signal" until it works again.

    :param camera: the `Camera`.
    :param error: what it raised, or what says what it did.
    """,
)
