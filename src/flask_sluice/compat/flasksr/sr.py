"""FlaskSR's two responses: `BasicSR`, in order, and `LayoutSR`, out of order.

In: entities, and keyword arguments for the response. Out: a `StreamedResponse`. It
refuses to know how places are found and filled.

A page is sent as `stream_page()` sends one: first all that needs no component, with
what comes after the layout, and then each component as soon as it is there. FlaskSR
makes them one after another, outside of any context; here each runs beside the others,
in contexts of its own, or in turn in the view's.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from flask import Flask, Response, current_app, has_request_context
from werkzeug.datastructures import Headers

from ... import native
from ...clients import VARY
from ...errors import ArgumentError, OutsideRequestError
from ...extension import Sluice
from ...page import Order, page_for, respond
from ...pages.page import Page
from ...response import StreamedResponse
from ...state import State, state_of
from ...typing import Item, flush
from .board import Board, Part, current_page
from .endings import endings
from .entities import Component, Dom, Layout
from .exceptions import InvalidTypeException

__all__ = ["BasicSR", "LayoutSR"]


class BasicSR:
    """Pieces of HTML, each sent as soon as it is made.

    :param args: what to send, in this order.
    :param kwargs: for the response: `status`, `headers`, `mimetype`, ...
    :raises InvalidTypeException: one of *args* isn't a `Dom`.
    """

    def __init__(self, *args: Dom, **kwargs: Any) -> None:
        self.components = _all_of(Dom, args, "args")
        self.kwargs = kwargs

    @property
    def response(self) -> StreamedResponse:
        """The response for a view to return. The first piece is made here.

        :raises OutsideRequestError: no request is being handled.
        :raises TooManyStreamsError: a limit is reached (a 503 with `Retry-After`).
        """
        state = _state_for("BasicSR")
        response = StreamedResponse(None, **_options(self.kwargs))
        response.begin(state, _pieces(self.components), live=False)
        return response


class LayoutSR:
    """A layout at once, and its components as they come, in any order.

    What stands in the layout's element with `ref-sr-id="x"` is shown until the
    component with the id x replaces it; nothing stands there if that fails. A
    component's HTML may have such elements for others. Where several components have
    one id, the last of them stays. What has no place comes after the layout.

    :param args: the components.
    :param layout: a `Layout`.
    :param pre_stream: a `Dom`, or a list or tuple of them: what comes before.
    :param post_stream: the same: what comes after. It is sent with the layout, before
        the components, so a script in it waits for the window's `load`.
    :param stream_div_id: the id of the element around components without a place.
    :param stream_div_layout_id: the id of the element around the layout.
    :param parallel: whether the components are made beside each other, each in
        contexts of its own. False makes one after another, in the view's contexts, on
        the request's thread: for functions that share what isn't safe to share.
    :param order: as in `stream_page()`.
    :param kwargs: for the response: `status`, `headers`, `mimetype`, ...
    :raises InvalidTypeException: an argument has none of the types above.
    """

    #: What counts where the argument isn't given. A subclass may have it otherwise.
    parallel = True

    def __init__(self, *args: Component, **kwargs: Any) -> None:
        self.layout: Layout | None = None
        self.pre_stream: Dom | Sequence[Dom] | None = None
        self.post_stream: Dom | Sequence[Dom] | None = None
        # None isn't a Layout or a Dom, and is refused like any other thing.
        if "layout" in kwargs:
            self.layout = _one_of(Layout, kwargs.pop("layout"), "layout")
        if "pre_stream" in kwargs:
            self.pre_stream = _doms(kwargs.pop("pre_stream"), "pre_stream")
        if "post_stream" in kwargs:
            self.post_stream = _doms(kwargs.pop("post_stream"), "post_stream")
        self.stream_div_id: str = kwargs.pop("stream_div_id", "stream-div")
        self.stream_div_layout_id: str = kwargs.pop(
            "stream_div_layout_id", "stream-div-layout"
        )
        self.parallel = bool(kwargs.pop("parallel", self.parallel))
        self.order: Order | None = kwargs.pop("order", None)
        if self.order not in (None, "ready", "document"):
            raise ArgumentError(
                f'order is {self.order!r}, but expects "ready", "document" or None.'
            )
        self.components = _all_of(Component, args, "args")
        self.kwargs = kwargs
        if self.layout is not None:
            self.layout.id = self.stream_div_layout_id

    @property
    def response(self) -> StreamedResponse:
        """The response for a view to return. What comes first is made here.

        :raises OutsideRequestError: no request is being handled.
        :raises TooManyStreamsError: a limit is reached (a 503 with `Retry-After`).
        """
        state = _state_for("LayoutSR")
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        parts = [Part(component, app) for component in self.components]
        board = Board(
            app, parts, self.stream_div_id, has_layout=self.layout is not None
        )
        events = self._events(board)
        options = _options(self.kwargs)
        if self.parallel:
            return respond(state, events, order=self.order, names={}, **options)
        return _respond_in_turn(state, events, board, self.order, options)

    def _events(self, board: Board) -> Generator[str, None, None]:
        page = current_page()
        if self.parallel:
            board.start()
        sent = []
        for text in _texts(self.pre_stream):
            sent.append(text)
            page.flush_due = True
            yield text
        if page.in_order and not self.parallel:
            # In the order in which they are listed, wherever their places are.
            board.run()
        layout = [] if self.layout is None else board.fill(self.layout.execute())
        for text in itertools.chain(layout, board.rest()):
            sent.append(text)
            yield text
        if self.post_stream is not None:
            page.flush_due = True
            yield ""
        for text in _texts(self.post_stream):
            sent.append(text)
            yield text
        if page.root.children:
            yield endings("".join(sent))


def _respond_in_turn(
    state: State,
    events: Generator[str, None, None],
    board: Board,
    order: Order | None,
    options: dict[str, Any],
) -> StreamedResponse:
    page = page_for(state, events, order=order, names={})
    response = StreamedResponse(None, **options)
    response.begin(state, _in_turn(page, board), live=False)
    response.vary.update(VARY)
    return response


def _in_turn(page: Page, board: Board) -> Generator[Item, None, None]:
    with contextlib.closing(page):
        for text in page.shell():
            yield text
            yield flush
        for part in board.parts:
            part.run()
            made = page.take()
            if made:
                yield made
                yield flush


def _pieces(doms: Iterable[Dom]) -> Iterator[Item]:
    for dom in doms:
        yield dom.execute()
        yield flush


def _texts(doms: Dom | Sequence[Dom] | None) -> Iterator[str]:
    if doms is not None:
        for dom in [doms] if isinstance(doms, Dom) else doms:
            yield dom.execute()


def _options(kwargs: dict[str, Any]) -> dict[str, Any]:
    # Whatever Flask makes of mimetype, content_type and headers together; and headers
    # that aren't shared by one response and the next.
    model = Response(None, **kwargs)
    return {
        "status": model.status,
        "headers": Headers(model.headers),
        "content_type": model.headers["Content-Type"],
        "direct_passthrough": model.direct_passthrough,
    }


# --- what was given --------------------------------------------------------

E = TypeVar("E", Component, Dom, Layout)


_setting_up = native.lock()


def _state_for(name: str) -> State:
    if not has_request_context():
        raise OutsideRequestError(f"{name}(...).response")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    with _setting_up:
        # FlaskSR needs none, so its programs make none.
        if "sluice" not in app.extensions:
            Sluice(app)
    return state_of(app)


def _one_of(kind: type[E], given: object, name: str) -> E:
    if not isinstance(given, kind):
        raise InvalidTypeException(
            f"{name} is of type {type(given).__name__}, and not a {kind.__name__}."
        )
    return given


def _all_of(kind: type[E], given: Iterable[object], name: str) -> tuple[E, ...]:
    return tuple(_one_of(kind, item, f"An object in {name}") for item in given)


def _doms(given: object, name: str) -> Dom | Sequence[Dom]:
    if isinstance(given, (list, tuple)):
        return _all_of(Dom, given, name)
    return _one_of(Dom, given, name)
