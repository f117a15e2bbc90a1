from collections.abc import Sequence
from typing import Any

from ._rows import Cell, Layout

def encode(
    batch: Sequence[tuple[Any, ...]], layout: Layout, make: Cell, /
) -> bytes: ...
