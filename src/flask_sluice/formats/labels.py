"""Labels of columns where they are keys: each of them once, and in UTF-8.

In: labels. Out: nothing, or an error. It refuses to know what they label.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ArgumentError
from .plain import refusal

__all__ = ["check"]


def check(labels: Iterable[str]) -> None:
    """Refuse labels that can't be the keys of one object.

    :raises ArgumentError: one is there twice, or has no form in UTF-8.
    """
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise ArgumentError(
                f"Two columns are called {label!r}, where each needs a name of its"
                " own. Rename one of them."
            )
        seen.add(label)
        try:
            label.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(
                f"The column label {label!r} can't be used: {refusal(error)}."
            ) from None
