"""Coalescing: the bytes are those of the items, and edges cut where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from flask_sluice.errors import BodyTypeError
from flask_sluice.testing import Clock
from flask_sluice.typing import flush
from flask_sluice.wire.chunks import LIMIT, PATIENCE, STRIDE, Coalescer

EDGES = st.sampled_from(["", b"", flush])
ITEMS = st.lists(st.one_of(st.text(max_size=9), st.binary(max_size=9), EDGES))


def still() -> float:
    """Tell a time that stands still."""
    return 0.0


def chunks(coalescer: Coalescer) -> Iterator[bytes]:
    """Give the chunks to the end."""
    while (chunk := coalescer.pull()) is not None:
        yield chunk


def coalesce(items: Iterable[Any], **options: Any) -> list[bytes]:
    """Give the chunks of *items*, with a clock that stands still."""
    return list(chunks(Coalescer(iter(items), **{"clock": still, **options})))


def encoded(item: object) -> bytes:
    """Give an item's bytes, as plainly as can be."""
    if item is flush:
        return b""
    return item.encode() if isinstance(item, str) else bytes(item)  # type: ignore[call-overload]


@settings(deadline=None)
@given(
    items=ITEMS,
    limit=st.integers(1, 40),
    times=st.lists(st.floats(0, 1), min_size=1, max_size=8),
    first=st.booleans(),
)
def test_no_byte_is_lost_or_moved(
    items: list[Any], limit: int, times: list[float], first: bool
) -> None:
    """Whatever limit and clock, the chunks joined are the items joined."""
    now = 0.0
    steps = iter(times * (4 * len(items) + 8))

    def clock() -> float:
        nonlocal now
        now += next(steps)
        return now

    coalescer = Coalescer((i for i in items), limit=limit, patience=0.5, clock=clock)
    out = []
    if first and (head := coalescer.first()) is not None:
        out.append(head)
    out.extend(chunks(coalescer))
    assert b"".join(out) == b"".join(map(encoded, items))
    assert coalescer.pull() is None


@settings(deadline=None)
@given(items=ITEMS)
def test_edges_cut_exactly_where_they_stand(items: list[Any]) -> None:
    """With time standing still, only the edges end a chunk."""
    expected, held = [], b""
    for item in items:
        if item:
            held += encoded(item)
        else:
            expected.append(held)
            held = b""
    if held:
        expected.append(held)
    assert coalesce(items) == expected


def test_first_gives_exactly_the_first_item() -> None:
    """One item, however small, and no further step of the source."""
    source = iter(["a", "b", "c"])
    coalescer = Coalescer(source, clock=still)
    assert coalescer.first() == b"a"
    assert next(source) == "b"


@pytest.mark.parametrize("edge", ["", b"", flush])
def test_first_may_be_an_edge(edge: Any) -> None:
    """A body that begins with an edge isn't empty."""
    coalescer = Coalescer(iter([edge, "x"]), clock=still)
    assert coalescer.first() == b""
    assert coalescer.pull() == b"x"


def test_first_of_nothing_is_none() -> None:
    """An empty body has no first item and no chunk."""
    coalescer = Coalescer(iter(()))
    assert coalescer.first() is None
    assert coalescer.pull() is None


def test_a_chunk_is_full_at_its_limit() -> None:
    """It ends with the item that reaches the limit, and never splits one."""
    assert coalesce(["aaa"] * 7, limit=9) == [b"a" * 9, b"a" * 9, b"a" * 3]
    assert coalesce(["a" * 100, "b"], limit=9) == [b"a" * 100, b"b"]
    assert [len(c) for c in coalesce(["x" * 1024] * 130)] == [LIMIT, LIMIT, 2048]


def test_a_slow_producer_gets_each_item_sent() -> None:
    """Items that come further apart than the patience go one by one."""
    clock = Clock()

    def slow() -> Iterator[str]:
        for n in range(20):
            clock.advance(PATIENCE * 2)
            yield f"{n},"

    pulled = list(chunks(Coalescer(slow(), clock=clock)))
    assert pulled == [f"{n},".encode() for n in range(20)]


