"""Marks and patches as bytes, and names that nobody can guess."""

from __future__ import annotations

import itertools
import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from flask_sluice.formats.html import LAST, MARK, SEPARATOR, mark, new_names, patch

NAME = re.compile(r"[A-Za-z0-9_-]{6}")


def test_the_bytes_that_browsers_know() -> None:
    """Quoted in the mark, bare in the patch, 60 bytes together."""
    assert mark("a1_-Zz", "<p>x</p>") == '<?start name="a1_-Zz"><p>x</p><?end>'
    assert patch("a1_-Zz", "<p>y</p>") == "<template for=a1_-Zz><p>y</p></template>"
    assert len(mark("a1_-Zz", "")) + len(patch("a1_-Zz", "")) == 60
    assert SEPARATOR == "<?>"
    assert LAST == "<script></script>"


def test_names_are_safe_and_none_comes_twice() -> None:
    """Six characters of the alphabet that needs no quotes."""
    names = list(itertools.islice(new_names(), 20_000))
    assert all(NAME.fullmatch(name) for name in names)
    assert len(set(names)) == len(names)
    assert not any(name == name.lower() for name in names)  # 878 of them, by chance


def test_names_are_random() -> None:
    """Every page has its own, and all of the alphabet is used at each place."""
    first, second = (set(itertools.islice(new_names(), 2_000)) for _ in range(2))
    assert len(first & second) <= 1  # one in 17,000 runs has one in common
    for place in range(6):
        counts = Counter(name[place] for name in first)
        assert len(counts) == 64
        assert max(counts.values()) < 80  # 31 expected


@given(st.text(alphabet="abc<>?& \n"), st.text(alphabet="abc<>?& \n"))
def test_marks_are_found_again(before: str, fallback: str) -> None:
    """Wherever they stand in text; what is between start and end is the fallback."""
    html = before + mark("abc123", fallback) + before
    found = [m for m in MARK.finditer(html) if m[1] is not None]
    assert [m[1] for m in found] == ["abc123"]
    assert html[found[0].end() :].startswith(fallback + "<?end>")
