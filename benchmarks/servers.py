"""Servers as child processes: started on a free port, watched, ended by their id.

`serve(kind, app)` gives a `Server` that answers, or raises with the server's own log.
The figures (CPU, memory, threads, descriptors) are sums over the process and all its
children. CPU is read from the kernel's clock of each process, which counts
nanoseconds; psutil's own figure counts ticks of 10 ms.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 20.0
STOP_SECONDS = 15.0
SETTLE_SECONDS = 5.0
PING_SECONDS = 0.1

GUNICORN = "-m gunicorn --no-control-socket --log-level warning -b 127.0.0.1:{port}"

COMMANDS: dict[str, str] = {
    "gthread": f"{GUNICORN} -k gthread --threads 8 {{app}}",
    "sync": f"{GUNICORN} -k sync {{app}}",
    "gevent": f"{GUNICORN} -k gevent {{app}}",
    # The peers that hold a thread or a greenlet for each stream need as many.
    "gthread-many": f"{GUNICORN} -k gthread --threads {{room}} {{app}}",
    "gevent-many": f"{GUNICORN} -k gevent --worker-connections {{room}} {{app}}",
    "uvicorn": (
        # Without the limit it waits for the last client at SIGTERM (docs, "Servers").
        "-m uvicorn --host 127.0.0.1 --port {port} --log-level warning"
        " --timeout-graceful-shutdown 1 --no-access-log {app}"
    ),
    # For ten thousand connects in a row.
    "gthread-crowd": (
        f"{GUNICORN} -k gthread --threads 8 --worker-connections 20000"
        " --backlog 4096 {app}"
    ),
    "gevent-crowd": (
        f"{GUNICORN} -k gevent --worker-connections 20000 --backlog 4096 {{app}}"
    ),
    "uvicorn-crowd": (
        "-m uvicorn --host 127.0.0.1 --port {port} --log-level warning"
        " --timeout-graceful-shutdown 1 --no-access-log --loop uvloop"
        " --backlog 4096 {app}"
    ),
    "node": "{app} {port}",
    "module": "-m {app} {port}",
}


@dataclass
class Server:
    """A running server and what can be asked about it from outside."""

    kind: str
    port: int
    process: psutil.Popen
    log: IO[bytes]

    def tree(self) -> list[psutil.Process]:
        """The server's process and all below it, the master first."""
        return [self.process, *self.process.children(recursive=True)]

    def worker(self) -> psutil.Process:
        """The process that runs the app: the youngest of the tree."""
        return max(self.tree(), key=lambda process: process.create_time())

    def cpu_seconds(self) -> float:
        """CPU time of the tree so far, user and system."""
        clocks = ((~process.pid << 3) | 2 for process in self.tree())
        return sum(time.clock_gettime(clock) for clock in clocks)

    def pss_kb(self) -> float:
        """Memory of the tree, each shared page divided by those who share it."""
        return sum(p.memory_full_info().pss for p in self.tree()) / 1024

    def threads(self) -> int:
        """Threads of the tree."""
        return sum(process.num_threads() for process in self.tree())

    def descriptors(self) -> int:
        """Open files of the tree."""
        return sum(process.num_fds() for process in self.tree())

    def settle(self, descriptors: int) -> int:
        """How many more files than that are open, once they had time to go."""
        limit = time.monotonic() + SETTLE_SECONDS
        while self.descriptors() > descriptors and time.monotonic() < limit:
            time.sleep(0.05)
        return self.descriptors() - descriptors

    def log_text(self) -> str:
        """What the server has said so far."""
        self.log.flush()
        return Path(self.log.name).read_text(errors="replace")

    def stop(self) -> float | None:
        """SIGTERM, and the seconds until all are gone; None if they were killed."""
        begin = time.monotonic()
        family = self.tree() if self.process.is_running() else []
        if self.process.poll() is None:
            self.process.terminate()
        _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        seconds = time.monotonic() - begin
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=STOP_SECONDS)
        return None if alive else seconds


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str, seconds: float = 10.0) -> bytes:
    """One small request, body read whole."""
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(url, timeout=seconds) as response:
        return bytes(response.read())


def ping(port: int) -> float:
    """Milliseconds that the smallest request takes."""
    begin = time.perf_counter()
    get(port, "/ping")
    return (time.perf_counter() - begin) * 1000


@contextmanager
def pinging(port: int) -> Iterator[list[float]]:
    """Asks for something small, again and again, while the block runs."""
    times: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(PING_SECONDS):
            try:
                times.append(ping(port))
            except OSError:
                times.append(float("inf"))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


@contextmanager
def one_core(server: Server) -> Iterator[None]:
    """Keeps the server, and clients started in the block, on one core together.

    Left to the scheduler they share a core, and so its cache, or don't, by chance: the
    same transfer then takes once or twice the time, which hides what is compared.
    """
    cores = os.sched_getaffinity(0)
    core = {max(cores)}
    for process in server.tree():
        for thread in process.threads():
            os.sched_setaffinity(thread.id, core)
    os.sched_setaffinity(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _await_answer(server: Server) -> None:
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and server.process.poll() is None:
        try:
            get(server.port, "/ping", 1.0)
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{server.kind} did not start:\n{server.log_text()}")


@contextmanager
def serve(
    kind: str,
    app: str = "benchmarks.apps:application",
    room: int = 0,
    *,
    fails: bool = False,
    more: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server of that kind with that app, for as long as the block.

    `more` is for its environment. `fails` says that a traceback in its log is what the
    app is meant to show.
    """
    port = free_port()
    words = COMMANDS[kind].format(port=port, room=room, app=app)
    program = "node" if kind == "node" else sys.executable
    paths = [str(ROOT), os.environ.get("PYTHONPATH", ""), str(ROOT / "src")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment.update(more or {})
    with tempfile.NamedTemporaryFile(prefix=f"bench-{kind}-", suffix=".log") as log:
        process = psutil.Popen(
            [program, *words.split()],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        server = Server(kind, port, process, log)
        try:
            _await_answer(server)
            yield server
            if not fails and "Traceback" in server.log_text():
                raise RuntimeError(f"{kind} logged an error:\n{server.log_text()}")
        finally:
            server.stop()
