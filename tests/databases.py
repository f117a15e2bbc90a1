"""A throw-away PostgreSQL, for whatever tests need a real one.

In: nothing. Out: a connection string, good until the block ends. The server listens on
a Unix socket in a folder of its own, and neither is left behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from needs import program


def _as_postgres(command: list[str]) -> list[str]:
    # PostgreSQL refuses to be run by root.
    if os.getuid() == 0:
        return ["runuser", "-u", "postgres", "--", *command]
    return command


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server without TCP; give its connection string."""
    initdb = program("postgresql")
    if initdb is None:
        pytest.skip("needs postgresql (Debian package postgresql)")
    binaries = Path(initdb).resolve().parent
    folder = tempfile.mkdtemp(prefix="sluice-pg-")
    data = str(Path(folder, "data"))
    control = str(binaries / "pg_ctl")
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")

    def run(*command: str) -> None:
        subprocess.run(
            _as_postgres([*command]), stdout=subprocess.DEVNULL, check=True, cwd=folder
        )

    try:
        run(initdb, "-D", data, "-U", "tester", "-A", "trust", "-N")
        options = f"-c listen_addresses= -k {folder} -c fsync=off"
        log = str(Path(folder, "log"))
        run(control, "-D", data, "-o", options, "-l", log, "-w", "-s", "start")
        try:
            yield f"host={folder} user=tester dbname=postgres"
        finally:
            run(control, "-D", data, "-m", "immediate", "-s", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
