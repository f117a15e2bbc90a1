"""Link headers: what is written every parser reads, and what is there is read."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_sluice.errors import ArgumentError, HeaderError
from flask_sluice.formats.link import Link, header, parse, target

CONTROLS = [chr(n) for n in range(32)] + ["\x7f"]
TOKEN = string.ascii_lowercase + string.digits + "!#$%&'+-.^_`|~"

NAMES = st.text(TOKEN, min_size=1).filter(lambda name: name != "rel")
VALUES = st.none() | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(CONTROLS))
)
ATTRIBUTES = st.lists(st.tuples(NAMES, VALUES), unique_by=lambda pair: pair[0])
TARGETS = st.text(string.ascii_letters + string.digits + "-._~/?&=,;'()*+$!@:").map(
    "/{}".format
)
RELATIONS = st.sampled_from(["preload", "preload next", "PRELOAD"])


@st.composite
def links(draw: st.DrawFn) -> Link:
    """A link as this package would write it: its relation first."""
    attributes = draw(ATTRIBUTES)
    return Link(draw(TARGETS), (("rel", draw(RELATIONS)), *attributes))


def judged(value: str, **options: Any) -> list[tuple[str, dict[str, str]]]:
    """Read *value* with another parser."""
    weblinking: Any = pytest.importorskip(
        "weblinking", reason="needs Python package weblinking"
    )
    found = []
    for link in weblinking.parse(value, **options):
        pairs: dict[str, str] = {}
        for name, text in link.pairs:
            if name.endswith("*"):
                name, text = name[:-1], weblinking.decode_ext_value(text).value  # noqa: PLW2901
            pairs.setdefault(name, text)
        found.append((link.uri, pairs))
    return found


# --- writing ---------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(st.lists(links(), max_size=4))
@example([Link("/a,b;c", (("rel", "preload"), ("title", 'a "b", \\ <c>; d=e')))])
@example([Link("/a", (("rel", "preload"), ("title", "fünf, 飛行機 'x' 100%")))])
@example([Link("/a", (("rel", "preload"), ("media", ""), ("nopush", None)))])
def test_another_parser_reads_the_same(made: list[Link]) -> None:
    """A strict parser of RFC 8288 finds targets, names and values as they were."""
    value = header(made)
    assert value.isascii()
    assert judged(value, strict=True) == [
        (link.target, {name: text or "" for name, text in link.attributes})
        for link in made
    ]


@settings(deadline=None, max_examples=100)
@given(st.lists(links(), max_size=4))
def test_our_own_parser_reads_the_same(made: list[Link]) -> None:
    """Links that are written and read are equal, but for the order of attributes."""
    found = parse(header(made))
    assert [(link.target, dict(link.attributes)) for link in found] == [
        (link.target, dict(link.attributes)) for link in made
    ]
    assert [link.key for link in found] == [link.key for link in made]


@pytest.mark.parametrize(
    ("attributes", "written"),
    [
        ((("rel", "preload"), ("as", "style")), "rel=preload; as=style"),
        ((("nopush", None),), "nopush"),
        ((("type", "text/css"),), 'type="text/css"'),
        ((("media", ""),), 'media=""'),
        ((("media", "(width < 1px), print"),), 'media="(width < 1px), print"'),
        ((("title", 'a"b\\c'),), r'title="a\"b\\c"'),
        ((("title", "ü'"),), "title*=UTF-8''%C3%BC%27"),
    ],
)
def test_how_it_is_written(attributes: Any, written: str) -> None:
    """Plain where that will do, quoted where it must be, encoded beyond ASCII."""
    assert str(Link("/a", attributes)) == f"</a>; {written}"


def test_a_header_has_no_comma_too_many() -> None:
    """Between links there is one, and none at the end."""
    two = [Link("/a", (("rel", "preload"),)), Link("/b", (("rel", "preload"),))]
    assert header(two) == "</a>; rel=preload, </b>; rel=preload"
    assert header([]) == ""


@pytest.mark.parametrize("control", CONTROLS, ids=repr)
def test_a_control_is_refused(control: str) -> None:
    """CR, LF, NUL, a tab and the like get into no URL, value or name."""
    with pytest.raises(HeaderError, match="URL"):
        target(f"/a{control}b")
    with pytest.raises(HeaderError, match="The attribute media"):
        str(Link("/", (("media", f"a{control}"),)))
    with pytest.raises(ArgumentError, match="no name"):
        str(Link("/", ((f"a{control}", "b"),)))


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "a,b", 'a"', "ä", "title*"])
def test_names_that_are_none(name: str) -> None:
    """A name is a token; one with an asterisk is written by this module alone."""
    with pytest.raises(ArgumentError, match="no name"):
        str(Link("/", ((name, "b"),)))


def test_a_relation_beyond_ascii_is_refused() -> None:
    """There is no encoded form of `rel`."""
    with pytest.raises(ArgumentError, match="rel is"):
        str(Link("/", (("rel", "vör"),)))


def test_half_a_character_is_refused_in_our_words() -> None:
    """A lone surrogate is a clear error, ours."""
    with pytest.raises(ArgumentError, match="half a character"):
        target("/\udcff.css")
    with pytest.raises(ArgumentError, match="half a character"):
        str(Link("/", (("title", "\udcff"),)))


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("/a.css", "/a.css"),
        (" /a.css ", "/a.css"),
        ("/a b.css", "/a%20b.css"),
        ("/a%20b.css", "/a%20b.css"),
        ('/a"b', "/a%22b"),
        ("/ü/飛.css?q=ü", "/%C3%BC/%E9%A3%9B.css?q=%C3%BC"),
        ("/a?b={c}|d^e`f[g]&h=',;#i", "/a?b={c}|d^e`f[g]&h=',;#i"),
        ("https://[::1]:8443/~a", "https://[::1]:8443/~a"),
    ],
)
def test_targets(url: str, made: str) -> None:
    """A URL is spelled as a browser spells the one in `href`."""
    assert target(url) == made


@pytest.mark.parametrize("url", ["", "  ", "/a<b", "/a>b", "/a\\b"])
def test_what_is_no_target(url: str) -> None:
    """What could end the target early, and nothing at all, are refused."""
    with pytest.raises(ArgumentError, match="URL"):
        target(url)


# --- reading ---------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(st.text("<>;,=\"\\ \tab'/"))
@example('</a>; b="a, </b>; x')
@example('a, </b> x; y=z, </c>;;a="b"c;d')
@example("</a, </b>; a")
@example('<a>;a ="b\\')
def test_garbage_is_read_as_another_parser_reads_it(value: str) -> None:
    """What isn't a link is skipped to the next comma; nothing raises."""
    found = []
    for link in parse(value):
        pairs: dict[str, str] = {}
        for name, text in link.attributes:
            pairs.setdefault(name, text or "")
        found.append((link.target, pairs))
    assert found == judged(value)


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ('</a.css>; rel="preload"; as="style"', True),
        ("</a.css> ;REL = PreLoad;As=STYLE;nopush", True),
        ("</a.css>; as=style; rel=preload, ", True),
        ("</a.css>; as=style; rel=preload; rel=next", True),
        ("</a.css>; rel=preload", False),
        ("</a.css>; as=script; rel=preload", False),
        ("</a.css>; as=style; rel=prefetch", False),
        ('</a.css>; as=style; rel="preload next"', False),
        ("</b.css>; as=style; rel=preload", False),
    ],
)
def test_what_is_the_same_link(value: str, same: bool) -> None:
    """Target, relations and `as` make a link; how it is written doesn't matter."""
    own = Link("/a.css", (("rel", "preload"), ("as", "style")))
    (there,) = parse(value)
    assert (there.key == own.key) is same


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("title*=UTF-8''%e2%82%ac; title=EUR", "€"),
        ("title=EUR; title*=utf-8'de'%E2%82%AC", "€"),
        ("title*=iso-8859-1'en'%A3", "£"),
        ("title*=UTF-8''%ff; title=EUR", "EUR"),
        ("title*=nothing''%41; title=EUR", "EUR"),
        ("title*=plain; title=EUR", "EUR"),
        ("title*; title=EUR", "EUR"),
    ],
)
def test_encoded_values(written: str, title: str) -> None:
    """One that can be decoded counts, before the plain one."""
    (link,) = parse(f"</a>; {written}")
    assert link.get("title") == title
    assert link.get("title*") is None
