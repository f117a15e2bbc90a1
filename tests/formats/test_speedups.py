"""The compiled encoder of rows and its twin in Python: one suite for both.

What they write is held against `csv.writer`, and against each other where that has
another opinion; then the compiled one is fed what nobody should.
"""

from __future__ import annotations

import csv
import datetime as dt
import gc
import io
import math
import os
import random
import struct
import subprocess
import sys
import tracemalloc
import uuid
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csv_ways import both_ways, encode_rows, encoder, needs_compiled
from flask_sluice.formats import _powers, _rows

FUZZ = Path(__file__).with_name("fuzz_speedups.py")


def by_csv_writer(rows, **dialect):
    """Give what `csv.writer` makes of *rows*."""
    out = io.StringIO(newline="")
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue().encode()


zones = st.none() | st.timezones() | st.just(dt.UTC)
texts = st.text(st.characters(exclude_categories=["Cs"]))
spiky = st.text(st.sampled_from('a",;\t\r\n=+-@ é☃𝄞'), max_size=12)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-1100, 1100),
    st.floats(),
    texts,
    spiky,
    st.decimals(),
    st.datetimes(timezones=zones),
    st.dates(),
    st.times(timezones=st.none() | st.just(dt.UTC)),
    st.timedeltas(),
    st.uuids(),
)


@st.composite
def tables(draw):
    """Make rows: each column of one kind of value and None, or of any kinds."""
    kinds = [*values.original_strategies, values]
    columns = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5))
    row = st.tuples(*(st.none() | kind for kind in columns))
    rows = draw(st.lists(row, max_size=12))
    return len(columns), rows * draw(st.sampled_from([1, 1, 20]))


@both_ways
@settings(max_examples=150, deadline=None)
@given(table=tables(), delimiter=st.sampled_from(",;\t|: "), everything=st.booleans())
def test_bytes_are_those_of_csv_writer(way, table, delimiter, everything):
    """Without the guard every byte is the same, and `csv.reader` reads it back."""
    width, rows = table
    quoting = "all" if everything else "minimal"
    made = encoder(way, width, delimiter=delimiter, quoting=quoting, guard=False)
    lines = made.encode(rows)
    by_writer = csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL
    assert lines == by_csv_writer(rows, delimiter=delimiter, quoting=by_writer)
    read = csv.reader(
        io.StringIO(lines.decode(), newline=""), delimiter=delimiter, strict=True
    )
    assert list(read) == [
        ["" if value is None else str(value) for value in row] for row in rows
    ]


@needs_compiled
@settings(max_examples=150, deadline=None)
@given(
    table=tables(),
    options=st.fixed_dictionaries(
        {},
        optional={
            "delimiter": st.sampled_from(",;\t-. %="),
            "null": st.sampled_from(["", "NULL", "-", 'a"b', ",", "é"]),
            "decimal": st.sampled_from(".,"),
            "guard": st.booleans(),
            "quoting": st.sampled_from(["minimal", "all"]),
            "line_end": st.sampled_from(["\r\n", "\n"]),
        },
    ),
)
def test_both_write_the_same(table, options):
    """Whatever the options, compiled, twin and careful way agree."""
    width, rows = table
    made = encoder("python", width, **options)
    lines = made.encode(rows)
    assert encoder("compiled", width, **options).encode(rows) == lines
    labels = ["x"] * width
    assert _rows.careful(rows, made._layout, made._cell, labels, 0) == lines


@both_ways
def test_floats_are_their_repr(way):
    """Random doubles, short ones, and those at every border have Python's digits."""
    r = random.Random(4)
    doubles = list(struct.unpack("=70000d", r.randbytes(8 * 70_000)))
    doubles += [r.uniform(-1000, 1000) for _ in range(60_000)]
    doubles += [
        round(r.uniform(0, 10**n), 16 - n) for n in range(16) for _ in range(4000)
    ]
    powers = [math.ldexp(1.0, n) for n in range(-1074, 1024)]
    powers += [float(f"1e{n}") for n in range(-323, 309)]
    for power in powers:
        doubles += [power, math.nextafter(power, 0), math.nextafter(power, math.inf)]
    doubles += [0.0, -0.0, math.inf, -math.inf, math.nan, 2.0**53 + 2, 9.5e-05, 1e22]
    lines = encoder(way, 1).encode([(double,) for double in doubles])
    assert lines.decode().split() == list(map(repr, doubles))


def test_powers_of_ten():
    """The table has each power of ten in 128 bits: rounded up, its first bit set."""
    for number in range(_powers.FIRST, _powers.LAST + 1):
        high, low = _powers._power(number)
        power = high << 64 | low
        assert power.bit_length() == 128
        # power / 2**shift is 10**number or at most one unit above it
        shift = 127 - (number * 1741647 >> 19)
        ten = 10 ** abs(number)
        if number >= 0 and shift >= 0:
            assert power == ten << shift
        elif number >= 0:
            assert power - 1 < ten / (1 << -shift) or (power - 1) << -shift < ten
            assert power << -shift >= ten
        else:
            assert (power - 1) * ten < 1 << shift <= power * ten


