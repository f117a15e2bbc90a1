"""What a page asks for, as links that may go ahead of it."""

from __future__ import annotations

import pytest

from flask_sluice.formats.link import Link, parse
from flask_sluice.hints.head import read
from flask_sluice.hints.policy import Origin
from flask_sluice.hints.wanted import wanted

SITE = Origin("https", "shop.example")


def links(
    html: str, header: str = "", *policies: str, path: str = "/p/x", limit: int = 32
) -> list[str]:
    """Give the links of a page, as text."""
    found = wanted(
        read(html.encode()).tags,
        parse(header),
        policies=policies,
        origin=SITE,
        path=path,
        limit=limit,
    )
    return list(map(str, found.links))


CSS = "</a.css>; rel=preload; as=style"
JS = "</a.js>; rel=preload; as=script"


@pytest.mark.parametrize(
    ("html", "link"),
    [
        ("<link rel=stylesheet href=/a.css>", CSS),
        ('<link rel="StyleSheet" type=text/css href=" /a.css&#10;">', CSS),
        ("<link rel=stylesheet href=/a.css media=print>", f"{CSS}; media=print"),
        (
            "<link rel=stylesheet href=/a.css media='(width < 9em), print'>",
            f'{CSS}; media="(width < 9em), print"',
        ),
        ("<link rel=stylesheet href=/a.css crossorigin>", f"{CSS}; crossorigin"),
        (
            "<link rel=stylesheet href=/a.css crossorigin=use-credentials>",
            f"{CSS}; crossorigin=use-credentials",
        ),
        (
            "<script src=/a.js integrity=sha256-x= crossorigin=anonymous></script>",
            f'{JS}; crossorigin; integrity="sha256-x="',
        ),
        ("<script type=text/javascript src=/a.js></script>", JS),
        ("<script type=module src=/m.js></script>", "</m.js>; rel=modulepreload"),
        ("<link rel=modulepreload href=/m.js>", "</m.js>; rel=modulepreload"),
        (
            "<link rel=preload as=font type=font/woff2 href=/f.woff2 crossorigin>",
            '</f.woff2>; rel=preload; as=font; crossorigin; type="font/woff2"',
        ),
        (
            "<link rel=preload as=image href=/i imagesrcset='/i 1x, /j 2x'>",
            '</i>; rel=preload; as=image; imagesrcset="/i 1x, /j 2x"',
        ),
        (
            "<link rel=stylesheet href='/a b.css'>",
            "</a%20b.css>; rel=preload; as=style",
        ),
        ("<link rel=stylesheet href=/a.css#x>", CSS),
        ("<link rel=stylesheet href=a.css>", "</p/a.css>; rel=preload; as=style"),
        ("<link rel=stylesheet href=../a.css>", CSS),
        ("<link rel=stylesheet href=https://shop.example/a.css>", CSS),
        ("<link rel=stylesheet href=//SHOP.example/a.css>", CSS),
        ("<base href=/b/><link rel=stylesheet href=/a.css>", CSS),
    ],
)
def test_it_asks_for(html: str, link: str) -> None:
    """With the attributes that the element will ask with."""
    assert links(html) == [link]


@pytest.mark.parametrize(
    "html",
    [
        "<link rel='alternate stylesheet' href=/a.css>",
        "<link rel=stylesheet href=/a.css disabled>",
        "<link rel=stylesheet type=text/x-scss href=/a.scss>",
        "<link rel=stylesheet>",
        "<link rel=stylesheet href=''>",
        "<link rel=icon href=/i.png>",
        "<link rel=preload href=/a.css>",
        "<link rel=prefetch as=style href=/a.css>",
        "<link rel=preconnect href=https://shop.example>",
        "<link rel=dns-prefetch href=//fonts.example>",
        "<script src=/a.js async></script>",
        "<script src=/a.js defer></script>",
        "<script src=/a.js nomodule></script>",
        "<script src=/a.js type=module async></script>",
        "<script src=/a.json type=importmap></script>",
        "<link rel=stylesheet href=https://other.example/a.css>",
        "<link rel=stylesheet href=//other.example/a.css>",
        "<link rel=stylesheet href=http://shop.example/a.css>",
        "<link rel=stylesheet href=https://shop.example:8443/a.css>",
        "<link rel=stylesheet href=https://shop.example//other.example/a.css>",
        "<link rel=stylesheet href=/\\other.example/a.css>",
        "<link rel=stylesheet href='data:text/css,'>",
        "<link rel=stylesheet href=http://[/a.css>",
        "<link rel=stylesheet href='/a>.css'>",
        "<link rel=stylesheet href='/a&#0;.css'>",
        "<link rel=preload as=image href=/i.png imagesrcset='//o.example/i 2x'>",
        "<base href=/b/><link rel=stylesheet href=a.css>",
        "<base href=//other.example/><link rel=stylesheet href=/a.css>",
    ],
)
def test_it_does_not_ask_for(html: str) -> None:
    """Elsewhere, not blocking, or nothing that a header may say."""
    assert links(html) == []


def test_the_header_counts_first() -> None:
    """What was hinted has its attributes, and isn't there twice."""
    header = f"{CSS}; fetchpriority=high; nopush, <https://o.example/x>; rel=preload"
    found = links(
        "<link rel=stylesheet href=/a.css><script src=/a.js></script>", header
    )
    assert found == [f"{CSS}; fetchpriority=high; nopush", JS]


@pytest.mark.parametrize(
    "header",
    [
        "</a>; rel=preload",
        f"{CSS}; anchor=/other",
        "</a>; rel=preconnect",
        "</a>; as=style",
    ],
)
def test_a_header_that_asks_for_nothing(header: str) -> None:
    """What a browser takes no notice of, or not for this page."""
    assert links("", header) == []


def test_the_header_knows_no_base() -> None:
    """It is read against the page's own address."""
    assert links("<base href=//o.example/>", "<a.css>; rel=preload; as=style") == [
        "</p/a.css>; rel=preload; as=style"
    ]


def test_a_policy_forbids() -> None:
    """By a header, or in the page itself; the rest goes."""
    html = "<link rel=stylesheet href=/a.css><script src=/a.js></script>"
    assert links(html, "", "script-src 'nonce-x'") == [CSS]
    meta = '<meta http-equiv=content-security-policy content="style-src /x">'
    assert links(meta + html) == [JS]
    assert links(f"{html}<meta http-equiv=refresh content='style-src x'>") == [CSS, JS]


def test_no_more_than_the_limit() -> None:
    """Links, and characters of them."""
    many = "".join(f"<script src=/{at}.js></script>" for at in range(9))
    assert len(links(many, limit=3)) == 3
    long = "".join(f"<script src=/{'a' * 900}{at}></script>" for at in range(9))
    assert len(links(long)) == 3


def test_what_depends_on_the_path() -> None:
    """Says so, because elsewhere it is another file."""
    for href, is_relative in (("a.css", True), ("/a.css", False)):
        found = wanted(
            read(f"<link rel=stylesheet href={href}>".encode()).tags,
            list[Link](),
            policies=(),
            origin=SITE,
            path="/p/ä",
            limit=9,
        )
        assert found.is_relative == is_relative
