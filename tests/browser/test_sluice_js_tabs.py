"""sluice.js in several tabs: one connection, and each has all of its events once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response

from browser.dom import holds
from browser.stage import Stage, data_heard, is_live, listen
from helpers import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

Serve = Callable[[Flask], str]
Tab = Callable[[], "Page"]

pytestmark = pytest.mark.parametrize("engine", ["native"])


def opened(tab: Tab, url: str, **options: Any) -> Page:
    """Open a tab that listens with the others, and wait until it does."""
    page = tab()
    listen(page, url, shared=True, **options)
    is_live(page)
    return page


def has_all(page: Page, made: list[str]) -> None:
    """Assert that the tab has what was made since its page's cursor, once, in order."""
    cursor = page.evaluate("document.documentElement.dataset.cursor")
    wanted = made[int(cursor.rpartition("-")[2]) :]
    holds(page, f"heard.length >= {len(wanted)}")
    assert data_heard(page) == wanted


def test_they_share_one_connection(tab: Tab, stage: Stage, serve: Serve) -> None:
    """Whoever leads leaves, and the next one goes on."""
    url = serve(stage.app)
    tabs = [opened(tab, url) for _ in range(3)]
    assert len(stage.asked) == stage.channel.subscribers == 1
    stage.publish("0")
    for page in tabs:
        has_all(page, ["0"])
    tabs.pop(0).close()
    until(lambda: len(stage.asked) == 2 and stage.channel.subscribers == 1)
    stage.publish("1")
    for page in tabs:
        has_all(page, ["0", "1"])
    tabs.pop(0).evaluate("source.close()")
    stage.publish("2")
    has_all(tabs[0], ["0", "1", "2"])
    assert len(stage.asked) == 3
    assert [page.evaluate("told") for page in tabs] == [[]]


def test_nothing_is_lost_under_way(tab: Tab, stage: Stage, serve: Serve) -> None:
    """Tabs come and go, and the server cuts, while events never stop."""
    url = serve(stage.app)
    with stage.publishing() as made:
        tabs = [opened(tab, url) for _ in range(3)]
        holds(tabs[2], "heard.length > 9")
        leader = tabs.pop(0)
        leader.evaluate("source.close()")
        until(lambda: stage.channel.subscribers > 0)
        holds(tabs[0], "heard.length > 99")
        stage.channel.disconnect()
        tabs.append(opened(tab, url))
        tabs.pop(0).close()
        tabs.append(opened(tab, url))
        for page in tabs:
            holds(page, "heard.length > 19")
    until(lambda: stage.channel.subscribers == 1)
    for page in tabs:
        has_all(page, made)
    heard = data_heard(leader)
    start = int(heard[0])
    assert heard == made[start : start + len(heard)]
    assert [page.evaluate("told") for page in tabs] == [[], [], []]


def test_a_page_that_was_kept_is_caught_up(
    tab: Tab, stage: Stage, serve: Serve
) -> None:
    """It gets what it has missed, and the others don't get it again."""
    url = serve(stage.app)
    first = opened(tab, url)
    old = stage.channel.cursor()
    stage.publish("1", "2", "3")
    holds(first, "heard.length == 3")
    second = opened(tab, url, cursor=old)
    holds(second, "heard.length == 3")
    stage.publish("4")
    for page in (first, second):
        holds(page, "heard.length == 4")
        assert data_heard(page) == ["1", "2", "3", "4"]
    assert [asked.last for asked in stage.asked] == [old, old]


def test_only_whom_it_concerns_is_told(tab: Tab, stage: Stage, serve: Serve) -> None:
    """A page that is too old has its `reset`, and the others have all and none."""
    url = serve(stage.app)
    stage.sluice.channel("c", history=2)
    old = stage.channel.cursor()
    stage.publish("1", "2", "3", "4")
    fresh = opened(tab, url)
    late = opened(tab, url, cursor=old)
    foreign = opened(tab, url, cursor="Xyz0123-7")
    for page, reason in ((late, "overtaken"), (foreign, "restarted")):
        holds(page, "told.length == 1")
        assert page.evaluate("told") == [[reason] * 3]
    stage.publish("5")
    for page in (fresh, late, foreign):
        holds(page, "heard.length == 1")
        assert data_heard(page) == ["5"]
    assert fresh.evaluate("told") == []
    assert len(late.evaluate("told")) == len(foreign.evaluate("told")) == 1


