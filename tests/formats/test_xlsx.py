"""The XLSX writer, judged by openpyxl, calamine and LibreOffice."""

from __future__ import annotations

import csv
import io
import math
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import ArgumentError, CellError
from flask_sluice.formats.column import Column
from flask_sluice.formats.xlsx import XlsxEncoder
from flask_sluice.formats.xlsx_cells import cell, column
from flask_sluice.formats.xlsx_parts import letters, sheet_name
from needs import needs, program

pytestmark = needs("openpyxl", "python-calamine")

Row = tuple[Any, ...]
naive = datetime  # a sheet knows no zones
UUID1 = UUID("12345678-1234-5678-1234-567812345678")


def columns(*labels: str) -> list[Column]:
    """Give columns of these labels."""
    return [Column(label) for label in labels]


def written(
    rows: Sequence[Row], *, batch: int = 1000, encoder: XlsxEncoder | None = None
) -> bytes:
    """Give a whole workbook of *rows*."""
    if encoder is None:
        encoder = XlsxEncoder(columns(*(f"c{n}" for n in range(len(rows[0])))))
    out = [encoder.begin()]
    starts = range(0, len(rows), batch)
    out += [encoder.encode(list(rows[start : start + batch])) for start in starts]
    out.append(encoder.finish())
    return b"".join(out)


def workbook(data: bytes) -> Any:
    """Open a workbook."""
    import openpyxl

    return openpyxl.load_workbook(io.BytesIO(data))


def by_openpyxl(data: bytes) -> list[Row]:
    """Read the first sheet."""
    return list(workbook(data).active.iter_rows(values_only=True))


def by_openpyxl_in_passing(data: bytes) -> list[Row]:
    """Read the first sheet row by row."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    return list(book.active.iter_rows(values_only=True))


def by_calamine(data: bytes) -> list[Row]:
    """Read the first sheet."""
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    return [tuple(row) for row in book.get_sheet_by_index(0).to_python()]


def part(data: bytes, name: str) -> ET.Element:
    """Give a part of the workbook, which has to be well-formed."""
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        return ET.fromstring(read.read(name))


READERS = [by_openpyxl, by_openpyxl_in_passing, by_calamine]


# --- values ----------------------------------------------------------------


class Colour(Enum):
    """Has values of two kinds."""

    RED = "red"
    DAY = date(2024, 2, 29)


class Level(IntEnum):
    """Is an int, too."""

    HIGH = 3


class Name(StrEnum):
    """Is text, too."""

    BOB = "Bob"


class Loud(str):
    """Is text that prints as another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"


class Number(int):
    """Is a number that prints as text."""

    def __repr__(self) -> str:
        return "Number!"

    __str__ = __repr__


class Whatever:
    """Has a text and nothing else."""

    def __str__(self) -> str:
        return "what <ever>"


