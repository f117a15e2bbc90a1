"""Real servers as subprocesses: one table, one way to start and to end them.

Strategy: a row of TABLE says all that differs between servers, how to run one and
what may be expected of it; the tests ask the row and never the name. `start` gives a
running `Server` that has answered `/ping`, and leaves no process behind.

In: a row and options. Out: a port, the worker's process, its log, its side door.
It refuses to know what a test checks.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ports import free_port

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
START_SECONDS = 30.0
STOP_SECONDS = 5.0

Command = Callable[[int, dict[str, Any]], list[str]]


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _gunicorn(kind: str, *more: str, target: str = "app:app") -> Command:
    def command(port: int, options: dict[str, Any]) -> list[str]:
        extra = list(more)
        if kind == "gthread":
            extra += ["--threads", str(options.get("threads", 8))]
        return _module(
            "gunicorn", "-k", kind, "-b", f"127.0.0.1:{port}", "--timeout", "60",
            "--no-control-socket", *extra, *options.get("arguments", ()), target,
        )  # fmt: skip

    return command


def _werkzeug(port: int, options: dict[str, Any]) -> list[str]:
    return _module("flask", "--app", "app", "run", "--port", str(port), "--no-reload")


def _waitress(port: int, options: dict[str, Any]) -> list[str]:
    threads = options.get("threads", 8)
    return _module(
        "waitress", f"--listen=127.0.0.1:{port}", f"--threads={threads}",
        *options.get("arguments", ()), "app:app",
    )  # fmt: skip


def _cheroot(port: int, options: dict[str, Any]) -> list[str]:
    threads = str(options.get("threads", 8))
    return _module(
        "cheroot", "--bind", f"127.0.0.1:{port}", "--threads", threads,
        "--shutdown-timeout", "1", "app:app",
    )  # fmt: skip


def _granian(interface: str, *more: str, target: str = "app:app") -> Command:
    def command(port: int, options: dict[str, Any]) -> list[str]:
        return _module(
            "granian", "--interface", interface, "--host", "127.0.0.1",
            "--port", str(port), *more, target,
        )  # fmt: skip

    return command


def _uvicorn(port: int, options: dict[str, Any]) -> list[str]:
    return _module(
        "uvicorn", "--port", str(port), "--lifespan", "on", "--no-access-log",
        "--timeout-graceful-shutdown", "1", "app:asgi",
    )  # fmt: skip


def _hypercorn(port: int, options: dict[str, Any]) -> list[str]:
    return _module(
        "hypercorn", "--bind", f"127.0.0.1:{port}", "--graceful-timeout", "1",
        "app:asgi",
    )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A server, and what may be expected of it.

    pulled, fed: the driver that must carry a pulled body and a feed.
    cut: an HTTP/1.1 client can tell a failed body from a whole one.
    cut10: so can an HTTP/1.0 client.
    watched: a client that leaves is known while the producer is silent.
    half_close: a client that has shut its sending side still gets its response.
    chunks10: it sends chunks to HTTP/1.0 clients too, whatever the app says.
    single: answers one request at a time.
    slack: bytes that the server itself may hold for a reader that has stopped.
    """

    name: str
    command: Command
    kind: str = "wsgi"
    pulled: str = "pull"
    fed: str = "pull"
    cut: bool = True
    cut10: bool = False
    watched: bool = False
    half_close: bool = True
    single: bool = False
    chunks10: bool = False
    slack: int = 16 << 20
    requires: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


_parking = {"fed": "park", "cut10": True, "watched": True}
_asgi = {"kind": "asgi", "pulled": "asgi", "fed": "asgi", "watched": True}

TABLE = [
    Row(
        "gunicorn-sync",
        _gunicorn("sync"),
        single=True,
        requires=("gunicorn",),
        **_parking,
    ),
    Row("gunicorn-gthread", _gunicorn("gthread"), requires=("gunicorn",), **_parking),
    Row(
        "gunicorn-gevent",
        _gunicorn("gevent"),
        requires=("gunicorn", "gevent"),
        **_parking,
    ),
    Row("werkzeug", _werkzeug, **_parking),
    Row("waitress", _waitress, slack=40 << 20, requires=("waitress",)),
    Row("cheroot", _cheroot, requires=("cheroot",)),
    Row(
        "granian-wsgi",
        _granian("wsgi", "--blocking-threads", "8"),
        cut=False,
        half_close=False,
        requires=("granian",),
    ),
    Row(
        "uvicorn",
        _uvicorn,
        chunks10=True,  # with httptools; h11 leaves them out
        cut10=True,
        half_close=False,
        requires=("uvicorn", "httptools"),
        **_asgi,
    ),
    Row(
        "hypercorn",
        _hypercorn,
        half_close=False,
        requires=("hypercorn",),
        **_asgi,
    ),
    Row(
        "gunicorn-asgi",
        _gunicorn("asgi", "--asgi-lifespan", "on", target="app:asgi"),
        half_close=False,
        requires=("gunicorn",),
        **_asgi,
    ),
    Row(
        "granian-asgi",
        _granian("asgi", target="app:asgi"),
        half_close=False,
        requires=("granian",),
        **_asgi,
    ),
]
BY_NAME = {row.name: row for row in TABLE}


