"""The ZIP writer, judged by Python's zipfile, Info-ZIP and 7-Zip."""

from __future__ import annotations

import io
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import ArgumentError
from flask_sluice.formats.zip import Archive, deflater
from needs import needs, program

Members = dict[str, list[bytes]]


class Lowered(Archive):
    """One for which a kilobyte is huge and three members are many."""

    huge_from = 1000
    many_from = 3


def archived(
    members: Members, archive: Archive | None = None, *, ends: bool = True, **options
) -> bytes:
    """Give the archive of *members*."""
    archive = Archive() if archive is None else archive
    out = []
    for name, pieces in members.items():
        out.append(archive.open(name, **options))
        out += map(archive.write, pieces)
        out.append(archive.close())
    if ends:
        out.append(archive.finish())
    return b"".join(out)


def _by_zipfile(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as read:
            return read.testzip() is None
    except zipfile.BadZipFile:
        return False


def _by_program(name: str, option: str) -> Callable[[Path], bool]:
    def judge(path: Path) -> bool:
        run = subprocess.run(
            [program(name), option, path], capture_output=True, timeout=30, check=False
        )
        # 7-Zip tells of an odd header as a warning, and exits with 0 or 1.
        return run.returncode == 0 and b"Warning" not in run.stdout

    return judge


JUDGES = [
    pytest.param(_by_zipfile, id="zipfile"),
    pytest.param(_by_program("unzip", "-t"), id="unzip", marks=needs("unzip")),
    pytest.param(_by_program("7z", "t"), id="7z", marks=needs("7z")),
]
SOME: Members = {
    "empty.txt": [],
    "a/b/häßlich 🎈.txt": [b"one,", b"", b"two"],
    "large.bin": [bytes(range(256)) * 20] * 3,
    "zeros": [bytes(100_000)],
}
WAYS: dict[str, dict[str, object]] = {
    "deflated": {},
    "not compressed": {"compress": False},
    "announced as huge": {"huge": True},
}


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [Archive, Lowered])
def test_others_find_no_fault(
    judge: Callable[[Path], bool], way: str, kind: type[Archive], tmp_path: Path
) -> None:
    """Readers accept it, also with ZIP64, announced to them beforehand or not."""
    path = tmp_path / "some.zip"
    path.write_bytes(archived(SOME, kind(), **WAYS[way]))
    assert judge(path)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("kind", [Archive, Lowered])
def test_unfinished_is_refused(
    judge: Callable[[Path], bool], kind: type[Archive], tmp_path: Path
) -> None:
    """Readers refuse an archive without its directory, however whole its members."""
    path = tmp_path / "some.zip"
    path.write_bytes(archived(SOME, kind(), ends=False))
    assert not judge(path)


def test_without_members() -> None:
    """An archive of nothing is one, too."""
    with zipfile.ZipFile(io.BytesIO(archived({}))) as read:
        assert read.namelist() == []


names = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\:"),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in {".", ".."})
contents = st.dictionaries(
    names, st.lists(st.binary(max_size=3000), max_size=4), max_size=5
)


@given(contents, st.booleans(), st.booleans(), st.sampled_from([Archive, Lowered]))
@settings(max_examples=60, deadline=None)
def test_round_trip(
    members: Members, compress: bool, huge: bool, kind: type[Archive]
) -> None:
    """What went in comes out, in its order, and piece sizes don't matter."""
    data = archived(members, kind(), compress=compress, huge=huge)
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.namelist() == list(members)
        for name, pieces in members.items():
            assert read.read(name) == b"".join(pieces)


