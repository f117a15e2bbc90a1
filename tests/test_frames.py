"""`stream_frames()` and `snapshot_frame()` in views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, jsonify, request

from flask_sluice import Sluice, snapshot_frame, stream_frames
from flask_sluice.errors import (
    ArgumentError,
    BodyTypeError,
    NotInitializedError,
    OutsideRequestError,
    TooManyStreamsError,
)
from flask_sluice.video import Camera
from helpers import Finishes, make_app, until
from video.watching import END, HandSource, jpeg


@pytest.fixture
def source() -> Iterator[HandSource]:
    """A source that the test feeds, and that is ended with it."""
    hand = HandSource()
    yield hand
    hand.put(END)


@pytest.fixture
def app() -> Flask:
    """An app with a `Sluice`."""
    return make_app()


@pytest.fixture
def camera(app: Flask, source: HandSource) -> Iterator[Camera]:
    """Its camera, which views here show."""
    sluice: Sluice = app.extensions["sluice"]
    made = sluice.camera("door", source, grace=0.2)
    app.add_url_rule("/door", view_func=lambda: stream_frames(made))
    app.add_url_rule("/door.jpg", "jpg", lambda: snapshot_frame(made, timeout=0.1))
    app.add_url_rule("/door.json", "json", lambda: jsonify(made.stats))
    yield made
    made.end()
    source.put(END)
    until(lambda: not made.end())


def parts(response: Any) -> Iterator[bytes]:
    """Give the chunks of a response that goes on, but those that are empty."""
    return (part for part in response.response if part)


def test_a_stream(app: Flask, camera: Camera, source: HandSource) -> None:
    """Headers at once, then each frame followed by the next one's header."""
    finishes = Finishes(app)
    response = app.test_client().get("/door")
    assert response.status_code == 200
    boundary = camera.multipart("early").boundary
    assert response.headers["Content-Type"] == (
        f"multipart/x-mixed-replace; boundary={boundary}"
    )
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in response.headers
    head = b"--%b\r\nContent-Type: image/jpeg\r\n\r\n" % boundary.encode()
    body = parts(response)
    assert next(body) == head
    for number in (1, 2):
        source.put(jpeg(number))
        assert next(body) == jpeg(number) + b"\r\n" + head
    camera.readers.copy().pop().dismiss()
    assert next(body) == jpeg(2) + b"\r\n--%b--\r\n" % boundary.encode()
    assert next(body, None) is None
    response.close()
    assert finishes.outcomes == ["complete"]
    assert camera.viewers == 0


@pytest.mark.parametrize(
    ("query", "count", "has_length"),
    [
        ("dual=1", 2, True),
        ("length=1", 1, True),
        ("length=1&dual=1", 2, True),
        ("dual=0", 1, False),
        ("dual=", 1, False),
        ("length=no", 1, False),
        ("other=1", 1, False),
    ],
)
def test_the_query_chooses_the_framing(
    request: pytest.FixtureRequest, query: str, count: int, has_length: bool
) -> None:
    """`?dual=1` sends each frame twice, `?length=1` says its length."""
    names = ("app", "source", "camera")
    app, source, _ = (request.getfixturevalue(name) for name in names)
    source.put(jpeg(1))
    response = app.test_client().get(f"/door?{query}")
    got = b""
    for part in parts(response):
        got += part
        if jpeg(1) in got:
            break
    assert got.count(jpeg(1)) == count
    assert (b"Content-Length: %d\r\n" % len(jpeg(1)) in got) is has_length
    response.close()


def test_one_who_leaves(app: Flask, camera: Camera) -> None:
    """The viewer is gone with its response, and so is one whose response isn't sent."""
    app.add_url_rule("/unsent", "unsent", lambda: str(bool(stream_frames(camera))))
    response = app.test_client().get("/door")
    assert camera.viewers == 1
    response.close()
    assert camera.viewers == 0
    assert app.test_client().get("/unsent").text == "True"
    assert camera.viewers == 0


def test_head_opens_nothing(app: Flask, camera: Camera, source: HandSource) -> None:
    """The headers are those of GET, and the camera stays as it is."""
    client = app.test_client()
    response = client.head("/door?length=1")
    assert response.status_code == 200
    assert response.mimetype == "multipart/x-mixed-replace"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert "Content-Length" not in response.headers
    assert (camera.state, camera.viewers, source.opened) == ("idle", 0, 0)


def test_a_refused_client_opens_nothing(source: HandSource) -> None:
    """At the limit it is a 503, and no source is started for it."""
    app = make_app(SLUICE_MAX_STREAMS=1)
    camera = app.extensions["sluice"].camera("door", source)
    app.add_url_rule("/door", "door", lambda: stream_frames(camera))
    with app.test_request_context():
        held = app.extensions["sluice.state"].registry
    held.admit(type("S", (), {"id": 0, "client": ""})(), None, None)
    response = app.test_client().get("/door")
    assert response.status_code == 503
    assert (source.opened, camera.viewers) == (0, 0)
    with app.test_request_context(), pytest.raises(TooManyStreamsError):
        stream_frames(camera)


def test_a_snapshot(app: Flask, camera: Camera, source: HandSource) -> None:
    """The newest picture, never cached."""
    source.put(jpeg(1))
    response = app.test_client().get("/door.jpg")
    assert (response.status_code, response.data) == (200, jpeg(1))
    assert response.mimetype == "image/jpeg"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.content_length == len(jpeg(1))


def test_a_snapshot_of_nothing(app: Flask, camera: Camera) -> None:
    """A 503, whose body is a picture all the same."""
    response = app.test_client().get("/door.jpg")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert response.mimetype == "image/jpeg"
    assert response.data[:2] == b"\xff\xd8"


def test_its_state_as_json(app: Flask, camera: Camera, source: HandSource) -> None:
    """`jsonify()` takes the stats."""
    client = app.test_client()
    said = client.get("/door.json").json
    assert (said["name"], said["state"], said["viewers"]) == ("door", "idle", 0)
    source.put(jpeg(1))
    response = client.get("/door")
    assert any(jpeg(1) in part for part in parts(response))
    said = client.get("/door.json").json
    assert (said["state"], said["viewers"], said["captured"]) == ("live", 1, 1)
    response.close()


def test_a_view_decides(app: Flask, camera: Camera, source: HandSource) -> None:
    """The view's own refusal is the answer, and opens nothing."""

    @app.get("/guarded")
    def guarded() -> Any:
        if not request.args.get("key"):
            return "no", 403
        return stream_frames(camera)

    client = app.test_client()
    assert client.get("/guarded").status_code == 403
    assert source.opened == 0
    client.get("/guarded?key=1").close()
    until(lambda: source.opened)


@pytest.mark.parametrize("call", [stream_frames, snapshot_frame])
def test_what_is_no_camera(app: Flask, call: Callable[..., Any]) -> None:
    """A name, say: an error that says what to write."""
    with (
        app.test_request_context(),
        pytest.raises(BodyTypeError, match=r"sluice\.camera"),
    ):
        call("door")


def test_where_it_works(app: Flask, camera: Camera) -> None:
    """In a request of an app that has a `Sluice`."""
    with pytest.raises(OutsideRequestError, match="stream_frames"):
        stream_frames(camera)
    with Flask("bare").test_request_context(), pytest.raises(NotInitializedError):
        stream_frames(camera)
    with app.test_request_context(), pytest.raises(ArgumentError, match="fps"):
        stream_frames(camera, fps=-1)
    assert camera.viewers == 0
