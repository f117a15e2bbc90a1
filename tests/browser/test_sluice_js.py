"""sluice.js where a browser's own `EventSource` would be closed, or blind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from flask import Flask, Response

from browser.dom import holds
from browser.relay import Relay, relaying
from browser.stage import Stage, data_heard, is_live, listen
from helpers import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

Serve = Callable[[Flask], str]

pytestmark = pytest.mark.parametrize("engine", ["native"])


@pytest.fixture
def relay(stage: Stage, serve: Serve, servers: ExitStack) -> Relay:
    """The way to it."""
    port = int(serve(stage.app).rpartition(":")[2])
    return servers.enter_context(relaying(port))


# --- coming back ------------------------------------------------------------


@pytest.mark.usefixtures("forgiven")
def test_it_comes_back_after_errors(page: Page, stage: Stage, serve: Serve) -> None:
    """A server that is restarted behind a proxy, or busy, isn't the end."""
    listen(page, serve(stage.app))
    is_live(page)
    stage.publish("1")
    holds(page, "heard.length == 1")
    stage.answers += [Response(status=status) for status in (502, 503, 500, 429)]
    stage.channel.disconnect()
    stage.publish("2", "3")
    holds(page, "heard.length == 3")
    stage.publish("4")
    holds(page, "heard.length == 4")
    assert data_heard(page) == ["1", "2", "3", "4"]
    assert len(stage.asked) == 6
    assert len({asked.last for asked in stage.asked[1:]}) == 1
    states = ["live", "connecting", "offline", "live"]
    assert page.evaluate("said.filter((name) => !/open|error/.test(name))") == states


@pytest.mark.usefixtures("forgiven")
def test_a_refusal_is_the_end(page: Page, stage: Stage, serve: Serve) -> None:
    """Also of one that was let in before. And it says which one."""
    page.goto(serve(stage.app))
    for number, status in enumerate((401, 403, 404, 410, 204), 1):
        page.evaluate("listen('live', '/events') && 0")
        is_live(page)
        stage.answers.append(Response(status=status))
        stage.channel.disconnect()
        holds(page, "source.state == 'closed'")
        assert page.evaluate("[source.status, source.readyState]") == [status, 2]
        assert page.evaluate("said.slice(-2)") == ["closed", "error"]
        assert len(stage.asked) == 2 * number


@pytest.mark.usefixtures("forgiven")
def test_it_waits_as_long_as_the_server_wants(
    page: Page, stage: Stage, serve: Serve
) -> None:
    """Retry-After is heeded."""
    stage.answers += [
        Response("retry: 20\n\n", mimetype="text/event-stream"),
        Response(status=503, headers={"Retry-After": "1"}),
    ]
    listen(page, serve(stage.app))
    until(lambda: len(stage.asked) == 3)
    is_live(page)
    first, second, third = stage.asked
    assert second.at - first.at < 0.9 < third.at - second.at


@pytest.mark.usefixtures("forgiven")
def test_it_comes_back_after_network_errors(
    page: Page, stage: Stage, relay: Relay
) -> None:
    """Cut in the middle, and turned away for a while."""
    listen(page, relay.url)
    is_live(page)
    stage.publish("1")
    holds(page, "heard.length == 1")
    relay.is_closed = True
    relay.cut()
    holds(page, "source.state == 'offline'")
    assert page.evaluate("source.status") == 0
    stage.publish("2")
    relay.is_closed = False
    holds(page, "heard.length == 2")
    assert data_heard(page) == ["1", "2"]


def test_silence_is_noticed(page: Page, stage: Stage, relay: Relay) -> None:
    """An open connection that is dead is given up after 2.5 heartbeats."""
    stage.options["heartbeat"] = 0.2
    listen(page, relay.url, heartbeat=0.2)
    is_live(page)
    stage.publish("1")
    holds(page, "heard.length == 1")
    relay.is_silent = True
    holds(page, "source.state != 'live'")
    stage.publish("2")
    relay.is_silent = False
    holds(page, "heard.length == 2")
    assert data_heard(page) == ["1", "2"]


