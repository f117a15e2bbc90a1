"""What is remembered of pages: what all recent ones share, for whom, for how long."""

from __future__ import annotations

import json

import pytest

from flask_sluice.formats.link import parse
from flask_sluice.hints.memory import (
    AGE,
    ENDPOINTS,
    PAGES,
    REFRESH,
    VERSIONS,
    Memory,
)


class Site:
    """A memory, and a clock that goes on a second with each page."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.time = 1000.0

    def page(
        self, files: str, who: str = "", where: str = "", name: str = "shop"
    ) -> None:
        """Send a page that uses *files*, each a letter."""
        links = tuple(parse(", ".join(f"</{file}>; rel=preload" for file in files)))
        self.time += 1
        self.memory.see(
            name,
            links,
            frozenset(map(str, links)),
            who=who,
            where=where,
            now=self.time,
        )

    def given(self, who: str = "", where: str = "", name: str = "shop") -> str:
        """Say what goes ahead of the next page; the file x is the same for all."""
        links = self.memory.give(
            name, who, where, self.time, is_fixed=lambda link: link.target == "/x"
        )
        return "".join(link.target[1:] for link in links)


@pytest.fixture
def site() -> Site:
    """A site that nobody has seen."""
    return Site()


def test_two_pages_have_to_be_seen(site: Site) -> None:
    """What one names may be anything, but for what is the same for all."""
    assert not site.given()
    site.page("axb")
    assert site.given() == "x"
    site.page("axb")
    assert site.given() == "axb"
    assert not site.given(name="other")


def test_one_page_is_whose_it_is(site: Site) -> None:
    """What is the same for all goes to its client, and at its address."""
    site.page("ax", who="ann", where="here")
    assert site.given(who="ann", where="here") == "x"
    assert not site.given(who="ben", where="here")
    assert not site.given(who="ann", where="there")


def test_what_recent_versions_share(site: Site) -> None:
    """In the order of the newest one."""
    site.page("axb")
    site.page("yba")
    assert site.given() == "ba"
    site.page("c")
    assert not site.given()


def test_what_a_page_stops_using_is_dropped_at_once(site: Site) -> None:
    """And what is new has to wait until the old version isn't recent."""
    for _ in range(5):
        site.page("ab")
    site.page("bc")
    assert site.given() == "b"
    for _ in range(PAGES - 2):
        site.page("bc")
    assert site.given() == "b"
    site.page("bc")
    assert site.given() == "bc"


def test_an_hour_unseen(site: Site) -> None:
    """A version is no longer recent, and an endpoint is forgotten."""
    site.page("ab")
    site.page("ab")
    site.time += AGE - 2
    assert site.given() == "ab"
    site.page("bc")
    site.page("bc")
    assert site.given() == "b"
    site.page("bc")
    assert site.given() == "bc"
    site.time += AGE + 1
    assert not site.given()
    assert site.memory.lessons() == []


def test_what_one_client_saw_is_theirs(site: Site) -> None:
    """It may be about them, until another one's page has it, too."""
    for _ in range(9):
        site.page("au", who="ann")
    assert site.given(who="ann") == "au"
    assert not site.given(who="ben")
    site.page("av", who="ben")
    assert site.given(who="ben") == "a"
    assert site.given(who="cid") == "a"


def test_one_machine_is_one_client(site: Site) -> None:
    """A cookie that changes makes no second one; and who shares it isn't the first."""
    for at in range(9):
        site.page("au", who=f"office.ann{9 - at}")
    assert site.given(who="office.ann1") == "au"
    assert not site.given(who="office.ann2")
    assert not site.given(who="office.ben")
    site.page("ax", who="office.ben")
    assert site.given(who="office.ben") == "a"
    assert not site.given(who="home.cid")
    other = Site()
    other.page("ax", who="office.eva")
    other.time = site.time
    other.memory.learn(site.memory.news(site.time), site.time)
    assert not other.given(who="home.cid")
    other.page("ax", who="home.dan")
    assert other.given(who="home.cid") == "a"
    site.page("a", who="home.dan")
    assert site.given(who="home.cid") == "a"


