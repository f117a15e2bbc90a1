"""One app's hints, from where they are made to the response's `Link` header.

In: a `Hint`, made anywhere while a request is handled: in the view, in the shell of
its page, in a deferred function. Out: one `Link` field on whatever the view returns,
beside those that are there. It refuses to know what a hint is for.

Hints wait in the request's environ. Flask's `g` won't do: a deferred function has a
copy of it, and some apps push one app context around many requests. When the headers
are decided a mark takes their place. A hint that comes later, from a slot or from a
body, is too late for the header, and no reason to break a page: it is dropped, and
the log is told once a request. Until then some may be taken to go ahead of it.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, Request, Response, current_app, has_request_context
from flask import request as flask_request

from ..config import Settings
from ..errors import NotInitializedError, OutsideRequestError
from ..formats.link import ROOM, Link, header, parse
from ..serve.drive import PUSH
from .cacheable import warn_unless_kept
from .connectors import Connector, CookieConnector, SessionConnector
from .interim import SENT, Probe, can_send, send

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from ..pubsub.broker import Broker
    from .learning import Learner

__all__ = ["Gatherer", "Hint", "gatherer", "install"]

log = logging.getLogger("flask_sluice")

EXTENSION = "sluice.hints"
LATE, TOLD = "late", "told"

NAMED = {"session": SessionConnector, "cookie": CookieConnector}


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint.

    :ivar link: what goes into the header.
    :ivar key: two with one key are one hint.
    :ivar name: what a connector knows it by.
    :ivar once: the connector that says whether the client has it; None asks nobody.
    :ivar is_push: a server that can push is to do it.
    """

    link: Link
    key: Hashable
    name: str
    once: Connector | None = None
    is_push: bool = False