FORMATS = {
    date: r"yyyy\-mm\-dd",
    datetime: r"yyyy\-mm\-dd\ hh:mm:ss",
    time: "hh:mm:ss",
    timedelta: "[h]:mm:ss",
}
# A value, what openpyxl reads, and where the cell has a format, whose it is.
VALUES: list[tuple[Any, Any, type | None]] = [
    (None, None, None),
    (True, True, None),
    (False, False, None),
    (0, 0, None),
    (-7, -7, None),
    (999_999_999_999_999, 999_999_999_999_999, None),
    (-999_999_999_999_999, -999_999_999_999_999, None),
    (10**15, "1000000000000000", None),
    (-(10**15), "-1000000000000000", None),
    (2**200, str(2**200), None),
    (0.1, 0.1, None),
    (-0.0, -0.0, None),
    (1e16, 1e16, None),
    (5e-324, 5e-324, None),
    (1.7976931348623157e308, 1.7976931348623157e308, None),
    (math.nan, "nan", None),
    (math.inf, "inf", None),
    (-math.inf, "-inf", None),
    (Decimal("1.50"), 1.5, None),
    (Decimal("-0.000001"), -0.000001, None),
    (Decimal("1E-9"), 1e-9, None),
    (Decimal("1E+300"), 1e300, None),
    (Decimal("12345678901234.5"), 12345678901234.5, None),
    (Decimal("123456789012345.6"), "123456789012345.6", None),
    (Decimal("1E+400"), "1E+400", None),
    (Decimal("NaN"), "NaN", None),
    (Decimal("sNaN123"), "sNaN123", None),
    (Decimal("-Infinity"), "-Infinity", None),
    (date(2013, 7, 4), naive(2013, 7, 4), date),
    (date(9999, 12, 31), naive(9999, 12, 31), date),
    (date(1900, 3, 1), naive(1900, 3, 1), date),
    (date(1900, 2, 28), "1900-02-28", None),
    (naive(2013, 7, 4, 5), naive(2013, 7, 4, 5), datetime),
    (
        naive(2013, 7, 4, 23, 59, 59, 999000),
        naive(2013, 7, 4, 23, 59, 59, 999000),
        datetime,
    ),
    (naive(1900, 2, 28, 1), "1900-02-28T01:00:00", None),
    (datetime(2013, 7, 4, tzinfo=UTC), "2013-07-04T00:00:00+00:00", None),
    (time(0), time(0), time),
    (time(23, 59, 59, 999000), time(23, 59, 59, 999000), time),
    (time(1, tzinfo=UTC), "01:00:00+00:00", None),
    (timedelta(days=2, seconds=3), timedelta(days=2, seconds=3), timedelta),
    (timedelta(microseconds=1000), timedelta(microseconds=1000), timedelta),
    (timedelta(seconds=-1), "-1 day, 23:59:59", None),
    (timedelta.max, str(timedelta.max), None),
    (UUID1, str(UUID1), None),
    (Colour.RED, "red", None),
    (Colour.DAY, naive(2024, 2, 29), date),
    (Level.HIGH, 3, None),
    (Name.BOB, "Bob", None),
    (Loud("quiet"), "quiet", None),
    (Number(5), 5, None),
    (b"\x00\xff", "AP8=", None),
    (bytearray(b"a"), "YQ==", None),
    (memoryview(b"a"), "YQ==", None),
    ([1, "a", None], '[1,"a",null]', None),
    ({"a": Decimal("1.5")}, '{"a":"1.5"}', None),
    (Whatever(), "what <ever>", None),
    ("", "", None),
    ("=1+1", "=1+1", None),
    ("  both ends\t", "  both ends\t", None),
    ("two\nlines", "two\nlines", None),
    ('<a href="x">&amp;]]></a>', '<a href="x">&amp;]]></a>', None),
    ("häßlich 🎈", "häßlich 🎈", None),
    ("x" * 32_767, "x" * 32_767, None),
    ("🎈" * 16_383, "🎈" * 16_383, None),
]


@pytest.mark.parametrize(("value", "read", "kind"), VALUES, ids=lambda v: repr(v)[:40])
def test_each_value_alone_and_among_others(
    value: Any, read: Any, kind: type | None
) -> None:
    """Each kind of value has its cell, in a column of its kind and in a mixed one."""
    data = written([(value, value), (value, "between"), (value, None)])
    sheet = workbook(data).active
    for place in ("A2", "A3", "A4", "B2"):
        found = sheet[place]
        assert found.value == read
        assert type(found.value) in (type(read), int if read == 1e16 else type(read))
        assert found.number_format == FORMATS.get(kind, "General")


ODD_TEXTS = [
    "\x00",
    "a\x0bb\x1f",
    "CR\rand CR LF\r\n",
    "_x0041_",
    "_x0041_x0042_ _xZZZZ_ _x41_",
    "_\x01_x0001_",
]


@pytest.mark.parametrize("value", ODD_TEXTS, ids=ascii)
def test_text_that_xml_cannot_hold(value: str) -> None:
    """Control characters, and text that looks like one escaped, arrive as they were."""
    ((_,), (by_one,)) = by_calamine(written([(value,)]))
    assert by_one == value
    from openpyxl.utils.escape import unescape

    # openpyxl leaves it to its user.
    value += "\ufffe\uffff"  # which calamine leaves, too
    ((_,), (by_other,)) = by_openpyxl(written([(value,)]))
    assert unescape(by_other) == value


def test_numpy_scalars_are_what_they_hold() -> None:
    """A number of numpy is a number."""
    numpy = pytest.importorskip("numpy")
    row = (numpy.int64(3), numpy.float32(0.5), numpy.bool_(True), numpy.float64(0.1))
    assert by_openpyxl(written([row]))[1] == (3, 0.5, True, 0.1)


