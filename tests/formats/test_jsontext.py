"""The two writers of JSON are twins: msgspec's bytes are the standard library's."""

from __future__ import annotations

import json
import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_sluice.formats import jsontext
from flask_sluice.formats import msgspec as by_msgspec
from values import ODD, anything

LABELS = ["a", 'k"%s']
ODD_KEYS = {1: 1, "1": 2, 0.5: 3, math.nan: 4, -math.inf: 5, None: 6}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(anything, anything), max_size=4))
@example([(value, [value]) for value in ODD])
@example([(ODD_KEYS, None)])
def test_both_writers_give_the_same_bytes(rows):
    """Whatever the values are, to the byte."""
    quick, slow = by_msgspec.Objects(LABELS), jsontext.Objects(LABELS)
    assert quick.lines(rows) == slow.lines(rows)


@settings(max_examples=500, deadline=None)
@given(st.floats())
@example(1e-05)
@example(-1.5e-05)
@example(1e16)
@example(5e-324)
def test_floats_are_written_alike_and_come_back(value):
    """Each finite float is read as itself; the others are null."""
    written = jsontext.text(value)
    (line,) = by_msgspec.Objects(["v"]).lines([(value,)]).splitlines()
    assert line == f'{{"v":{written}}}'.encode()
    assert json.loads(written) == (value if math.isfinite(value) else None)
