"""A page's head: which tags are seen, which are skipped, and where it ends."""

from __future__ import annotations

import itertools
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_sluice.hints.head import LIMIT, HeadReader, attributes_of, read


def seen(html: str) -> list[tuple[str, dict[str, str]]]:
    """Give the tags that are seen, with their attributes."""
    tags = read(html.encode()).tags
    return [(tag[0].decode(), attributes_of(tag)) for tag in tags]


def hrefs(html: str) -> list[str]:
    """Give what the links that are seen lead to."""
    return [attributes["href"] for _, attributes in seen(html)]


A = "<link href=/a>"


def test_what_has_a_say() -> None:
    """Links, scripts with a source, a base and a meta that stands for a header."""
    html = """\ufeff<!DOCTYPE html>
    <html lang=en><HEAD><meta charset=utf-8><title>t</title>
    <base href='/b/'>
    <meta http-equiv="Content-Security-Policy" content="default-src 'self'">
    <LINK REL="stylesheet" Href="/a.css?x=1&amp;y=2" crossorigin />
    <script>inline()</script><script src=/a.js async></script>
    </head><body><link href=/late>"""
    assert seen(html) == [
        ("base", {"href": "/b/"}),
        (
            "meta",
            {
                "http-equiv": "Content-Security-Policy",
                "content": "default-src 'self'",
            },
        ),
        ("link", {"rel": "stylesheet", "href": "/a.css?x=1&y=2", "crossorigin": ""}),
        ("script", {"src": "/a.js", "async": ""}),
    ]


@pytest.mark.parametrize(
    "around",
    [
        "<!-- <link href=/x> > -->",
        "<!--><link href=/y><!---->",
        "<!---><link href=/y>",
        "<script>if (a < b) '<link href=/x></head>'</script >",
        "<SCRIPT>'<link href=/x>'</Script>",
        "<style>/* <link href=/x> */</style>",
        "<title><link href=/x></title>",
        "<noscript><link href=/x></noscript>",
        "<template><link href=/x></template>",
        "<meta name=description content='<link href=/x>'>",
        '<meta content="a > b <body>">',
        "</p></title><!doctype x><?xml <body>",
        "a < b <3 <",
        "<linker>",
    ],
)
def test_what_has_none(around: str) -> None:
    """What isn't there for a browser isn't seen, and doesn't end the head."""
    found = hrefs(f"<head>{around}{A}<body>")
    expected = {"<linker>": []}.get(around, ["/a"])
    assert [href for href in found if href != "/y"] == expected
    assert ("/y" in found) == ("/y" in around)


@pytest.mark.parametrize(
    "end", ["</head>", "</HEAD >", "<body>", "<p>", "<BODY class=a>"]
)
def test_the_end(end: str) -> None:
    """It is the head's own, or the first element of a body."""
    head = f"<head>{A}{end}"
    found = read(f"{head}<link href=/late><p>".encode())
    assert (len(found.tags), found.is_over) == (1, True)
    # Bytes that are the same up to there are the same head.
    assert len(head) - 8 <= found.size <= len(head)


@pytest.mark.parametrize(
    "start", ["", "<head", f"<head>{A}", "<script>x", "<!-- x", "<title>"]
)
def test_no_end(start: str) -> None:
    """What isn't there to its end isn't over, and not read as something else."""
    found = read(f"{start}".encode())
    assert not found.is_over
    assert len(found.tags) == start.count("<link")


def test_a_head_without_end() -> None:
    """64 KiB are read, and no more."""
    html = b"<meta name=a>" * (LIMIT // 13 - 2) + A.encode() + b" " * 99 + A.encode()
    found = read(html)
    assert (len(found.tags), found.size, found.is_over) == (1, LIMIT, True)


def test_a_nonce_says_nothing() -> None:
    """Two scripts that differ in it alone are the same."""
    one, other = (
        read(f'<script nonce="{nonce}" src=/a.js></script>'.encode()).tags
        for nonce in ("abc", "d'f")
    )
    assert one == other
    assert attributes_of(one[0]) == {"src": "/a.js"}


PIECES = st.lists(
    st.sampled_from(
        [
            A,
            "<link rel='a' href=/b>",
            "<script src=/s></script>",
            "<script>'<link>'; a<b</script>",
            "<style>p > a {}</style>",
            "<title>a &lt; b</title>",
            "<!-- <link> -->",
            "<meta charset=utf-8>",
            "<base href=/x/>",
            "\n  ",
        ]
    ),
    max_size=8,
)


class Reference(HTMLParser):
    """The standard library's parser, asked the same."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in ("link", "base") or (tag == "script" and "src" in attributes):
            self.tags.append((tag, attributes))


@given(PIECES)
def test_as_another_parser_reads_it(pieces: list[str]) -> None:
    """In whatever order they stand."""
    html = f"<html><head>{''.join(pieces)}</head>"
    reference = Reference()
    reference.feed(html)
    assert seen(html) == reference.tags


@given(PIECES, st.lists(st.integers(0, 300), max_size=6))
def test_in_pieces(pieces: list[str], cuts: list[int]) -> None:
    """However a stream is cut, what is read of it is what is read of the whole."""
    html = f"<html><head>{''.join(pieces)}</head><body>".encode()
    rest = b"<p>later</p>" * 99
    whole, reader, heads = html + rest, HeadReader(), []
    places = [0, *sorted(cuts), len(whole)]
    for at, to in itertools.pairwise(places):
        head = reader.take(whole[at:to])
        if head is not None:
            heads.append(head)
            break
    assert [head.tags for head in heads] == [read(whole).tags]


def test_many_small_pieces_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that comes byte by byte is read a few times, and found at its end."""
    from flask_sluice.hints import head as module

    sizes: list[int] = []

    def counting(html: bytes) -> module.Head:
        sizes.append(len(html))
        return read(html)

    monkeypatch.setattr(module, "read", counting)
    html = f"<head>{'<meta charset=utf-8>' * 100}{A}</head><p>".encode()
    reader = HeadReader()
    found = [head for byte in html if (head := reader.take(bytes([byte])))]
    assert len(found[0].tags) == 1
    assert len(reader.html) >= html.index(b"</head>") + 7
    assert len(sizes) < 20
