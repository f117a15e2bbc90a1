"""What several test modules share: an app, a feed played by hand, real TCP pairs.

In: nothing but the standard library and the package. It knows no fixture and no
server; what waits here waits for a condition, with a time-out.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from flask_sluice import Sluice, signals

PATIENCE = 5.0  # seconds that anything here waits for what must come


def make_app(**config: Any) -> Flask:
    """Give an app with a session and a `Sluice`."""
    app = Flask("unit")
    app.secret_key = "only for tests"
    app.config.update(config)
    Sluice(app)
    return app


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for *condition* to hold; fail when it doesn't in time."""
    pause = threading.Event()
    rounds = int(seconds / 0.002)
    for _ in range(rounds):
        if condition():
            return
        pause.wait(0.002)
    raise AssertionError("what was waited for did not come")


def tcp_pair(
    *, receive_buffer: int | None = None, send_buffer: int | None = None
) -> tuple[socket.socket, socket.socket]:
    """Give the client's and the server's end of one TCP connection on loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.socket()
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    if send_buffer is not None:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    return client, server


def open_descriptors() -> int:
    """Count what this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def read_to_end(client: socket.socket) -> bytes:
    """Read until the other side has closed; a reset raises ConnectionResetError."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


class HandFeed:
    """A feed that gives what the test puts in."""

    def __init__(self, *items: bytes) -> None:
        self.items: deque[bytes | BaseException | None] = deque(items)
        self.closed = threading.Event()
        self.closes = 0
        self.takes = 0
        self.given = 0
        self._lock = threading.Lock()
        self._wake: Callable[[], None] | None = None

    def put(self, *items: bytes | BaseException | None) -> None:
        """Add items: bytes, an exception to raise, None for the end."""
        with self._lock:
            self.items.extend(items)
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def take(self) -> bytes | None:
        with self._lock:
            self.takes += 1
            if not self.items:
                return b""
            item = self.items.popleft()
        if isinstance(item, BaseException):
            raise item
        if item:
            self.given += len(item)
        return item

    def notify(self, wake: Callable[[], None]) -> None:
        with self._lock:
            if not self.items:
                self._wake = wake
                return
        wake()

    def close(self) -> None:
        self.closes += 1
        self.closed.set()


class Finishes:
    """Listens to `stream_started` and `stream_finished` of one app."""

    def __init__(self, app: Flask) -> None:
        self.started: list[dict[str, Any]] = []
        self.finished: list[dict[str, Any]] = []
        signals.stream_started.connect(self._start, app)
        signals.stream_finished.connect(self._finish, app)

    def _start(self, sender: Flask, **news: Any) -> None:
        self.started.append(news)

    def _finish(self, sender: Flask, **news: Any) -> None:
        self.finished.append(news)

    @property
    def outcomes(self) -> list[str]:
        return [news["outcome"] for news in self.finished]
