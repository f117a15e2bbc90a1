"""early_hints(): who gets a 103, when, and with what in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Response, render_template_string

from flask_sluice import defer, stream
from flask_sluice.errors import (
    ArgumentError,
    NotInitializedError,
    OutsideRequestError,
)
from flask_sluice.hints import early_hints, preconnect, preload
from hinting import links, serving

NAVIGATION = {"Sec-Fetch-Mode": "navigate"}
CSS = "</a.css>; rel=preload; as=style"
JS = "</a.js>; rel=preload; as=script"
FONT = "</a.woff2>; rel=preload; as=font; crossorigin"


def get(
    view: Callable[[], Any],
    *,
    headers: dict[str, str] | None = None,
    method: str = "GET",
    environ: dict[str, Any] | None = None,
    **config: Any,
) -> tuple[list[list[tuple[str, str]]], Any]:
    """Ask as a browser does, on a server that can: the 103s, and the response."""
    sent: list[list[tuple[str, str]]] = []
    client = serving(view, **{"SLUICE_EARLY_HINTS": "explicit", **config})
    response = client.open(
        "/p/x",
        method=method,
        headers=NAVIGATION if headers is None else headers,
        environ_overrides={"wsgi.early_hints": sent.append, **(environ or {})},
    )
    return sent, response


def two() -> str:
    """Hint two files, one of them by itself."""
    preload("/a.css", "style")
    early_hints("/a.js")
    return "page"


def test_a_navigation_gets_one_at_once() -> None:
    """With what was hinted before, as text; and the page's header repeats it."""
    order: list[str] = []

    def view() -> str:
        two()
        order.append("view")
        return "page"

    sent: list[Any] = []

    def api(headers: list[tuple[str, str]]) -> None:
        order.append("103")
        sent.extend(headers)

    _, response = get(view, environ={"wsgi.early_hints": api})
    assert order == ["103", "view"]
    assert sent == [("Link", CSS), ("Link", JS)]
    assert links(response) == [f"{CSS}, {JS}"]


def test_each_hint_goes_once() -> None:
    """A second call sends what is new, a third nothing."""

    def view() -> str:
        two()
        early_hints("/a.css", "/a.woff2")
        early_hints()
        return "page"

    sent, response = get(view)
    assert sent == [[("Link", CSS), ("Link", JS)], [("Link", FONT)]]
    assert links(response) == [f"{CSS}, {JS}, {FONT}"]


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("/a.mjs", "</a.mjs>; rel=modulepreload"),
        ("/a.PNG?v=1", "</a.PNG?v=1>; rel=preload; as=image"),
        ("https://o.example/x.css", "<https://o.example/x.css>; rel=preload; as=style"),
    ],
)
def test_the_suffix_says_what_for(url: str, link: str) -> None:
    """A module, a picture with a query, and another site's stylesheet."""
    sent, _ = get(lambda: early_hints(url) or "page")
    assert sent == [[("Link", link)]]


@pytest.mark.parametrize("url", ["/a", "/a.css/", "/a.html", "", "/a.css\n", b"/a.css"])
def test_a_url_that_says_nothing_is_refused(url: Any) -> None:
    """The error comes at the line that says it, and nothing is sent."""
    caught: list[Exception] = []

    def view() -> str:
        with pytest.raises(ArgumentError) as info:
            early_hints(url)
        caught.append(info.value)
        return "page"

    sent, _ = get(view)
    assert (len(caught), sent) == (1, [])


@pytest.mark.parametrize(
    "how",
    [
        {"headers": {}},
        {"headers": {"Accept": "text/html"}},
        {"headers": {"Sec-Fetch-Mode": "cors"}},
        {"method": "POST"},
        {"method": "HEAD"},
        {"environ": {"SERVER_PROTOCOL": "HTTP/1.0"}},
        {"SLUICE_EARLY_HINTS": None},
        {"SLUICE_MAX_HINTS": 0},
    ],
    ids=repr,
)
def test_nobody_else_gets_one(how: dict[str, Any]) -> None:
    """Programs, other requests, HTTP/1.0, and where it is off: only the header."""
    client_gets: list[int] = []

    def view() -> str:
        two()
        client_gets.append(1)
        return "page"

    sent, response = get(view, **how)
    assert sent == []
    assert (client_gets, response.status_code) in (([1], 200), ([], 405))
    if client_gets and how.get("SLUICE_MAX_HINTS") != 0:
        assert links(response) == [f"{CSS}, {JS}"]


def test_a_server_that_cannot() -> None:
    """The call does nothing, and the header has the hints."""
    client = serving(two, SLUICE_EARLY_HINTS="explicit")
    response = client.get("/p/x", headers=NAVIGATION)
    assert (response.text, links(response)) == ("page", [f"{CSS}, {JS}"])


def test_a_server_that_fails() -> None:
    """Whatever it raises, the page is made."""

    def api(headers: object) -> None:
        raise ConnectionResetError("gone")

    _, response = get(two, environ={"wsgi.early_hints": api})
    assert (response.text, links(response)) == ("page", [f"{CSS}, {JS}"])


def test_never_after_the_response_began() -> None:
    """A stream's body is too late from its second item on."""

    def body() -> Any:
        early_hints("/a.css")
        yield "one"
        early_hints("/a.js")
        yield "two"

    sent, response = get(lambda: stream(body))
    assert response.text == "onetwo"
    assert sent == [[("Link", CSS)]]
    assert links(response) == [CSS]


def test_a_deferred_function_sends_none() -> None:
    """It runs beside the request; what it hints in time is in the header."""

    def later() -> None:
        early_hints("/a.css")

    def view() -> str:
        defer(later).result()
        return "page"

    sent, response = get(view)
    assert (sent, links(response)) == ([], [CSS])


def test_no_more_than_the_limit() -> None:
    """It is that of the header, for all calls together."""

    def view() -> str:
        early_hints("/a.css")
        early_hints("/a.js", "/a.woff2")
        return "page"

    sent, response = get(view, SLUICE_MAX_HINTS=2)
    assert sent == [[("Link", CSS)], [("Link", JS)]]
    assert links(response) == [f"{CSS}, {JS}"]


def test_what_the_client_has_is_left_out() -> None:
    """With SLUICE_HINTS_ONCE the second visit is sent the connection alone."""
    sent: list[Any] = []

    def view() -> str:
        preconnect("https://o.example")
        return two()

    client = serving(view, SLUICE_EARLY_HINTS="explicit", SLUICE_HINTS_ONCE="cookie")
    for _ in range(2):
        client.get(
            "/p/x",
            headers=NAVIGATION,
            environ_overrides={"wsgi.early_hints": sent.append},
        )
    first, second = sent
    assert [value for _, value in first][1:] == [CSS, JS]
    assert second == [("Link", "<https://o.example>; rel=preconnect")]


def test_a_template_hints_for_it() -> None:
    """What a part of the page hinted is sent by the call after it."""

    def view() -> Response:
        page = render_template_string("{{ preload('/a.css', as='style') }}")
        early_hints()
        return Response(page)

    sent, response = get(view)
    assert (sent, response.text) == ([[("Link", CSS)]], "/a.css")


def test_outside_of_a_request() -> None:
    """It says so, and what is missing for an app without a Sluice."""
    from flask import Flask

    with pytest.raises(OutsideRequestError):
        early_hints()
    with Flask("bare").test_request_context(), pytest.raises(NotInitializedError):
        early_hints()
