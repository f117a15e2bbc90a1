"""Where what was learned is shared, so that other workers and a restart know it.

In: a text for each endpoint. Out: the texts of all, from whichever process. It refuses
to know what they say. They are in the app's broker if it has one, else in one small
file in a folder of the app's own, replaced as a whole; `flask sluice hints` reads
either, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ..folder import has_made, own_folder
from ..pubsub.broker import Broker

__all__ = ["BrokerStore", "FileStore", "Store"]

NAME = "hints.json"


class Store(Protocol):
    """Keeps texts by name for all processes of an app.

    Both methods are called off the requests' threads, every few seconds at most, and
    may raise what they like: that is logged, and tried again later.
    """

    def load(self) -> dict[str, str]:
        """Give all texts; an empty dict if nothing has changed since the last call."""
        ...

    def save(self, texts: dict[str, str], keep: float, /) -> None:
        """Keep *texts*, each in place of the one of its name.

        :param keep: seconds after which one that wasn't saved again may be dropped.
        """
        ...


class FileStore:
    """Keeps them in a file, for the processes of one user on one machine.

    :param name: the app's import name.
    :param place: its instance path.
    """

    def __init__(self, name: str, place: str) -> None:
        self._folder = own_folder(name, place)
        self._known: tuple[int, int] | None = None

    def load(self) -> dict[str, str]:
        """Read the file, if it isn't the one that was read last."""
        path = self._path()
        try:
            about = path.stat()
        except FileNotFoundError:
            return {}
        mark = (about.st_mtime_ns, about.st_ino)
        if mark == self._known:
            return {}
        self._known = mark
        return {name: text for name, (_, text) in _read(path).items()}

    def save(self, texts: dict[str, str], keep: float, /) -> None:
        """Write them among the others, without those that are too old."""
        path = self._path()
        now = time.time()
        with _alone(path.with_suffix(".lock")):
            kept = _read(path)
            kept.update((name, (now, text)) for name, text in texts.items())
            kept = {name: one for name, one in kept.items() if now - one[0] < keep}
            # Written beside it and moved: a reader sees the old one or the new one.
            beside = path.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps(kept), encoding="utf-8")
            beside.replace(path)

    def _path(self) -> Path:
        if not has_made(self._folder):
            raise PermissionError(f"{self._folder} is somebody else's")
        return self._folder / NAME


class BrokerStore:
    """Keeps them where an app's channels are, for the processes of all machines.

    :param name: the app's import name.
    """

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self._folder = f"hints:{name}"

    def load(self) -> dict[str, str]:
        """Give all texts; who reads them sees which are too old."""
        return self._broker.kept(self._folder)

    def save(self, texts: dict[str, str], keep: float, /) -> None:
        """Keep them among the others."""
        self._broker.keep(self._folder, texts, keep)


def _read(path: Path) -> dict[str, tuple[float, str]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(k): (float(at), str(text)) for k, (at, text) in found.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        # Another version's, perhaps: what it held is learned again.
        return {}


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from writing at the same time."""
    try:
        import fcntl
    except ImportError:  # Windows: then one may lose what the other wrote just now
        yield
        return
    with path.open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
