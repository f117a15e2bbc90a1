"""Memory: the worker's resident size while gigabytes go through it.

One long body on a fresh server; at each tenth of a second the client says how many
bytes it has, and the worker's size is read at that moment. The kernel's own high-water
mark, set back just before the body, catches what comes and goes between two readings.
Flat is the promise: a stream's length must not be seen in its server's memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from .. import bodies, client, pictures
from ..report import Goal, Report, Table
from ..scale import GB, KB, MB, Scale
from ..servers import Server, serve

BLOCK = 64 * KB
SAMPLE_MS = 100
LIMIT_MB = 10
WARM_UP = 20 * MB

ABOUT = f"""\
One body on a fresh gunicorn gthread worker. Growth is the highest resident size the
kernel saw during the body (not only at the readings, every {SAMPLE_MS} ms) minus the
size before it. Before that, a body of 20 MB warms everything up. The small items go to
the peers in a body of a tenth of the size: they need a chunk for each."""

NAMES = {
    "bare": "bare WSGI",
    "flask": "flask Response(generator)",
    "sluice": "sluice stream(generator)",
}


@dataclass
class Watched:
    """The worker's size over the bytes that the client has."""

    before: float
    peak: float
    points: list[tuple[float, float]]

    @property
    def growth(self) -> float:
        """MB above the size before the body."""
        return self.peak - self.before


def _peak(process: psutil.Process) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MB
    raise RuntimeError("no VmHWM in /proc")


def _watch(server: Server, warm_up: str, path: str) -> Watched:
    worker = server.worker()

    def resident() -> float:
        return float(worker.memory_info().rss) / MB

    client.fetch(server.port, warm_up)
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # the peak starts anew
    before = resident()
    points = [(0.0, before)]

    def sample(payload: int) -> None:
        points.append((payload / GB, resident()))

    [body] = client.fetch(server.port, path, progress=sample, progress_ms=SAMPLE_MS)
    sample(body["payload"])
    return Watched(before, max(_peak(worker), before), points)


def _blocks(who: str, size: int) -> str:
    return f"/{who}/blocks?size={BLOCK}&count={size // BLOCK}"


def _items(who: str, size: int) -> str:
    size = size if who == "sluice" else size // 10
    return f"/{who}/items?count={size // len(bodies.ITEM)}"


PLANS = {
    "64 KiB items": _blocks,
    "60-byte items": _items,
}


def run(scale: Scale) -> Report:
    """A fresh server for each body."""
    sizes = {
        "64 KiB items": scale.memory_big_bytes,
        "60-byte items": scale.memory_small_bytes,
    }
    report = Report("memory", "Memory over a long stream", ABOUT)
    panels: dict[str, dict[str, pictures.Line]] = {}
    for title, path_of in PLANS.items():
        table = Table(
            f"{title}, gunicorn gthread:",
            ["", "GB streamed", "RSS before, MB", "highest, MB", "growth, MB"],
        )
        panel: dict[str, pictures.Line] = {}
        for who, name in NAMES.items():
            with serve("gthread") as server:
                path = path_of(who, sizes[title])
                watched = _watch(server, path_of(who, WARM_UP), path)
            panel[name] = watched.points
            table.rows.append(
                (
                    name,
                    f"{watched.points[-1][0]:.2f}",
                    f"{watched.before:.1f}",
                    f"{watched.peak:.1f}",
                    f"{watched.growth:.1f}",
                )
            )
            if who == "sluice":
                promise = f"{title}: flat within {LIMIT_MB} MB over the whole body"
                measured = f"grows {watched.growth:.1f} MB"
                met = watched.growth <= LIMIT_MB
                report.goals.append(Goal(promise, measured, met))
        report.tables.append(table)
        panels[title] = panel

    def draw(path: Path) -> None:
        pictures.lines(path, panels, "GB streamed", "worker's RSS, MB")

    report.draw = draw
    return report
