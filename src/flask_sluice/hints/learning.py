"""Learned hints: what an endpoint's pages really use goes ahead of the next one.

In: each page that a browser navigates to, as it leaves the app. Out: at the next
navigation to the same endpoint, links for a 103, before anything of the app's own
runs. What is learned from a page is decided by `wanted`, and who is given it by
`memory`; here is what ties them to requests. It refuses to know how a 103 is sent.

Clients with a cookie or an `Authorization` are learned from and hinted apart from
those without, so that a stranger, who will be shown a login, isn't told the files of
the page behind it. A page's body isn't held, copied or delayed: of a whole one the
first bytes are looked at, of a stream those that pass, up to the head's end. A head
whose bytes are known costs a hash of them. Whatever goes wrong costs a hint, no page.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any

from flask import Flask, Request, Response, after_this_request

from .. import native
from ..formats.link import Link
from ..serve.drive import call_later
from ..serve.transfer import Transfer
from .head import LIMIT, Head, HeadReader, Tag, read
from .interim import is_navigation
from .memory import AGE, Lesson, Memory
from .policy import Origin
from .routes import is_fixed
from .sent import Passing, about, first_of
from .store import FileStore, Store
from .wanted import wanted

__all__ = ["Learner", "name_of"]

log = logging.getLogger("flask_sluice")

SYNC = 5.0  # seconds between two looks at the store
KNOWN = 8  # heads of one endpoint that needn't be read again
ENDPOINTS = 256

now = time.time

_MACHINE = (
    "REMOTE_ADDR",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
    "HTTP_USER_AGENT",
)
_LOGIN = ("HTTP_COOKIE", "HTTP_AUTHORIZATION")

# With or without a byte order mark, a page begins with a tag.
_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")


@dataclass(slots=True)
class Visit:
    """One navigation: what is learned from it, and who it is."""

    name: str
    who: str
    where: str
    origin: Origin
    path: str
    body: Any = None


@dataclass(slots=True)
class Page:
    """What one head asks for. Two heads that ask for the same have the same key."""

    links: tuple[Link, ...]
    key: frozenset[str]


@dataclass(slots=True)
class Known:
    """The heads of one endpoint that were read, by hashes.

    :ivar last: the last one's size in bytes, its hash with that of what else the links
        depend on, and what it asked for.
    :ivar pages: what others asked for, by their tags, and by the path where it counts.
    """

    last: tuple[int, int, Page] | None = None
    pages: dict[tuple[int, str | None], Page] = field(default_factory=dict)


class Learner:
    """Learns from one app's pages.

    :param limit: links of one page.
    :param store: where it is shared; None: a file in a folder of the app's own.
    :ivar memory: what was learned.
    """

    def __init__(self, app: Flask, limit: int, store: Store | None = None) -> None:
        self.memory = Memory()
        self._app = app
        self._limit = limit
        self.store = store or FileStore(app.import_name, app.instance_path)
        self._known: dict[str, Known] = {}
        self._due = 0.0  # the next look at the store
        self._is_called = False  # for one that comes by itself
        self._syncing = native.lock()
        self._has_told = False
        # One app may call another with the same environ.
        self._key = f"flask_sluice.hints.learning.{id(self):x}"

    def begin(self, request: Request) -> tuple[Link, ...]:
        """Note a request that begins; give what may go ahead of its page."""
        try:
            return self._begin(request)
        except Exception as error:  # noqa: BLE001 - it costs no page
            self.tell(error)
            return ()

    def end(self, request: Request, response: Response, own: Iterable[Link]) -> None:
        """Learn from a response that is decided.

        :param own: the links that were hinted for it, sent or not.
        """
        visit: Visit | None = request.environ.pop(self._key, None)
        if visit is None:
            return
        try:
            self._end(visit, response, own)
        except Exception as error:  # noqa: BLE001 - it costs no page
            self.tell(error)

    def _begin(self, request: Request) -> tuple[Link, ...]:
        environ = request.environ
        rule = request.url_rule
        if rule is None or not is_navigation(request):
            return ()
        root, path = request.script_root, request.path
        has_name = "HTTP_COOKIE" in environ or "HTTP_AUTHORIZATION" in environ
        name = name_of(root, rule.endpoint, has_name)
        host = (environ.get("HTTP_HOST") or request.host).lower()
        query = environ.get("QUERY_STRING", "")
        visit = environ[self._key] = Visit(
            name,
            self._who(environ) if has_name else "",
            self._mark(f"{host}{path}?{query}"),
            Origin(request.scheme, host),
            root + path,
        )
        # Before all others: one of them may compress the body.
        after_this_request(partial(_keep, visit))
        moment = now()
        if not self._due:
            self._due = moment
            native.post(self.sync)
        return self.memory.give(
            name,
            visit.who,
            visit.where,
            moment,
            is_fixed=partial(self._is_fixed, request),
        )

    def _end(self, visit: Visit, response: Response, own: Iterable[Link]) -> None:
        if response.status_code != 200:
            return
        said = about(response)
        if not said.is_page:
            return
        around = ((*own, *said.links), said.policies, visit.origin)
        response_: Any = response
        body = response_.response
        if isinstance(body, Transfer):
            body.tap(_Reading(self, visit, around).take)
        elif response.direct_passthrough:
            return
        elif response.is_sequence:
            if said.is_encoded:
                body = visit.body
            if isinstance(body, (list, tuple)) and body:
                html = first_of(body)
                if not self.knows(visit, around, html):
                    self.learn(visit, around, html, read(html))
        elif not said.is_encoded:
            response_.response = Passing(body, _Reading(self, visit, around).take)

    def _is_fixed(self, request: Request, link: Link) -> bool:
        # The others that it names may be anything.
        is_one = link.get("imagesrcset") is None
        return is_one and is_fixed(self._app, request, link.target)

    # What a head asks for.

    def knows(self, visit: Visit, around: tuple[Any, ...], html: bytes) -> bool:
        """Tell whether this head was the last one, too; then it is learned again."""
        known = self._known.get(visit.name)
        if known is None or known.last is None:
            return False
        size, mark, page = known.last
        if len(html) < size or mark != hash((html[:size], around)):
            return False
        self._see(visit, page)
        return True

    def learn(
        self, visit: Visit, around: tuple[Any, ...], html: bytes, head: Head
    ) -> None:
        """Learn from a head that was read."""
        if not _BEGINS.match(html):
            return  # somebody has compressed it, perhaps
        known = self._known.get(visit.name)
        if known is None:
            if len(self._known) >= ENDPOINTS:
                self._known.clear()
            known = self._known[visit.name] = Known()
        key = hash((head.tags, around))
        page = known.pages.get((key, None)) or known.pages.get((key, visit.path))
        if page is None:
            page, is_anywhere = self._page(visit, around, head.tags)
            if len(known.pages) >= KNOWN:
                known.pages.clear()
            known.pages[key, None if is_anywhere else visit.path] = page
        if head.is_over and (key, None) in known.pages:
            known.last = head.size, hash((html[: head.size], around)), page
        self._see(visit, page)

    def _page(
        self, visit: Visit, around: tuple[Any, ...], tags: tuple[Tag, ...]
    ) -> tuple[Page, bool]:
        links, policies, origin = around
        found = wanted(
            tags,
            links,
            policies=policies,
            origin=origin,
            path=visit.path,
            limit=self._limit,
        )
        key = frozenset(map(str, found.links))
        return Page(found.links, key), not found.is_relative

    def _see(self, visit: Visit, page: Page) -> None:
        moment = now()
        is_new = self.memory.see(
            visit.name,
            page.links,
            page.key,
            who=visit.who,
            where=visit.where,
            now=moment,
        )
        if moment >= self._due:
            self._due = moment + SYNC
            native.post(self.sync)
        elif is_new and not self._is_called:
            # There may be no next page for a while, and a command asks meanwhile.
            self._is_called = True
            call_later(SYNC, self._sync_later)

    def _sync_later(self) -> None:
        self._is_called = False
        native.post(self.sync)

    # What others know.

    def sync(self) -> bool:
        """Take what others have learned, and tell them what is new here.

        False if that is being done already.
        """
        if not self._syncing.acquire(blocking=False):
            return False
        try:
            moment = now()
            self.memory.learn(self.store.load(), moment)
            news = self.memory.news(moment)
            if news:
                self.store.save(news, AGE)
        except Exception as error:  # noqa: BLE001 - it costs no page
            self.tell(error)
        finally:
            self._syncing.release()
        return True

    def known(self) -> list[tuple[tuple[str, str, str], Lesson]]:
        """Give all that this process and others have learned, by `name_of`'s parts.

        Raises what the store does.
        """
        self.memory.learn(self.store.load(), now())
        found = []
        for name, lesson in self.memory.lessons():
            endpoint, kind, root = name.split("\n")
            if endpoint in self._app.view_functions:
                found.append(((endpoint, kind, root), lesson))
        return found

    def _who(self, environ: dict[str, Any]) -> str:
        # Behind a proxy that the app isn't told of all have its address.
        machine, login = (
            self._mark("\n".join([environ.get(key) or "" for key in keys]))
            for keys in (_MACHINE, _LOGIN)
        )
        return f"{machine}.{login}"

    def _mark(self, text: str) -> str:
        key = self._app.secret_key or b""
        key = key.encode() if isinstance(key, str) else key
        return blake2b(text.encode(), digest_size=6, key=key[:64]).hexdigest()

    def tell(self, error: Exception) -> None:
        """Log what went wrong, the first time."""
        if not self._has_told:
            self._has_told = True
            log.debug("Hints could not be learned", exc_info=error)


def name_of(root: str, endpoint: str, has_name: bool) -> str:
    """Give the name under which an endpoint's hints are kept.

    :param has_name: for clients that say who they are.
    """
    return "\n".join([endpoint, "known" if has_name else "unknown", root])


def _keep(visit: Visit, response: Response) -> Response:
    if response.is_sequence and "Content-Encoding" not in response.headers:
        visit.body = response.response
    return response


class _Reading:
    """Reads a stream's head from what passes."""

    def __init__(self, learner: Learner, visit: Visit, around: tuple[Any, ...]) -> None:
        self._learner = learner
        self._visit = visit
        self._around = around
        self._reader = HeadReader()

    def take(self, data: bytes) -> bool:
        """Take the next bytes; tell whether there is nothing more to see."""
        try:
            if not self._reader.html and self._learner.knows(
                self._visit, self._around, data
            ):
                return True
            head = self._reader.take(data)
            if head is None:
                return len(self._reader.html) >= LIMIT
            self._learner.learn(self._visit, self._around, self._reader.html, head)
        except Exception as error:  # noqa: BLE001 - it costs no page
            self._learner.tell(error)
        return True
