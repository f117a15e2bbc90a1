"""Flask's contexts for work that is done beside a request, or after it.

In: the contexts of the moment. Out: an `Errand`, which opens others like them, as
often as needed, each torn down once: the same request, the session to read, `g`
copied. The view's own end with the view, so ten thousand waiting pages hold none.

Three things are lent, and not shared:

* the request is copied, because Flask closes it (its uploaded files) with each
  context that ends;
* the session refuses to be written to, because its cookie may have gone out;
* of `g`, what can be closed stays behind: a database connection belongs to one
  thread, and a teardown function would close it in the middle of the view. The job
  finds `g` without it, and opens one of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from typing import Any, NoReturn, ParamSpec, TypeVar

from flask import globals as flask_globals
from flask import has_request_context
from flask.sessions import SessionMixin

from .errors import CommittedError

__all__ = ["Errand", "LentSession", "Opened"]

log = logging.getLogger("flask_sluice")

P = ParamSpec("P")
R = TypeVar("R")


class LentSession(SessionMixin):
    """A session to read. Writing to it raises `CommittedError`.

    :param owner: the context that has the session; not asked before it has to be,
        because asking for a session makes a response vary by its cookie.
    """

    def __init__(self, owner: Any) -> None:
        vars(self)["_owner"] = owner

    def __getitem__(self, key: str) -> Any:
        return self._owner.session[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner.session)

    def __len__(self) -> int:
        return len(self._owner.session)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle ask before there is an owner
            raise AttributeError(name)
        return getattr(self._owner.session, name)

    def _refuse(self, *args: object) -> NoReturn:
        raise CommittedError("The session")

    __setitem__ = __delitem__ = _refuse

    def __setattr__(self, name: str, value: Any) -> None:
        # Flask itself notes each look at the session.
        if name != "accessed":
            self._refuse()

    @property  # type: ignore[misc]
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser."""
        return bool(self._owner.session.permanent)


def _nothing() -> None:
    pass


def _copy(request: Any) -> Any:
    # What copy.copy() does, in a third of the time.
    kind = type(request)
    made = object.__new__(kind)
    vars(made).update(vars(request))
    return made


def _is_closable(value: object) -> bool:
    try:
        return callable(getattr(value, "close", None))
    except Exception:  # noqa: BLE001 - a proxy that stands for nothing at the moment
        return False


class Errand:
    """What work needs of the contexts that it was made in.

    Make it where an app context is active.
    """

    def __init__(self) -> None:
        # Names that flask.globals has always had; 3.2 made two contexts one.
        proxies: Any = flask_globals
        app_context = proxies.app_ctx._get_current_object()
        self.app = app_context.app
        # A list: looking at a proxy may put what it stands for into g.
        self._g = {
            name: value
            for name, value in list(vars(app_context.g).items())
            if not _is_closable(value)
        }
        self._vars = copy_context()
        self._kind: Any = None
        if has_request_context():
            is_one = hasattr(app_context, "has_request")
            owner = app_context if is_one else proxies.request_ctx._get_current_object()
            self._kind = type(owner)
            self._is_one = is_one
            self._request = _copy(owner.request)
            self._request.close = _nothing
            self._session = LentSession(owner)

    def open(self) -> Opened:
        """Open contexts, on any thread."""
        return Opened(self._vars.copy(), self._make())

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *job* in contexts of its own, which end with it."""
        opened = self.open()
        try:
            result = opened.vars.run(job, *args, **kwargs)
        except BaseException as error:
            opened.close(error)
            raise
        opened.close(None)
        return result

    def _make(self) -> list[Any]:
        if self._kind is None:
            made = [self.app.app_context()]
        elif self._is_one:
            made = [self._kind(self.app, request=self._request, session=self._session)]
        else:
            request = self._request
            made = [
                self.app.app_context(),
                self._kind(self.app, request.environ, request, self._session),
            ]
        # The request knows its route. Found once more, it would bring back what the
        # app has taken out of `view_args`, and another exception for a wrong one.
        if self._kind is not None:
            made[-1].match_request = _nothing
        vars(made[0].g).update(self._g)
        return made


class Opened:
    """Contexts that are on, in a `contextvars.Context` of their own.

    :ivar vars: run in this what needs them.
    """

    def __init__(self, context: Context, made: list[Any]) -> None:
        self.vars = context
        self._made = made
        context.run(self._push)

    def _push(self) -> None:
        for context in self._made:
            context.push()

    def close(self, error: BaseException | None) -> None:
        """Tear them down, with *error*. What teardown raises is logged."""
        self.vars.run(self._pop, error)

    def _pop(self, error: BaseException | None) -> None:
        while self._made:
            try:
                self._made.pop().pop(error)
            except Exception:
                log.exception("Teardown after a deferred function raised")
