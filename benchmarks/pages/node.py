"""The Node peers of the pages: `react.mjs` and `marko.mjs`."""

from __future__ import annotations

from pathlib import Path

from .. import npm
from .plan import HERE

FILES = ("*.mjs", "*.marko", "pages.json", "page.css", "package.json")


def installed() -> Path:
    """The folder to run them from."""
    return npm.installed(HERE, FILES)


def version_of(package: str) -> str:
    """The version that is really there."""
    return npm.version_of(installed(), package)