@pytest.mark.parametrize("epoch", ["new", "same"])
def test_all_are_told_when_history_is_lost(
    tab: Tab, stage: Stage, serve: Serve, epoch: str
) -> None:
    """Once each, and then they hear what is new; also where its numbers come again."""
    url = serve(stage.app)
    tabs = [opened(tab, url) for _ in range(2)]
    stage.publish("1", "2", "3")
    for page in tabs:
        holds(page, "heard.length == 3")
    ring = stage.channel.ring
    before = ring.epoch
    stage.channel.disconnect()
    ring.renew()
    if epoch == "same":
        ring.begin(before, 0)
    for page in tabs:
        holds(page, "told.length == 1")
    stage.publish("4", "5")
    for page in tabs:
        holds(page, "heard.length == 5")
        assert data_heard(page) == ["1", "2", "3", "4", "5"]
        reason = {"new": "restarted", "same": "unknown"}[epoch]
        assert page.evaluate("told") == [[reason] * 3]


@pytest.mark.usefixtures("forgiven")
def test_all_know_how_it_is(tab: Tab, stage: Stage, serve: Serve) -> None:
    """Away for a while, or refused for good."""
    url = serve(stage.app)
    tabs = [opened(tab, url) for _ in range(2)]
    stage.answers += [Response(status=502), Response(status=502)]
    stage.channel.disconnect()
    for page in tabs:
        holds(page, "said.at(-1) == 'open' && said.length > 3")
        states = ["live", "open", "connecting", "error", "offline", "live", "open"]
        assert page.evaluate("said") == states
    late = opened(tab, url)
    assert late.evaluate("said") == ["live", "open"]
    # One that is to lead before it knows asks for itself.
    stage.answers += [Response(status=401) for _ in range(3)]
    stage.channel.disconnect()
    for page in (*tabs, late):
        holds(page, "source.state == 'closed'")
        assert page.evaluate("source.status") == 401


def test_a_tab_that_is_seen_counts_along(tab: Tab, stage: Stage, serve: Serve) -> None:
    """Browsers slow a hidden tab's timers, and it may be the one that leads."""
    url = serve(stage.app)
    leader, seen = opened(tab, url), opened(tab, url)
    leader.evaluate("void (window.setTimeout = () => 0)")
    stage.channel.disconnect()
    holds(seen, "said.length == 6")
    assert seen.evaluate("said.slice(2)") == ["connecting", "error", "live", "open"]
    assert len(stage.asked) == 2


def test_several_channels_have_one_place(tab: Tab, stage: Stage, serve: Serve) -> None:
    """A tab that is ahead in one and behind in the other: both get what they lack."""
    other = stage.sluice.channel("other")
    over = threading.Event()
    a0, b0 = stage.channel.cursor(), other.cursor()
    (a1,), b1 = stage.publish("a1"), other.publish("b1")

    @stage.app.get("/both")
    def both() -> Response:
        return stage.stream(stage.channel, other)

    def slow() -> Iterator[str]:
        yield f"id: {a0}.{b1}\n\n"
        assert over.wait(PATIENCE)

    stage.answers.append(Response(slow(), mimetype="text/event-stream"))
    url = serve(stage.app)
    tabs = [tab(), tab()]
    for page, cursor in zip(tabs, (f"{a0}.{b1}", f"{b0}.{a1}"), strict=True):
        page.goto(url)
        page.evaluate(
            "(cursor) => listen('live', '/both', { cursor, shared: true }) && 0", cursor
        )
        is_live(page)
    over.set()
    for page, missed in zip(tabs, ("a1", "b1"), strict=True):
        holds(page, "heard.length == 1")
        assert data_heard(page) == [missed]
    assert {*(stage.asked[1].last or "").split(".")} == {a0, b0}
    other.publish("b2")
    for page in tabs:
        holds(page, "heard.length == 2")


def test_names_and_users_are_kept_apart(tab: Tab, stage: Stage, serve: Serve) -> None:
    """`shared` may be whose stream it is; another user's tab has its own."""
    url = serve(stage.app)
    for user in ("ann", "ann", "bob"):
        page = tab()
        listen(page, url, shared=user)
        is_live(page)
    assert stage.channel.subscribers == len(stage.asked) == 2


def test_without_locks_each_has_its_own(tab: Tab, stage: Stage, serve: Serve) -> None:
    """As over plain HTTP, where browsers have none."""
    url = serve(stage.app)
    for _ in range(2):
        page = tab()
        page.add_init_script("delete Navigator.prototype.locks")
        listen(page, url, shared=True)
        is_live(page)
    assert stage.channel.subscribers == 2