# What a reader gives back as it was.
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
moments = st.datetimes(naive(1900, 3, 1), naive(9999, 12, 31)).map(
    lambda m: m.replace(microsecond=m.microsecond // 1000 * 1000)
)
SAME: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int": st.integers(-(10**15) + 1, 10**15 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "text": texts.filter(bool),
    "datetime": moments,
    "timedelta": st.integers(0, 10**12).map(lambda n: timedelta(milliseconds=n)),
}
kinds = st.sampled_from(sorted(SAME))


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Give rows of the same kinds, with gaps, or of any kinds."""
    chosen = [SAME[kind] for kind in draw(st.lists(kinds, min_size=1, max_size=4))]
    if draw(st.booleans()):
        chosen = [st.one_of(*chosen)] * len(chosen)
    gaps = [st.none() | each if draw(st.booleans()) else each for each in chosen]
    return draw(st.lists(st.tuples(*gaps), min_size=1, max_size=6))


def _moment(value: Any) -> Any:
    return datetime.combine(value, time()) if type(value) is date else value


@given(tables(), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_round_trip(rows: list[Row], batch: int) -> None:
    """What goes in comes out, in batches of any size."""
    read = by_calamine(written(rows, batch=batch))
    # calamine gives "" for an empty cell, a date for midnight, and leaves out empty
    # rows at the end.
    read = [tuple(map(_moment, row)) for row in read]
    rows = [tuple("" if value is None else value for value in row) for row in rows]
    while rows and not any(value != "" for value in rows[-1]):
        rows.pop()
    assert read[1:] == rows


VALUES_OF_ALL_KINDS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(timezone(timedelta(hours=2)))),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.text(),
    st.binary(),
    st.lists(st.integers()),
    st.sampled_from([*Colour, *Level, *Name]),
)


@given(st.lists(VALUES_OF_ALL_KINDS, min_size=1), st.data())
@settings(max_examples=150, deadline=None)
def test_a_column_at_once_is_cell_by_cell(
    values: list[Any], data: st.DataObject
) -> None:
    """The quick way for a column of one kind writes what the slow one does."""
    kind = type(data.draw(st.sampled_from(values)))
    same = [value for value in values if type(value) is kind]
    with_gaps = [each for value in same for each in (value, None)]
    for chosen in (values, same, with_gaps):
        try:
            slow = [cell(value) + "|" for value in chosen]
        except ValueError:
            with pytest.raises(ValueError):  # noqa: PT011 - of whatever value
                column(chosen, "|")
        else:
            plain = [each.replace(' xml:space="preserve"', "") for each in slow]
            quick = column(chosen, "|")
            assert [q.replace(' xml:space="preserve"', "") for q in quick] == plain
            for one, other in zip(quick, slow, strict=True):
                # Preserving what needs it not is harmless; not so the other way.
                assert "preserve" in one or "preserve" not in other


# --- errors ----------------------------------------------------------------


class Broken:
    """Has not even a text."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


UNFIT = [
    ("\ud800", "surrogate, U\\+D800"),
    ("x" * 32_768, "32,768"),
    ("🎈" * 16_384, "32,768"),
    (["\ud800"], "surrogate"),
    ([object()], "object has no form"),
    (Broken(), "no words"),
]


@pytest.mark.parametrize(("value", "why"), UNFIT, ids=lambda v: repr(v)[:30])
def test_what_no_cell_holds(value: Any, why: str) -> None:
    """It is named with row, column and reason, and the encoder is as it was."""
    encoder = XlsxEncoder(columns("a", "b"))
    out = encoder.begin() + encoder.encode([(1, "x"), (2, "y")])
    with pytest.raises(CellError, match=why) as caught:
        encoder.encode([(3, "z"), (4, value)])
    assert (caught.value.row, caught.value.column) == (4, "b")
    out += encoder.encode([(3, "z")]) + encoder.finish()
    assert by_openpyxl(out) == [("a", "b"), (1, "x"), (2, "y"), (3, "z")]


@pytest.mark.parametrize("row", [(1,), (1, 2, 3), ()])
def test_rows_of_a_wrong_length(row: Row) -> None:
    """A row that is too short or too long is an error of that row."""
    encoder = XlsxEncoder(columns("a", "b"))
    encoder.begin()
    with pytest.raises(CellError, match=f"{len(row)} values for 2 columns") as caught:
        encoder.encode([(1, 2), row])
    assert (caught.value.row, caught.value.column) == (2, "")


