"""`stream_zip()`: parts of every kind, one at a time, all closed, whole or cut."""

from __future__ import annotations

import io
import itertools
import random
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort

from flask_sluice import flush
from flask_sluice.archive import Member, stream_zip
from flask_sluice.errors import BodyTypeError, TooManyStreamsError
from flask_sluice.testing import StreamClient
from helpers import Finishes, make_app


def app_of(view: Callable[..., Any], **config: Any) -> Flask:
    """Give an app whose only page is *view*."""
    app = make_app(**config)
    app.add_url_rule("/", "view", view)
    return app


def contents(data: bytes) -> dict[str, bytes]:
    """Give the members of an archive, which has to be whole."""
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.testzip() is None
        return {name: read.read(name) for name in read.namelist()}


def fetched(members: Any, **options: Any) -> dict[str, bytes]:
    """Give what a client gets of *members*."""
    app = app_of(lambda: stream_zip(members, **options))
    response = app.test_client().get("/")
    assert response.status_code == 200
    return contents(response.data)


class Body:
    """A body that remembers whether it was closed."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = iter(pieces)
        self.closes = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        piece = next(self.pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.closes += 1


def _parts() -> Iterator[str | bytes]:
    yield "grün "
    yield b"and blue"


BODIES: dict[str, Callable[[], Any]] = {
    "text": lambda: "grün and blue",
    "bytes": "grün and blue".encode,
    "bytearray": lambda: bytearray("grün and blue".encode()),
    "memoryview": lambda: memoryview("grün and blue".encode()),
    "file": lambda: io.BytesIO("grün and blue".encode()),
    "text file": lambda: io.StringIO("grün and blue"),
    "list": lambda: ["grün ", b"and ", "", "blue"],
    "generator": _parts,
    "generator function": lambda: _parts,
    "edges": lambda: ["grün ", flush, b"", "and blue", flush],
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("compress", [True, False])
def test_bodies_of_every_kind(kind: str, compress: bool) -> None:
    """Text, bytes, files and what yields them are members."""
    members = [("a", BODIES[kind]()), Member("b", BODIES[kind](), compress=False)]
    expected = "grün and blue".encode()
    assert fetched(members, compress=compress) == {"a": expected, "b": expected}


@pytest.mark.parametrize("body", ["x", "ß" * 300_001, b"y" * 700_001, [], b"", ""])
def test_bodies_of_every_size(body: Any) -> None:
    """Empty ones, and ones that are written piece by piece."""
    expected = b"" if not body else body if isinstance(body, bytes) else body.encode()
    assert fetched([("a", body)]) == {"a": expected}


def test_members_from_anywhere() -> None:
    """They come from an iterable, a generator or a function of one, or not at all."""

    def members() -> Iterator[Any]:
        yield "a", "x"
        yield Member("b", "y")

    for each in (members, members(), list(members()), {"a": "x", "b": "y"}.items()):
        assert fetched(each) == {"a": b"x", "b": b"y"}
    assert fetched([]) == {}


def test_headers() -> None:
    """It is a ZIP archive, with a name, and isn't compressed again."""
    app = app_of(
        lambda: stream_zip([("a", "x" * 999)], "a b.zip", headers={"X-Kind": "zip"})
    )
    response = app.test_client().get("/", headers={"Accept-Encoding": "gzip, zstd"})
    assert response.mimetype == "application/zip"
    assert 'filename="a b.zip"' in response.headers["Content-Disposition"]
    assert "Content-Encoding" not in response.headers
    assert response.headers["X-Kind"] == "zip"
    assert contents(response.data) == {"a": b"x" * 999}


def test_time_of_a_member() -> None:
    """A member says when it was changed."""
    when = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
    app = app_of(lambda: stream_zip([Member("a", "x", when)]))
    data = app.test_client().get("/").data
    (info,) = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert info.date_time == (2026, 1, 2, 3, 4, 6)


def test_what_is_compressed_is_left_alone() -> None:
    """Pictures and archives are stored; text isn't, unless told so."""
    members = [
        Member("a.PNG", "x" * 5000),
        Member("a.txt", "x" * 5000),
        Member("b.txt", "x" * 5000, compress=False),
    ]
    app = app_of(lambda: stream_zip(members))
    data = app.test_client().get("/").data
    sizes = [i.compress_size for i in zipfile.ZipFile(io.BytesIO(data)).infolist()]
    assert [size > 5000 for size in sizes] == [True, False, True]


def test_one_after_another() -> None:
    """A body begins only when the one before has been sent, and is closed by then."""
    first, second = Body("a" * 10), Body("b")
    seen: list[int] = []

    def members() -> Iterator[Any]:
        yield "a", first
        seen.append(first.closes)
        yield "b", second

    assert fetched(members) == {"a": b"a" * 10, "b": b"b"}
    assert seen == [1]
    assert (first.closes, second.closes) == (1, 1)


def test_it_is_sent_while_it_is_made() -> None:
    """A body's first bytes are out before the next body begins."""
    noise = random.Random(1).randbytes(300_000)  # what no deflater can hold back
    next_body = client = None

    def view() -> Any:
        return stream_zip([("a", [noise]), ("b", next_body)])

    client = StreamClient(app_of(view))
    next_body = client.watch(lambda: ["b"])
    with client.stream("/") as arrivals:
        data = arrivals.read_all()
    arrivals.assert_whole()
    arrivals.assert_out_before(data[:100_000], next_body)