@pytest.mark.usefixtures("forgiven")
def test_offline_and_back(page: Page, stage: Stage, serve: Serve) -> None:
    """It says so at once, waits for the network, and has all that was missed."""
    stage.options["retry"] = 600_000  # that would be too long to wait
    listen(page, serve(stage.app))
    is_live(page)
    stage.publish("1")
    holds(page, "heard.length == 1")
    page.context.set_offline(True)
    try:
        holds(page, "source.state == 'offline'")
        stage.publish("2", "3")
    finally:
        page.context.set_offline(False)
    # The page may be told of the network before it works, so it is told again.
    holds(page, "dispatchEvent(new Event('online')) && heard.length == 3")
    assert data_heard(page) == ["1", "2", "3"]
    assert page.evaluate("source.state") == "live"


def test_a_page_that_is_put_away_holds_nothing(
    page: Page, stage: Stage, serve: Serve
) -> None:
    """And goes on where it was when it is shown again."""
    listen(page, serve(stage.app), shared=True)
    is_live(page)
    stage.publish("1")
    holds(page, "heard.length == 1")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    until(lambda: stage.channel.subscribers == 0)
    assert page.evaluate("navigator.locks.query().then((all) => all.held.length)") == 0
    stage.publish("2")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow'))")
    holds(page, "heard.length == 2")
    stage.publish("3")
    holds(page, "heard.length == 3")
    assert data_heard(page) == ["1", "2", "3"]
    assert stage.channel.subscribers == 1


# --- its interface ----------------------------------------------------------


def test_it_is_used_as_an_event_source(page: Page, stage: Stage, serve: Serve) -> None:
    """Handlers as properties, a state as a number, the same events."""
    url = serve(stage.app)
    page.goto(url)
    cursor = stage.channel.cursor()
    stage.publish("early")
    page.evaluate(
        """(url) => {
            window.said = [];
            window.source = new Live(url);
            for (const type of ["open", "message", "error", "reset", "statechange"])
                source["on" + type] = function (event) {
                    said.push([type, this === source, this.readyState]);
                    window.newest = event;
                };
        }""",
        f"/events?last_event_id={cursor}&x=1",
    )
    holds(page, "said.length == 3")
    assert page.evaluate("said") == [
        ["statechange", True, 1],
        ["open", True, 1],
        ["message", True, 1],
    ]
    event = page.evaluate("({ data: newest.data, origin: newest.origin })")
    assert event == {"data": "early", "origin": url}
    assert page.evaluate("newest instanceof MessageEvent")
    assert page.evaluate("source.url") == f"{url}/events?x=1"
    assert page.evaluate("source.lastEventId") == stage.channel.cursor()
    page.evaluate("source.close()")
    assert page.evaluate("[source.state, source.readyState, source.status]") == [
        "closed",
        2,
        0,
    ]
    assert page.evaluate("said.slice(3)") == [["statechange", True, 2]]
    until(lambda: stage.channel.subscribers == 0)


def test_a_listener_that_fails_stops_nothing(
    page: Page, stage: Stage, serve: Serve, complaints: list[str]
) -> None:
    """Its error is the page's, and the next event comes."""
    listen(page, serve(stage.app))
    is_live(page)
    page.evaluate(
        "void (source.onmessage = () => { throw new Error('a bug in the page') })"
    )
    stage.publish("1", "2")
    holds(page, "heard.length == 2")
    assert len(stage.asked) == 1
    assert complaints == ["a bug in the page"] * 2
    complaints.clear()


def test_closed_by_a_listener_it_is_silent(
    page: Page, stage: Stage, serve: Serve
) -> None:
    """Even if more has come already."""
    url = serve(stage.app)
    stage.answers.append(
        Response("data: 1\n\ndata: 2\n\n", mimetype="text/event-stream")
    )
    page.goto(url)
    page.evaluate("listen('live', '/events').onmessage = () => source.close(), 0")
    holds(page, "source.state == 'closed'")
    assert data_heard(page) == ["1"]
    assert page.evaluate("said") == ["live", "open", "closed"]


def test_no_policy_is_broken(page: Page, stage: Stage, serve: Serve) -> None:
    """All pages here have one that allows the site's own scripts alone."""
    answer = page.goto(serve(stage.app))
    assert answer is not None
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    source = page.evaluate("performance.getEntriesByType('resource').at(-1).name")
    assert "/_sluice/sluice.js?v=" in source
