"""A channel's ring as a copy of what a broker holds.

In: packets, as they arrive and as they are read. Out: the ring, without a hole that
isn't known as one. It refuses to know Redis.

Numbers are dense, so what is missing shows, and is read from the history. What the
history doesn't have any more is a hole: readers before it are told. An event that isn't
the one that was seen under its number shows that the history was replaced, by an older
copy that others have gone on from: then all begin anew.

While the broker is away the ring isn't `ready`. Its readers stay, and whoever comes
waits until it is known where the channel stands.
"""

from __future__ import annotations

import hashlib
import string
import threading
import time
from typing import TYPE_CHECKING

from ..errors import BrokerError
from .broker import Broker, Place, Stored
from .packet import CONTROL, JSON, control, pack, unpack

if TYPE_CHECKING:
    from ..formats.sse import Event
    from .channel import Channel
    from .listener import Listener

__all__ = ["Mirror"]

PATIENCE = 2.0  # seconds that a reader waits for the history before it is greeted
BEYOND = 2**52  # a number that no event has
LETTERS = string.digits + string.ascii_letters
EPOCH_LENGTH = 7


class Mirror:
    """What keeps a channel in step.

    :param channel: the channel; its ring isn't ready from now on, until it is.
    :param listener: brings what is published.

    :ivar used: when it was last asked for.
    :ivar read_at: when the history was last read.
    """

    def __init__(self, channel: Channel, broker: Broker, listener: Listener) -> None:
        self.channel = channel
        self.broker = broker
        self.listener = listener
        self.topic = broker.topic(channel.name)
        self.renew()

    def renew(self) -> None:
        """Know nothing, as in a process that was forked off."""
        self.used = self.read_at = time.monotonic()
        # All under the ring's lock.
        self._epoch = 0
        self._token = b""  # the last packet's
        self._acknowledged = Place(0, 0)
        self._settled = threading.Event()
        ring = self.channel.ring
        ring.ready = False
        ring.begin(self._visible(0), 0)

    def _visible(self, epoch: int) -> str:
        """Give the epoch as clients see it: one channel's alone, and the same for all.

        Channels begin in the same microsecond now and then, on a cluster.
        """
        name = f"{self.channel.name}\0{epoch}".encode("utf-8", "surrogatepass")
        number = int.from_bytes(hashlib.blake2s(name, digest_size=8).digest())
        letters = []
        for _ in range(EPOCH_LENGTH):
            number, rest = divmod(number, len(LETTERS))
            letters.append(LETTERS[rest])
        return "".join(letters)

    # For the channel. These may wait.

    def publish(self, made: Event, body: bytes, key: str) -> str:
        """Send an event to everybody; give its id.

        :raises BrokerError: the broker is away, for longer than publishing tries.
        """
        is_json = made.data is not None and not isinstance(
            made.data, (str, bytes, bytearray, memoryview)
        )
        place = self._send(pack(body, key, is_json=is_json))
        return f"{self._visible(place.epoch)}-{place.seq}"

    def close(self, client: object) -> None:
        """Have the streams of *client* ended in all processes.

        :raises TypeError: it has no form in JSON.
        :raises BrokerError: as for `publish`.
        """
        self._send(control({"close": client}))

    def _send(self, packet: bytes) -> Place:
        ring = self.channel.ring
        with ring.lock:
            known = self._known()
        place = self.broker.publish(self.channel.name, packet, ring.history, known)
        with ring.lock:
            self._acknowledged = max(self._acknowledged, place)
        return place

    def _known(self) -> Place:
        return max(self._acknowledged, Place(self._epoch, self.channel.ring.head))

    def attach(self, places: dict[str, int]) -> bool:
        """Listen, and know where the channel stands.

        :param places: where a client says that it is.
        :return: False if the broker is away.
        """
        self.used = time.monotonic()
        ring = self.channel.ring
        if not ring.ready:
            self._settled.wait(PATIENCE if self.listener.attach(self) else 0.0)
            return ring.ready
        # Another process may be ahead of this one, by what is on its way. Its clients
        # know more than we do, and aren't to be told that they don't.
        if places and places.get(ring.epoch, BEYOND) > ring.head:
            try:
                self.load()
            except BrokerError:
                return ring.ready
        return ring.ready

    # For the listener.

    def detach(self) -> bool:
        """Listen no more, if nobody reads. The place is kept, the events aren't."""
        ring = self.channel.ring
        with ring.lock:
            if self.channel.readers:
                return False
            self._pause()
            ring.begin(ring.epoch, ring.head)
            return True

    def pause(self) -> None:
        """Note that something may be missed from now on."""
        with self.channel.ring.lock:
            self._pause()

    def _pause(self) -> None:
        self.channel.ring.ready = False
        self._settled.clear()

    def offer(self, place: Place, packet: bytes) -> None:
        """Take what has arrived.

        :raises BrokerError: something is missing, and can't be read.
        """
        ring = self.channel.ring
        with ring.lock:
            if not ring.ready:
                return  # it will be read
            is_next = place == (self._epoch, ring.head + 1)
            if not is_next and place <= (self._epoch, ring.head):
                return
            order = self._append(packet, 0.0) if is_next else None
            waiting = self.channel.take_waiting() if is_next else ()
        if not is_next:
            self.load()
            return
        for reader in waiting:
            reader.wake()
        if order is not None:
            self.channel.obey(order)

    def load(self) -> None:
        """Read what is missing.

        :raises BrokerError: it can't be read.
        """
        ring, name = self.channel.ring, self.channel.name
        with ring.lock:
            known = self._known()
            here, token = Place(self._epoch, ring.head), self._token
        place = self.broker.attend(name, known)
        self.read_at = time.monotonic()
        if here.epoch == place.epoch and here.seq:
            stored = self.broker.since(name, here)
            first = stored[0] if stored else None
            if first and first.place == here and unpack(first.packet).token != token:
                # Others have gone on from an older copy, and have given numbers anew.
                self.broker.attend(name, Place(here.epoch, BEYOND))
                stored = self.broker.newest(name, ring.history)
        else:
            stored = self.broker.newest(name, ring.history)
        for order in self._adopt(stored, follows=here.epoch > 0):
            self.channel.obey(order)

    def _adopt(self, stored: list[Stored], *, follows: bool) -> list[bytes]:
        """Add what is new to the ring; give the orders that it holds.

        :param follows: orders are for whoever was here when they were given.
        """
        ring, orders = self.channel.ring, []
        newest = stored[-1].place.epoch if stored else self._epoch
        with ring.lock:
            was_ready = ring.ready
            for place, packet, age in stored:
                if place.epoch < max(self._epoch, newest):
                    continue
                if place.epoch > self._epoch:
                    self._begin(place.epoch, max(0, place.seq - 1))
                if place.seq <= ring.head:
                    continue
                if place.seq > ring.head + 1:
                    ring.begin(ring.epoch, place.seq - 1)
                order = self._append(packet, age)
                if order is not None and follows:
                    orders.append(order)
            ring.ready = True
            self._settled.set()
            waiting = self.channel.take_waiting()
            # Those that came meanwhile wait for this.
            readers = waiting if was_ready else set(self.channel.readers)
        for reader in readers:
            reader.wake()
        return orders

    def _begin(self, epoch: int, head: int) -> None:
        if self._epoch:
            for reader in self.channel.readers:
                reader.lose()
        self._epoch = epoch
        self._token = b""
        self.channel.ring.begin(self._visible(epoch), head)

    def _append(self, packet: bytes, age: float) -> bytes | None:
        """Add a packet to the ring; give the order that it holds."""
        ring = self.channel.ring
        self._token, kind, key, body = unpack(packet)
        if kind == CONTROL:
            ring.append(False, b"", None, age)
            return body
        ring.append(kind == JSON, body, key, age)
        return None
