"""A slot: what is rendered for it, whatever its value came to.

In: a value that is on its way, and a `View` that shows it. Out: HTML that is safe to
send between others: its error branch where it would swallow its neighbours. It refuses
to know where in a page it stands; that is `page`'s part.

A slot opened while another is rendered finds that one by a context variable.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import SlotError
from ..formats.fragment import end_tags, scan
from .deferred import Deferred, Failure

if TYPE_CHECKING:
    from .page import Page

__all__ = ["Place", "Slot", "View", "closed", "fill", "inside"]


class View(Protocol):
    """What is shown in a slot's place, as HTML."""

    def pending(self) -> str:
        """Show that the value is on its way."""

    def body(self, value: Any) -> str:
        """Show the value."""

    def error(self, failure: Failure) -> str:
        """Show that there is none."""


class Slot:
    """A place in a page, open until it has its content.

    :ivar page: the page that it is in.
    :ivar name: what its mark and its patch have in common.
    :ivar children: those that were opened while the shell was rendered; the root's.
    :ivar is_kept: its content may be printed again when it has been sent.
    """

    __slots__ = (
        "_view",
        "children",
        "content",
        "is_kept",
        "is_printed",
        "is_sent",
        "name",
        "page",
        "places",
    )

    def __init__(self, page: Page, view: View | None) -> None:
        self.page = page
        self.name = next(page.names)
        self.is_kept = False
        self.is_printed = False
        self.is_sent = False
        self.content: str | None = None
        self.places: list[Place] = []  # those that are to be filled
        self.children: list[Slot] = []
        self._view = view

    def settled(self, deferred: Deferred[Any]) -> None:
        """Render it: the value is there, or never will be."""
        view, self._view = self._view, None
        if view is None or self.page.is_closed:
            return
        content = ""
        before = inside.set(self)
        try:
            content = fill(deferred, view)
        finally:
            inside.reset(before)
            # Whatever was raised, such as a greenlet's end: a page has to end too.
            self.page.put(self, content)

    def let_go(self) -> None:
        """Forget what it would have been rendered with."""
        self._view = None


class Place:
    """One of a slot's marks, as it was printed.

    :ivar fallback: the places in what it shows until it is filled.
    :ivar content: those in what it is filled with.
    """

    __slots__ = ("content", "fallback", "name", "slot")

    def __init__(self, slot: Slot, name: str) -> None:
        self.slot = slot
        self.name = name
        self.fallback: list[Place] = []
        self.content: list[Place] = []


inside: ContextVar[Slot | None] = ContextVar("flask_sluice_slot", default=None)
"""The slot that is being rendered: the page's root while its shell is."""


def fill(deferred: Deferred[Any], view: View) -> str:
    """Render what *deferred* came to, with its error branch if that is needed.

    It doesn't raise: what goes wrong in the error branch too leaves the place empty.
    """
    failure = deferred.failure
    if failure is None:
        try:
            return _checked(view.body(deferred.value))
        except Exception as error:  # noqa: BLE001 - reported, and shown
            failure = Failure(error)
    _report(deferred, failure)
    try:
        return _checked(view.error(failure))
    except Exception as error:  # noqa: BLE001 - reported
        _report(deferred, Failure(error))
    return ""


def _report(deferred: Deferred[Any], failure: Failure) -> None:
    # Several slots may wait for one value; one report is enough.
    if not failure.reported:
        failure.reported = True
        deferred.report(failure)


def _checked(html: str) -> str:
    found = scan(html)
    if found.fault is not None:
        raise SlotError(
            f"This slot would swallow or leak into what follows it: {found.fault}"
        )
    slot = inside.get()
    if slot is not None:
        slot.page.check(html, found.slots)
    # Half a character has no bytes: let it fail here, and not on its way out.
    html.encode()
    return html


def closed(fallback: str) -> str:
    """Give *fallback* with the end tags that it leaves out.

    What it left open would hold the mark of its end, and what follows would go with it.

    :raises SlotError: it would swallow the page even so.
    """
    if "<" not in fallback:
        return fallback
    fault = scan(fallback).fault
    if fault is not None:
        raise SlotError(f"This {{% pending %}} would swallow the page: {fault}")
    return fallback + end_tags(fallback)
