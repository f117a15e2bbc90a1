"""CSV files, by either way of making their lines: options, the guard, errors."""

from __future__ import annotations

import csv
import datetime as dt
import enum
import io
import uuid
from decimal import Decimal
from fractions import Fraction

import pytest

from csv_ways import both_ways, encode_rows, encoder, needs_compiled, one_cell
from flask_sluice.errors import ArgumentError, CellError
from flask_sluice.formats import csv as module
from flask_sluice.formats.column import Column
from flask_sluice.formats.csv import CsvEncoder

ROWS = [
    (1, 0.5, "plain", None, True),
    (2, 1e300, 'with "quotes", commas', "x\r\ny", False),
    (3, -0.0, "", "Ünï ☃ 𝄞", None),
]


class Empty(enum.Enum):
    """A member that is None."""

    VALUE = None


class Formula(str):
    """A text of another type."""

    __slots__ = ()


def body(made: CsvEncoder, *batches: list[tuple[object, ...]]) -> bytes:
    """Give a whole file."""
    return made.begin() + b"".join(map(made.encode, batches)) + made.finish()


# --- the file --------------------------------------------------------------


@both_ways
def test_a_whole_file(way):
    """A header, then rows, each with CR LF at its end; quotes where they must be."""
    made = encoder(way, ["id", "share", "te,xt", "note", "on"])
    assert body(made, ROWS[:1], [], ROWS[1:]).decode() == (
        'id,share,"te,xt",note,on\r\n'
        "1,0.5,plain,,True\r\n"
        '2,1e+300,"with ""quotes"", commas","x\r\ny",False\r\n'
        "3,-0.0,,Ünï ☃ 𝄞,\r\n"
    )


@both_ways
def test_a_file_reads_back(way):
    """`csv.reader` gets the texts that went in."""
    lines = body(encoder(way, 5), ROWS).decode()
    read = list(csv.reader(io.StringIO(lines, newline=""), strict=True))
    texts = [["" if value is None else str(value) for value in row] for row in ROWS]
    assert read == [["c0", "c1", "c2", "c3", "c4"], *texts]


@both_ways
def test_tsv(way):
    """With a tab between fields, commas need no quotes and tabs do."""
    made = encoder(way, 2, delimiter="\t", guard=False)
    assert body(made, [("a,b", "c\td")]) == b'c0\tc1\r\na,b\t"c\td"\r\n'


def test_the_opening():
    """The BOM comes once, first, and also without a header; the header is optional."""
    columns = [Column("a"), Column('b"')]
    assert CsvEncoder(columns).begin() == b'a,"b"""\r\n'
    assert CsvEncoder(columns, bom=True).begin() == b'\xef\xbb\xbfa,"b"""\r\n'
    assert CsvEncoder(columns, bom=True, header=False).begin() == b"\xef\xbb\xbf"
    assert CsvEncoder(columns, header=False).begin() == b""
    assert CsvEncoder(columns, line_end="\n").begin() == b'a,"b"""\n'
    assert CsvEncoder(columns, quoting="all").begin() == b'"a","b"""\r\n'
    assert CsvEncoder([]).begin() == b"\r\n"


def test_labels_are_guarded():
    """A label may be what a user wrote, too."""
    assert CsvEncoder([Column("=a"), Column("b")]).begin() == b"'=a,b\r\n"
    assert CsvEncoder([Column("=a")], guard=False).begin() == b"=a\r\n"


# --- options ---------------------------------------------------------------


@both_ways
def test_null_text(way):
    """None is the null text, quoted if need be and never guarded; "" stays empty."""
    for null, expected in [
        ("NULL", b"NULL,,1\r\n"),
        ("-", b"-,,1\r\n"),
        ("a,b", b'"a,b",,1\r\n'),
        ("\N{EM DASH}", "\N{EM DASH},,1\r\n".encode()),
    ]:
        made = encoder(way, 3, null=null)
        assert made.encode([(None, "", 1)]) == expected
        assert made.encode([(Empty.VALUE, "", 1)]) == expected
    made = encoder(way, 2, null="N/A")
    assert made.encode([(None, "x"), (5, None), (None, None)]) == (
        b"N/A,x\r\n5,N/A\r\nN/A,N/A\r\n"
    )


