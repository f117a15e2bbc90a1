"""Variables of a template that change with time, as they are at one moment.

In: a value that a template has under some name. Out: the same value, or one that
stays what that is now: a loop's variable moves on, a namespace is written to, and a
macro finds the variables around it where they are when it is called. By the time that
a slot is rendered, the loop around it is over. It refuses to know slots and pages.

Lists, dicts and objects of the app are left as they are: they are shared, as always.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterable
from typing import Any

from jinja2.runtime import LoopContext, Macro
from jinja2.utils import Namespace

__all__ = ["AHEAD", "Moment"]

# What of a loop's variable asks its iterable for items that aren't due yet.
AHEAD = frozenset({"last", "length", "nextitem", "revindex", "revindex0"})


class Moment:
    """One moment of a template.

    :param mentioned: the names that are looked up later, attributes' too.
    """

    def __init__(self, mentioned: Iterable[str]) -> None:
        self._mentioned = mentioned
        self._known: dict[int, Any] = {}

    def keep(self, value: Any) -> Any:
        """Give *value*, or what it is now if that changes."""
        make = _CHANGING.get(type(value))
        if make is None:
            return value
        key = id(value)
        if key not in self._known:
            make(self, value)
        return self._known[key]

    def _loop(self, loop: LoopContext) -> None:
        try:
            len(loop._iterable)  # type: ignore[arg-type]
            ahead = AHEAD
        except TypeError:
            # A generator is not run ahead for what nobody asks for.
            ahead = AHEAD.intersection(self._mentioned)
        kept = self._known[id(loop)] = _Round(loop, ahead)
        if loop._recurse is not None:
            kept.recurse = self._closed(loop._recurse)

    def _macro(self, macro: Macro) -> None:
        kept = self._known[id(macro)] = copy.copy(macro)
        kept._func = self._closed(macro._func)

    def _namespace(self, namespace: Namespace) -> None:
        attributes: dict[str, Any] = namespace._Namespace__attrs
        self._known[id(namespace)] = Namespace(attributes)

    def _closed(self, function: Any) -> Any:
        # Names of attributes are constants in what Jinja compiles.
        self._mentioned = {*self._mentioned, *function.__code__.co_consts}
        cells = []
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # set further down in the template
                cells.append(cell)
            else:
                cells.append(types.CellType(self.keep(value)))
        return types.FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            tuple(cells),
        )


_CHANGING: dict[type, Callable[[Moment, Any], None]] = {
    LoopContext: Moment._loop,
    Macro: Moment._macro,
    Namespace: Moment._namespace,
}


class _Round:
    """A loop's variable `loop`, as it was in one round."""

    def __init__(self, loop: LoopContext, ahead: frozenset[str]) -> None:
        self._loop = loop
        self.recurse: Callable[..., str] | None = None
        for name in (
            "index",
            "index0",
            "depth",
            "depth0",
            "first",
            "previtem",
            *ahead,
        ):
            setattr(self, name, getattr(loop, name))

    def __len__(self) -> int:
        return int(self.length)

    def cycle(self, *values: Any) -> Any:
        """Give the value whose turn it is."""
        if not values:
            raise TypeError("no items for cycling given")
        return values[self.index0 % len(values)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def __call__(self, iterable: Any) -> str:
        """Go a level deeper, in a recursive loop."""
        if self.recurse is None:
            return self._loop(iterable)  # it says what is wrong
        return self.recurse(iterable, self.recurse, depth=self.depth)
