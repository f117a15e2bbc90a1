"""Connectors: files are hinted once for each client, where the app asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Response, request, session

from flask_sluice.errors import ArgumentError, ConfigError
from flask_sluice.formats.link import parse
from flask_sluice.hints import (
    Connector,
    CookieConnector,
    SessionConnector,
    connectors,
    dns_prefetch,
    modulepreload,
    preconnect,
    preload,
    push,
)
from helpers import make_app
from hinting import links, serving


def page() -> str:
    """Hint a file, its module, and two origins."""
    preload("/a.css", "style")
    modulepreload("/m.js")
    preconnect("//o")
    dns_prefetch("//o")
    return ""


ORIGINS = "<//o>; rel=preconnect, <//o>; rel=dns-prefetch"


class Memory:
    """A connector of an app's own."""

    def __init__(self) -> None:
        self.pushed: set[str] = set()
        self.calls: list[str] = []

    def get_pushed(self) -> set[str]:
        self.calls.append("get")
        return set(self.pushed)

    def set_pushed(self, pushed: set[str]) -> None:
        self.calls.append("set")
        self.pushed = pushed


def test_hints_are_repeated_unless_asked() -> None:
    """Nothing is remembered by itself, and no cookie is set."""
    client = serving(page)
    first, second = client.get("/p/x"), client.get("/p/x")
    assert links(first) == links(second) != []
    assert "Cookie" not in first.vary
    assert "Set-Cookie" not in first.headers


@pytest.mark.parametrize(
    "once", ["session", "cookie", SessionConnector(), CookieConnector(), Memory()]
)
def test_files_are_hinted_once(once: Any) -> None:
    """With a connector files are hinted once; connections don't last, and are again."""
    client = serving(page, SLUICE_HINTS_ONCE=once)
    first, second, third = (client.get(f"/p/{n}") for n in range(3))
    files = "</a.css>; rel=preload; as=style, </m.js>; rel=modulepreload"
    assert links(first) == [f"{files}, {ORIGINS}"]
    assert links(second) == links(third) == [ORIGINS]
    if isinstance(once, Memory):
        assert once.pushed == {"/a.css", "/m.js"}
        assert once.calls == ["get", "set", "get", "get"]
        return
    assert "Set-Cookie" in first.headers
    assert "Set-Cookie" not in second.headers
    assert all("Cookie" in response.vary for response in (first, second))


def test_a_page_without_hints_asks_nobody() -> None:
    """A connector is asked when there is something to ask."""
    memory = Memory()
    serving(lambda: preconnect("//o"), SLUICE_HINTS_ONCE=memory).get("/p/x")
    assert memory.calls == []


def test_a_new_hint_is_sent() -> None:
    """What wasn't hinted before is, and the rest is still known."""
    client = serving(
        lambda: ",".join(map(push, request.args.getlist("u"))),
        SLUICE_HINTS_ONCE="cookie",
    )
    client.get("/p/x?u=/a")
    assert links(client.get("/p/x?u=/a&u=/b")) == ["</b>; rel=preload"]
    assert links(client.get("/p/x?u=/a&u=/b")) == []


def test_what_did_not_fit_is_not_remembered() -> None:
    """Hints beyond the limit have their turn with the next page."""
    client = serving(
        lambda: "".join(push(f"/{n}") for n in range(3)),
        SLUICE_HINTS_ONCE="session",
        SLUICE_MAX_HINTS=2,
    )
    assert links(client.get("/p/x")) == ["</0>; rel=preload, </1>; rel=preload"]
    assert links(client.get("/p/x")) == ["</2>; rel=preload"]


def test_the_protocol() -> None:
    """Both built-in ones, and any object with the two methods, are connectors."""
    for connector in (SessionConnector(), CookieConnector(), Memory()):
        assert isinstance(connector, Connector)
    assert not isinstance(object(), Connector)


def in_session(value: object) -> tuple[set[str], Any]:
    """Give what is pushed with *value* in the session, and what is kept of two more."""
    app = make_app()
    with app.test_request_context():
        session["h2-pushed"] = value
        connector = SessionConnector()
        pushed = connector.get_pushed()
        connector.set_pushed(pushed | {"/y", "/x,z"})
        return pushed, session["h2-pushed"]


def test_the_session_s_key() -> None:
    """URLs stand in it in their order; a value of Flask-Firehose's is read as well."""
    assert in_session("/a,/b") == ({"/a", "/b"}, ["/a", "/b", "/x,z", "/y"])
    assert in_session(["/b", "/y"]) == ({"/b", "/y"}, ["/b", "/y", "/x,z"])
    assert in_session("") == in_session(7) == (set(), ["/x,z", "/y"])


@pytest.mark.parametrize("connector", [SessionConnector(), CookieConnector()])
def test_what_is_left_out_is_forgotten(connector: Any) -> None:
    """A connector remembers what it is given last, and no more."""

    def view() -> Response:
        if "forget" not in request.args:
            return Response(push("/a"))
        response = Response()
        connector.set_pushed(set())
        if isinstance(connector, CookieConnector):
            connector.keep(response)
        return response

    client = serving(view, SLUICE_HINTS_ONCE=connector)
    for _ in range(2):
        assert links(client.get("/p/x")) == ["</a>; rel=preload"]
        assert links(client.get("/p/x")) == []
        client.get("/p/x?forget")