def test_columns_that_no_sheet_holds() -> None:
    """Too many columns, or an impossible label, are refused at once."""
    assert XlsxEncoder(columns(*["x"] * 16_384))
    with pytest.raises(ArgumentError, match="16,385"):
        XlsxEncoder(columns(*["x"] * 16_385))
    with pytest.raises(ArgumentError, match="surrogate"):
        XlsxEncoder(columns("\udfff"))
    with pytest.raises(ArgumentError, match="32,768"):
        XlsxEncoder(columns("x" * 32_768))


# --- sheets ----------------------------------------------------------------


def limited(**limits: int) -> XlsxEncoder:
    """Give an encoder with lower limits."""
    encoder = XlsxEncoder(columns("n", "text"), sheet="Flights")
    for name, limit in limits.items():
        setattr(encoder, name, limit)
    return encoder


@pytest.mark.parametrize("batch", [1, 3, 4, 5, 100])
@pytest.mark.parametrize("count", [4, 5, 12, 13])
def test_a_new_sheet_at_the_row_limit(batch: int, count: int) -> None:
    """Rows go on on the next sheet, under the same header; none is lost or empty."""
    rows = [(n, f"row {n}") for n in range(count)]
    data = written(rows, batch=batch, encoder=limited(most_rows=5))
    book = workbook(data)
    sheets = -(-count // 4)
    assert (
        book.sheetnames
        == ["Flights", "Flights (2)", "Flights (3)", "Flights (4)"][:sheets]
    )
    read: list[Row] = []
    for sheet in book:
        header, *body = sheet.iter_rows(values_only=True)
        assert header == ("n", "text")
        assert sheet.freeze_panes == "A2"
        assert sheet["A1"].font.b
        assert not sheet["A2"].font.b
        assert sheet.auto_filter.ref == f"A1:B{1 + len(body)}"
        read += body
    assert read == rows
    assert [s.sheet_view.tabSelected for s in book] == [True] + [None] * (sheets - 1)


def test_a_new_sheet_before_four_gigabytes() -> None:
    """A sheet whose XML grows towards 4 GiB is ended, too, between two batches."""
    rows = [(n, "x" * 100) for n in range(10)]
    data = written(rows, batch=2, encoder=limited(most_bytes=1500))
    book = workbook(data)
    assert len(book.sheetnames) > 1
    assert sum(sheet.max_row - 1 for sheet in book) == 10


def test_without_header() -> None:
    """The first row is the first row; nothing is frozen or filtered."""
    encoder = XlsxEncoder(columns("n"), header=False)
    data = written([(1,), (2,)], encoder=encoder)
    sheet = workbook(data).active
    assert list(sheet.values) == [(1,), (2,)]
    assert sheet.freeze_panes is None
    assert sheet.auto_filter.ref is None


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("header", [True, False])
def test_without_rows(read: Callable[[bytes], list[Row]], header: bool) -> None:
    """A workbook of no rows has its header, and is whole."""
    encoder = XlsxEncoder(columns("a", "b"), header=header)
    encoder_out = encoder.begin() + encoder.encode([]) + encoder.finish()
    assert read(encoder_out)[:1] in ([("a", "b")], [(None,)], [()], [])
    assert (read(encoder_out)[:1] == [("a", "b")]) is header


def test_without_columns() -> None:
    """A workbook of no columns is an empty sheet."""
    encoder = XlsxEncoder([])
    data = encoder.begin() + encoder.encode([(), ()]) + encoder.finish()
    assert workbook(data).sheetnames == ["Sheet1"]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("Flights", "Flights"),
        ("", "Sheet1"),
        ("'''", "Sheet1"),
        ("a[b]c:d*e?f/g\\h", "a_b_c_d_e_f_g_h"),
        ("'quoted'", "quoted"),
        ("it's & <that>", "it's & <that>"),
        ("x" * 40, "x" * 31),
        ("🎈" * 16, "🎈" * 15),
        ("history", "history_"),
        ("a\x00b\ud800", "a_b_"),
    ],
)
def test_names_of_sheets(wanted: str, name: str) -> None:
    """A name that Excel would refuse is changed, and the rest is as it was."""
    encoder = XlsxEncoder(columns("a"), sheet=wanted)
    book = workbook(written([(1,)], encoder=encoder))
    assert book.sheetnames == [name]
    second = sheet_name(wanted, 2)
    assert second.endswith(" (2)")
    assert len(second.encode("utf-16-le")) <= 62


