"""A folder of one app's own, in the system's temporary folder.

In: an app's name and place. Out: the same folder for all of its processes that run as
one user, and for nobody else's. It refuses to know what is kept there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

__all__ = ["has_made", "own_folder"]


def own_folder(name: str, place: str) -> Path:
    """Give the folder's path. Ask `has_made` before using it.

    :param name: the app's import name.
    :param place: its instance path.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    mark = hashlib.sha256(f"{name} {place}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir(), f"sluice-{user}-{mark}")


def has_made(folder: Path) -> bool:
    """Make *folder* if it isn't there; tell whether it is this user's.

    Anybody may have made one with that name.

    :raises OSError: it can't be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
