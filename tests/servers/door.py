"""A side door into the server under test: its journal, its gates, its numbers.

Strategy: a gunicorn sync worker that streams cannot answer a second request, and a
wedged server can answer none. So whatever a test has to learn or to say while a
stream is open goes over a Unix socket of its own, one JSON line each way.

In: notes that the app makes, with the machine's monotonic clock (the tests read the
same clock). Out: those notes, and the release of bodies that wait at a gate.
The door runs on native threads and native locks under gevent too, whose own would
stop with its hub; a gate, however, waits as the server's other code does, so that a
greenlet yields. It knows nothing of Flask and nothing of the package.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

GATE_SECONDS = 20.0  # a forgotten gate ends its body, so that no server hangs


def _native(module: str, name: str) -> Any:
    """The unpatched original when gevent has patched the process."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(__import__(module), name)


_Lock = _native("_thread", "allocate_lock")
_start_thread = _native("_thread", "start_new_thread")
_Socket = _native("socket", "socket")


class Journal:
    """Notes by key; a reader may wait for the n-th note of a name."""

    def __init__(self) -> None:
        self._lock = _Lock()
        self._notes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._readers: list[Any] = []

    def note(self, key: str, what: str, **detail: Any) -> None:
        entry = {"what": what, "at": time.monotonic(), **detail}
        with self._lock:
            self._notes[key].append(entry)
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.release()

    def forget(self) -> None:
        with self._lock:
            self._notes.clear()

    def read(
        self, key: str, what: str | None, count: int, timeout: float
    ) -> list[dict[str, Any]]:
        """All notes of `key`, once `count` of them are named `what` or time is up."""
        end = time.monotonic() + timeout
        while True:
            woken = _Lock()
            woken.acquire()
            with self._lock:
                notes = list(self._notes[key])
                have = sum(entry["what"] == what for entry in notes)
                left = end - time.monotonic()
                if what is None or have >= count or left <= 0:
                    return notes
                self._readers.append(woken)
            woken.acquire(timeout=left)


class Gate:
    """Where a body waits until the test lets it pass."""

    def __init__(self) -> None:
        self._lock = _Lock()
        self._passes = 0
        self._waiting: list[Callable[[], object]] = []

    def release(self, times: int) -> None:
        with self._lock:
            self._passes += times
            # Under the lock: nobody can close what is being woken.
            for wake in self._waiting:
                wake()
            self._waiting.clear()

    def _pass(self, wake: Callable[[], object]) -> bool:
        with self._lock:
            if self._passes:
                self._passes -= 1
                return True
            self._waiting.append(wake)
            return False

    def _forget(self, wake: Callable[[], object]) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._waiting.remove(wake)

    def wait(self, timeout: float = GATE_SECONDS) -> bool:
        """True when let through; `select` so that gevent can switch meanwhile."""
        end = time.monotonic() + timeout
        reader, writer = os.pipe()

        def wake() -> int:
            return os.write(writer, b".")

        try:
            while not self._pass(wake):
                left = max(0.0, end - time.monotonic())
                if not select.select([reader], [], [], left)[0]:
                    return False
                os.read(reader, 1)
            return True
        finally:
            self._forget(wake)
            with self._lock:
                os.close(reader)
                os.close(writer)

    async def wait_async(self, timeout: float = GATE_SECONDS) -> bool:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        try:
            while not self._pass(wake):
                await asyncio.wait_for(woken.wait(), timeout)
                woken.clear()
            return True
        except TimeoutError:
            return False
        finally:
            self._forget(wake)


journal = Journal()
note = journal.note
gates: defaultdict[str, Gate] = defaultdict(Gate)
commands: dict[str, Callable[..., Any]] = {
    "pid": os.getpid,
    "read": journal.read,
    "release": lambda key, times: gates[key].release(times),
}


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the test call `function` by its name."""
    commands[function.__name__] = function
    return function


def _answer(descriptor: int) -> None:
    data = b""
    try:
        while not data.endswith(b"\n"):
            got = os.read(descriptor, 65536)
            if not got:
                return
            data += got
        name, arguments = json.loads(data)
        try:
            reply = {"result": commands[name](**arguments)}
        except Exception as error:
            reply = {"error": repr(error)}
        rest = json.dumps(reply).encode() + b"\n"
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        pass  # the test is gone
    finally:
        os.close(descriptor)


def _listen(listener: Any) -> None:
    while True:
        descriptor, _ = listener._accept()  # not accept(): gevent patches its class
        _start_thread(_answer, (descriptor,))


def serve(path: str) -> None:
    """Open the door. The last process to load the app has it: that is the worker."""
    Path(path).unlink(missing_ok=True)
    listener = _Socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    _start_thread(_listen, (listener,))