# --- errors ----------------------------------------------------------------


def test_an_error_at_the_beginning_has_its_status() -> None:
    """What the first body raises before its first piece is the view's error."""

    def gone() -> Iterator[str]:
        abort(404)
        yield ""

    app = app_of(lambda: stream_zip([("a", gone)]))
    assert app.test_client().get("/").status_code == 404


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", ""])
def test_names_that_lead_elsewhere(name: str) -> None:
    """A name that nobody should unpack is an error, and its body is closed."""
    body = Body("x")
    app = app_of(lambda: stream_zip([(name, body)]))
    assert app.test_client().get("/").status_code == 500
    assert body.closes == 1


FAILING: dict[str, Callable[[], list[Any]]] = {
    "its body": lambda: [Body("x" * 100_000, OSError("gone")), Body("z")],
    "an item": lambda: [Body("x" * 100_000, 5), Body("z")],
    "the next body": lambda: [Body("x" * 100_000), Body(OSError("gone")), Body("z")],
}


@pytest.mark.parametrize("case", FAILING)
@pytest.mark.parametrize("compress", [True, False])
def test_a_failure_cuts_the_transfer(case: str, compress: bool) -> None:
    """What arrives is no archive, and every body is closed, also those not reached."""
    bodies = FAILING[case]()
    members = [(f"{n}.txt", body) for n, body in enumerate(bodies)]
    app = app_of(lambda: stream_zip(members, compress=compress))
    finishes = Finishes(app)
    with StreamClient(app).stream("/") as arrivals:
        data = arrivals.read_all()
    arrivals.assert_cut()
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(data))
    assert finishes.outcomes == ["failed"]
    assert all(body.closes for body in bodies)


def test_a_client_that_leaves() -> None:
    """Its bodies are closed, and no other is begun."""
    body = Body(*[bytes(100_000)] * 1000)
    reached: list[str] = []

    def members() -> Iterator[Any]:
        try:
            yield Member("a", body, compress=False)
            reached.append("b")
            yield "b", "x"
        finally:
            reached.append("closed")

    app = app_of(lambda: stream_zip(members))
    with StreamClient(app).stream("/", leave_after=200_000) as arrivals:
        arrivals.read_all()
    assert body.closes == 1
    assert reached == ["closed"]


@pytest.mark.parametrize("way", ["HEAD", "limit"])
def test_bodies_that_never_begin_are_closed(way: str) -> None:
    """They may be cursors and files: also where nobody asked for them after all."""
    body = Body("x")

    def view() -> Any:
        try:
            return stream_zip([("a", body)])
        except TooManyStreamsError:
            return "too many", 503

    app = app_of(view, SLUICE_MAX_STREAMS=1)
    if way == "HEAD":
        assert app.test_client().head("/").status_code == 200
    else:
        other = Body(*["x"] * 5)
        app.add_url_rule("/other", "other", lambda: stream_zip([("a", other)]))
        client = StreamClient(app)
        with client.stream("/other"):
            assert app.test_client().get("/").status_code == 503
    assert body.closes == 1


@pytest.mark.parametrize("body", [5, None, {"a": 1}, object()])
def test_bodies_of_no_use(body: Any) -> None:
    """A body that yields nothing is named with its member."""
    app = app_of(lambda: stream_zip([("a.txt", body)]))
    app.testing = True
    with pytest.raises(BodyTypeError, match=r"a\.txt"):
        app.test_client().get("/")


@pytest.mark.parametrize("members", ["abc", 5, [5], ["ab"], [(1, "x")], [("a",)]])
def test_members_of_no_use(members: Any) -> None:
    """What isn't a member is said to be none."""
    app = app_of(lambda: stream_zip(members))
    app.testing = True
    with pytest.raises(BodyTypeError, match="member"):
        app.test_client().get("/")


def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    """An open file is read to its end, in pieces, and closed."""
    path = tmp_path / "some.bin"
    path.write_bytes(bytes(range(256)) * 4096)
    file = path.open("rb")
    sizes: list[int] = []
    read = file.read
    wrapped = _Reader(lambda n: read(sizes.append(n) or n), file.close)
    assert fetched([("a", wrapped)]) == {"a": path.read_bytes()}
    assert file.closed
    assert max(sizes) <= 1 << 18


class _Reader:
    def __init__(self, read: Callable[[int], bytes], close: Callable[[], None]) -> None:
        self.read = read
        self.close = close


def test_many_small_members() -> None:
    """A thousand members arrive in a few dozen chunks, and not in thousands."""
    members = ((f"{n:x}.txt", str(n)) for n in itertools.count() if n < 1000 or _stop())
    app = app_of(lambda: stream_zip(itertools.islice(members, 1000)))
    with StreamClient(app).stream("/") as arrivals:
        data = arrivals.read_all()
    assert len(contents(data)) == 1000
    assert len(arrivals.arrivals) < 100  # a slow machine sends a few early


def _stop() -> bool:
    raise AssertionError("asked for one more")
