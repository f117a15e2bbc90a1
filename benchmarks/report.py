"""What a case found, and how it is written down: tables, goals, a note, a picture.

`Samples` are the rounds of one contender: a median with its smallest and largest.
Ratios are taken round by round, between neighbours in time, and their median is
reported: other work on the machine then disturbs both sides of a ratio alike.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ["flask", "werkzeug", "gunicorn", "gevent", "uvicorn", "uvloop"]


class Samples(list[float]):
    """The rounds of one figure."""

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self)

    def over(self, base: Samples) -> Samples:
        """This figure over another, round by round."""
        return Samples(a / b for a, b in zip(self, base, strict=True))

    def show(self, digits: int = 0) -> str:
        """Median (smallest to largest)."""
        if len(self) == 1:
            return f"{self[0]:,.{digits}f}"
        low, high = min(self), max(self)
        return f"{self.median:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


@dataclass
class Table:
    """Rows of words under a head; the first column is the name."""

    caption: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def markdown(self) -> str:
        """The table as GitHub and MyST read it, padded so that it reads plain too."""
        lines = [list(map(str, row)) for row in [self.head, *self.rows]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines.insert(1, rule)
        return f"{self.caption}\n\n" + "\n".join(
            "| " + " | ".join(map(_pad, line, widths)) + " |" for line in lines
        )


def _pad(word: str, width: int) -> str:
    return word.ljust(width)


@dataclass
class Goal:
    """A promise, what was measured, and whether that keeps it."""

    promise: str
    measured: str
    met: bool


@dataclass
class Report:
    """All that one case has to say."""

    name: str
    title: str
    about: str
    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    draw: Callable[[Path], None] | None = None
    digest: Table | None = None
    """What other pages quote: a file of its own, without head and goals."""
    versions: list[str] = field(default_factory=list)
    """Of what this case alone has to do with."""

    def markdown(self, run: str) -> str:
        """The page of this case; `run` says on what and when it ran."""
        parts = [f"# {self.title}", self.about]
        if self.draw:
            parts.append(f"![{self.title}]({self.name}.svg)")
        if self.goals:
            parts.append(goal_table(self.goals).markdown())
        parts += [table.markdown() for table in self.tables]
        if self.versions:
            parts.append(f"*{', '.join(self.versions)}.*")
        return "\n\n".join([*parts, run]) + "\n"

    def write(self, folder: Path, run: str) -> None:
        """Puts the page and its picture into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.draw:
            self.draw(folder / f"{self.name}.svg")
        (folder / f"{self.name}.md").write_text(self.markdown(run))
        if self.digest:
            words = f"{self.digest.markdown()}\n\n{run}\n"
            (folder / f"{self.name}-summary.md").write_text(words)


def goal_table(goals: Sequence[Goal]) -> Table:
    """Goals as a table of their own."""
    rows: list[Sequence[str]] = [
        (goal.promise, goal.measured, "yes" if goal.met else "**no**") for goal in goals
    ]
    return Table("Goals:", ("goal", "measured", "met"), rows)


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def describe_run(quick: bool, load_before: float) -> str:
    """Where and when: the lines without which a number means nothing."""
    cores = len(os.sched_getaffinity(0))
    kind = "quick run (sizes too small to quote)" if quick else "full run"
    packages = ", ".join(map(_version, PACKAGES))
    return (
        f"*{datetime.now(UTC):%Y-%m-%d}, {kind}."
        f" Python {platform.python_version()}, {packages}; "
        f"Linux {platform.release()}, {cores} cores, load average before the run "
        f"{load_before:.1f}. Client and server share the machine.*"
    )
