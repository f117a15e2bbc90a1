"""Learned hints: pages are sent, and what they use goes ahead of the next ones."""

from __future__ import annotations

import gzip
import logging
from typing import Any

import pytest
from flask import Blueprint, Response, request

from flask_sluice import stream
from flask_sluice.hints import early_hints, learning, preload
from flask_sluice.hints.gathering import EXTENSION
from flask_sluice.hints.head import read
from hinting import links
from learned import (
    CSS,
    HEAD,
    JS,
    KINDS,
    PAGE,
    Browser,
    View,
    browser,
    learner,
    learning_app,
)


@pytest.mark.parametrize("view", KINDS.values(), ids=KINDS)
def test_the_third_page_has_one(view: View) -> None:
    """Whatever the page is made as; it comes whole, and its header is as it was."""
    site = browser(view)
    assert site.third() == [CSS]
    sent, response = site.go()
    assert (sent, links(response)) == ([CSS], [])
    assert response.text.endswith("page")


@pytest.mark.parametrize("root", ["", "/mounted"])
def test_the_second_page_has_the_apps_own_files(root: str) -> None:
    """What is the same for everybody; the rest may be for one use."""
    fixed = ["/static/a.css", "/static/b%20b.js", "/site.js", "/shop/files/c.woff2"]
    others = ["/static/d.css?v=1", "/theme/ann.css", "/elsewhere.css"]
    page = "".join(
        f"<link rel=preload as=fetch href={root}{file}>" for file in fixed + others
    )
    page += f'<link rel=preload as=image href={root}/site.js imagesrcset="/token 2x">'
    app = learning_app(lambda: f"<head>{page}</head>")
    app.add_url_rule("/site.js", "script", str)
    app.add_url_rule("/theme/<name>.css", "theme", str)
    app.register_blueprint(
        Blueprint("shop", "shop", "files", url_prefix="/shop", root_path=".")
    )
    site = Browser(app.test_client(use_cookies=False))
    environ = {"SCRIPT_NAME": root}
    sent = [site.go("/q", environ=environ)[0] for _ in range(3)]
    assert [len(links) for links in sent] == [0, len(fixed), len(fixed + others) + 1]
    assert sent[1] == [f"<{root}{file}>; rel=preload; as=fetch" for file in fixed]


def test_it_comes_before_anything_of_the_apps() -> None:
    """Before its own before_request functions, which may look up who this is."""
    order: list[str] = []
    app = learning_app(lambda: PAGE)

    @app.before_request
    def look_up() -> None:
        order.append("before_request")

    site = Browser(app.test_client(use_cookies=False))
    site.third()
    order.clear()
    site.go(environ={"wsgi.early_hints": lambda _: order.append("103")})
    assert order == ["103", "before_request"]


@pytest.mark.parametrize(
    "view",
    [
        lambda: (PAGE, 404),
        lambda: Response(PAGE, mimetype="text/plain"),
        lambda: Response(PAGE, headers={"Content-Disposition": "attachment"}),
        lambda: Response(PAGE, headers={"Content-Encoding": "br"}),
        lambda: stream([PAGE], filename="page.html"),
        lambda: "just text",
        lambda: Response(b"", mimetype="text/html"),
    ],
)
def test_what_is_no_page(view: View) -> None:
    """Nothing is learned from it."""
    assert browser(view).third() == []


@pytest.mark.parametrize(
    "how",
    [
        {"headers": {"Sec-Fetch-Mode": "cors"}},
        {"method": "HEAD"},
        {"environ": {"SERVER_PROTOCOL": "HTTP/1.0"}},
        {"environ": {"wsgi.early_hints": None}},
    ],
    ids=repr,
)
def test_nobody_else_gets_one(how: dict[str, Any]) -> None:
    """Programs, other requests, HTTP/1.0, and servers that can't."""
    app = learning_app(lambda: PAGE)
    site = Browser(app.test_client(use_cookies=False))
    assert site.third() == [CSS]
    sent, response = site.go(**how)
    assert (sent, response.status_code) == ([], 200)


@pytest.mark.parametrize("mode", [None, "explicit"])
def test_not_unless_it_is_asked_for(mode: str | None) -> None:
    """Both other settings learn nothing."""
    app = learning_app(lambda: PAGE, SLUICE_EARLY_HINTS=mode)
    assert Browser(app.test_client()).third() == []
    assert app.extensions[EXTENSION].learner is None


