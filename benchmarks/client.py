"""The Python end of `load.c`: compiles it once a run, starts it, reads its JSON lines.

Python only starts, waits and counts; every byte of the measured traffic is read by
the C program, so that the client is never what is measured.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("load.c")
IN_FLIGHT = 64
"""Clients that may wait for their head at one time while all of them connect."""

_folder = tempfile.TemporaryDirectory(prefix="bench-load-")

Seen = dict[str, Any]


@cache
def program() -> str:
    """The compiled client; its folder goes when the run ends."""
    binary = Path(_folder.name) / "load"
    command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(binary), str(SOURCE)]
    subprocess.run(command, check=True)
    return str(binary)


def fetch(
    port: int,
    path: str,
    *,
    repeats: int = 1,
    encoding: str = "",
    progress: Callable[[int], None] | None = None,
    progress_ms: int = 0,
) -> list[Seen]:
    """Fetches `path`, as fast as it comes; one dict for each finished body.

    `progress` is called with the payload bytes so far, each `progress_ms`. A body
    that isn't a whole 200 raises: a broken transfer has no speed.
    """
    command = [program(), "sink", "127.0.0.1", str(port), path, str(repeats)]
    command += [str(progress_ms)] + ([encoding] if encoding else [])
    bodies: list[Seen] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            seen = json.loads(line)
            if seen["event"] == "body":
                bodies.append(seen)
            elif progress:
                progress(seen["payload"])
    for body in bodies:
        if body["status"] != 200 or not body["finished"]:
            raise RuntimeError(f"{path}: not a whole answer: {body}")
    if len(bodies) != repeats:
        raise RuntimeError(f"{path}: {len(bodies)} of {repeats} bodies came")
    return bodies


class Holder:
    """Many open streams in one client process; see `load.c hold`."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.opened = self._read()

    def _read(self) -> Seen:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("the load client ended early")
        return dict(json.loads(line))

    def _say(self, words: str) -> Seen:
        assert self._child.stdin is not None
        self._child.stdin.write(words + "\n")
        self._child.stdin.flush()
        return self._read()

    def collect(self, lines: int, seconds: float) -> Seen:
        """Waits until every open client has that many lines more."""
        return self._say(f"collect {lines} {int(seconds * 1000)}")

    def drop(self, count: int) -> Seen:
        """Closes some connections from the client's side."""
        return self._say(f"drop {count}")

    def wait_closed(self, seconds: float) -> Seen:
        """Waits until the server has closed every connection."""
        return self._say(f"wait {int(seconds * 1000)}")


@contextmanager
def hold(
    port: int, path: str, clients: int, *, listens: bool = False
) -> Iterator[Holder]:
    """That many clients of one path, opened and kept until the block ends.

    With `listens` what they read are server-sent events.
    """
    mode = "listen" if listens else "hold"
    command = [program(), mode, "127.0.0.1", str(port), path]
    command += [str(clients), str(IN_FLIGHT)]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Holder(child)
    finally:
        child.kill()
        child.communicate()
