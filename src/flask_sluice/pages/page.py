"""One page: its shell, in order, and its slots, in the order in which they are ready.

In: the shell's text as a template yields it, with marks where slots were opened, and
deferred values. Out: the shell as an iterator, pulled where the view's contexts are,
and then a `Feed`: patches, each whole, a parent before its children, ready ones
together. It refuses to know templates and Flask.

Who renders a slot is the thread that settled its value; the page only takes what came
out. A patch that comes before its mark would never be applied. So what counts is not
where a slot was opened, but where its mark is printed: a template may keep what it
rendered in a variable, and print it later, elsewhere, twice or never. A slot's content
goes out once for each of its marks that is out. A second mark gets a name of its own.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Generator
from typing import Any

from .. import native
from ..errors import SlotError
from ..formats.fragment import scan
from ..formats.html import LAST, MARK, SEPARATOR, mark, new_names, patch
from ..wire.chunks import LIMIT
from .deferred import Deferred
from .slot import Place, Slot, View, closed, inside

__all__ = ["Page"]

log = logging.getLogger("flask_sluice")

# A mark, or what a filter such as `upper` has left of it.
_TRACE = re.compile(r'\?start name="([\w-]+)"', re.IGNORECASE)


class Page:
    """A page that is being made. A `Feed`, with a shell in front.

    :param events: the shell's text, piece by piece.
    :param in_order: open no slots: whoever meets a deferred value waits for it.
    :param script: gives what the browser needs to apply patches, or "".
    """

    def __init__(
        self,
        events: Generator[str, None, None],
        *,
        in_order: bool = False,
        script: Callable[[], str] = str,
    ) -> None:
        self.in_order = in_order
        self.is_closed = False
        self.met_deferred = False
        self.shell_over = False
        self.flush_due = False
        self.names = new_names()
        self.root = Slot(self, None)
        self._slots: dict[str, Slot] = {}
        self._shown: list[Place] = []  # in the shell
        self._sending: list[Slot] = []
        self._events = events
        self._script = script
        self._separator = self._last = b""
        self._open = 0  # places that are to be filled
        self._ready: list[bytes] = []
        self._wake: Callable[[], None] | None = None
        self._lock = native.lock()

    # The shell.

    def shell(self) -> Generator[str, None, None]:
        """Yield the shell: up to a `{% flush %}`, 64 KiB, or its end, at a time."""
        inside.set(self.root)
        parts: list[str] = []
        size = cuts = 0
        with contextlib.closing(self._events):
            for event in self._events:
                parts.append(event)
                size += len(event)
                if self.flush_due or size >= LIMIT:
                    self.flush_due = False
                    if size:
                        cuts += 1
                        yield self._printed("".join(parts))
                        parts.clear()
                        size = 0
        text = "".join(parts)
        text = self._printed(text) + self._ending(text, whole=not cuts)
        with self._lock:
            self.shell_over = True
            self._send_those_in(self._shown)
        if text:
            yield text

    def _printed(self, text: str) -> str:
        # A mark is never cut in two: it is one event.
        with self._lock:
            return self._expect(text, self._shown)

    def _ending(self, text: str, *, whole: bool) -> str:
        if not self.root.children:
            return ""
        found = scan(text)
        if whole:
            # A shell that left in parts may be cut inside a tag.
            self.check(text, found.slots)
        if not self._open:
            return ""
        if found.fault is not None:
            log.warning("A page's slots may not be filled: %s", found.fault)
        script = self._script()
        if script:
            self._separator, self._last = SEPARATOR.encode(), LAST.encode()
        # Patches reach the whole document as children of its body, not of a
        # paragraph whose end tag was left out.
        return "</p>" + script if found.open_paragraph else script

    # Slots.

    def open(
        self, deferred: Deferred[Any], view: View, *, keep: bool = False
    ) -> str | None:
        """Open a slot here for *deferred*; None if it is done by now.

        :param keep: what is rendered here may be printed again at any time.
        :return: the mark, with what is shown meanwhile.
        """
        fallback = closed(view.pending())
        with self._lock:
            slot = Slot(self, view)
            slot.is_kept = keep
            self._slots[slot.name] = slot
        if not deferred.subscribe(slot.settled):
            return None
        if inside.get() in (None, self.root):
            self.root.children.append(slot)
        return mark(slot.name, fallback)

    def check(self, html: str, seen: frozenset[str]) -> None:
        """Make sure that the slots in *html* stand where they can be filled.

        :param seen: the names that a browser takes for slots.
        :raises SlotError: one stands where it sees none.
        """
        for trace in _TRACE.finditer(html):
            name = trace[1]
            with self._lock:
                if name in self._slots:
                    is_one = name in seen
                else:  # most likely somebody's text
                    is_one = name.lower() not in map(str.lower, self._slots)
            if not is_one:
                raise SlotError(
                    "An {% await %} stands where a browser sees no element: inside a"
                    " title or textarea, an attribute, a comment or a script, or it"
                    " went through a filter. Put the whole element, or the filter,"
                    " into the tag."
                )

    def put(self, slot: Slot, content: str) -> None:
        """Take a slot's content, and let it out where its marks are out."""
        with self._lock:
            if self.is_closed:
                return
            slot.content = content
            if not self.shell_over:
                return
            self._send(slot)
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    # With the lock.

    def _expect(self, html: str, places: list[Place]) -> str:
        """Note in *places* those in *html*, which is about to go out."""
        if "<?start" not in html:
            return html
        around: list[list[Place]] = [places]

        def note(found: re.Match[str]) -> str:
            if found[1] is None:
                if len(around) > 1:
                    around.pop()
                return found[0]
            slot = self._slots.get(found[1])
            if slot is None or slot in self._sending:
                # Somebody's text, or it would hold itself.
                around.append(around[-1])
                return found[0]
            if slot.is_sent and slot.content is None:
                log.warning("A slot is printed again after it was sent, and is lost")
                around.append(around[-1])
                return found[0]
            # Which of two marks of one name is filled first isn't for us to say.
            place = Place(slot, next(self.names) if slot.is_printed else slot.name)
            slot.is_printed = True
            slot.places.append(place)
            self._open += 1
            around[-1].append(place)
            around.append(place.fallback)
            return found[0].replace(found[1], place.name)

        return MARK.sub(note, html)

    def _send(self, slot: Slot) -> None:
        """Send what *slot* has to all places that wait for it."""
        content = slot.content
        if content is None or not slot.places:
            return
        places, slot.places = slot.places, []
        self._sending.append(slot)
        for place in places:
            self._open -= 1
            self._lose(place.fallback)
            html = self._expect(content, place.content)
            self._ready.append(patch(place.name, html).encode() + self._separator)
            self._send_those_in(place.content)
        self._sending.pop()
        slot.is_sent = True
        if not slot.is_kept:
            slot.content = None

    def _send_those_in(self, places: list[Place]) -> None:
        for place in places:
            self._send(place.slot)
            self._send_those_in(place.fallback)

    def _lose(self, places: list[Place]) -> None:
        """Expect nothing more in *places*, which were in a fallback that is gone."""
        for place in places:
            waiting = place.slot.places
            if place in waiting:
                waiting.remove(place)
                self._open -= 1
                self._lose(place.fallback)
            else:
                self._lose(place.content)

    # The feed.

    @property
    def is_over(self) -> bool:
        """Whether all slots have been taken."""
        return self.shell_over and not (self._open or self._ready)

    def take(self) -> bytes | None:
        """Give the patches that are ready."""
        with self._lock:
            over = self.is_over
            ready, self._ready = self._ready, []
            if ready and self.is_over:
                ready.append(self._last)
        if ready:
            return b"".join(ready)
        return None if over else b""

    def notify(self, wake: Callable[[], None]) -> None:
        """Call *wake* when a slot is ready."""
        with self._lock:
            if not (self._ready or self.is_over):
                self._wake = wake
                return
        wake()

    def close(self) -> None:
        """Let go of all slots: nobody reads them any more."""
        self.is_closed = True
        with self._lock:
            self._ready = []
            self._wake = None
            self._shown = []
            slots, self._slots = self._slots, {}
        for slot in slots.values():
            slot.let_go()