def test_the_session_stays_small() -> None:
    """There is 1 KiB for URLs; what is oldest is forgotten."""
    _, kept = in_session([f"/{n:099}" for n in range(30)])
    assert kept[-3:] == [f"/{29:099}", "/x,z", "/y"]
    assert 900 < sum(map(len, kept)) <= 1024


def test_the_cookie_stays_small() -> None:
    """512 bytes whatever is pushed; what is oldest is forgotten."""
    client = serving(
        lambda: "".join(push(f"/{request.args['n']}/{k}") for k in range(30)),
        SLUICE_HINTS_ONCE="cookie",
        SESSION_COOKIE_DOMAIN="a-rather-long-name.of-a-department.example.org",
    )
    base = "https://a-rather-long-name.of-a-department.example.org"
    for n in range(5):
        (cookie,) = client.get(f"/p/x?n={n}", base_url=base).headers.getlist(
            "Set-Cookie"
        )
        assert len(cookie) < 512
    assert links(client.get("/p/x?n=4", base_url=base)) == []
    assert len(parse(links(client.get("/p/x?n=3", base_url=base))[0])) == 20
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="):
        assert f"; {attribute}" in cookie


def test_the_cookie_holds_no_urls() -> None:
    """Only hashes, which can be asked for URLs."""
    app = make_app()
    connector = CookieConnector("own")
    with app.test_request_context():
        response = Response()
        connector.set_pushed({"/secret-page.css"})
        connector.keep(response)
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("own=")
    with app.test_request_context(headers={"Cookie": cookie.partition(";")[0]}):
        pushed = connector.get_pushed()
        assert "/secret-page.css" in pushed
        assert "/other.css" not in pushed
        assert 7 not in pushed
        assert "/secret-page.css" not in list(pushed)
        # As Flask-Firehose's own code uses what it gets.
        pushed.add("/other.css")
        connector.set_pushed(pushed)
        response = Response()
        connector.keep(response)
    cookie = response.headers["Set-Cookie"]
    with app.test_request_context(headers={"Cookie": cookie.partition(";")[0]}):
        pushed = connector.get_pushed()
        assert len(pushed) == 2
        assert "/secret-page.css" in pushed
        assert "/other.css" in pushed


@pytest.mark.parametrize(
    "spoil",
    [
        # Not the last: of its six bits two are no part of the signature.
        lambda value: value[:-2] + ("a" if value[-2] != "a" else "b") + value[-1],
        lambda value: "A" + value[1:],
        lambda value: value.partition(".")[0],
        lambda value: "",
    ],
)
def test_a_cookie_of_somebody_else_s(spoil: Callable[[str], str]) -> None:
    """One whose signature is wrong counts for nothing."""
    client = serving(page, SLUICE_HINTS_ONCE="cookie")
    whole = links(client.get("/p/x"))
    cookie = client.get_cookie("sluice_hints")
    assert cookie is not None
    client.set_cookie("sluice_hints", spoil(cookie.value))
    assert links(client.get("/p/x")) == whole


def test_a_cookie_s_key_may_change() -> None:
    """One signed by an older key still counts."""
    client = serving(page, SLUICE_HINTS_ONCE="cookie")
    client.get("/p/x")
    app = client.application
    app.config["SECRET_KEY_FALLBACKS"] = [app.secret_key]
    app.secret_key = "a newer one"
    assert links(client.get("/p/x")) == [ORIGINS]


def test_a_cookie_needs_a_key() -> None:
    """Without a secret key it can't be signed: an error that says so."""
    client = serving(page, SLUICE_HINTS_ONCE="cookie", SECRET_KEY=None)
    client.application.testing = True
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        client.get("/p/x")


def test_a_cookie_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is hinted again max_age seconds after the first hint."""
    connector = CookieConnector(max_age=100)
    client = serving(page, SLUICE_HINTS_ONCE=connector)
    start = connectors.now()
    monkeypatch.setattr(connectors, "now", lambda: start)
    assert "Max-Age=100;" in client.get("/p/x").headers["Set-Cookie"]
    cookie = client.get_cookie("sluice_hints")
    assert cookie is not None
    monkeypatch.setattr(connectors, "now", lambda: start + 60)
    with client.application.test_request_context(
        headers={"Cookie": f"{cookie.key}={cookie.value}"}
    ):
        response = Response()
        connector.set_pushed(connector.get_pushed() | {"/new"})
        connector.keep(response)
    # Its end doesn't move.
    assert "Max-Age=40;" in response.headers["Set-Cookie"]
    monkeypatch.setattr(connectors, "now", lambda: start + 99)
    assert links(client.get("/p/x")) == [ORIGINS]
    monkeypatch.setattr(connectors, "now", lambda: start + 101)
    assert links(client.get("/p/x")) != [ORIGINS]


@pytest.mark.parametrize("seconds", [0, -1, 1.5, True, None])
def test_a_max_age_that_is_none(seconds: Any) -> None:
    """It is a whole number of seconds."""
    with pytest.raises(ArgumentError, match="max_age"):
        CookieConnector(max_age=seconds)
