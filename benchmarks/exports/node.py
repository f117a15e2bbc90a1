"""The Node peer's packages, in a cache outside the repository, as those of `pages`.

better-sqlite3 comes ready-made, or is compiled once (two minutes) where it can't be
had for this Node.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path

from ..pages.node import INSTALL

HERE = Path(__file__).parent
FILES = ["csv.mjs", "package.json"]


@cache
def installed() -> Path:
    """The folder to run `csv.mjs` from."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = sha256((HERE / "package.json").read_bytes()).hexdigest()
    folder = Path(home) / "flask-sluice" / f"bench-exports-{digest[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(HERE / name, folder)
    ready = folder / "node_modules" / ".ready"
    if not ready.exists():
        subprocess.run(INSTALL.split(), cwd=folder, check=True)
        ready.touch()
    return folder


def version_of(package: str) -> str:
    """The version that is really there."""
    file = installed() / "node_modules" / package / "package.json"
    return f"{package} {json.loads(file.read_text())['version']}"
