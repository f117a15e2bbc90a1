"""Video: one camera, and ever more who watch.

Motion JPEG, 30 frames of 30 KB a second, by the extension's camera and by the design
that tutorials show, under gunicorn's threads and gevent. Each client counts the frames
that it gets and how old they are.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from .. import client, pictures
from ..report import Goal, Report, Samples, Table
from ..scale import Scale
from ..servers import Server, get, serve

ABOUT = """\
Motion JPEG, 30 frames of 30 KB a second, each with the time in it at which it was
made. Viewers are clients of one C program on the same two cores: at 300 of them 270
MB go through loopback each second, and the client has its share of that. The
tutorials' design has a thread, or a greenlet, for each viewer; ours has 8 threads in
all. "Least" is the viewer that got the fewest. CPU is of one core. "Stopped" is how
long the camera is still read after the last viewer has left; ours has a grace of two
seconds. A round of zeros is one in which the tutorials' camera thread died because a
viewer came while it went through the others. In brackets the smallest and the largest
round."""

PATIENCE = 20.0
GRACE = 2.0


@dataclass(frozen=True)
class Plan:
    """A contender."""

    name: str
    kind: str
    app: str

    @property
    def is_ours(self) -> bool:
        """Whether the goals are for this one."""
        return self.name.startswith("sluice")


PLANS = (
    Plan("sluice, gthread, 8 threads", "gthread", "benchmarks.video.ours:app"),
    Plan("tutorial, gthread", "gthread-many", "benchmarks.video.tutorial:app"),
    Plan("sluice, gevent", "gevent-many", "benchmarks.video.ours:app"),
    Plan("tutorial, gevent", "gevent-many", "benchmarks.video.tutorial:app"),
)


@dataclass
class Watched:
    """All rounds of one contender with so many viewers."""

    fps: Samples = field(default_factory=Samples)
    least: Samples = field(default_factory=Samples)
    cpu: Samples = field(default_factory=Samples)
    p50: Samples = field(default_factory=Samples)
    p99: Samples = field(default_factory=Samples)
    stopped: Samples = field(default_factory=Samples)


def _watch(plan: Plan, viewers: int, seconds: float, to: Watched) -> None:
    # What the tutorials' camera thread dies of is a traceback in the log.
    with serve(plan.kind, plan.app, room=viewers + 64, fails=True) as server:
        with client.hold(server.port, "/video", viewers, listens=True) as holder:
            holder.collect(10, PATIENCE)
            before, begin = server.cpu_seconds(), time.monotonic()
            seen = holder.collect(1_000_000, seconds)
            took = time.monotonic() - begin
            to.cpu.append((server.cpu_seconds() - before) / took * 100)
            to.fps.append(seen["counted"] / viewers / took)
            to.least.append(seen["least"] / took if seen["open"] == viewers else 0.0)
            to.p50.append(seen["p50_ms"])
            to.p99.append(seen["p99_ms"])
        to.stopped.append(_stopped(server))


def _stopped(server: Server) -> float:
    begin = time.monotonic()
    while time.monotonic() - begin < PATIENCE:
        if get(server.port, "/running") == b"no":
            break
        time.sleep(0.05)
    return time.monotonic() - begin


def run(scale: Scale) -> Report:
    """Everyone in turn, with few viewers and with many."""
    report = Report("video", "Video", ABOUT)
    seen = {
        (plan, viewers): Watched() for viewers in scale.video_viewers for plan in PLANS
    }
    for _ in range(scale.video_rounds):
        for (plan, viewers), to in seen.items():
            _watch(plan, viewers, scale.video_seconds, to)
    for viewers in scale.video_viewers:
        table = Table(
            f"{viewers} viewers.",
            ["", "fps", "least", "CPU %", "p50 ms", "p99 ms", "stopped s"],
        )
        for plan in PLANS:
            found = seen[plan, viewers]
            row = [plan.name, found.fps.show(1), found.least.show(1)]
            row += [found.cpu.show(1), found.p50.show(1), found.p99.show()]
            table.rows.append([*row, found.stopped.show(1)])
        report.tables.append(table)
    most = max(scale.video_viewers)
    report.digest = report.tables[-1]

    def draw(path: Path) -> None:
        panels = {
            f"{viewers} viewers": {plan.name: seen[plan, viewers].cpu for plan in PLANS}
            for viewers in scale.video_viewers
        }
        pictures.bars(path, panels, "% of one core, less is better")

    report.draw = draw
    for plan in PLANS:
        if plan.is_ours:
            report.goals += _goals(plan.name, most, seen[plan, most])
    return report


def _goals(name: str, viewers: int, found: Watched) -> list[Goal]:
    end = GRACE + 1
    rows = [
        ("fps to every viewer, at least 28", found.least.show(1),
         found.least.median >= 28),
        ("% of one core, at most 15", found.cpu.show(1), found.cpu.median <= 15),
        ("p50 ms, under 40", found.p50.show(1), found.p50.median < 40),
        (f"s until the camera is closed, at most {end:.0f}", found.stopped.show(1),
         found.stopped.median <= end),
    ]  # fmt: skip
    return [Goal(f"{name}, {viewers} viewers: {what}", *rest) for what, *rest in rows]
