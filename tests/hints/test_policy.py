"""Content-Security-Policy: which of the page's own files a hint may fetch."""

from __future__ import annotations

import pytest

from flask_sluice.hints.policy import Origin, allows, without_nonces

SITE = Origin("https", "shop.example")


@pytest.mark.parametrize(
    ("policy", "kind", "allowed"),
    [
        ("", "style", True),
        ("default-src 'self'", "style", True),
        ("default-src 'none'", "style", False),
        ("default-src 'none'; STYLE-SRC 'Self'", "style", True),
        ("default-src 'self'; style-src 'none'", "style", False),
        ("default-src 'self'; style-src", "style", False),
        ("style-src 'none'; style-src-elem 'self'", "style", True),
        ("style-src 'none'", "script", True),
        ("script-src 'nonce-abc'", "script", False),
        ("script-src 'sha256-abc='", "script", False),
        ("script-src 'nonce-abc' 'self'", "script", True),
        ("script-src 'self' 'strict-dynamic' 'nonce-abc'", "script", False),
        ("script-src 'unsafe-inline'", "script", False),
        ("font-src https://fonts.example", "font", False),
        ("img-src *", "image", True),
        ("img-src https:", "image", True),
        ("img-src http:", "image", True),
        ("img-src data:", "image", False),
        ("connect-src 'none'", "fetch", False),
        ("default-src 'none'", "worker", False),
        ("style-src shop.example", "style", True),
        ("style-src https://SHOP.example", "style", True),
        ("style-src https://shop.example:443", "style", True),
        ("style-src https://shop.example:*", "style", True),
        ("style-src https://shop.example:8443", "style", False),
        ("style-src http://shop.example", "style", True),
        ("style-src *.example", "style", True),
        ("style-src *.shop.example", "style", False),
        ("style-src shop.example/static/", "style", True),
        ("style-src shop.example/st%61tic/a.css", "style", True),
        ("style-src shop.example/static", "style", False),
        ("style-src shop.example/other/", "style", False),
        ("default-src 'self', style-src 'none'", "style", False),
        ("style-src 'self'; style-src 'none'", "style", True),
    ],
)
def test_one_policy(policy: str, kind: str, allowed: bool) -> None:
    """As a browser would decide for a file without nonce and hash."""
    assert allows([policy], kind, "/static/a.css?v=1", SITE) == allowed


def test_all_of_them_count() -> None:
    """Each header is a policy of its own."""
    assert allows(["style-src 'self'", "img-src 'none'"], "style", "/a", SITE)
    assert not allows(["style-src 'self'", "default-src 'none'"], "style", "/a", SITE)


def test_another_port_than_the_usual() -> None:
    """The host alone isn't this site then."""
    local = Origin("http", "localhost:5000")
    assert allows(["style-src localhost:5000"], "style", "/a", local)
    assert not allows(["style-src localhost"], "style", "/a", local)


def test_nonces_are_all_the_same() -> None:
    """A policy with another nonce is no other policy."""
    one, other = (without_nonces(f"script-src 'nonce-{n}' 'self'") for n in "ab")
    assert one == other
    assert allows([one], "script", "/a", SITE)
