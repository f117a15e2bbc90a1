"""A day's facts as a text, and a text as tokens.

Tuples go in, sentences come out, the same for the same day. The tokens put together are
the text again, to the last character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..pages import long_date, short_airline, short_place
from .facts import Facts, Trip

NAMES = {"EWR": "Newark", "JFK": "Kennedy", "LGA": "LaGuardia"}

#: A piece of a word and the space before it, or a mark: what models have as tokens.
TOKEN = re.compile(r"\s*(?:[^\W_]{1,6}|\S)|\s+\Z")


def text(facts: Facts) -> str:
    """Write the day up, in paragraphs."""
    parts = (opening, sky, shape, troubles, airlines, single)
    return "\n\n".join(" ".join(part(facts)) for part in parts)


def tokens(written: str) -> list[str]:
    """Cut a text into tokens."""
    return TOKEN.findall(written)


def count(number: float, one: str, many: str = "") -> str:
    """Write a number with its noun: 1 flight, 2,013 flights."""
    noun = one if number == 1 else many or f"{one}s"
    return f"{number:,} {noun}"


def share(part: float) -> str:
    """Write a share, 0 to 1, as 86%."""
    return f"{100 * part:.0f}%"


def wait(minutes: int) -> str:
    """Write minutes of delay as people say them."""
    if minutes < 0:
        return f"{count(-minutes, 'minute')} early"
    hours, rest = divmod(minutes, 60)
    parts = [count(hours, "hour")] if hours else []
    if rest or not hours:
        parts.append(count(rest, "minute"))
    return f"{' and '.join(parts)} late"


def hour(number: int) -> str:
    """Write an hour of the day."""
    return f"between {number:02d}:00 and {number + 1:02d}:00"


def opening(f: Facts) -> Iterator[str]:
    """Say how many, how late, and how that compares."""
    day, sums = f.day, f.numbers
    left = day.flights - day.cancelled - day.late
    yield (
        f"On {long_date(day.date)}, {count(day.flights, 'flight')} were to leave New"
        f" York: {left:,} of them left on time, {day.late:,} at least 15 minutes late,"
        f" and {day.cancelled:,} not at all."
    )
    yield f"The mean delay was {count(day.mean_delay, 'minute')}."
    assert sums.rank is not None
    calm = sums.days - sums.rank
    if sums.rank == 1:
        yield "No day of the year was worse."
    elif sums.rank <= sums.days // 2:
        yield f"Only {count(sums.rank - 1, 'day')} of the year had more trouble."
    else:
        yield (
            f"Of the {sums.days} days of the year, {sums.rank - 1} had more trouble and"
            f" {calm} less."
        )


def sky(f: Facts) -> Iterator[str]:
    """Say what the weather was like."""
    day = f.day
    if day.low is None or day.high is None:
        yield "Nobody wrote down the weather that day."
        return
    kind = "dry"
    if day.rain:
        kind = "snowy or icy" if day.high <= 36 else "wet"
    yield (
        f"It was a {kind} day, with {day.low:.0f} to {day.high:.0f} degrees Fahrenheit."
    )
    if day.rain and day.rain >= 0.01:
        yield f"About {day.rain:.2f} inches of it fell at each airport."
    if day.gust:
        strong = "strong" if day.gust >= 35 else "moderate"
        yield f"The wind was {strong}, with gusts up to {day.gust:.0f} miles an hour."


def shape(f: Facts) -> Iterator[str]:
    """Say where and when they left, and where to."""
    first, *others = f.airports
    rest = " and ".join(f"{NAMES[each.origin]} {each.flights:,}" for each in others)
    yield f"{NAMES[first.origin]} had {count(first.flights, 'departure')}, {rest}."
    worst = max(f.airports, key=lambda each: each.late + each.cancelled)
    trouble = (worst.late + worst.cancelled) / worst.flights
    yield (
        f"Most of the trouble was at {NAMES[worst.origin]}, where {share(trouble)} of"
        " all departures were late or cancelled."
    )
    yield (
        f"The busiest hour was {hour(f.busiest.hour)}, with"
        f" {count(f.busiest.flights, 'flight')}; the place that most of them went to"
        f" was {short_place(f.place)}, {f.place_flights} times."
    )


def troubles(f: Facts) -> Iterator[str]:
    """Say why they were late."""
    causes = f.causes
    if not causes.late:
        yield "Nothing was late."
        return
    yield (
        f"Of the {count(causes.late, 'late departure')}, {causes.aircraft:,} had"
        " an aircraft that had already left New York late that day, and"
        f" {causes.weather:,} others an hour of rain, snow or gusts at their airport."
    )
    yield f"For {causes.neither:,} the data names no such reason."


def airlines(f: Facts) -> Iterator[str]:
    """Say who was punctual."""
    if len(f.airlines) < 2:
        return
    best, worst = f.airlines[0], f.airlines[-1]
    yield (
        f"Among the larger airlines {short_airline(best.name)} did best, with"
        f" {share(best.on_time)} of {count(best.flights, 'flight')} on time;"
        f" {short_airline(worst.name)} did worst, with {share(worst.on_time)} of"
        f" {worst.flights:,}."
    )


def single(f: Facts) -> Iterator[str]:
    """Say which flights stood out."""
    yield (
        f"The longest wait was that of {named(f.worst)}, planned for {f.worst.time}:"
        f" it left at {f.worst.left_at}, {wait(f.worst.delay)}."
    )
    yield (
        f"The longest flight was {named(f.farthest)}: {f.farthest.distance:,} miles,"
        f" begun {wait(f.farthest.delay)}."
    )


def named(trip: Trip) -> str:
    """Name a flight."""
    return (
        f"{short_airline(trip.airline)} flight {trip.flight.split()[1]} from"
        f" {NAMES[trip.origin]} to {short_place(trip.place)}"
    )