def test_a_compressed_page() -> None:
    """What the view made is read, whoever compresses it afterwards."""
    app = learning_app(lambda: PAGE)

    @app.after_request
    def compress(response: Response) -> Response:
        response.set_data(gzip.compress(response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
        return response

    assert Browser(app.test_client(use_cookies=False)).third() == [CSS]


def test_a_stream_is_compressed() -> None:
    """And read before that."""
    site = browser(KINDS["stream in parts"])
    assert site.third(headers={"Accept-Encoding": "gzip"}) == [CSS]


def test_what_was_hinted_is_learned_too() -> None:
    """From the header, whoever put it there; and it goes once."""

    def view() -> Response:
        preload("/a.js", "script")
        early_hints()
        return Response(PAGE, headers={"Link": "</b.woff2>; rel=preload; as=font"})

    site = browser(view)
    assert [site.go()[0] for _ in range(2)] == [[JS]] * 2
    sent, response = site.go()
    assert sent == [JS, "</b.woff2>; rel=preload; as=font", CSS]
    assert links(response) == ["</b.woff2>; rel=preload; as=font", JS]


def test_a_policy_is_asked() -> None:
    """One that is put there after the view, too, with a nonce that changes."""
    nonces = iter(range(99))
    app = learning_app(
        lambda: f"{HEAD[:-7]}<script nonce={next(nonces)} src=/a.js></script></head>"
    )

    @app.after_request
    def protect(response: Response) -> Response:
        policy = f"script-src 'nonce-{next(nonces)}'; style-src 'self'"
        response.headers["Content-Security-Policy"] = policy
        return response

    assert Browser(app.test_client(use_cookies=False)).third() == [CSS]


def test_the_same_head_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are known then; but what its headers say may change."""
    sizes: list[int] = []

    def counting(html: bytes) -> Any:
        sizes.append(len(html))
        return read(html)

    monkeypatch.setattr(learning, "read", counting)
    policies = iter(["style-src 'self'"] * 4 + ["style-src 'none'"])
    bodies = iter(range(99))

    def view() -> Response:
        headers = {"Content-Security-Policy": next(policies)}
        return Response(f"{PAGE} {next(bodies)}", headers=headers)

    site = browser(view)
    assert site.third() == [CSS]
    assert site.go()[0] == [CSS]
    assert len(sizes) == 1
    assert site.go()[0] == [CSS]
    assert len(sizes) == 2
    assert learner(site.client.application).memory.lessons()[0][1].shared == ()


def test_a_page_that_changes() -> None:
    """What it stops using is dropped with that page."""
    files = ["ab"] * 3 + ["bc"] * 2
    pages = iter(files)

    def view() -> str:
        found = "".join(f"<link rel=stylesheet href=/{x}>" for x in next(pages))
        return f"<head>{found}</head>"

    site = browser(view)
    sent = [[link[2] for link in site.go("/q")[0]] for _ in files]
    assert sent == [[], [], ["a", "b"], ["a", "b"], ["b"]]


def test_a_stylesheet_of_ones_own() -> None:
    """It goes to nobody else, and not to them either once there are others."""

    def view() -> str:
        name = request.cookies["name"]
        return f"{HEAD[:-7]}<link rel=stylesheet href=/{name}.css></head>"

    site = browser(view)

    def go(name: str) -> list[str]:
        headers = {"Cookie": f"name={name}", "User-Agent": name}
        return site.go("/q", headers=headers)[0]

    own = "</ann.css>; rel=preload; as=style"
    assert [go("ann") for _ in range(4)] == [[], [], [CSS, own], [CSS, own]]
    assert [go("ben"), go("ben")] == [[], [CSS]]
    assert go("ann") == [CSS]


@pytest.mark.parametrize(
    ("headers", "gets"),
    [
        ({"Cookie": "name=ann"}, True),
        ({"Cookie": "name=ben"}, False),
        ({"Cookie": "name=ann", "Authorization": "x"}, False),
        ({"Cookie": "name=ann", "X-Forwarded-For": "192.0.2.1"}, False),
        ({"Cookie": "name=ann", "User-Agent": "other"}, False),
    ],
)
def test_who_is_the_same_client(headers: dict[str, str], gets: bool) -> None:
    """Who has the same address, user agent, cookies and authorization."""
    site = browser(lambda: PAGE)
    assert site.third("/q", headers={"Cookie": "name=ann"}) == [CSS]
    assert site.go("/q", headers=headers)[0] == ([CSS] if gets else [])


def test_a_stranger_learns_nothing_of_a_members_page() -> None:
    """Those without a cookie are shown a login, and told no more."""

    def view() -> Any:
        return PAGE if "Cookie" in request.headers else ("login", 401)

    site = browser(view)
    for agent in ("a", "b", "c"):
        site.go("/q", headers={"Cookie": "a=b", "User-Agent": agent})
    assert site.go("/q")[0] == []
    assert site.go("/q", headers={"Cookie": "c=d", "User-Agent": "d"})[0] == [CSS]


def test_each_page_of_an_endpoint() -> None:
    """What one of them uses isn't what all do, until two did."""
    site = browser(lambda: PAGE)
    assert site.third("/p/one") == [CSS]
    assert site.go("/p/two")[0] == []
    assert site.go("/p/three")[0] == [CSS]


@pytest.mark.parametrize(
    "elsewhere",
    [{"path": "/q?token=b"}, {"path": "/q"}, {"headers": {"Host": "b.example"}}],
)
def test_a_file_with_a_token(elsewhere: dict[str, Any]) -> None:
    """It stays at the address that has it: not for other queries, nor other hosts."""

    def view() -> str:
        own = f"/{request.host[0]}{request.args.get('token')}.css"
        return f"{HEAD[:-7]}<link rel=stylesheet href={own}></head>"

    site = browser(view)
    assert len(site.third("/q?token=a")) == 2
    there = {"path": "/q?token=a", **elsewhere}
    assert [site.go(**there)[0] for _ in range(2)] == [[], [CSS]]


def test_files_beside_the_page() -> None:
    """They are elsewhere for another page, and below where the app is mounted."""
    site = browser(lambda: "<head><link rel=stylesheet href=a.css></head>")
    environ = {"SCRIPT_NAME": "/shop"}
    assert site.third("/p/x/y", environ=environ) == [
        "</shop/p/x/a.css>; rel=preload; as=style"
    ]
    assert site.go("/p/z", environ=environ)[0] == []
    assert site.go("/p/x/y", environ=environ)[0] == []
    assert site.go("/p/x/y")[0] == []


def test_no_more_than_the_limit() -> None:
    """It is that of the header."""
    html = "".join(f"<script src=/{at}.js></script>" for at in range(9))
    site = browser(lambda: html + "<p>", SLUICE_MAX_HINTS=2)
    assert len(site.third()) == 2
    assert browser(lambda: html + "<p>", SLUICE_MAX_HINTS=0).third() == []


@pytest.mark.parametrize("once", ["cookie", "session"])
def test_what_the_client_has_is_left_out(once: str) -> None:
    """A learned hint counts as one; another client is sent it."""
    app = learning_app(lambda: PAGE, SLUICE_HINTS_ONCE=once)
    for _ in range(2):
        Browser(app.test_client()).go()
    site = Browser(app.test_client())
    sent, response = site.go()
    assert (sent, links(response)) == ([CSS], [])
    assert site.go()[0] == []
    # As one with a cookie it is another kind of client, which learned it since.
    assert [site.go("/p/x")[0] for _ in range(2)] == [[], []]
    assert Browser(app.test_client()).go()[0] == [CSS]


@pytest.mark.parametrize(
    "environ", [{"SERVER_PROTOCOL": "HTTP/1.0"}, {"wsgi.early_hints": None}]
)
def test_nobody_asks_what_the_client_has_for_nothing(environ: dict[str, Any]) -> None:
    """Where no 103 can be sent the session isn't read, and the page not varied."""
    app = learning_app(lambda: PAGE, SLUICE_HINTS_ONCE="session")
    for _ in range(3):
        response = Browser(app.test_client()).go(environ=environ)[1]
        assert "Vary" not in response.headers
    assert Browser(app.test_client()).go()[0] == [CSS]


def test_a_connector_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Without a SECRET_KEY no cookie can be signed; no page breaks on a guess."""
    app = learning_app(lambda: PAGE, SLUICE_HINTS_ONCE="cookie")
    app.secret_key = None
    site = Browser(app.test_client(use_cookies=False))
    with caplog.at_level(logging.DEBUG, "flask_sluice"):
        assert site.third() == []
        assert site.go()[1].text == PAGE
    assert len(caplog.records) == 1