@given(st.lists(st.binary(max_size=3000), max_size=4), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_read_from_the_front(pieces: list[bytes], compress: bool, huge: bool) -> None:
    """A reader that has no directory finds each member's end, size and checksum."""
    content = b"".join(pieces)
    data = archived({"a": pieces}, compress=compress, huge=huge)
    assert data[:4] == b"PK\3\4"
    extra = int.from_bytes(data[28:30], "little")
    inflate = zlib.decompressobj(-15)
    assert inflate.decompress(data[31 + extra :]) == content
    assert inflate.eof
    width = 8 if extra else 4
    rest = inflate.unused_data
    packed = len(data) - 31 - extra - len(rest)
    assert rest.startswith(
        b"PK\7\x08"
        + zlib.crc32(content).to_bytes(4, "little")
        + packed.to_bytes(width, "little")
        + len(content).to_bytes(width, "little")
        + b"PK\1\2"
    )


def test_huge_members_and_many(tmp_path: Path) -> None:
    """Past a limit, and only there, a size, an offset or a number is in ZIP64."""
    data = archived({"small": [b"x"]}, Lowered())
    assert b"PK\6\6" not in data
    data = archived({"huge": [b"x" * 1000]}, Lowered())
    assert b"PK\6\6" not in data
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        # The sizes, and no offset: Excel minds one that isn't needed.
        assert read.infolist()[0].extra[:4] == b"\1\0\x10\0"
        assert read.infolist()[0].extract_version == 45
    data = archived({str(n): [b"x"] for n in range(3)}, Lowered())
    assert b"PK\6\6" in data


@needs("isal")
def test_more_than_four_gigabytes() -> None:
    """A member of 4 GiB and 64 MiB, and where the next one begins, are told right."""
    from isal import isal_zlib

    archive = Archive(lambda: isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15))
    piece = bytes(1 << 26)
    data = archived({"big": [piece] * 65, "after": [b"x"]}, archive)
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.getinfo("big").file_size == 65 << 26
        assert read.read("after") == b"x"
    # The descriptor before the next member: a signature, a checksum and 8-byte sizes.
    after = data.index(b"PK\3\4", 4)
    assert data[after - 24 : after - 20] == b"PK\7\x08"
    assert int.from_bytes(data[after - 8 : after], "little") == 65 << 26


def test_more_members_than_16_bits() -> None:
    """66,000 members are all there."""
    archive = Archive()
    names = [f"{n:x}" for n in range(66_000)]
    data = b"".join(archive.open(n) + archive.close() for n in names)
    with zipfile.ZipFile(io.BytesIO(data + archive.finish())) as read:
        assert read.namelist() == names


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "folder/",
        "a//b",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        "..\\a",
        "a\\b",
        "C:/a",
        "c:a",
        "nul\0",
        "line\n",
        "\ud800",
        "x" * 65_536,
    ],
)
def test_names_that_lead_elsewhere(name: str) -> None:
    """A name that no reader should unpack is refused, and nothing was written."""
    archive = Archive()
    with pytest.raises(ArgumentError, match="name of a member"):
        archive.open(name)
    data = archived({"good": [b"x"]}, archive)
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["good"]


def test_no_name_twice() -> None:
    """A second member of a name is refused; case makes a difference."""
    archive = Archive()
    archived({"a": [], "A": []}, archive, ends=False)
    with pytest.raises(ArgumentError, match="'a' already"):
        archive.open("a")


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        (None, (1980, 1, 1, 0, 0, 0)),
        (datetime(2026, 7, 4, 5, 6, 59, tzinfo=UTC), (2026, 7, 4, 5, 6, 58)),
        (datetime(1970, 1, 1, tzinfo=UTC), (1980, 1, 1, 0, 0, 0)),
        (datetime(2200, 1, 1, tzinfo=UTC), (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_times(given_: datetime | None, read: tuple[int, ...]) -> None:
    """A member has its time in pairs of seconds, within what the format can say."""
    data = archived({"a": [b"x"]}, modified=given_)
    assert zipfile.ZipFile(io.BytesIO(data)).infolist()[0].date_time == read


def test_first_bytes_leave_at_once() -> None:
    """The header is given by open(), before there is any content."""
    assert Archive().open("a").startswith(b"PK\3\4")


def test_a_deflater_of_ones_own() -> None:
    """Each compressed member has a new one; what isn't compressed has none."""
    made: list[object] = []

    def deflate() -> object:
        made.append(deflater(9))
        return made[-1]

    archive = Archive(deflate)  # type: ignore[arg-type]
    data = archived({"a": [b"x" * 9], "b": [b"y"]}, archive, ends=False)
    data += archived({"c": [b"z"]}, archive, compress=False)
    assert len(made) == 2
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


@needs("unzip")
def test_mode(tmp_path: Path) -> None:
    """Who unpacks a file can read it."""
    path = tmp_path / "some.zip"
    path.write_bytes(archived({"a": [b"x"]}))
    subprocess.run(
        [program("unzip"), "-q", path, "-d", tmp_path], check=True, timeout=30
    )
    assert (tmp_path / "a").stat().st_mode & 0o400
