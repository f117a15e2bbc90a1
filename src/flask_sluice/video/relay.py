"""One capture for all processes: who has the camera, and how the others see it.

In: a camera's source, and a broker. Out: a source to be captured in its place: the real
one in the process that holds the lease, and in all others what that one sends. It
refuses to know viewers.

Whoever comes first gets the lease, and keeps it while anybody anywhere watches. It is
renewed by a thread, not by frames: a source that hangs still has the device. When its
holder dies the lease runs out, and the next one opens the source. Frames go by pub/sub
and are kept nowhere, since only the newest counts.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .. import native
from ..errors import BrokerError
from ..pubsub.broker import Broker

if TYPE_CHECKING:
    from .camera import Camera

__all__ = ["NOTHING", "Ready", "Relay"]

log = logging.getLogger("flask_sluice")

LEASE = 3.0  # seconds after which a holder that has died is succeeded
NOTHING = object()  # comes in a frame's place, for whoever has it to look around
LOOK = 0.5  # seconds between two looks at who is there


class Ready(NamedTuple):
    """A frame, and its JPEG in the camera's own size and quality."""

    jpeg: bytes
    raw: object


class Relay:
    """What a camera of several processes reads.

    :param camera: the camera.
    :param open_source: opens the real source.
    :param open_broker: gives a broker with connections of the caller's own: under
        gevent a thread can't use another one's. None: the process is by itself.

    :ivar has_others: whether other processes see what this one captures.
    """

    def __init__(
        self,
        camera: Camera,
        open_source: Callable[[], Iterator[object]],
        open_broker: Callable[[], Broker | None],
    ) -> None:
        self._camera = camera
        self._open_source = open_source
        self._open_broker = open_broker
        self._broker: Broker | None = None
        self._topic = self._name = ""
        self._holder = ""
        self._sent_at = 0.0
        self.has_others = False
        self._is_complaining = False

    def frames(self) -> Iterator[object]:
        """Give the source's frames, captured here or by another."""
        self._broker = self._open_broker()
        if self._broker is None:
            return self._open_source()
        # Not those of channels, whose names have one colon before them.
        self._name = f"camera:{self._camera.name}"
        self._topic = self._broker.topic(f":{self._name}")
        return self._shared(self._broker)

    def send(self, jpeg: bytes) -> None:
        """Show a frame to the other processes. For the capture."""
        assert self._broker is not None
        self._sent_at = time.monotonic()
        try:
            self._broker.shout(self._topic, jpeg)
            self._is_complaining = False
        except BrokerError as error:
            # Those who watch here go on. The others say "no signal" by themselves.
            if not self._is_complaining:
                self._is_complaining = True
                complain = "Camera %r is seen by its own process only: %s"
                native.post(partial(log.warning, complain, self._camera.name, error))

    def _shared(self, broker: Broker) -> Iterator[object]:
        holder = secrets.token_hex(8)
        has_ended = False
        while not has_ended:
            if broker.lease(self._name, holder, LEASE):
                has_ended = yield from self._captured(broker, holder)
            else:
                yield from self._followed(broker)

    # The one that has it.

    def _captured(self, broker: Broker, holder: str) -> Generator[object, None, bool]:
        """Give the source's frames; tell whether it has ended."""
        self._holder = holder
        native.start_worker(
            partial(self._attend, holder), f"flask-sluice-lease-{self._camera.name}"
        )
        frames = self._open_source()
        is_left = False
        try:
            for frame in frames:
                if self._holder != holder:
                    return False
                yield frame
            return True
        except GeneratorExit:
            is_left = True
            raise
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()
            self._holder = ""
            self.has_others = False
            # Nobody watches any more, or the process ends: the next one needn't wait.
            # After a fault it does, for the device may be in disorder.
            if is_left:
                self._leave(broker, holder)

    def _leave(self, broker: Broker, holder: str) -> None:
        try:
            broker.release(self._name, holder)
            broker.shout(self._topic, b"")
        except BrokerError:
            log.debug("The lease of %r runs out by itself", self._camera.name)

    def _attend(self, holder: str) -> None:
        """Keep the lease, and look who watches, while the source is waited for."""
        broker = self._open_broker()
        assert broker is not None
        while self._holder == holder:
            try:
                if not broker.lease(self._name, holder, LEASE):
                    # It was away for so long that somebody else has it.
                    self._holder = ""
                    return
                self.has_others = broker.listeners(self._topic) > 0
                if self.has_others and time.monotonic() - self._sent_at > LOOK:
                    # For those who have just come, and for all where nothing moves.
                    newest = self._camera.newest()
                    if newest is not None:
                        broker.shout(self._topic, newest)
            except BrokerError:
                log.debug("The lease of %r wasn't renewed", self._camera.name)
            native.sleep(LOOK)

    # The others.

    def _followed(self, broker: Broker) -> Iterator[object]:
        """Give what the holder sends, until it is gone."""
        link = broker.link()
        try:
            link.subscribe([self._topic])
            heard = time.monotonic()
            while True:
                arrival = link.receive(LOOK)
                now = time.monotonic()
                if arrival is not None and arrival[0] == "message":
                    jpeg = arrival[2]
                    if not jpeg:
                        return
                    heard = now
                    yield Ready(jpeg, jpeg)
                else:
                    yield NOTHING
                    if now - heard > LEASE / 2:
                        return  # to ask whether the lease is to be had
        finally:
            link.close()
