"""The Node peers: their packages, in a cache outside the repository.

`installed()` gives a folder with the servers' files and what they import. The folder's
name holds a digest of `package.json`, so that a change of versions is a new folder and
two runs share one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path

from .plan import HERE

FILES = ["*.mjs", "*.marko", "pages.json", "page.css", "package.json"]
INSTALL = "npm install --no-audit --no-fund --no-package-lock --loglevel=error"


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = sha256((HERE / "package.json").read_bytes()).hexdigest()
    return Path(home) / "flask-sluice" / f"bench-pages-{digest[:12]}"


@cache
def installed() -> Path:
    """The folder to run `react.mjs` and `marko.mjs` from."""
    folder = _cache()
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in FILES:
        for file in HERE.glob(pattern):
            shutil.copy(file, folder)
    ready = folder / "node_modules" / ".ready"
    if not ready.exists():
        subprocess.run(INSTALL.split(), cwd=folder, check=True)
        ready.touch()
    return folder


def version_of(package: str) -> str:
    """The version that is really there."""
    file = installed() / "node_modules" / package / "package.json"
    return f"{package} {json.loads(file.read_text())['version']}"


def node_version() -> str:
    """Node's own."""
    answer = subprocess.run(["node", "--version"], capture_output=True, check=True)
    return f"Node {answer.stdout.decode().strip().removeprefix('v')}"
