"""Pictures: horizontal bars with their spread, and lines over a range. SVG, small.

One look for all: a colour each for bare WSGI, plain Flask and the extension, taken
from Okabe and Ito's set, which colour-blind readers can tell apart; every bar is also
labelled with its number, so that no colour has to be read at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .report import Samples

COLOURS = {"bare": "#8c8c8c", "flask": "#E69F00", "sluice": "#0072B2"}
OTHER = "#009E73"
WIDTHS = (7, 4, 1.5)

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "svg.fonttype": "none",
    "svg.hashsalt": "flask-sluice",
    "figure.constrained_layout.use": True,
}


def colour(name: str) -> str:
    """The colour of whoever the name begins with."""
    starts = (shade for key, shade in COLOURS.items() if name.startswith(key))
    return next(starts, OTHER)


def _figure(panels: int, height: float) -> tuple[Figure, Sequence[Axes]]:
    figure, grid = plt.subplots(1, panels, figsize=(8, height), squeeze=False)
    return figure, list(grid[0])


def _save(figure: Figure, path: Path) -> None:
    # Opaque: a picture is read on dark pages too. No date: equal runs, equal files.
    figure.savefig(path, facecolor="white", metadata={"Date": None})
    plt.close(figure)


def _draw_bars(axes: Axes, title: str, unit: str, bars: Mapping[str, Samples]) -> None:
    names = list(bars)
    for row, name in enumerate(names):
        rounds = bars[name]
        middle = rounds.median
        spread = [[middle - min(rounds)], [max(rounds) - middle]]
        axes.barh(row, middle, color=colour(name), height=0.62)
        if len(rounds) > 1:
            axes.errorbar(middle, row, xerr=spread, color="#333333", capsize=3, lw=1)
        digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
        axes.annotate(
            f"{middle:,.{digits}f}",
            (max(rounds), row),
            (5, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.14)  # room for the numbers


def bars(
    path: Path,
    panels: Mapping[str, Mapping[str, Samples]],
    unit: str,
) -> None:
    """One panel of bars for each title; whiskers from the least to the most."""
    most = max(len(panel) for panel in panels.values())
    with plt.rc_context(STYLE):
        figure, grid = _figure(len(panels), 0.9 + 0.42 * most)
        for axes, (title, panel) in zip(grid, panels.items(), strict=True):
            _draw_bars(axes, title, unit, panel)
        _save(figure, path)


def marks(
    path: Path,
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    moments: Sequence[float],
    across: str,
) -> None:
    """One panel below the other: a row of dots for each name, lines at `moments`."""
    most = max(len(panel) for panel in panels.values())
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            len(panels), 1, figsize=(8, len(panels) * (1 + 0.3 * most)), squeeze=False
        )
        for axes, (title, panel) in zip(grid[:, 0], panels.items(), strict=True):
            for moment in moments:
                axes.axvline(moment, color="#cccccc", lw=0.8, zorder=0)
            for row, (name, dots) in enumerate(panel.items()):
                axes.plot(dots, [row] * len(dots), "o", color=colour(name), ms=6)
            axes.set_yticks(range(len(panel)), list(panel))
            axes.tick_params(axis="y", length=0)
            axes.invert_yaxis()
            axes.set_xlim(left=0)
            axes.set_xlabel(across)
            axes.set_title(title)
        _save(figure, path)


Line = Sequence[tuple[float, float]]


def lines(
    path: Path,
    panels: Mapping[str, Mapping[str, Line]],
    across: str,
    up: str,
) -> None:
    """One panel of lines for each title, each line named in a legend."""
    with plt.rc_context(STYLE):
        figure, grid = _figure(len(panels), 3.2)
        for axes, (title, panel) in zip(grid, panels.items(), strict=True):
            # Each line is thinner than the one below it: equal lines all show.
            for width, (name, points) in zip(WIDTHS, panel.items(), strict=False):
                x, y = zip(*points, strict=True)
                axes.plot(x, y, color=colour(name), label=name, lw=width)
            axes.set_title(title)
            axes.set_xlabel(across)
            axes.set_ylabel(up)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
            axes.legend(frameon=False, loc="lower right")
            axes.grid(axis="y", color="#dddddd", lw=0.6)
        _save(figure, path)
