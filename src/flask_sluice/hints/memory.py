"""What was learned: for each kind of page, what its recent versions share.

In: the links of each page that is sent, who asked for it and where, and the time.
Out: the links that may go ahead of the next one. It refuses to know HTML and Flask.

Pages that ask for the same are one version, whoever they are for. A version is recent
for an hour, but no longer than 16 pages that were others: after a deployment that is
soon over. Only what all recent versions share is given, so what a page stops using is
dropped with that page, and what only some pages have never goes.

After one page only files go that are the same for everybody, since what else it names
may be a token for one use. What was seen by one client alone is given to that client
alone, as it may be about them: a stylesheet of their own. Likewise for what was seen
at one address, of the many that an endpoint may have with its arguments, its hosts and
its queries. Both go by a short hash, of which two are kept. Nothing grows: 256
endpoints, 8 versions each; when there are more, the two oldest become one, which has
what both have.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import native
from ..errors import ArgumentError, HeaderError
from ..formats.link import Link, header, parse, target

__all__ = ["AGE", "Lesson", "Memory", "Version"]

AGE = 3600.0  # seconds
PAGES = 16
VERSIONS = 8
ENDPOINTS = 256
FEW = "static files only, since one page was seen"
REFRESH = 600.0  # seconds after which what hasn't changed is told again, or it ages


@dataclass(slots=True)
class Version:
    """One set of links that pages had.

    :ivar links: in their order.
    :ivar seen: when last.
    :ivar pages: how often; 2 is as good as more.
    :ivar whos: up to two clients that got one, on two machines: "machine.login". Whose
        login is another one may still be the same person, so these aren't two. The
        empty one is anybody.
    :ivar wheres: up to two addresses that gave one.
    :ivar page: the count of pages when it was last seen here.
    """

    links: tuple[Link, ...]
    seen: float
    pages: int = 0
    whos: set[str] = field(default_factory=set)
    wheres: set[str] = field(default_factory=set)
    page: int = 0

    @property
    def key(self) -> frozenset[str]:
        """What makes two versions the same."""
        return frozenset(map(str, self.links))

    def note(self, who: str, where: str) -> bool:
        """Count a page; tell whether that says something new."""
        is_new = self.pages < 2
        self.pages = min(self.pages + 1, 2)
        if len(self.wheres) < 2 and where not in self.wheres:
            self.wheres.add(where)
            is_new = True
        if len(self.whos) < 2 and who not in self.whos:
            self.whos = _apart({*self.whos, who}, who)
            is_new = True
        return is_new


def _machine(who: str) -> str:
    return who.partition(".")[0]


def _apart(whos: set[str], newest: str = "") -> set[str]:
    """Give two of *whos* at most, of two machines."""
    found = {_machine(who): who for who in sorted(whos)}
    if newest:
        found[_machine(newest)] = newest
    return set(list(found.values())[:2])


class Lesson:
    """What is known of one endpoint."""

    def __init__(self) -> None:
        self.versions: dict[frozenset[str], Version] = {}
        self.count = 0
        self.told = 0.0
        self.is_new = True
        self._times: deque[float] = deque(maxlen=PAGES)
        self._settle()

    @property
    def since(self) -> float:
        """When the last pages began that say what is recent; 0.0 for too few."""
        return self._times[0] if len(self._times) == PAGES else 0.0

    @property
    def seen(self) -> float:
        """When a page was last seen."""
        return max((one.seen for one in self.versions.values()), default=0.0)

    def see(self, links: tuple[Link, ...], key: frozenset[str], now: float) -> Version:
        """Give the version that has *links*, which is seen now."""
        self.count += 1
        version = self.versions.get(key)
        if version is None:
            version = self.versions[key] = Version(links, now)
            self.is_new = True
        version.seen, version.page = now, self.count
        self._times.append(now)
        if len(self.versions) > 1:
            self._forget(now)
        return version

    def learn(self, version: Version) -> None:
        """Take a version that somebody else has seen."""
        known = self.versions.setdefault(version.key, version)
        known.page = self.count
        known.seen = max(known.seen, version.seen)
        known.pages = max(known.pages, version.pages)
        known.whos = _apart(known.whos | version.whos)
        known.wheres = set(sorted(known.wheres | version.wheres)[:2])
        self._forget(self.seen)
        self._settle()

    def note(self, version: Version, who: str, where: str, now: float) -> None:
        """Note who got a page of *version*, and from where."""
        if version.note(who, where) or self.is_new:
            self.is_new = True
            self._settle()
        elif now - self.told > REFRESH:
            self.is_new = True

    def given(self, who: str, where: str) -> tuple[Link, ...]:
        """Give what all recent versions share, if it may be given to this client."""
        is_theirs = self._is_anybodys or who in self._whos
        is_there = len(self._wheres) > 1 or where in self._wheres
        return self._shared if is_theirs and is_there else ()

    @property
    def is_sure(self) -> bool:
        """Whether more than one page was seen."""
        return self._pages > 1

    @property
    def shared(self) -> tuple[Link, ...]:
        """What all recent versions share."""
        return self._shared

    @property
    def reach(self) -> str:
        """Say to whom it is given, in words."""
        if not self._shared:
            return "nothing: its recent pages share no file"
        reach = "all"
        if not self._is_anybodys:
            reach = "the one client that was seen"
        elif len(self._wheres) == 1:
            reach = "all, at the one URL that was seen"
        return reach if self.is_sure else f"{reach}; {FEW}"

    def _forget(self, now: float) -> None:
        versions = self.versions
        old = [
            key
            for key, one in versions.items()
            if now - one.seen > AGE or self.count - one.page >= PAGES
        ]
        for key in old:
            del versions[key]
        self.is_new = self.is_new or bool(old)
        while len(versions) > VERSIONS:
            one, other = sorted(versions.values(), key=lambda v: (v.page, v.seen))[:2]
            del versions[one.key], versions[other.key]
            both = one.key & other.key
            other.links = tuple(link for link in other.links if str(link) in both)
            known = versions.setdefault(other.key, other)
            known.page = max(known.page, other.page)

    def _settle(self) -> None:
        """Work out what is given."""
        versions = sorted(self.versions.values(), key=lambda one: (one.page, one.seen))
        keys = [one.key for one in versions]
        both = frozenset[str]().union(*keys[:1]).intersection(*keys[1:])
        newest = versions[-1].links if versions else ()
        self._shared = tuple(link for link in newest if str(link) in both)
        self._pages = sum(one.pages for one in versions)
        self._whos = set[str]().union(*(one.whos for one in versions))
        self._is_anybodys = "" in self._whos or len(_apart(self._whos)) > 1
        self._wheres = set[str]().union(*(one.wheres for one in versions))

    # As text.

    def dump(self) -> str:
        """Write it."""
        return json.dumps(
            [
                {
                    "links": header(one.links),
                    "seen": one.seen,
                    "pages": one.pages,
                    "whos": sorted(one.whos),
                    "wheres": sorted(one.wheres),
                }
                for one in self.versions.values()
            ]
        )


def read_versions(text: str) -> list[Version]:
    """Read what `Lesson.dump` has written.

    :raises ValueError: it is something else.
    """
    try:
        return [_version(one) for one in json.loads(text)]
    except (TypeError, KeyError, ArgumentError, HeaderError) as error:
        raise ValueError("no lesson") from error


def _version(one: dict[str, Any]) -> Version:
    links = tuple(parse(one["links"]))
    for link in links:
        if target(link.target) != link.target or not link.is_own:
            raise ValueError(link.target)
        str(link)
    return Version(
        links,
        float(one["seen"]),
        int(one["pages"]),
        set(map(str, one["whos"])),
        set(map(str, one["wheres"])),
    )


class Memory:
    """All that was learned in this process, and from others. For any thread."""

    def __init__(self) -> None:
        self._lessons: dict[str, Lesson] = {}
        self._lock = native.lock()

    def see(
        self,
        name: str,
        links: tuple[Link, ...],
        key: frozenset[str],
        *,
        who: str,
        where: str,
        now: float,
    ) -> bool:
        """Note a page that was sent; tell whether there is something to tell others.

        :param name: of the endpoint.
        :param key: of the links, as `Version.key`.
        """
        with self._lock:
            lesson = self._lesson(name)
            lesson.note(lesson.see(links, key, now), who, where, now)
            return lesson.is_new

    def give(
        self,
        name: str,
        who: str,
        where: str,
        now: float,
        *,
        is_fixed: Callable[[Link], bool],
    ) -> tuple[Link, ...]:
        """Give what may go ahead of the next page.

        :param is_fixed: tells whether a file is the same for everybody.
        """
        with self._lock:
            lesson = self._lessons.get(name)
            if lesson is None:
                return ()
            if now - lesson.seen > AGE:
                del self._lessons[name]
                return ()
            given, is_sure = lesson.given(who, where), lesson.is_sure
        return given if is_sure else tuple(filter(is_fixed, given))

    def news(self, now: float) -> dict[str, str]:
        """Give, as text, what has changed since this was asked last."""
        with self._lock:
            found = {}
            for name, lesson in self._lessons.items():
                if lesson.is_new:
                    lesson.is_new, lesson.told = False, now
                    found[name] = lesson.dump()
            return found

    def learn(self, told: dict[str, str], now: float) -> None:
        """Take what others have seen lately."""
        for name, text in told.items():
            try:
                versions = read_versions(text)
            except ValueError:
                continue
            with self._lock:
                known = self._lessons.get(name)
                since = max(now - AGE, known.since if known else 0.0)
                fresh = [one for one in versions if since < one.seen <= now]
                if fresh:
                    lesson = self._lesson(name)
                    for one in fresh:
                        lesson.learn(one)
                    # It is there already, unless there is more to tell.
                    lesson.is_new = lesson.is_new and known is not None

    def lessons(self) -> list[tuple[str, Lesson]]:
        """Give all, by their names."""
        with self._lock:
            return sorted(self._lessons.items())

    def _lesson(self, name: str) -> Lesson:
        lesson = self._lessons.get(name)
        if lesson is None:
            if len(self._lessons) >= ENDPOINTS:
                oldest = min(self._lessons, key=lambda one: self._lessons[one].seen)
                del self._lessons[oldest]
            lesson = self._lessons[name] = Lesson()
        return lesson
