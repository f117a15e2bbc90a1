"""`stream_zip()`: many parts, each itself a stream, as one ZIP archive.

In: names and bodies, asked for one after another. Out: a `StreamedResponse` that
holds a piece of one body at a time. It refuses to know how an archive is laid out
(`formats.zip`) and how it is sent (`stream`).

A body that raises fails the stream: its member has no end then and the archive no
directory, so that readers refuse it, and the transfer is cut besides.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from .arguments import close_unused
from .errors import BodyTypeError
from .formats.zip import Archive
from .response import StreamedResponse, stream
from .typing import Item
from .wire.compress import deflater

__all__ = ["Member", "stream_zip"]

MemberBody: TypeAlias = (
    str | bytes | BinaryIO | Iterable[Item] | Callable[[], Iterable[Item]]
)


class Member(NamedTuple):
    """One part of an archive.

    :ivar name: a relative path with slashes.
    :ivar body: text (written as UTF-8) or bytes, an open binary file, or an iterable,
        generator or generator function of text or bytes.
    :ivar modified: when it was last changed, as a clock on a wall shows it.
    :ivar compress: False for what is compressed already. What a name's suffix says is
        (".png", ".gz") is left as it is in any case.
    """

    name: str
    body: MemberBody
    modified: datetime | None = None
    compress: bool = True


Members: TypeAlias = Iterable[Member | tuple[str, MemberBody]]


def stream_zip(
    members: Members | Callable[[], Members],
    filename: str | None = None,
    *,
    compress: bool = True,
    deadline: float | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
) -> StreamedResponse:
    """Return a ZIP archive that is sent while its members are made.

    The first member is made to its first piece before this returns, so that errors
    up to there have their true status.

    :param members: an iterable, generator or generator function of `Member` or of
        ``(name, body)``. The next one is asked for when the one before is through.
        Bodies are closed when they are through, or when the stream ends, if they have
        a `close()`; those never reached too, where *members* is a list or tuple.
    :param filename: the browser saves the archive under this name.
    :param compress: False compresses no member.
    :param deadline: seconds after which the stream is ended, unfinished.
    :param headers: more headers.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises OutsideRequestError: no request is being handled.
    :raises ArgumentError: a member's name can't be used, or was used before; or
        another argument can't be used.
    :raises BodyTypeError: *members*, or a body, is of no use.
    :raises TooManyStreamsError: a limit is reached (a 503 with `Retry-After`).
    """
    return stream(
        _Archived(members, compress=compress),
        mimetype="application/zip",
        headers=headers,
        compress=False,
        deadline=deadline,
        filename=filename,
    )


# What is compressed, and would only cost.
PACKED = frozenset(
    (
        "7z",
        "apk",
        "avif",
        "br",
        "bz2",
        "docx",
        "epub",
        "flac",
        "gif",
        "gz",
        "heic",
        "jar",
        "jpeg",
        "jpg",
        "m4a",
        "mkv",
        "mov",
        "mp3",
        "mp4",
        "odp",
        "ods",
        "odt",
        "ogg",
        "opus",
        "parquet",
        "png",
        "pptx",
        "rar",
        "tgz",
        "webm",
        "webp",
        "woff2",
        "xlsx",
        "xz",
        "zip",
        "zst",
    )
)
PIECE = 1 << 18  # of what is there as a whole; a compressor needs no more at once


class _Archived(Iterator[bytes]):
    """The body: a generator that is closed properly also if it never began."""

    def __init__(
        self, members: Members | Callable[[], Members], *, compress: bool
    ) -> None:
        self._members = members
        self._pieces = self._archive(compress)
        self._began = False

    def __next__(self) -> bytes:
        self._began = True
        return next(self._pieces)

    def close(self) -> None:
        """Close what is open, and what was never reached."""
        if self._began:
            self._pieces.close()
        else:
            _close_all(self._members)

    def _archive(self, compress: bool) -> Generator[bytes, None, None]:
        members: Any = self._members
        if callable(members) and not isinstance(members, Iterable):
            members = members()
        if not isinstance(members, Iterable) or isinstance(members, (str, bytes)):
            raise BodyTypeError(
                f"stream_zip() got {type(members).__name__}, which yields no members:"
                " give it an iterable, or a generator (function)."
            )
        archive = Archive(deflater())
        left = iter(members)
        with ExitStack() as stack:
            stack.callback(_close_left, members, left)
            for item in left:
                yield from _member(archive, _checked(item), compress)
        yield archive.finish()


def _member(
    archive: Archive, member: Member, compress: bool
) -> Generator[bytes, None, None]:
    packed = PurePosixPath(member.name).suffix[1:].lower() in PACKED
    with ExitStack() as stack:
        stack.callback(close_unused, member.body)
        made = _made(member)
        if made is not member.body:
            stack.callback(close_unused, made)
        pieces = filter(None, _pieces(member.name, made))
        # Its first piece before its header: it may raise, and nothing be sent yet.
        first = next(pieces, b"")
        yield archive.open(
            member.name,
            compress=compress and member.compress and not packed,
            modified=member.modified,
        )
        for piece in chain((first,), pieces):
            # Nothing ready is nothing to send; to the stream it would be an edge.
            if out := archive.write(piece):
                yield out
    yield archive.close()


def _checked(item: Member | tuple[str, MemberBody]) -> Member:
    if isinstance(item, Member):
        return item
    if _is_pair(item):
        return Member(*item)
    raise BodyTypeError(
        f"stream_zip() got a {type(item).__name__} as a member: it expects a Member or"
        " (name, body)."
    )


def _is_pair(item: object) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _made(member: Member) -> Any:
    body: Any = member.body
    if callable(body) and not isinstance(body, Iterable) and not hasattr(body, "read"):
        return body()
    return body


def _pieces(name: str, body: Any) -> Iterator[bytes]:
    if isinstance(body, str):
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE].encode()
    elif isinstance(body, (bytes, bytearray, memoryview)):
        view = memoryview(body).cast("B")
        for start in range(0, len(view), PIECE):
            yield bytes(view[start : start + PIECE])
    elif hasattr(body, "read"):
        while piece := body.read(PIECE):
            yield _bytes(name, piece)
    elif isinstance(body, Iterable) and not isinstance(body, Mapping):
        for piece in body:
            # An edge means nothing here: a deflater gives what it gives.
            yield _bytes(name, piece) if piece else b""
    else:
        raise BodyTypeError(
            f"The member {name!r} has a {type(body).__name__} as its body: it expects"
            " text, bytes, a file, or what yields text or bytes."
        )


def _bytes(name: str, piece: object) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise BodyTypeError(
        f"The body of the member {name!r} yielded a {type(piece).__name__}: it expects"
        " text or bytes."
    )


def _close_left(members: Any, left: Iterator[Any]) -> None:
    """Close what *left*, an iterator over *members*, hasn't come to."""
    if isinstance(members, (list, tuple)):
        _close_all([*left])
    else:
        close_unused(members)


def _close_all(members: Any) -> None:
    with ExitStack() as stack:
        stack.callback(close_unused, members)
        # What isn't a list may have to be made first, and then isn't to begin.
        for item in members if isinstance(members, (list, tuple)) else ():
            if isinstance(item, tuple) and len(item) > 1:
                stack.callback(close_unused, item[1])
