"""The one connection on which a process hears all of its channels.

In: what a broker sends. Out: each packet, at the channel that it is for. It refuses to
know what packets hold.

One thread owns the connection and makes it anew when it breaks. Each time that a topic
is confirmed, its history is read: whatever was published before that is in there, and
whatever is published after it arrives.
"""

from __future__ import annotations

import logging
import threading
import time

from ..errors import BrokerError
from ..jitter import spread
from .broker import Broker, Link
from .mirror import Mirror

__all__ = ["Listener"]

log = logging.getLogger("flask_sluice")

TICK = 5.0  # seconds of silence after which a broker is asked whether it is there
LINGER = 60.0  # seconds that a channel is heard though nobody reads it
RENEW = 3600.0  # seconds after which a channel that is silent is kept from expiring
PAUSE = 0.02, 2.0  # seconds between tries: at first, and at most
GROUP = 500  # topics in one command


class Listener:
    """A process's connection.

    :ivar is_away: whether the broker is known to be out of reach.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.renew()

    def renew(self) -> None:
        """Go on in a process that was forked off, whose thread stayed behind."""
        self._lock = threading.Lock()
        self._mirrors: dict[str, Mirror] = {}
        self._link: Link | None = None
        self._running = False
        self.is_away = False

    def __len__(self) -> int:
        """How many channels are heard."""
        return len(self._mirrors)

    def attach(self, mirror: Mirror) -> bool:
        """Hear *mirror*'s channel from now on; tell whether that may be soon."""
        with self._lock:
            is_new = self._mirrors.get(mirror.topic) is not mirror
            self._mirrors[mirror.topic] = mirror
            link = self._link
            start = not self._running
            self._running = True
        if start:
            threading.Thread(
                target=self._run, name="flask-sluice-listener", daemon=True
            ).start()
        if is_new and link is not None:
            try:
                link.subscribe([mirror.topic])
            except BrokerError:
                return False  # the thread sees it, too
        return not self.is_away

    def _run(self) -> None:
        pause, most = PAUSE
        while True:
            began = time.monotonic()
            try:
                self._serve()
                return
            except BrokerError as error:
                self._lose(error)
            except Exception:
                log.exception("What a broker sent could not be read")
                self._lose(None)
            if time.monotonic() - began > most:
                pause = PAUSE[0]
            time.sleep(spread(pause, 0.5, 1.0))
            pause = min(most, pause * 2)

    def _lose(self, error: BrokerError | None) -> None:
        with self._lock:
            link, self._link = self._link, None
            mirrors = list(self._mirrors.values())
        if link is not None:
            link.close()
        for mirror in mirrors:
            mirror.pause()
        if not self.is_away:
            self.is_away = True
            log.warning("%s Readers are kept, and hear of what they miss.", error or "")

    def _serve(self) -> None:
        """Hear all channels, until there is none."""
        link = self._broker.link()
        with self._lock:
            self._link = link
            topics = list(self._mirrors)
        for start in range(0, len(topics), GROUP):
            link.subscribe(topics[start : start + GROUP])
        swept = time.monotonic()
        while True:
            arrival = link.receive(TICK)
            if arrival is not None:
                kind, topic, message = arrival
                mirror = self._mirrors.get(topic)
                if mirror is None:
                    pass
                elif kind == "message":
                    mirror.offer(*self._broker.read(message))
                else:
                    mirror.load()
                    self._found()
            if time.monotonic() - swept > TICK:
                swept = time.monotonic()
                if not self._sweep(link):
                    return

    def _found(self) -> None:
        if self.is_away:
            self.is_away = False
            log.info("The broker is back.")

    def _sweep(self, link: Link) -> bool:
        """Let go of what nobody reads; tell whether anything is left."""
        now = time.monotonic()
        idle = [
            mirror
            for mirror in list(self._mirrors.values())
            if not mirror.channel.readers and now - mirror.used > LINGER
        ]
        for mirror in idle:
            # With the lock, because somebody may be coming: what he says comes after.
            with self._lock:
                if mirror.detach():
                    del self._mirrors[mirror.topic]
                    link.unsubscribe([mirror.topic])
        for mirror in list(self._mirrors.values()):
            if now - mirror.read_at > RENEW:
                mirror.load()
        with self._lock:
            if self._mirrors:
                return True
            self._running = False
            self._link = None
        link.close()
        return False
