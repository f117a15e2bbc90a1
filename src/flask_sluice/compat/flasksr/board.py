"""One response's components on their way to their places.

In: components, and HTML with places for them: the layout's, and what components give.
Out: the same HTML with each place opened as a slot of the page, or filled. It refuses
to know what stands around it.

A component whose place nobody has shown yet may be wanted by another one's HTML. So
what has no place is put behind the layout, but not before all the others are there.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flask import Flask
from markupsafe import escape

from ... import native
from ...deferral import defer, report
from ...errors import SlotError
from ...formats.fragment import scan
from ...pages.deferred import Deferred, Failure
from ...pages.page import Page
from ...pages.slot import fill, inside
from ...serve.drive import warn_once
from .entities import Component, element
from .places import ATTRIBUTE, Place, mentions, split

__all__ = ["Board", "Part", "current_page"]

log = logging.getLogger("flask_sluice")


def current_page() -> Page:
    """Give the page that is being rendered."""
    slot = inside.get()
    assert slot is not None
    return slot.page


class Part:
    """One component, and what it will give."""

    def __init__(self, component: Component, app: Flask) -> None:
        self.component = component
        self.id = str(component.id)
        self._name = f"The component {self.id!r}"
        self._call: Callable[[], object] = functools.partial(
            component.render_function, *component.args, **component.kwargs
        )
        self.deferred: Deferred[Any] = Deferred(
            self._name, functools.partial(report, app, "component")
        )

    def start(self) -> None:
        """Have it made beside the others."""
        self.deferred = defer(self._call)
        self.deferred.name = self._name

    def run(self) -> None:
        """Make it here and now, unless it is done."""
        if self.deferred.done():
            return
        # What the function renders is its own, and no slot of the page.
        before = inside.set(None)
        try:
            value = self._call()
        except Exception as error:  # noqa: BLE001 - reported, and its place emptied
            self.deferred.fail(error)
        else:
            self.deferred.resolve(value)
        finally:
            inside.reset(before)


class Board:
    """All of them.

    :param parts: the components, in the order in which they were listed.
    :param div_id: the id of the element around those without a place.
    :param has_layout: whether there is a layout that could have places.
    """

    def __init__(
        self, app: Flask, parts: Sequence[Part], div_id: str, *, has_layout: bool
    ) -> None:
        self.parts = parts
        self._div_id = div_id
        self._has_layout = has_layout
        # Several of one id: the later ones take the earlier one's place.
        self._waiting: dict[str, list[Part]] = {}
        for part in parts:
            self._waiting.setdefault(part.id, []).append(part)
        self._lock = native.lock()
        self._unsettled = 1  # places that may still show others; first the layout
        self._all_shown: Deferred[None] = Deferred(
            "All components with a place", functools.partial(report, app, "component")
        )

    def start(self) -> None:
        """Have all of them made, beside each other."""
        for part in self.parts:
            part.start()

    def run(self) -> None:
        """Make all of them, one after another."""
        for part in self.parts:
            part.run()

    # Places.

    def fill(self, html: str) -> Iterator[str]:
        """Yield *html* with its places opened, or filled."""
        if not mentions(html):
            yield html
            return
        for piece in split(html, self._waiting.__contains__):
            if isinstance(piece, str):
                yield piece
                continue
            parts = self._take(piece.id)
            if parts is None:  # another thread was quicker
                yield piece.around(piece.inner)
                continue
            page = current_page()
            if page.in_order and not parts[0].deferred.done():
                # What stands before it doesn't wait for it.
                page.flush_due = True
                yield ""
            yield self.show(Shown(self, piece, parts, piece.inner))

    def _take(self, id_: str) -> list[Part] | None:
        with self._lock:
            return self._waiting.pop(id_, None)

    def show(self, shown: Shown) -> str:
        """Give what stands in a place now: a slot, or the component."""
        page = current_page()
        page.met_deferred = True
        deferred = shown.part.deferred
        with self._lock:
            self._unsettled += 1
        if page.in_order or deferred.done():
            deferred.wait()
            html = fill(deferred, shown)
            self._settle()
            return html
        # Its slot is rendered first, and then counted, whatever becomes of it.
        relay: Deferred[Any] = Deferred(deferred.name, deferred.report)
        opened = page.open(relay, shown)
        assert opened is not None
        pass_on = functools.partial(self._pass_on, relay)
        if not deferred.subscribe(pass_on):
            pass_on(deferred)
        return opened

    def _pass_on(self, relay: Deferred[Any], deferred: Deferred[Any]) -> None:
        failure = deferred.failure
        if failure is None:
            relay.resolve(deferred.value)
        else:
            relay.fail(failure.exception)
        self._settle()

    def _settle(self) -> None:
        with self._lock:
            self._unsettled -= 1
            is_last = not self._unsettled
        if is_last:
            self._all_shown.resolve(None)

    # What has no place.

    def rest(self) -> Iterator[str]:
        """Yield what stands behind the layout. Called once, when that is rendered."""
        self._settle()
        if self._waiting:
            rest = _Rest(self)
            opened = current_page().open(self._all_shown, rest)
            yield fill(self._all_shown, rest) if opened is None else opened

    def rest_body(self) -> str:
        """Give the components without a place."""
        shown = []
        while (parts := self._take_any()) is not None:
            id_ = parts[0].id
            if self._has_layout:
                warn_once(
                    f'No element has {ATTRIBUTE}="{id_}", so the component of that id'
                    " is shown after the layout."
                )
            content = self.show(Shown(self, Place(id_, ""), parts, ""))
            shown.append(element(id_, content))
        if not shown:
            return ""
        return f'<div id="{escape(self._div_id)}">{"".join(shown)}</div>'

    def _take_any(self) -> list[Part] | None:
        with self._lock:
            id_ = next(iter(self._waiting), None)
            return None if id_ is None else self._waiting.pop(id_)


class Shown:
    """A component in its place: a `View`.

    :param parts: the component, and those that will take its place.
    :param meanwhile: what stands there until it comes.
    :param kept: what stands there if it fails.
    """

    def __init__(
        self,
        board: Board,
        place: Place,
        parts: Sequence[Part],
        meanwhile: str,
        kept: str = "",
    ) -> None:
        self.part, *self._later = parts
        self._board = board
        self._place = place
        self._meanwhile = meanwhile
        self._kept = kept

    def pending(self) -> str:
        """Show what stands there already."""
        return self._place.around(self._meanwhile)

    def body(self, value: Any) -> str:
        """Show the component."""
        text = str(value)
        if self._later or mentions(text):
            # Sooner than others get a place in what can't be shown.
            fault = scan(text).fault
            if fault is not None:
                raise SlotError(f"{self.part.deferred.name} can't be shown: {fault}")
        return self._show(text, text)

    def error(self, failure: Failure) -> str:
        """Show nothing, or the component before it."""
        return self._show(self._kept, self._meanwhile)

    def _show(self, text: str, meanwhile: str) -> str:
        if self._later:
            return self._board.show(
                Shown(self._board, self._place, self._later, meanwhile, text)
            )
        if self._place.head:
            return self._place.around(text)
        return "".join(self._board.fill(text))


class _Rest:
    """What has no place: a `View`."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def pending(self) -> str:
        """Show nothing yet."""
        return ""

    def body(self, value: None) -> str:
        """Show the components."""
        return self._board.rest_body()

    def error(self, failure: Failure) -> str:
        """Show nothing."""
        return ""
