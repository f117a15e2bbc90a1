"""What is learned in one test isn't known in the next."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a temporary folder of its own, where the app's own one is."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
