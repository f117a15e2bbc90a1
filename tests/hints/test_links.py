"""Hints as they are written: each argument an attribute, and junk refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from markupsafe import Markup

from flask_sluice.errors import (
    ArgumentError,
    HeaderError,
    NotInitializedError,
    OutsideRequestError,
)
from flask_sluice.formats.link import parse
from flask_sluice.hints import dns_prefetch, modulepreload, preconnect, preload, push
from hinting import links, serving, told

CONTROLS = [chr(n) for n in range(32)] + ["\x7f"]


@pytest.mark.parametrize(
    ("hint", "written"),
    [
        (lambda: preload("/a.css", "style"), "</a.css>; rel=preload; as=style"),
        (
            lambda: preload("/a", as_="image", rel="prefetch"),
            "</a>; rel=prefetch; as=image",
        ),
        (lambda: preload("/a", rel="prefetch"), "</a>; rel=prefetch"),
        (lambda: preload("/a", "font"), "</a>; rel=preload; as=font; crossorigin"),
        (
            lambda: preload("/a", "font", crossorigin=False),
            "</a>; rel=preload; as=font",
        ),
        (
            lambda: preload("/a", "fetch", crossorigin="use-credentials"),
            "</a>; rel=preload; as=fetch; crossorigin=use-credentials",
        ),
        (
            lambda: preload("/a", "script", crossorigin=True, nopush=True),
            "</a>; rel=preload; as=script; crossorigin; nopush",
        ),
        (
            lambda: preload(
                "/a.avif",
                "image",
                fetchpriority="high",
                type="image/avif",
                media="(width > 9em)",
                imagesrcset="/a.avif 1x, /ä.avif 2x",
                imagesizes="50vw, 9em",
                integrity="sha384-a+/=",
            ),
            ("</a.avif>; rel=preload; as=image; fetchpriority=high; "
            'type="image/avif"; media="(width > 9em)"; '
            'imagesrcset="/a.avif 1x, /%C3%A4.avif 2x"; '
            'imagesizes="50vw, 9em"; integrity="sha384-a+/="'),
        ),
        (lambda: modulepreload("/a.js"), "</a.js>; rel=modulepreload"),
        (
            lambda: modulepreload(
                "/a.js", "worker", crossorigin=True, fetchpriority="low", integrity="x"
            ),
            ("</a.js>; rel=modulepreload; as=worker; crossorigin; "
            "fetchpriority=low; integrity=x"),
        ),
        (
            lambda: preconnect("https://f.example", crossorigin=True),
            "<https://f.example>; rel=preconnect; crossorigin",
        ),
        (lambda: preconnect("//f.example/a"), "<//f.example/a>; rel=preconnect"),
        (
            lambda: dns_prefetch("https://f.example"),
            "<https://f.example>; rel=dns-prefetch",
        ),
        (lambda: push("/a.css", "style"), "</a.css>; rel=preload; as=style"),
        (lambda: push("/a.css"), "</a.css>; rel=preload"),
        (
            lambda: push("/a.js", as_="script", type="text/javascript"),
            '</a.js>; rel=preload; as=script; type="text/javascript"',
        ),
        (
            lambda: preload(Markup("/a?b=1&amp;c=2"), "style"),
            "</a?b=1&c=2>; rel=preload; as=style",
        ),
    ],
)  # fmt: skip
def test_how_a_hint_is_written(hint: Callable[[], str], written: str) -> None:
    """Each argument is the attribute of its name."""
    assert told(hint) == [written]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/a.css", "/a.css"),
        ("b.css", "/prefix/p/ü/b.css"),
        ("../b.css?c=d", "/prefix/p/b.css?c=d"),
        ("?c=d", "/prefix/p/ü/x?c=d"),
        ("https://o.example/b.css", "https://o.example/b.css"),
        ("//o.example/b.css", "//o.example/b.css"),
        ("data:text/css,a", "data:text/css,a"),
    ],
)
def test_a_target_begins_at_the_root(url: str, target: str) -> None:
    """A path that is relative to the page is made absolute, with the app's prefix."""
    client = serving(lambda: preload(url, "style"))
    response = client.get("/p/ü/x", base_url="http://localhost/prefix/")
    assert response.text == url
    (link,) = parse(links(response)[0])
    assert link.target == target.replace("ü", "%C3%BC")


def test_the_url_comes_back_as_it_was() -> None:
    """The very object, so that it can stand in `href`."""
    url = Markup("a&amp;b")
    others = [modulepreload, push]

    def view() -> str:
        assert preload(url, "style") is url
        assert all(function(url) is url for function in others)
        assert preconnect("//o") == dns_prefetch("//o") == "//o"
        return ""

    assert serving(view).get("/p/x").status_code == 200


@pytest.mark.parametrize("control", CONTROLS, ids=repr)
def test_a_control_is_refused(control: str) -> None:
    """It is one error, from a URL as from an attribute, and no hint."""

    def view() -> str:
        for call in (
            lambda: preload(f"/a{control}.css", "style"),
            lambda: preload("/a.css", f"style{control}"),
            lambda: push("/a.css", media=f"a{control}b"),
            lambda: preconnect(f"https://a{control}b"),
        ):
            with pytest.raises(HeaderError):
                call()
        return ""

    response = serving(view).get("/p/x")
    assert (response.status_code, links(response)) == (200, [])


@pytest.mark.parametrize(
    "call",
    [
        lambda: preload("/a.css"),
        lambda: preload("", "style"),
        lambda: preload("/<a>", "style"),
        lambda: preload(None, "style"),  # type: ignore[arg-type]
        lambda: preload(b"/a.css", "style"),  # type: ignore[arg-type]
        lambda: preload("/a.css", ""),
        lambda: preload("/a.css", 7),  # type: ignore[arg-type]
        lambda: preload("/a.css", "style", rel=""),
        lambda: preload("/a.css", "style", crossorigin="yes"),  # type: ignore[arg-type]
        lambda: preload("/a.css", "style", crossorigin=[]),  # type: ignore[arg-type]
        lambda: preload("/a.css", "style", fetchpriority="top"),  # type: ignore[arg-type]
        lambda: preconnect("/a.css"),
        lambda: dns_prefetch("a.example"),
    ],
)
def test_what_is_refused(call: Callable[[], object]) -> None:
    """What can't be meant raises at the line that says it."""

    def view() -> str:
        with pytest.raises(ArgumentError):
            call()
        return ""

    response = serving(view).get("/p/x")
    assert (response.status_code, links(response)) == (200, [])


def test_where_it_can_be_used() -> None:
    """A hint needs a request, and an app with a `Sluice`."""
    with pytest.raises(OutsideRequestError, match="preload"):
        preload("/a", "style")
    bare = Flask("bare")
    with bare.app_context(), pytest.raises(OutsideRequestError, match="push"):
        push("/a")
    with bare.test_request_context(), pytest.raises(NotInitializedError):
        push("/a")
