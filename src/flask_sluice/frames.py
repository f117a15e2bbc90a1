"""`stream_frames()` and `snapshot_frame()`: a camera's pictures as responses.

In: a camera, and what the view wants of it. Out: a `StreamedResponse` that goes on for
as long as somebody watches, or one picture. Who may watch is the view's to say, and so
is every size: the request chooses nothing but the framing.
"""

from __future__ import annotations

from flask import Response
from flask import request as flask_request

from .arguments import close_unused
from .errors import BodyTypeError, NoSignalError
from .formats.multipart import Style
from .response import StreamedResponse
from .state import requested_state
from .video.camera import Camera
from .video.pattern import no_signal

__all__ = ["snapshot_frame", "stream_frames"]

# What a client may ask for in the query, and the framing that it gets.
STYLES: dict[str, Style] = {"dual": "dual", "length": "length"}
NO = ("", "0", "false", "no")


def stream_frames(
    camera: Camera,
    *,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    quality: int | None = None,
) -> StreamedResponse:
    """Return a response of a camera's frames, for an `<img>` of a page.

    Headers go out at once, and each frame as soon as there is one. A client that is
    slow skips frames, and always gets the newest. `?dual=1` sends each frame twice, for
    Safari; `?length=1` says each one's length, for programs that want it.

    :param camera: what `sluice.camera` gave.
    :param fps: frames a second that this client gets at most; None: all there are.
    :param size: width and height that pictures have to fit into; None: the camera's.
    :param quality: JPEG's, 1 to 95; None: the camera's.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises OutsideRequestError: no request is being handled.
    :raises ArgumentError: an argument can't be used.
    :raises BodyTypeError: *camera* isn't one.
    :raises TooManyVariantsError: the camera is watched in too many sizes and qualities.
    :raises TooManyStreamsError: a limit is reached.
    :raises MissingExtraError: a size or a quality needs Pillow.
    """
    state = requested_state("stream_frames()")
    _check(camera, "stream_frames()")
    if flask_request.method == "HEAD":
        # As for GET, but nobody watches, and the camera stays as it is.
        response = StreamedResponse(
            content_type=camera.multipart(_style()).content_type
        )
        response.begin(state, (), live=True)
        return response
    viewer = camera.watch(_style(), fps=fps, size=size, quality=quality)
    response = StreamedResponse(content_type=viewer.content_type)
    try:
        response.begin(state, viewer, live=True)
        # After the limits were asked: who is refused starts nothing.
        viewer.start()
    except BaseException:
        close_unused(viewer)
        raise
    return response


def snapshot_frame(
    camera: Camera,
    *,
    size: tuple[int, int] | None = None,
    quality: int | None = None,
    timeout: float = 5.0,
) -> Response:
    """Return a response of one picture, the camera's newest.

    Where there is none it is a 503 with `Retry-After`, whose body is a picture that
    says so: an `<img>` shows it.

    :param camera: what `sluice.camera` gave.
    :param size: width and height that it has to fit into; None: the camera's.
    :param quality: JPEG's, 1 to 95; None: the camera's.
    :param timeout: seconds to wait for a camera that starts.
    :raises ArgumentError: an argument can't be used.
    :raises BodyTypeError: *camera* isn't one.
    :raises TooManyVariantsError: the camera is watched in too many sizes and qualities.
    :raises MissingExtraError: a size or a quality needs Pillow.
    """
    _check(camera, "snapshot_frame()")
    headers = {"Cache-Control": "no-store"}
    try:
        jpeg = camera.snapshot(size=size, quality=quality, timeout=timeout)
    except NoSignalError as error:
        headers["Retry-After"] = str(error.retry_after)
        jpeg = no_signal(None, size or camera.size)
        return Response(jpeg, 503, headers, mimetype="image/jpeg")
    return Response(jpeg, headers=headers, mimetype="image/jpeg")


def _check(camera: object, what: str) -> None:
    if not isinstance(camera, Camera):
        raise BodyTypeError(
            f"{what} got a {type(camera).__name__}, but expects what"
            " sluice.camera(name) gives."
        )


def _style() -> Style:
    wanted = flask_request.args
    for name, style in STYLES.items():
        if wanted.get(name, "").lower() not in NO:
            return style
    return "early"
