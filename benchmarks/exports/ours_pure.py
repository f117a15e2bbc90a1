"""The same app on a build without a compiler: the C encoder can't be imported."""

from __future__ import annotations

import sys
from importlib import import_module

sys.modules["flask_sluice.formats._speedups"] = None  # type: ignore[assignment]

app = import_module(".ours", __package__).app

__all__ = ["app"]
