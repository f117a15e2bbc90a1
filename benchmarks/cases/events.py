"""Events: ten thousand clients of one channel, against what one would otherwise use.

The parts live in `benchmarks/events/`; this module puts them together.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from .. import pictures
from ..npm import node_version, version_of
from ..report import Report
from ..scale import Scale

ABOUT = """\
Clients of one C program hold a stream of server-sent events each, of one server
process. An event is an id and 130 bytes of data, with the time in it at which it was
made. Memory is the PSS of the process tree, before and after; the kernel's socket
buffers are not in it. CPU is the server's, for publishing and delivering. In a burst
twenty events are published at once, and what counts is the time from the first of
them to when the last client has the last. nchan gets a request for each event, the
others publish inside. Flask-SSE and django-eventstream hold fewer. Client and server
share two cores, so delays depend on the client, too, and are to be compared and not
quoted. In brackets the smallest and the largest round; ratios are taken round by
round."""

PACKAGES = [
    "redis",
    "starlette",
    "sse-starlette",
    "aiohttp",
    "aiohttp-sse",
    "flask-sse",
    "django-eventstream",
]


@contextmanager
def _redis() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="bench-redis-")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--dir", folder, "--save", "", "--maxclients", "15000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def run(scale: Scale) -> Report:
    """Everyone in turn, several times."""
    # Here, so that other cases need none of the packages that these do.
    from ..events import contenders, fanout, wire
    from ..npm import installed

    if lacking := contenders.missing():
        raise RuntimeError(f"This case needs {' and '.join(lacking)}.")
    report = Report("events", "Server-sent events", ABOUT)
    with _redis() as url:
        tables, goals, panels, report.digest = fanout.measure(scale, url)
        report.tables += tables
        report.goals += goals
        table, goals = wire.measure(scale, url)
        report.tables.append(table)
        report.goals += goals
    report.versions += [f"{name} {version(name)}" for name in PACKAGES]
    folder = installed(contenders.HERE, ("*.mjs", "package.json"))
    report.versions += [node_version(), version_of(folder, "better-sse")]

    def draw(path: Path) -> None:
        pictures.bars(path, panels, "less is better")

    report.draw = draw
    return report
