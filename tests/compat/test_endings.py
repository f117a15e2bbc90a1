"""What a page leaves open is closed, and nothing is closed twice that would show."""

from __future__ import annotations

import pytest

from flask_sluice.compat.flasksr.endings import endings


@pytest.mark.parametrize(
    "html",
    [
        "",
        "text & <3",
        "<!doctype html><html><head><title>t</title><body><p>x</p>",
        "<div><p>x<p>y</div><br><img src='a>b'><input/>",
        "<ul><li>x<li>y</ul><table><tr><td>x<td>y</table>",
        "<!-- <div> --><script>'<div>'</script><textarea><div></textarea>",
        "<DIV\nclass='x > y'\n>x</Div ><b>y</b>",
        "x</div></section></b>",
        "<div title=it's>x</div><p>&lt;div&gt;</p><>",
    ],
)
def test_nothing_is_open(html: str) -> None:
    """A page whose elements are closed, by their end tags or otherwise, needs none."""
    assert endings(html) == ""


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<div><section>x</body></html>", "</section></div>"),
        ("<div>x</div></div><div>", "</div>"),
        ("<div><table><tr><td><div>", "</div></td></tr></table></div>"),
        ("<x-y><div><b><select><option>", "</option></select></b></div></x-y>"),
        ("<x-y><div>z</x-y>", "</div></x-y>"),
        ("<span><div></span></div>z", "</span>"),
        ("<x-y><p>z</x-y>", "</p></x-y>"),
        ("<section><i>x</section>y", "</i>"),
        ("<section><i>x</section>y</i>", ""),
        ("<div>x<p>y", "</p></div>"),
        ("<div>x<p>y<div>z</div>", "</div>"),
        ("<div title='never closed><p>x</p>", "</div>"),
    ],
)
def test_what_is_open(html: str, expected: str) -> None:
    """What is open is closed, from the inside to the outside."""
    assert endings(html) == expected


def test_long_pages_are_no_burden() -> None:
    """Odd text takes no longer than its length."""
    for piece in ("<", "<a ", "<a '", "<!--", "<a b='c' ", "</", "<script>", '<a b="'):
        endings(piece * 20_000)
