"""A column of a table, as far as a format has to know it.

In: what a source said of it. Out: the same, for whoever encodes rows. It refuses to
know where values come from: order, renaming and formatting have been done by then.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Column"]


class Column(NamedTuple):
    """One column.

    :ivar label: what stands above it; the key in formats that have keys.
    :ivar kind: the type of its values, if the source says so; None if it doesn't.
    """

    label: str
    kind: type | None = None
