"""FlaskSR 0.6's names, arguments and meaning, on this engine.

In a program written for FlaskSR, `flasksr` becomes `flask_sluice.compat.flasksr`
where it is imported, and the app gets a `Sluice`. The docs' page on FlaskSR says what
is better then, and what isn't the same.
"""

from .entities import Component, Dom, Layout
from .exceptions import InvalidTypeException
from .sr import BasicSR, LayoutSR

__all__ = [
    "BasicSR",
    "Component",
    "Dom",
    "InvalidTypeException",
    "Layout",
    "LayoutSR",
]