def test_letters() -> None:
    """Columns are called as Excel calls them."""
    from openpyxl.utils import get_column_letter

    assert [letters(n) for n in range(16_384)] == [
        get_column_letter(n + 1) for n in range(16_384)
    ]


def test_widths() -> None:
    """A column is as wide as its label, its kind and its first rows ask for."""
    labels = ["a", "a long label for few", "when", "text", "novel", "known"]
    encoder = XlsxEncoder([*columns(*labels[:-1]), Column("known", datetime)])
    row = (1, 1, naive(2024, 1, 1), "twenty characters...", "x" * 500, None)
    sheet = workbook(written([row], encoder=encoder)).active
    widths = [sheet.column_dimensions[letter].width for letter in "ABCDEF"]
    assert widths == [8, 25, 20, 22, 60, 20]


# --- the file --------------------------------------------------------------

ALL_SORTS: list[Row] = [tuple(value for value, _, _ in VALUES)] * 3


def test_every_part_is_listed_and_well_formed() -> None:
    """Each part is XML, and [Content_Types].xml names the type of each."""
    data = written(ALL_SORTS)
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.testzip() is None
        names = read.namelist()
    for name in names:
        part(data, name)
    listed = [
        each.attrib["PartName"][1:]
        for each in part(data, "[Content_Types].xml")
        if "PartName" in each.attrib
    ]
    rels = {name for name in names if name.endswith(".rels")}
    assert sorted(listed) == sorted({*names} - rels - {"[Content_Types].xml"})


def test_no_zip64() -> None:
    """Excel is given none of it as long as there is no need."""
    assert b"PK\6\6" not in written(ALL_SORTS)


def test_first_bytes_before_the_first_row() -> None:
    """What doesn't depend on rows leaves before there is any."""
    assert XlsxEncoder(columns("a")).begin().startswith(b"PK\3\4")


@pytest.mark.parametrize("read", READERS)
def test_unfinished_is_refused(read: Callable[[bytes], list[Row]]) -> None:
    """All but the last call's bytes is no workbook to anybody."""
    encoder = XlsxEncoder(columns("a"))
    data = encoder.begin() + encoder.encode([(n,) for n in range(5000)])
    finish = encoder.finish()
    assert len(read(data + finish)) == 5001
    for cut in (data, data + finish[: len(finish) // 2], data + finish[:-1]):
        with pytest.raises(Exception, match=r"(?i)zip|file format"):
            read(cut)


def test_a_deflater_of_ones_own() -> None:
    """Every part is deflated by what it is given."""
    made = []

    def deflate() -> Any:
        made.append(zlib.compressobj(9, zlib.DEFLATED, -15))
        return made[-1]

    encoder = XlsxEncoder(columns("a"), deflate=deflate)
    assert by_openpyxl(written([(1,)], encoder=encoder)) == [("a",), (1,)]
    assert len(made) == 6


@needs("soffice")
def test_libreoffice_reads_it(tmp_path: Path) -> None:
    """LibreOffice shows each value as it was meant."""
    rows: list[Row] = [
        (
            n,
            n / 4,
            f"text & <{n}>\n_x0041_",
            None if n else " gap ",
            bool(n),
            naive(2013, 7, 4, 5, n),
            date(2013, 7, 4),
            time(1, 2, n),
            timedelta(hours=30, seconds=n),
            10**16 + n,
            UUID1,
        )
        for n in range(4)
    ]
    path = tmp_path / "some.xlsx"
    path.write_bytes(written(rows, encoder=None))
    subprocess.run(
        [
            program("soffice"),
            f"-env:UserInstallation=file://{tmp_path}/profile",
            "--headless",
            "--convert-to",
            # Commas, double quotes, UTF-8, American, as shown.
            "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,false,true",
            "--outdir",
            tmp_path,
            path,
        ],
        check=True,
        capture_output=True,
        timeout=55,
    )
    with (tmp_path / "some.csv").open(encoding="utf-8", newline="") as lines:
        _, *read = csv.reader(lines)
    assert read == [
        [
            f"{n}",
            f"{n / 4:g}",
            f"text & <{n}>\n_x0041_",
            "" if n else " gap ",
            "TRUE" if n else "FALSE",
            f"2013-07-04 05:0{n}:00",
            "2013-07-04",
            f"01:02:0{n}",
            f"30:00:0{n}",
            str(10**16 + n),
            str(UUID1),
        ]
        for n in range(4)
    ]
