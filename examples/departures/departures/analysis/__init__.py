"""The dashboard's questions: most of them read every flight of the year.

A connection goes in, tuples come out, with a chosen day set against the year where
there is one. No answer is kept: each visit asks again, from about a millisecond to
over a second a question, because the dashboard is there to show how a page gets on
with that. This package knows no Flask and no HTML.
"""

from __future__ import annotations

from .causes import Ripple, Weather, ripples, weather
from .fleets import Aircraft, Carrier, Route, aircraft, carriers, notable, routes
from .times import Hour, Numbers, OwnDay, Wait, hours, numbers, own_day, waits

__all__ = [
    "Aircraft",
    "Carrier",
    "Hour",
    "Numbers",
    "OwnDay",
    "Ripple",
    "Route",
    "Wait",
    "Weather",
    "aircraft",
    "carriers",
    "hours",
    "notable",
    "numbers",
    "own_day",
    "ripples",
    "routes",
    "waits",
    "weather",
]
