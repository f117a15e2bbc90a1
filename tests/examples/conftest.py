"""Fixtures of the example's tests.

The data is loaded once a session, by two processes at the same time, as two workers
of a server would do it on a first start.
"""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient

from examples.site import (
    EXAMPLE,
    LOOPBACK,
    PATIENCE,
    Loaded,
    Server,
    answers,
    environment,
)
from needs import program

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Load the data with two processes that start at once."""
    instance = tmp_path_factory.mktemp("departures") / "instance"
    command = [sys.executable, "-m", "flask", "--app", "departures", "load-data"]
    began = time.monotonic()
    loaders = [
        subprocess.Popen(
            command,
            env=environment(instance),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [loader.communicate(timeout=50) for loader in loaders]
    seconds = time.monotonic() - began
    assert [loader.returncode for loader in loaders] == [0, 0], outputs
    said, told = zip(*outputs, strict=True)
    return Loaded(instance, list(said), list(told), seconds)


@pytest.fixture(scope="session")
def example(loaded: Loaded) -> Iterator[ModuleType]:
    """Import the example's package from its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE)
        patch.setattr(sys, "dont_write_bytecode", True)
        import departures

        yield departures


@pytest.fixture(scope="session")
def app(example: ModuleType, loaded: Loaded) -> Flask:
    """Make the app on the loaded data."""
    made = example.create_app(
        {
            "INSTANCE_PATH": loaded.instance,
            "TESTING": True,
            "DASHBOARD_PATIENCE": PATIENCE,
        }
    )
    assert isinstance(made, Flask)
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Give a client of the app."""
    return app.test_client()


@pytest.fixture
def db(loaded: Loaded) -> Iterator[sqlite3.Connection]:
    """Open the loaded database."""
    with closing(sqlite3.connect(loaded.database)) as connection:
        yield connection


@pytest.fixture(scope="module")
def server(
    loaded: Loaded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serve the app with one gunicorn worker of eight threads."""
    if program("gunicorn") is None:
        pytest.skip("needs gunicorn (Python package gunicorn)")
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("log") / "gunicorn.log"
    command = [
        *(sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "8"),
        *("--bind", f"{LOOPBACK}:{port}", "--no-control-socket"),
        "departures:create_app()",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment(loaded.instance),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + 30
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
        yield Server(port, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