class ServerFailed(AssertionError):
    """The server didn't start, or ended by itself; carries its log."""


@dataclass
class Server:
    """A running server: where it is, what it says, and what its worker costs."""

    row: Row
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    door_path: Path
    worker: psutil.Process = field(init=False)

    def log(self, start: int = 0) -> str:
        return self.log_path.read_bytes()[start:].decode(errors="replace")

    def door(self, name: str, /, **arguments: Any) -> Any:
        """Call a command of the app's side door."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(30)
            line.connect(str(self.door_path))
            line.sendall(json.dumps([name, arguments]).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        if "error" in answer:
            raise AssertionError(f"{name}: {answer['error']}")
        return answer["result"]

    def release(self, key: str, times: int = 1) -> None:
        """Let the body of `key` pass its gate."""
        self.door("release", key=key, times=times)

    def notes(
        self, key: str, what: str | None = None, count: int = 1, timeout: float = 5.0
    ) -> list[dict[str, Any]]:
        """The journal of `key`; with `what`, only those, waiting for `count`."""
        notes = self.door("read", key=key, what=what, count=count, timeout=timeout)
        if what is None:
            return notes
        found = [entry for entry in notes if entry["what"] == what]
        if len(found) < count:
            have = ", ".join(entry["what"] for entry in notes)
            raise AssertionError(f"{what!r} not {count} times in {timeout} s: {have}")
        return found

    def noted(self, key: str, what: str, timeout: float = 5.0) -> dict[str, Any]:
        """The first note of that name, waited for."""
        return self.notes(key, what, 1, timeout)[0]

    def quiet(self, key: str, what: str, seconds: float) -> bool:
        """Whether no `what` is noted for that long."""
        notes = self.door("read", key=key, what=what, count=1, timeout=seconds)
        return all(entry["what"] != what for entry in notes)

    def logged(self, level: str, words: str = "") -> list[dict[str, Any]]:
        """What the app and the package have logged at that level, with those words."""
        return [
            entry
            for entry in self.notes("log")
            if entry["what"] == level and words in entry["message"] + entry["error"]
        ]

    def made(self, key: str) -> list[str]:
        """What the body of `key` says that it has made."""
        names = self.names(key)
        return [name.removeprefix("made ") for name in names if name.startswith("made")]

    def names(self, key: str) -> list[str]:
        """What the journal of `key` has so far."""
        return [entry["what"] for entry in self.notes(key)]

    def stream(self, key: str) -> dict[str, Any] | None:
        """The open stream of `key` as the extension lists it."""
        for stream in self.door("streams"):
            if stream["key"] == key:
                return dict(stream)
        return None

    def descriptors(self) -> list[str]:
        """What the worker has open, as the kernel names it."""
        names = []
        for link in Path(f"/proc/{self.worker.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                names.append(f"{link.name} {link.readlink()}")
        return names

    def ping(self, timeout: float = 5.0) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/ping"
        with urllib.request.urlopen(url, timeout=timeout) as reply:
            return dict(json.load(reply))


def await_port(
    port: int, log_path: Path, alive: Callable[[], bool] = lambda: True
) -> None:
    """Wait until somebody listens.

    :raises ServerFailed: nobody does in time, or who was to is gone.
    """
    end = time.monotonic() + START_SECONDS
    while True:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return
        if not alive() or time.monotonic() > end:
            raise ServerFailed(log_path.read_text(errors="replace"))
        time.sleep(0.02)


def _await_answer(server: Server) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        if server.process.poll() is not None:
            raise ServerFailed(f"{server.row} ended by itself:\n{server.log()}")
        try:
            pid = server.ping(timeout=2.0)["pid"]
            break
        except OSError:
            if time.monotonic() > end:
                message = f"{server.row} gave no answer:\n{server.log()}"
                raise ServerFailed(message) from None
            time.sleep(0.02)
    assert server.door("pid") == pid, "the door belongs to another process"
    server.worker = psutil.Process(pid)


def _reap(process: subprocess.Popen[bytes]) -> None:
    """End the server and whatever it started, by their ids."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(family, timeout=STOP_SECONDS)


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """Give a folder of its own, with a short name: a socket's path is limited."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, log_path: Path, environ: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends, whatever it writes going to the log."""
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _reap(process)


@contextlib.contextmanager
def start(row: Row, **options: Any) -> Iterator[Server]:
    """Run the server until the block ends.

    Options: `config` (Flask config of the app), `threads`, `arguments`.
    """
    with workplace() as folder:
        port, door, log_path = free_port(), folder / "door", folder / "log"
        paths = [str(SOURCE), str(HERE), os.environ.get("PYTHONPATH", "")]
        environ = {
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "SLUICE_TEST_DOOR": str(door),
            "SLUICE_TEST_CONFIG": json.dumps(options.get("config", {})),
        }
        command = row.command(port, options)
        with running(command, folder, log_path, environ) as process:
            server = Server(row, port, process, log_path, door)
            _await_answer(server)
            yield server