@both_ways
def test_a_line_is_never_empty(way):
    """The only field of a row is quoted if it is empty, as `csv.writer` does."""
    made = encoder(way, 1)
    assert made.encode([(None,), ("",), (1,), ("x",)]) == b'""\r\n""\r\n1\r\nx\r\n'
    assert made.encode([(None,)] * 3) == b'""\r\n' * 3
    assert made.encode([("",)] * 3) == b'""\r\n' * 3
    assert made.encode([(5,), (None,)]) == b'5\r\n""\r\n'
    assert encoder(way, 0).encode([(), ()]) == b"\r\n\r\n"


@both_ways
def test_quoting_all(way):
    """Every field has quotes, None and numbers, too."""
    made = encoder(way, 5, quoting="all")
    assert made.encode([(1, None, 'a"b', True, dt.date(2013, 7, 4))]) == (
        b'"1","","a""b","True","2013-07-04"\r\n'
    )
    assert encoder(way, 1, quoting="all", null='"').encode([(None,)]) == b'""""\r\n'
    made = encoder(way, 2, quoting="all", delimiter="%", line_end="\n")
    assert made.encode([("%s", 1), ("", 2)]) == b'"%s"%"1"\n""%"2"\n'


@both_ways
def test_decimal_comma(way):
    """Floats and Decimals have it, in quotes if it is the delimiter; texts don't."""
    row = (0.5, Decimal("1.25"), 7, "1.5", 1e300, float("nan"), Fraction(1, 2))
    made = encoder(way, 7, decimal=",", delimiter=";")
    assert made.encode([row]) == b"0,5;1,25;7;1.5;1e+300;nan;1/2\r\n"
    made = encoder(way, 7, decimal=",")
    assert made.encode([row]) == b'"0,5","1,25",7,1.5,1e+300,nan,1/2\r\n'
    made = encoder(way, 2, decimal=",", quoting="all")
    assert made.encode([row[:2]]) == b'"0,5","1,25"\r\n'
    made = encoder(way, 2, decimal=",", delimiter=";")
    assert made.encode([(0.5, None), (None, 2.5)]) == b"0,5;\r\n;2,5\r\n"


@both_ways
def test_line_ends(way):
    """LF instead of CR LF; a CR in a text is quoted all the same."""
    made = encoder(way, 2, line_end="\n", guard=False)
    assert made.encode([("a\rb", 1), ("c\nd", 2)]) == b'"a\rb",1\n"c\nd",2\n'


STRANGE = (
    "x",
    12,
    -1.5,
    True,
    Decimal("1.5"),
    dt.datetime(2013, 7, 4, 5, 6, 7, 8),  # noqa: DTZ001
    dt.date(2013, 7, 4),
    dt.time(5, 6),
    uuid.UUID(int=0xABCDEF),
    None,
)


@both_ways
@pytest.mark.parametrize(
    "delimiter", ["-", ":", " ", ".", "1", "e", "a", "%", "=", "_"]
)
def test_strange_delimiters(way, delimiter):
    """One that is part of numbers or dates puts those in quotes."""
    expected = io.StringIO(newline="")
    csv.writer(expected, delimiter=delimiter).writerows([STRANGE, STRANGE])
    made = encoder(way, len(STRANGE), delimiter=delimiter)
    assert made.encode([STRANGE, STRANGE]).decode() == expected.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ""},
        {"delimiter": ",,"},
        {"delimiter": '"'},
        {"delimiter": "'"},
        {"delimiter": "\n"},
        {"delimiter": "\r"},
        {"delimiter": "\0"},
        {"delimiter": "é"},
        {"delimiter": None},
        {"delimiter": []},
        {"decimal": ";"},
        {"decimal": None},
        {"quoting": "none"},
        {"quoting": []},
        {"line_end": "\r"},
        {"line_end": ""},
        {"null": None},
        {"null": "\ud800"},
    ],
    ids=repr,
)
def test_options_that_cannot_be(options):
    """An option that can't be used is named when the encoder is made."""
    (name,) = options
    with pytest.raises(ArgumentError, match=name):
        CsvEncoder([Column("a")], **options)


def test_a_label_that_cannot_be():
    """A label that can't be UTF-8 is refused at once as well."""
    with pytest.raises(ArgumentError, match="label"):
        CsvEncoder([Column("\udfff")])


# --- the guard -------------------------------------------------------------