class Gatherer:
    """Gathers the hints of an app's requests.

    :ivar once: the app's own connector, or None.
    :ivar goes_ahead: `SLUICE_EARLY_HINTS` lets hints go ahead of the response.
    :ivar learner: learns from pages what goes ahead of the next ones, or None.
    """

    def __init__(self, app: Flask, settings: Settings, broker: Broker | None) -> None:
        self.once: Connector | None
        once = settings.hints_once
        self.once = NAMED[once]() if isinstance(once, str) else once
        self.goes_ahead = settings.early_hints is not None
        self._app = app
        self._probe = Probe(app)
        self._limit = settings.max_hints
        self._has_warned = False
        # One app may call another with the same environ.
        self._key = f"flask_sluice.hints.{id(self):x}"
        self._ahead_key = f"{self._key}.ahead"
        self._learned_key = f"{self._key}.learned"
        self.learner: Learner | None = None
        if settings.early_hints == "learned":
            from .learning import Learner
            from .store import BrokerStore

            store = None if broker is None else BrokerStore(broker, app.import_name)
            self.learner = Learner(app, settings.max_hints, store)

    def add(self, hint: Hint) -> None:
        """Have *hint* in the response's header, if it isn't too late for that."""
        environ = flask_request.environ
        hints = environ.setdefault(self._key, {})
        if hints is LATE:
            environ[self._key] = TOLD
            log.debug(
                "%s was hinted when the headers of %s were out",
                hint.link.target,
                flask_request.path,
            )
        elif hints is not TOLD:
            hints.setdefault(hint.key, hint)
            if self._app.debug:
                warn_unless_kept(self._app, hint.link.target)

    def begin(self) -> None:
        """Send what was learned, before anything else of the app's runs.

        Also forget that it was too late: the environ may be that of an earlier call.
        """
        # The proxy costs as much as what is asked of it, at each request.
        request: Request = flask_request._get_current_object()  # type: ignore[attr-defined]
        environ = request.environ
        if environ.get(self._key) in (LATE, TOLD):
            del environ[self._key]
            environ.pop(self._ahead_key, None)
        self._probe.begin(request)
        if self.learner is not None:
            links = self.learner.begin(request)
            if links and can_send(environ):
                try:
                    self._send_learned(environ, links)
                except Exception as error:  # noqa: BLE001 - a connector's, say
                    self.learner.tell(error)

    def _send_learned(self, environ: WSGIEnvironment, links: tuple[Link, ...]) -> None:
        chosen: list[Hint] = []
        if self.once is not None:
            hints = [Hint(link, link.key, link.target, self.once) for link in links]
            chosen = self._wanted(hints)[0]
            links = tuple(hint.link for hint in chosen)
        if self._app.debug:
            for link in links:
                warn_unless_kept(self._app, link.target)
        if links and send(environ, links) == SENT:
            environ[self._learned_key] = chosen
            environ[self._ahead_key] = {link.key for link in links}

    def ahead(self) -> list[Link]:
        """Give those that may go ahead of the response now, each of them once.

        They stay gathered: who got them early is to find them in the header, too.
        """
        environ = flask_request.environ
        hints: dict[Hashable, Hint] | str | None = environ.get(self._key)
        if not hints or isinstance(hints, str):
            return []
        gone = environ.setdefault(self._ahead_key, set())
        wanted, _ = self._wanted(list(hints.values()))
        found = [h for h in self._chosen(wanted, 0) if h.key not in gone]
        gone.update(hint.key for hint in found)
        return [hint.link for hint in found]

    def send(self, response: Response) -> Response:
        """Put what was gathered into the headers of *response*."""
        request: Request = flask_request._get_current_object()  # type: ignore[attr-defined]
        environ = request.environ
        hints: dict[Hashable, Hint] | str | None = environ.get(self._key)
        environ[self._key] = LATE
        self._probe.end(request, response)
        early: list[Hint] = environ.pop(self._learned_key, [])
        # At once: a deferred function may be adding one on its thread.
        gathered = list(hints.values()) if isinstance(hints, dict) else []
        if self.learner is not None:
            links = [hint.link for hint in gathered]
            self.learner.end(request, response, links)
        if not (gathered or early):
            return response
        there = response.headers.getlist("Link")
        known = {link.key for value in there for link in parse(value)}
        found = [hint for hint in gathered if hint.link.key not in known]
        wanted, pushed = self._wanted([*early, *found])
        # What went ahead only is none of the header's.
        gone = set(map(id, early))
        wanted = [hint for hint in wanted if id(hint) not in gone]
        chosen = self._chosen(wanted, sum(map(len, there)))
        if chosen:
            response.headers.add("Link", header(hint.link for hint in chosen))
        self._promise(environ, chosen)
        for connector, before in pushed:
            sent = [*chosen, *early]
            names = {hint.name for hint in sent if hint.once is connector}
            if names:
                connector.set_pushed(before | names)
            keep = getattr(connector, "keep", None)
            if keep is not None:
                keep(response)
        return response

    def _promise(self, environ: WSGIEnvironment, hints: list[Hint]) -> None:
        """Have the server push what a proxy would."""
        promise = environ.get(PUSH)
        if promise is None:
            return
        for hint in hints:
            link = hint.link
            if hint.is_push and link.is_own and ("nopush", None) not in link.attributes:
                try:
                    promise(link.target)
                except Exception:
                    log.debug("%s could not be pushed", link.target, exc_info=True)

    def _wanted(
        self, hints: list[Hint]
    ) -> tuple[list[Hint], list[tuple[Connector, set[str]]]]:
        """Leave out what the client was hinted before; and give who knows of what."""
        connectors = {id(hint.once): hint.once for hint in hints if hint.once}
        pushed = {at: one.get_pushed() for at, one in connectors.items()}
        wanted = [h for h in hints if h.name not in pushed.get(id(h.once), ())]
        return wanted, [(one, pushed[at]) for at, one in connectors.items()]

    def _chosen(self, hints: list[Hint], used: int) -> list[Hint]:
        """Choose those for which there is room, the earlier first."""
        chosen: list[Hint] = []
        for hint in hints:
            size = len(str(hint.link)) + 2
            if len(chosen) < self._limit and used + size <= ROOM:
                chosen.append(hint)
                used += size
        if len(chosen) < len(hints) and not self._has_warned and self._limit:
            self._has_warned = True
            log.warning(
                "%s has %d hints, of which %d are sent: SLUICE_MAX_HINTS is %d, and"
                " all of Link at most %d bytes",
                flask_request.path,
                len(hints),
                len(chosen),
                self._limit,
                ROOM,
            )
        return chosen


def install(app: Flask, settings: Settings, broker: Broker | None = None) -> None:
    """Have the hints of *app*'s requests gathered."""
    gatherer = app.extensions[EXTENSION] = Gatherer(app, settings, broker)
    # Not by app.after_request(): functions are called from the last to the first, and
    # the first is to be this one, so that it sees what all the others have set. New
    # lists, because a request may be walking along the old ones.
    before, after = app.before_request_funcs, app.after_request_funcs
    before[None] = [gatherer.begin, *before.get(None, ())]
    after[None] = [gatherer.send, *after.get(None, ())]


def gatherer(what: str) -> Gatherer:
    """Give the current app's.

    :param what: who asks, for the error.
    :raises OutsideRequestError: no request is being handled.
    :raises NotInitializedError: the app has no `Sluice`.
    """
    if not has_request_context():
        raise OutsideRequestError(what)
    found = current_app.extensions.get(EXTENSION)
    if found is None:
        raise NotInitializedError
    assert isinstance(found, Gatherer)
    return found
