"""A ZIP archive whose members' sizes nobody knows beforehand.

In: names and pieces of content, one member after another. Out: bytes that can leave
at once, and a central directory at the end, without which no reader takes the file.
It refuses to know clocks, files and which library deflates.

Sizes and checksum follow a member's content, in a data descriptor (bit 3), since its
header has left by then. Where a member may pass 4 GiB, the descriptor's sizes have 8
bytes instead of 4, and by APPNOTE 4.3.9.2 a ZIP64 field in the header, which has left
too, announces that. Announcing it always would be by the book, but small members
announced so trouble Excel (zlib-ng/minizip-ng #894), older versions of macOS' Archive
Utility (thejoshwolfe/yazl #20) and of Java's ZipInputStream (openjdk/jdk #12524). So
a header announces it only if the caller asks (`huge`). A member that passes 4 GiB
unannounced gets the 8 bytes all the same, as Go's archive/zip and Java's
ZipOutputStream write it: what reads by the central directory, as nearly everything
does, takes the sizes from there and never looks at these.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from ..errors import ArgumentError

__all__ = ["Archive", "Deflater", "deflater"]


class Deflater(Protocol):
    """One raw deflate stream (RFC 1951), as `zlib.compressobj` makes them."""

    def compress(self, data: bytes, /) -> bytes:
        """Take *data*; give what is ready, perhaps nothing."""

    def flush(self) -> bytes:
        """Give the end of the stream."""


def deflater(level: int = 1) -> Deflater:
    """Make a deflater by the standard library.

    Level 1 passes three times as much in a second as 6, the usual default, and its
    output is a tenth larger.
    """
    # Negative: without zlib's own header and checksum.
    return zlib.compressobj(level, zlib.DEFLATED, -15)


# Bit 3: a data descriptor follows. Bit 11: the name is UTF-8.
FLAGS = 0x0808
DEFLATED = 8
PLAIN, ZIP64 = 20, 45  # version 2.0 knows deflate, 4.5 knows ZIP64
UNIX = 3 << 8  # who made it; unzip takes a file's mode from such a one
MODE = 0o100644 << 16
FULL32, FULL16 = 0xFFFFFFFF, 0xFFFF  # in a field: look into the ZIP64 one

LOCAL = struct.Struct("<4sHHHHHIIIHH")
LOCAL_ZIP64 = struct.Struct("<HHQQ")
DESCRIPTOR = struct.Struct("<4sIII")
DESCRIPTOR_ZIP64 = struct.Struct("<4sIQQ")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
END_ZIP64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR_ZIP64 = struct.Struct("<4sIQI")

# Control characters, and what Windows takes for a drive. Backslashes it takes for
# slashes, so "..\\x" leads out of a folder there.
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:")


class _Member(NamedTuple):
    name: bytes
    version: int
    time: int
    date: int
    offset: int


class Archive:
    """Writes one archive: `open`, `write` and `close` each member, then `finish`.

    :param deflate: makes a deflater for a member.
    """

    # The least size, offset and number of members that need ZIP64. Tests lower them.
    huge_from = FULL32
    many_from = FULL16

    def __init__(self, deflate: Callable[[], Deflater] = deflater) -> None:
        self._deflate = deflate
        self._names: set[bytes] = set()
        self._directory: list[bytes] = []
        self._offset = 0
        self._member: _Member | None = None

    def open(
        self,
        name: str,
        *,
        compress: bool = True,
        modified: datetime | None = None,
        huge: bool = False,
    ) -> bytes:
        """Begin a member; give its header.

        :param name: a relative path with slashes.
        :param compress: False for what is compressed already.
        :param modified: when its content was last changed, as a clock on a wall
            shows it: ZIP knows no zones. None leaves 1980-01-01.
        :param huge: announce that it may pass 4 GiB, for readers that read from the
            front; see above for those that don't like it.
        :raises ArgumentError: the name can't be used, or was used before.
        """
        assert self._member is None, "the member before is open"
        raw = self._checked(name)
        self._names.add(raw)
        # Not the method "stored": without a size, its end can't be told from the
        # front. Deflate's own stored blocks (level 0) can, for 5 bytes in 64 KiB.
        self._z = self._deflate() if compress else deflater(0)
        self._crc = self._size = self._packed = 0
        version, size, extra = PLAIN, 0, b""
        if huge:
            version, size = ZIP64, FULL32
            extra = LOCAL_ZIP64.pack(1, 16, 0, 0)
        time, date = _dos(modified)
        self._member = _Member(raw, version, time, date, self._offset)
        header = LOCAL.pack(
            b"PK\3\4",
            version,
            FLAGS,
            DEFLATED,
            time,
            date,
            0,
            size,
            size,
            len(raw),
            len(extra),
        )
        return self._out(header + raw + extra)

    def write(self, data: bytes) -> bytes:
        """Take a piece of the open member's content; give what is ready, if any."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        return self._packed_out(self._z.compress(data))

    def close(self) -> bytes:
        """End the open member; give the rest of it."""
        member, self._member = self._member, None
        assert member is not None, "no member is open"
        rest = self._packed_out(self._z.flush())
        sizes = (self._packed, self._size)
        is_huge = max(sizes) >= self.huge_from
        form = DESCRIPTOR
        if is_huge or member.version == ZIP64:
            form = DESCRIPTOR_ZIP64
        self._directory.append(self._entry(member, is_huge))
        return rest + self._out(form.pack(b"PK\7\x08", self._crc, *sizes))

    def finish(self) -> bytes:
        """Give the central directory. Never called for an archive that failed."""
        assert self._member is None, "a member is open"
        start, count = self._offset, len(self._directory)
        directory = b"".join(self._directory)
        size = len(directory)
        tail = b""
        if count >= self.many_from or max(start, size) >= self.huge_from:
            tail = END_ZIP64.pack(
                b"PK\6\6",
                END_ZIP64.size - 12,  # of the record after this field
                UNIX | ZIP64,
                ZIP64,
                0,
                0,
                count,
                count,
                size,
                start,
            )
            tail += LOCATOR_ZIP64.pack(b"PK\6\7", 0, start + size, 1)
            count = FULL16 if count >= self.many_from else count
            size = FULL32 if size >= self.huge_from else size
            start = FULL32 if start >= self.huge_from else start
        end = END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0)
        return self._out(directory + tail + end)

    @property
    def member_size(self) -> int:
        """How much content the open member, or else the last one, has."""
        return self._size

    def _checked(self, name: str) -> bytes:
        parts = name.split("/")
        if (
            _REFUSED.search(name)
            # An absolute path, a folder, an empty name and "a//b" have an empty part.
            or not {"", ".", ".."}.isdisjoint(parts)
        ):
            raise ArgumentError(
                f"{name!r} can't be the name of a member: it expects a relative path"
                " with slashes, without '..', backslashes or control characters."
            )
        try:
            raw = name.encode()
        except UnicodeEncodeError:
            raw = b""
        if not 0 < len(raw) <= FULL16:
            raise ArgumentError(
                f"{name[:80]!r} can't be the name of a member: it expects at most"
                " 65,535 bytes of UTF-8."
            )
        if raw in self._names:
            raise ArgumentError(f"The archive has a member called {name!r} already.")
        return raw

    def _entry(self, member: _Member, is_huge: bool) -> bytes:
        # Excel reads a huge member only if its ZIP64 field holds no offset, hence
        # each only where it is needed (github.com/rzymek/opczip).
        packed, size, offset = self._packed, self._size, member.offset
        fields: list[int] = []
        if is_huge:
            fields += (size, packed)
            packed = size = FULL32
        if offset >= self.huge_from:
            fields.append(offset)
            offset = FULL32
        extra = b""
        if fields:
            extra = struct.pack(f"<HH{len(fields)}Q", 1, 8 * len(fields), *fields)
        version = ZIP64 if extra else member.version
        head = CENTRAL.pack(
            b"PK\1\2",
            UNIX | version,
            version,
            FLAGS,
            DEFLATED,
            member.time,
            member.date,
            self._crc,
            packed,
            size,
            len(member.name),
            len(extra),
            0,
            0,
            0,
            MODE,
            offset,
        )
        return head + member.name + extra

    def _packed_out(self, data: bytes) -> bytes:
        self._packed += len(data)
        return self._out(data)

    def _out(self, data: bytes) -> bytes:
        self._offset += len(data)
        return data


def _dos(moment: datetime | None) -> tuple[int, int]:
    """Give time and date as MS-DOS kept them: pairs of seconds, from 1980 to 2107."""
    if moment is None or moment.year < 1980:
        return 0, 1 << 5 | 1
    if moment.year > 2107:
        return 23 << 11 | 59 << 5 | 29, 127 << 9 | 12 << 5 | 31
    return (
        moment.hour << 11 | moment.minute << 5 | moment.second >> 1,
        (moment.year - 1980) << 9 | moment.month << 5 | moment.day,
    )