def test_a_quick_producer_that_turns_slow_is_noticed_within_a_stride() -> None:
    """At most 7 items wait for the one after them, once."""
    clock = Clock()
    made: list[int] = []

    def turning() -> Iterator[str]:
        for n in range(100):
            if n >= 50:
                clock.advance(PATIENCE * 2)
            made.append(n)
            yield "x"

    coalescer = Coalescer(turning(), clock=clock)
    head = coalescer.pull()
    assert head is not None
    assert 50 <= len(head) <= 50 + STRIDE
    rest = list(chunks(coalescer))
    assert set(rest) == {b"x"}


@pytest.mark.parametrize(
    ("patience", "expected"), [(0.5, [b"ab", b"cd"]), (5.0, [b"abcd"])]
)
def test_patience_decides(patience: float, expected: list[bytes]) -> None:
    """Items are gathered for as long as patience lasts, by the clock given."""
    clock = Clock()

    def source() -> Iterator[str]:
        for letter in "abcd":
            clock.advance(0.3)
            yield letter

    got = list(chunks(Coalescer(source(), patience=patience, clock=clock)))
    if patience == 5.0:
        assert got == expected
    else:
        assert b"".join(got) == b"abcd"
        assert len(got) > 1
        assert max(map(len, got)) <= 3


@pytest.mark.parametrize("before", [0, 1, 2, 3, 7, 8, 20])
def test_bytes_come_before_the_exception_that_followed_them(before: int) -> None:
    """What was yielded goes first; then the very exception comes through, once."""
    error = LookupError("late")

    def failing() -> Iterator[str]:
        for _ in range(before):
            yield "x"
        raise error

    coalescer = Coalescer(failing(), clock=still)
    if before:
        assert coalescer.pull() == b"x" * before
    with pytest.raises(LookupError) as caught:
        coalescer.pull()
    assert caught.value is error
    assert coalescer.pull() is None


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_ends_a_process_passes_at_once(kind: type[BaseException]) -> None:
    """It doesn't wait behind the bytes that came before it."""

    def leaving() -> Iterator[str]:
        yield "x"
        raise kind

    with pytest.raises(kind):
        Coalescer(leaving(), clock=still).pull()


WRONG = [
    (None, "flush"),
    (0, "str("),
    (5, "str("),
    (1.5, "str("),
    ([], "str("),
    (["row"], "str("),
    ({}, "str("),
    (bytearray(b"ab"), "bytes("),
    (bytearray(), "bytes("),
    (memoryview(b"ab"), "bytes("),
    (memoryview(b""), "bytes("),
    (object(), "str("),
]


@pytest.mark.parametrize(("item", "advice"), WRONG, ids=lambda v: repr(v)[:18])
@pytest.mark.parametrize("before", [0, 1, 2, 9])
def test_a_wrong_type_is_named_with_advice(
    item: object, advice: str, before: int
) -> None:
    """None, numbers, lists and buffers: BodyTypeError, which says what to do."""
    coalescer = Coalescer(iter(["ok"] * before + [item, "more"]), clock=still)
    with pytest.raises(BodyTypeError, match=type(item).__name__) as caught:
        list(chunks(coalescer))
    assert advice in str(caught.value)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(("item", "advice"), WRONG, ids=lambda v: repr(v)[:18])
def test_a_wrong_first_item_is_named_too(item: object, advice: str) -> None:
    """`first` checks like `pull`."""
    with pytest.raises(BodyTypeError) as caught:
        Coalescer(iter([item])).first()
    assert advice in str(caught.value)


@pytest.mark.parametrize("take", [Coalescer.first, Coalescer.pull])
def test_half_a_character_raises(take: Callable[[Coalescer], object]) -> None:
    """A lone surrogate isn't sent as something else."""
    with pytest.raises(UnicodeEncodeError):
        take(Coalescer(iter(["\ud800"])))


def test_subclasses_of_text_are_text() -> None:
    """Markup is sent as it is; its own joining would escape its neighbours."""
    assert coalesce([Markup("<b>"), "<i>", b"<u>"]) == [b"<b><i><u>"]
    assert Coalescer(iter([Markup("<b>")])).first() == b"<b>"


def test_a_chunk_is_out_before_the_source_is_asked_again() -> None:
    """The source stands just behind the last byte of the chunk that is out."""
    made = []

    def counted() -> Iterator[bytes]:
        for n in range(100):
            made.append(n)
            yield b"x" * 10
            if n % 10 == 9:
                yield b""

    coalescer = Coalescer(counted(), clock=still)
    for n, chunk in enumerate(chunks(coalescer), 1):
        assert len(chunk) == 100
        assert len(made) == 10 * n
