"""The Node peer of the exports: `csv.mjs`.

better-sqlite3 comes ready-made, or is compiled once (two minutes) where it can't be
had for this Node.
"""

from __future__ import annotations

from pathlib import Path

from .. import npm

FILES = ("csv.mjs", "package.json")


def installed() -> Path:
    """The folder to run it from."""
    return npm.installed(Path(__file__).parent, FILES)


def version_of(package: str) -> str:
    """The version that is really there."""
    return npm.version_of(installed(), package)
