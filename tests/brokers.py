"""Throw-away Redis servers, that a test may kill and start again.

In: how it is to be set. Out: a server on a free port, with data in a folder of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from needs import program
from ports import free_port

READY = 10.0  # seconds


class RedisServer:
    """One server, started or not.

    :param folder: its data.
    :param options: of `redis-server`, beside those that keep it to itself.
    """

    def __init__(self, folder: str, *options: str) -> None:
        found = program("redis-server")
        if found is None:
            pytest.skip("needs redis-server (Debian package redis-server)")
        self._program = found
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        fixed = ("--port", str(self.port), "--bind", "127.0.0.1")
        self._process = subprocess.Popen(
            [
                self._program,
                *fixed,
                "--dir",
                self._folder,
                "--save",
                "",
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), self.connect() as connection:
                # -NOAUTH is an answer, too. -LOADING isn't one yet.
                connection.sendall(b"PING\r\n")
                if connection.recv(64)[:4] in (b"+PON", b"-NOA"):
                    return
            time.sleep(0.01)
        raise AssertionError("redis-server did not answer")

    def connect(self) -> socket.socket:
        """Connect by TCP."""
        return socket.create_connection(("127.0.0.1", self.port), READY)

    def say(self, *words: str) -> bytes:
        """Send one command; give the beginning of the answer."""
        with self.connect() as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            return connection.recv(4096)

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, and wait until it is gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, how)
            self._process.wait(READY)
            self._process = None


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Run a server with *options*."""
    folder = tempfile.mkdtemp(prefix="sluice-redis-")
    server = RedisServer(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)


def make_certificate(folder: Path) -> tuple[str, str]:
    """Make a certificate for 127.0.0.1; give its path and the key's."""
    certificate, key = str(folder / "redis.crt"), str(folder / "redis.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-days", "2", "-keyout", key, "-out", certificate),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return certificate, key
