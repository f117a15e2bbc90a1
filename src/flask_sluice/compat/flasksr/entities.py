"""What a page is put together from: functions that give HTML, and their arguments.

In: a function and what to call it with. Out: its result as text, when it is asked for.
The three differ in what they are for, and in the element that they add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import escape

__all__ = ["Component", "Dom", "Layout", "element"]


class _Entity:
    """A function and its arguments.

    :ivar render_function: gives HTML; anything but text is made text with `str()`.
    """

    def __init__(
        self, render_function: Callable[..., object], *args: Any, **kwargs: Any
    ) -> None:
        self.render_function = render_function
        self.args = args
        self.kwargs = kwargs

    def _call(self) -> str:
        return str(self.render_function(*self.args, **self.kwargs))


class Dom(_Entity):
    """HTML that is sent as it is, in its turn."""

    def execute(self) -> str:
        """Call the function; give its HTML."""
        return self._call()


class Layout(_Entity):
    """HTML with places for components: elements with `ref-sr-id`.

    :ivar id: of the element around it; `LayoutSR` sets it.
    """

    id = "stream-div-layout"

    def execute(self) -> str:
        """Call the function; give its HTML in `<sr-layout>`."""
        return f'<sr-layout id="{escape(self.id)}">{self._call()}</sr-layout>'


class Component(_Entity):
    """HTML for one place of a layout.

    :param component_id: the `ref-sr-id` of the element that it is for.
    """

    def __init__(
        self,
        component_id: str,
        render_function: Callable[..., object],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(render_function, *args, **kwargs)
        self.id = component_id

    def execute(self) -> str:
        """Call the function; give its HTML in `<sr-component>`."""
        return element(self.id, self._call())


def element(component_id: str, content: str) -> str:
    """Give the element that shows *content* where no place wants it."""
    return f'<sr-component sr-id="{escape(component_id)}">{content}</sr-component>'