@both_ways
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("\ta", "'\ta"),
        ("\ra", '"\'\ra"'),
        ("=a,b", '"\'=a,b"'),
        ('="a"', '"\'=""a"""'),
        ("=", "'="),
        ("=é", "'=é"),
        (Formula("=a"), "'=a"),
        (b"\xfb\xff", "'+/8="),
        # these are what they seem
        ("a=1", "a=1"),
        (" =1", " =1"),
        ("'=1", "'=1"),
        ("a\0=1", "a\0=1"),
        (-1, "-1"),
        (-1.5, "-1.5"),
        (-(2**70), str(-(2**70))),
        (Decimal("-1.5"), "-1.5"),
        (Decimal("-Infinity"), "-Infinity"),
        (Fraction(-1, 2), "-1/2"),
        (float("-inf"), "-inf"),
        (dt.timedelta(seconds=-1), '"-1 day, 23:59:59"'),
    ],
)
def test_guard(way, value, expected):
    """Text that a spreadsheet would run has an apostrophe; numbers are left alone."""
    assert one_cell(way, value) == expected


@both_ways
def test_no_guard(way):
    """Without it a text is what it is."""
    for text in ("=1+1", "+1", "-1", "@a", "\ta"):
        assert one_cell(way, text, guard=False) == text


@both_ways
def test_guard_in_a_column(way):
    """One text that needs it changes no other of its column."""
    column = ["a", "=b", "c-d", "", "-e", None, "f"] * 40
    made = encoder(way, 2).encode([(text, 1) for text in column]).decode()
    expected = ["a", "'=b", "c-d", "", "'-e", "", "f"] * 40
    assert made == "".join(f"{text},1\r\n" for text in expected)


# --- errors ----------------------------------------------------------------


class Rude:
    """A value whose text is an error."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error


class Mute(Exception):
    """An error that has no text."""

    def __str__(self) -> str:
        raise Mute


@both_ways
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a\ud800", "U\\+D800"),
        ("\udfff", "U\\+DFFF"),
        (["\ud800"], "U\\+D800"),
        ([object()], "no form"),
        (Rude(ZeroDivisionError("nothing there")), "nothing there"),
        (Rude(StopIteration()), "StopIteration"),
        (Rude(ValueError(Mute())), "ValueError"),
    ],
)
def test_a_bad_cell_is_named(way, value, why):
    """Row, column and reason are told, and nothing of the batch is taken."""
    made = encoder(way, ["a", "b"])
    made.encode([(1, 2)] * 3)
    with pytest.raises(CellError, match=why) as caught:
        made.encode([(1, "x"), (2, value), (3, "y")])
    assert (caught.value.row, caught.value.column) == (5, "b")
    assert made.encode([(1, "x")]) == b"1,x\r\n"
    with pytest.raises(CellError) as caught:
        made.encode([(1, value)])
    assert caught.value.row == 5


@both_ways
@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((1,), "1 values for 2 columns"),
        ((1, 2, 3), "3 values for 2 columns"),
        ([1, 2], "a list, not a tuple"),
        (None, "a NoneType, not a tuple"),
        ("ab", "a str, not a tuple"),
        ({"a": 1, "b": 2}, "a dict, not a tuple"),
    ],
)
def test_a_bad_row_is_named(way, row, why):
    """A row that isn't a tuple of the right length is refused as a whole."""
    made = encoder(way, ["a", "b"])
    for batch in ([row], [(1, 2), row], [row, (1, 2)]):
        with pytest.raises(CellError, match=why) as caught:
            made.encode(batch)
        assert caught.value.row == batch.index(row) + 1
        assert caught.value.column == ""


@both_ways
def test_what_is_not_an_error_passes(way):
    """An interrupt while a value makes its text is no fault of the cell."""
    with pytest.raises(KeyboardInterrupt):
        encoder(way, 1).encode([(Rude(KeyboardInterrupt()),)])
    with pytest.raises(MemoryError):
        encoder(way, 1).encode([(Rude(MemoryError()),)])


# --- which way -------------------------------------------------------------


@needs_compiled
def test_the_compiled_way_is_taken():
    """Where it was built it is what encodes, and COMPILED says so."""
    assert module.COMPILED
    assert CsvEncoder([])._encode_rows is encode_rows("compiled")
