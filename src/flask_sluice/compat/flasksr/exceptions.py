"""The one exception of FlaskSR."""

from __future__ import annotations

from ...errors import SluiceError

__all__ = ["InvalidTypeException"]


class InvalidTypeException(SluiceError, TypeError):
    """`BasicSR` or `LayoutSR` got something else than the objects that it takes."""