@both_ways
def test_integers_of_any_size(way):
    """At the borders of machine words, and with more digits than `str` allows."""
    edges = [10**n for n in range(25)] + [2**n for n in range(130)]
    numbers = [sign * (n + d) for n in edges for sign in (1, -1) for d in (-1, 0, 1)]
    lines = encoder(way, 1).encode([(number,) for number in numbers])
    assert lines.decode().split() == list(map(str, numbers))
    assert encoder(way, 1).encode([(10**5000,)]) == b"1" + b"0" * 5000 + b"\r\n"


@both_ways
def test_equal_values_keep_their_own_texts(way):
    """1, 1.0 and True are one key of a dict, and three texts; so are both zeros."""
    column = [1, 1.0, True, Decimal(1), 0.0, -0.0, Decimal("1.0"), False, 0] * 30
    lines = encoder(way, 1).encode([(value,) for value in column])
    assert lines.decode().split() == list(map(str, column))
    zeros = [0.0, -0.0] * 100
    lines = encoder(way, 1).encode([(value,) for value in zeros])
    assert lines.decode().split() == list(map(str, zeros))
    morning = dt.datetime(2013, 7, 4, 5, tzinfo=dt.UTC)
    same = [morning, morning.astimezone(dt.timezone(dt.timedelta(hours=2)))] * 100
    lines = encoder(way, 1).encode([(value,) for value in same])
    assert lines.decode().splitlines() == list(map(str, same))


@both_ways
def test_a_long_text(way):
    """A text far larger than any buffer goes through, of each width of characters."""
    for letter in ("a", "é", "☃", "𝄞", '"', "a,"):
        long = letter * 1_000_000
        assert encoder(way, 2).encode([(long, 1)]) == by_csv_writer([(long, 1)])


@both_ways
def test_a_text_is_left_as_it_was(way):
    """No copy in UTF-8 stays behind in a str that lives on."""
    long = "é☃" * 1000
    before = sys.getsizeof(long)
    encoder(way, 1).encode([(long,)])
    assert sys.getsizeof(long) == before


@both_ways
def test_any_sequence_of_rows(way):
    """A tuple of rows is as good as a list of them."""
    made = encoder(way, 2)
    assert made.encode(((1, 2), (3, 4))) == b"1,2\r\n3,4\r\n"
    assert made.encode(()) == b""


class Meddler:
    """Changes the batch that it stands in while it is encoded."""

    def __init__(self, batch):
        self.batch = batch

    def __str__(self):
        self.batch.append((Meddler(self.batch),))
        del self.batch[:1]
        gc.collect()
        return "meddled"


@both_ways
def test_a_batch_that_changes(way):
    """What was in the batch when it came is what is written."""
    batch: list[tuple[object, ...]] = []
    batch += [(str(number) * 20,) for number in range(5)]
    batch.insert(1, (Meddler(batch),))
    expected = [batch[0][0], "meddled", *(row[0] for row in batch[2:])]
    assert encoder(way, 1).encode(batch).decode().split() == expected


@both_ways
def test_an_encoder_in_an_encoder(way):
    """A value may use the same encoder to make its text."""
    made = encoder(way, 2)

    class Inner:
        def __str__(self):
            return made.encode([(1, "in")]).decode().strip()

    assert made.encode([(1, "out"), (Inner(), 2)]) == b'1,out\r\n"1,in",2\r\n'


@needs_compiled
def test_wrong_calls_are_errors():
    """The function itself, called as nobody should, raises."""
    encode = encode_rows("compiled")
    layout = encoder("python", 1)._layout
    for args in [
        (),
        ([],),
        ([], layout, str, 1),
        ([], list(layout), str),
        ([], layout[:3], str),
        ([], ("1", *layout[1:]), str),
        ([], layout._replace(delimiter="é"), str),
        ([], layout._replace(null=b""), str),
        (None, layout, str),
        ([(object(),)], layout, None),
        ([(object(),)], layout, lambda value: b"no text"),
        ([(1, 2)], layout, str),
    ]:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            encode(*args)


def of_every_kind():
    """Make a row of new objects."""
    return (
        "text" * len(sys.argv),
        "é" * len(sys.argv),
        int("9" * 12),
        10**30,
        float("1.25"),
        Decimal("1.5"),
        uuid.UUID(int=10**30),
        dt.datetime(2013, 7, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=3))),
        dt.date(2013, 7, 4),
        dt.time(5, 6),
        [1, "a"],
        b"ab",
    )


@needs_compiled
def test_references_and_memory_are_given_back():
    """Hundreds of batches later, failed ones among them, nothing is left behind."""
    row = of_every_kind()
    batch, bad = [row] * 3, [row, (*row[:-1], "\ud800")]
    made = encoder("compiled", len(row))

    def window():
        for _ in range(200):
            made._encode_rows(batch, made._layout, made._cell)
            with suppress(ValueError):
                made._encode_rows(bad, made._layout, made._cell)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        window()
        counts = [sys.getrefcount(value) for value in row]
        sizes = [window() for _ in range(4)]
    finally:
        tracemalloc.stop()
    assert [sys.getrefcount(value) for value in row] == counts
    # The interpreter's own caches may grow once; what leaks does so in each window.
    growth = [after - before for before, after in pairwise(sizes)]
    assert min(growth) < 200 * 16  # not even one small object a batch


@needs_compiled
def test_fuzz_under_the_debug_allocator():
    """Odd values, shapes and layouts, and memory refused: no crash, no wrong byte."""
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", FUZZ, "2", "4"],
        env={
            **os.environ,
            "PYTHONMALLOC": "debug",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert int(run.stdout) > 50
