"""A way to a server that can be cut, closed, or silent.

In: a server's port. Out: another port that leads to it. It refuses to know what goes
through; what happens to that, the test says.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from browser.wire import LOOPBACK
from helpers import PATIENCE


class Relay:
    """The way.

    :ivar is_closed: whoever comes is sent away.
    :ivar is_silent: nothing goes through any more; what is open stays open.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server((LOOPBACK, 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.is_closed = False
        self.is_silent = False
        self.url = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.is_closed:
                    near.close()
                    continue
                far = socket.create_connection((LOOPBACK, self._to))
                with self._lock:
                    self._open |= {near, far}
                for pair in ((near, far), (far, near)):
                    thread = threading.Thread(target=self._carry, args=pair)
                    self._threads.append(thread)
                    thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.is_silent:
                    sink.sendall(data)
        self._shut({source, sink})

    def _shut(self, ends: set[socket.socket]) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        with self._lock:
            self._open -= ends

    def cut(self) -> None:
        """End everything that is open."""
        with self._lock:
            ends = set(self._open)
        self._shut(ends)

    def close(self) -> None:
        """End everything, for good."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)


@contextmanager
def relaying(port: int) -> Iterator[Relay]:
    """Lead to *port* until the block ends."""
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()
