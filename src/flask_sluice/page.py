"""`stream_page()`: a template whose slow parts come when they are ready.

In: a template and its variables, some of them deferred. Out: a `StreamedResponse`:
the whole layout first, then a patch for each slot. It mirrors Flask's
`stream_template`: the same signals, context processors, and lists of templates.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import Any, Literal

from flask import (
    Flask,
    Request,
    before_render_template,
    current_app,
    template_rendered,
)
from flask import request as flask_request
from flask.globals import app_ctx
from jinja2 import Template

from .clients import VARY, fills_slots, is_crawler
from .errors import ArgumentError
from .formats.runtime import runtime
from .pages.page import Page
from .response import StreamedResponse
from .state import State, requested_state

__all__ = ["stream_page"]

Order = Literal["ready", "document"]


def stream_page(
    template: str | Template | list[str | Template],
    /,
    *,
    order: Order | None = None,
    **context: Any,
) -> StreamedResponse:
    """Return a page that is shown at once, and completed as its values come.

    The template's `{% await %}` tags show their `{% pending %}` branch for values of
    `defer()` that aren't there yet, and are filled in any order when they are. All
    up to the first `{% flush %}`, 64 KiB or the template's end is rendered before
    this returns, so that `abort()` and errors up to there have their true status.

    :param template: a template's name, a template, or a list of which the first
        that exists counts.
    :param order: "ready" fills slots as they are ready. "document" sends all in the
        order of the template, without slots, and waits where that has to be. None
        chooses: "document" for known crawlers and where `SLUICE_IN_ORDER` says so.
        A template's own variable called `order` needs another name.
    :param context: the template's variables.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises OutsideRequestError: no request is being handled.
    :raises ArgumentError: *order* is neither.
    :raises SlotError: an `{% await %}` stands where a browser sees no element.
    :raises TooManyStreamsError: a limit is reached (a 503 with `Retry-After`).
    """
    state = requested_state("stream_page()")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if order not in (None, "ready", "document"):
        raise ArgumentError(
            f'order is {order!r}, but expects "ready", "document" or None. A variable'
            " of the template needs another name."
        )
    made = app.jinja_env.get_or_select_template(template)
    events = _events(app, made, context)
    return respond(state, events, order=order, names=context)


def respond(
    state: State,
    events: Generator[str, None, None],
    *,
    order: Order | None,
    names: dict[str, Any],
    **options: Any,
) -> StreamedResponse:
    """Give the response for a page whose shell is *events*.

    :param names: where the template's own `csp_nonce` may be found.
    :param options: of the response.
    """
    page = page_for(state, events, order=order, names=names)
    options.setdefault("content_type", "text/html; charset=utf-8")
    response = StreamedResponse(**options)
    response.begin(state, page, live=False)
    if page.met_deferred or not page.shell_over:
        # Also where all values were there in time: that is chance.
        response.vary.update(VARY)
    return response


def page_for(
    state: State,
    events: Generator[str, None, None],
    *,
    order: Order | None,
    names: dict[str, Any],
) -> Page:
    """Make the page of this request: in order or not, with a script or not.

    What it is like depends on `VARY`.
    """
    request: Request = flask_request._get_current_object()  # type: ignore[attr-defined]
    agent = request.headers.get("User-Agent", "")
    in_order = order == "document"
    if order is None:
        in_order = is_crawler(agent) or _says_so(state, request)
    native = fills_slots(agent, request.headers.get("Sec-CH-UA", ""))

    def script() -> str:
        return "" if native else runtime(_nonce(state, names))

    return Page(events, in_order=in_order, script=script)


def _events(
    app: Flask, template: Template, context: dict[str, Any]
) -> Generator[str, None, None]:
    _update(app, context)
    before_render_template.send(
        app, _async_wrapper=app.ensure_sync, template=template, context=context
    )
    try:
        if template.environment.is_async:
            yield from template.generate(context)
        else:
            # What generate() does, without a second generator around each piece.
            yield from template.root_render_func(template.new_context(context))
    except Exception:  # noqa: BLE001 - it raises, with the template's lines
        template.environment.handle_exception()
    template_rendered.send(
        app, _async_wrapper=app.ensure_sync, template=template, context=context
    )


# Flask 3.2 is told which context; 3.1 takes the current one.
_IS_TOLD = len(inspect.signature(Flask.update_template_context).parameters) == 3


def _update(app: Flask, context: dict[str, Any]) -> None:
    update: Callable[..., None] = app.update_template_context
    if _IS_TOLD:
        update(app_ctx._get_current_object(), context)  # type: ignore[attr-defined]
    else:
        update(context)


def _says_so(state: State, request: Request) -> bool:
    in_order = state.settings.in_order
    return in_order is not None and bool(_call(in_order, request))


def _call(function: Callable[..., object], request: Request) -> object:
    # A function that reads flask.request itself needs no argument.
    try:
        inspect.signature(function).bind(request)
    except TypeError:
        return function()
    except ValueError:  # a builtin has no signature
        pass
    return function(request)


def _nonce(state: State, names: dict[str, Any]) -> str | None:
    given: Any = state.settings.csp_nonce
    if given is None:
        env = current_app.jinja_env
        given = names.get("csp_nonce", env.globals.get("csp_nonce"))
    nonce = given() if callable(given) else given
    return None if nonce is None else str(nonce)