def test_what_anybody_saw_is_anybodys(site: Site) -> None:
    """Those without a cookie are all the same."""
    site.page("a")
    site.page("a")
    assert site.given(who="") == "a"


def test_what_one_address_had_is_its(site: Site) -> None:
    """An endpoint that makes many pages has to be seen to make two."""
    for _ in range(9):
        site.page("au", where="/of/ann")
    assert site.given(where="/of/ann") == "au"
    assert not site.given(where="/of/ben")
    site.page("av", where="/of/ben")
    assert site.given(where="/of/cid") == "a"


def test_many_versions_are_few(site: Site) -> None:
    """The oldest become one, which still says what isn't shared."""
    for at in range(PAGES - 1):
        site.page("ab" + chr(ord("A") + at) + ("x" if at else ""))
    [(_, lesson)] = site.memory.lessons()
    assert len(lesson.versions) == VERSIONS
    assert site.given() == "ab"


def test_many_endpoints_are_few(site: Site) -> None:
    """The one that wasn't seen for longest is forgotten."""
    for at in range(ENDPOINTS + 3):
        site.page("a", name=f"n{at}")
        site.page("a", name=f"n{at}")
    assert len(site.memory.lessons()) == ENDPOINTS
    assert not site.given(name="n2")
    assert site.given(name="n3") == "a"


# --- as text ----------------------------------------------------------------


def test_what_is_told(site: Site) -> None:
    """Once for each thing that is new, and once in a while so that it doesn't age."""
    memory = site.memory
    site.page("a")
    assert memory.news(site.time).keys() == {"shop"}
    site.page("a")
    assert memory.news(site.time).keys() == {"shop"}
    site.page("a")
    assert memory.news(site.time) == {}
    site.time += REFRESH
    site.page("a")
    assert memory.news(site.time).keys() == {"shop"}
    site.page("b")
    assert memory.news(site.time).keys() == {"shop"}


def test_what_others_tell(site: Site) -> None:
    """A process that begins knows it all; one that knows takes what is newer."""
    site.page("ab", who="ann", where="/1")
    site.page("ab", who="ben", where="/2")
    told = site.memory.news(site.time)
    new, other = Site(), Site()
    new.time = other.time = site.time
    new.memory.learn(told, new.time)
    assert new.given(who="cid", where="/3") == "ab"
    assert new.memory.news(new.time) == {}
    for _ in range(PAGES - 1):
        other.page("bc")
    other.memory.learn(told, other.time)
    assert other.given() == "b"
    late = Site()
    late.time = site.time
    for _ in range(PAGES):
        late.page("bc")
    late.memory.learn(told, late.time)
    assert late.given() == "bc"


def test_what_is_old_or_to_come_is_not_taken(site: Site) -> None:
    """A clock may be wrong, and a file old."""
    site.page("a")
    site.page("a")
    told = site.memory.news(site.time)
    for moment in (site.time + AGE, site.time - 9):
        new = Memory()
        new.learn(told, moment)
        assert new.lessons() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "1",
        "[1]",
        "[{}]",
        json.dumps([{"links": "<//o.example/a>; rel=preload", "seen": 1000}]),
    ],
)
def test_what_cannot_be_read(site: Site, text: str) -> None:
    """It is left out, and the rest is taken."""
    site.page("a")
    site.page("a")
    told = {"bad": text, **site.memory.news(site.time)}
    new = Memory()
    new.learn(told, site.time)
    assert [name for name, _ in new.lessons()] == ["shop"]


@pytest.mark.parametrize(
    "target", ["https://o.example/a", "//o.example/a", "a", "/a b"]
)
def test_only_own_files_are_taken(site: Site, target: str) -> None:
    """Whoever wrote the text."""
    site.page("a")
    [text] = site.memory.news(site.time).values()
    assert "</a>" in text
    new = Memory()
    new.learn({"shop": text.replace("</a>", f"<{target}>")}, site.time)
    assert new.lessons() == []
