"""Ports for the servers of tests.

In: nothing. Out: a number. It refuses the range from which the system gives ports to
clients: a connection of some other test could have it before the server does.
"""

from __future__ import annotations

import contextlib
import random
import socket

__all__ = ["free_port"]

# Below Linux's ip_local_port_range. A Redis of a cluster takes the one 10,000 above as
# well, so it can't have a high one.
RANGE = (10_000, 32_000)
_dice = random.SystemRandom()  # two runs at a time mustn't throw the same


def free_port() -> int:
    """Give a port that nobody listens on."""
    while True:
        port = _dice.randrange(*RANGE)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
