"""Cameras by their names, and their end with the process.

In: a name, and once a source. Out: the camera of that name, the same for everyone who
asks.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

from .. import native
from ..errors import ArgumentError
from ..pubsub.broker import Broker
from ..stopping import before_stop
from .camera import Camera

__all__ = ["Cameras"]

PATIENCE = 1.0  # seconds that the process waits for sources to be closed


class Cameras:
    """The cameras of one app.

    :param open_broker: gives connections to what the app's processes share; None: each
        has cameras of its own.
    """

    def __init__(self, open_broker: Callable[[], Broker | None]) -> None:
        self._open_broker = open_broker
        self._lock = native.lock()
        self._all: dict[str, Camera] = {}
        self._options: dict[str, tuple[object, dict[str, Any]]] = {}
        _registries.add(self)

    def camera(self, name: str, source: object, **options: Any) -> Camera:
        """Give the camera *name*; with a source it is made.

        :raises ArgumentError: there is none and no source, or there is another one.
        """
        with self._lock:
            found = self._all.get(name)
            if source is None:
                if found is None:
                    raise ArgumentError(
                        f"There is no camera {name!r}: declare it first, with"
                        f" sluice.camera({name!r}, source). {self._names()}"
                    )
                return found
            if found is None:
                found = self._all[name] = Camera(name, source, **options)
                found.share(self._open_broker)
                self._options[name] = source, options
            elif not self._is_same(name, source, options):
                raise ArgumentError(
                    f"The camera {name!r} is declared already, with another source or"
                    f" other options. Leave the source out to have it:"
                    f" sluice.camera({name!r})."
                )
            return found

    def _is_same(self, name: str, source: object, options: dict[str, Any]) -> bool:
        first, options_then = self._options[name]
        # An array, of all things, would compare itself item by item.
        same = first is source or (isinstance(source, (str, int)) and first == source)
        return same and options_then == options

    def _names(self) -> str:
        if not self._all:
            return "None has been declared yet."
        return f"Declared: {', '.join(sorted(self._all))}."

    def all(self) -> list[Camera]:
        """Give those there are."""
        with self._lock:
            return list(self._all.values())

    def renew(self) -> None:
        """Go on in a process that was forked off."""
        self._lock = native.lock()


_registries: weakref.WeakSet[Cameras] = weakref.WeakSet()


def _renew_all() -> None:
    for registry in list(_registries):
        registry.renew()


def end_all(patience: float = PATIENCE) -> None:
    """Have sources closed."""
    running = [camera for registry in list(_registries) for camera in registry.all()]
    deadline = time.monotonic() + patience
    while (running := [each for each in running if each.end()]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.005)


native.after_fork(_renew_all)
# After `drain`, which `camera` has brought in: viewers end with their last frame.
before_stop(end_all)
