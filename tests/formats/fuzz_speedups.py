"""A program: feeds the compiled encoder what nobody should, for so many seconds.

In: a number of seconds and a seed. Out: how many batches, on standard output. It ends
with an error if the two encoders differ. Run it under PYTHONMALLOC=debug, which tells
of every byte written outside its block, and of memory that was used after its end.
"""

from __future__ import annotations

import datetime as dt
import enum
import random
import struct
import sys
import time
import uuid
from collections.abc import Callable
from decimal import Decimal

from flask_sluice.formats import _rows, _speedups
from flask_sluice.formats.csv import DELIMITERS

try:
    import _testcapi
except ImportError:  # some distributions leave it out
    _testcapi = None


class Colour(enum.Enum):
    """Members of several types."""

    RED = "=red"
    NONE = None


class Word(str):
    """Not exactly a str."""

    __slots__ = ()


class Rude:
    """Raises, or gives what isn't text."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __str__(self) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Meddler:
    """Empties the batch that it stands in."""

    def __init__(self, batch: list[object]) -> None:
        self.batch = batch

    def __str__(self) -> str:
        self.batch.clear()
        return "meddled"


def text(r: random.Random) -> str:
    """Make a text, of any width of characters."""
    alphabet = r.choice(["abc", 'a",\r\n=', "aé\xff", "a☃,", '𝄞a"', "a\ud800", "\0,"])
    return "".join(r.choices(alphabet, k=r.choice([0, 1, 7, 8, 9, 40, 3000])))


def odd_uuid(r: random.Random) -> uuid.UUID:
    """Make a UUID whose number isn't one of a UUID."""
    made = uuid.UUID(int=0)
    number = r.choice([-1, 1 << 128, 1 << 900, "x", None, 1.5])
    object.__setattr__(made, "int", number)
    return made


def moment(r: random.Random) -> dt.datetime:
    """Make a datetime, mostly without a zone."""
    zone = r.choice([None, None, dt.UTC, dt.timezone(dt.timedelta(minutes=-90))])
    return dt.datetime(
        r.randint(1, 9999),
        r.randint(1, 12),
        r.randint(1, 28),
        r.randrange(24),
        r.randrange(60),
        r.randrange(60),
        r.choice([0, r.randrange(10**6)]),
        zone,
    )


MAKERS: list[Callable[[random.Random], object]] = [
    text,
    lambda r: None,
    lambda r: r.random() < 0.5,
    lambda r: r.randrange(-(10**4), 10**4),
    lambda r: r.randrange(-(1 << 70), 1 << 70),
    lambda r: r.choice([-(1 << 63), (1 << 63) - 1, 1 << 63, 10**4400]),
    lambda r: struct.unpack("d", r.randbytes(8))[0],
    lambda r: round(r.uniform(-1e6, 1e6), r.randrange(6)),
    moment,
    lambda r: moment(r).date(),
    lambda r: moment(r).timetz(),
    lambda r: dt.timedelta(seconds=r.randrange(-(10**9), 10**9)),
    lambda r: Decimal(r.randrange(-(10**9), 10**9)).scaleb(r.randrange(-20, 20)),
    lambda r: Decimal("1e-999999"),
    lambda r: uuid.UUID(int=r.getrandbits(128)),
]
ODD: list[Callable[[random.Random], object]] = [
    odd_uuid,
    lambda r: r.choice([Colour.RED, Colour.NONE, Word("=x"), b"\xfb", [1, {"a": "é"}]]),
    lambda r: Rude(r.choice([ValueError("no"), 5, None, Word("é"), "\ud800"])),
    lambda r: object,
]


def layout(r: random.Random, width: int) -> _rows.Layout:
    """Make any layout."""
    return _rows.Layout(
        width=width,
        delimiter=r.choice([",", ";", "\t", r.choice(DELIMITERS)]),
        line_end=r.choice(["\r\n", "\n"]),
        quote_all=r.random() < 0.2,
        guard=r.random() < 0.5,
        comma=r.random() < 0.2,
        null=r.choice(["", "NULL", ",", 'a"é']),
    )


def batch(r: random.Random, width: int) -> list[object]:
    """Make rows whose columns have a type each, or any."""
    odd = r.random() < 0.3
    makers = [
        r.choice([*MAKERS, *ODD] if odd else MAKERS)
        if r.random() < 0.7
        else lambda r: r.choice(MAKERS)(r)
        for _ in range(width)
    ]
    rows: list[object] = [
        tuple(make(r) if r.random() < 0.9 else None for make in makers)
        for _ in range(r.choice([0, 1, 3, 30]))
    ]
    if rows and r.random() < 0.1:
        rows[r.randrange(len(rows))] = r.choice([None, [1] * width, (), (1,) * 9, "ab"])
    if width and r.random() < 0.1:
        rows.append((Meddler(rows),) * width)
    return rows


def outcome(encode: Callable[..., bytes], *args: object) -> bytes | None:
    """Give the lines, or None for an error."""
    try:
        return encode(*args)
    except Exception:
        return None


def starve(rows: list[object], form: _rows.Layout, make: _rows.Cell) -> None:
    """Refuse memory to the compiled encoder, from one allocation on after another."""
    expected = _speedups.encode(rows, form, make)
    for start in range(40):
        got = None
        _testcapi.set_nomemory(start, start + 1)
        try:
            got = _speedups.encode(rows, form, make)
        except MemoryError:
            pass
        finally:
            _testcapi.remove_mem_hooks()
        assert got in {None, expected}


def main(seconds: float, seed: int) -> None:
    """Go on until the time is over."""
    r = random.Random(seed)
    end = time.monotonic() + seconds
    batches = 0
    while time.monotonic() < end:
        width = r.choice([0, 1, 1, 2, 3, 8])
        form = layout(r, width)
        make = _rows.cell(form)
        # Each encoder has rows of its own, made alike, because some change the batch.
        seed = r.random()
        mine = outcome(_speedups.encode, batch(random.Random(seed), width), form, make)
        rows = batch(random.Random(seed), width)
        other = outcome(_rows.encode, rows, form, make)
        if mine is not None and other is None:
            # Python's quick way gives up at a huge int, and the careful one doesn't.
            rows = batch(random.Random(seed), width)
            other = _rows.careful(rows, form, make, [""] * width, 0)
        assert mine == other, (seed, form, mine, other)
        batches += 1
    if _testcapi is not None:
        form = layout(r, 4)._replace(delimiter=",")
        rows = [
            ("é" * 9, 1.5, uuid.UUID(int=n), dt.date(2013, 7, 4)) for n in range(99)
        ]
        starve(rows, form, _rows.cell(form))
    for wrong in [(), (1,), ([], (), None), ([], (1,) * 7, None), (None, form, make)]:
        assert outcome(_speedups.encode, *wrong) is None
    sys.stdout.write(f"{batches}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
