"""The Node peers' packages, in a cache outside the repository.

In: a folder with a `package.json` and the peers' files. Out: a folder to run them from,
with what they import. Its name holds a digest of `package.json`, so that a change of
versions is a new folder and two runs share one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path

INSTALL = "npm install --no-audit --no-fund --no-package-lock --loglevel=error"


@cache
def installed(here: Path, patterns: tuple[str, ...]) -> Path:
    """Copies what matches `patterns`, and installs what it imports if need be."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = sha256((here / "package.json").read_bytes()).hexdigest()
    folder = Path(home) / "flask-sluice" / f"bench-{here.name}-{digest[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in patterns:
        for file in here.glob(pattern):
            shutil.copy(file, folder)
    ready = folder / "node_modules" / ".ready"
    if not ready.exists():
        subprocess.run(INSTALL.split(), cwd=folder, check=True)
        ready.touch()
    return folder


def version_of(folder: Path, package: str) -> str:
    """The version that is really there."""
    file = folder / "node_modules" / package / "package.json"
    return f"{package} {json.loads(file.read_text())['version']}"


def node_version() -> str:
    """Node's own."""
    answer = subprocess.run(["node", "--version"], capture_output=True, check=True)
    return f"Node {answer.stdout.decode().strip().removeprefix('v')}"
