"""A client that reads for ever, comes back, and remembers all that it was told.

In: how to subscribe. Out: a ledger of events and resets, and the verdict on it: each
event that was acknowledged is there once, or is covered by a reset.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from flask_sluice.pubsub.subscription import Subscription
from helpers import PATIENCE, until
from reading import blocks, ids

RESET = "reset"


class Follower:
    """A browser, but for the network.

    :param subscribe: gives a feed that begins after an id.
    :param at: the id that it begins with.
    """

    def __init__(
        self, subscribe: Callable[[str | None], Subscription], at: str | None = None
    ) -> None:
        self._subscribe = subscribe
        self._at = at
        self._news = threading.Event()
        self._over = False
        self.ledger: list[str] = []  # data, or RESET
        self.connections = 0
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._over:
                self._follow(self._subscribe(self._at))
        except BaseException as error:
            self.failure = error

    def _follow(self, feed: Subscription) -> None:
        self.connections += 1
        try:
            while not self._over:
                data = feed.take()
                if data is None:
                    return
                if data:
                    self._note(data)
                    continue
                self._news.clear()
                feed.notify(self._news.set)
                self._news.wait(0.5)
        finally:
            feed.close()

    def _note(self, data: bytes) -> None:
        for fields in blocks(data):
            is_reset = fields.get("event") == RESET
            self.ledger.append(RESET if is_reset else fields["data"])
        self._at = (ids(data) or [self._at])[-1]

    def has(self, data: str) -> bool:
        """Tell whether it was told *data*."""
        return data in self.ledger

    def stop(self) -> list[str]:
        """End it; give the ledger."""
        self._over = True
        self._news.set()
        self._thread.join(PATIENCE)
        if self.failure is not None:
            raise self.failure
        return self.ledger

    @property
    def resets(self) -> int:
        """How often it was told that something can't be replayed."""
        return self.ledger.count(RESET)


def uncovered(ledger: list[str], acknowledged: list[int]) -> list[int]:
    """Give the acknowledged events that are neither there nor covered by a reset.

    Raise if one came twice, or out of order. A reset covers what lies between the
    events around it.
    """
    numbers = [int(entry) for entry in ledger if entry != RESET]
    assert len(numbers) == len(set(numbers)), "an event came twice"
    assert numbers == sorted(numbers), "events came out of order"
    missing = sorted(set(acknowledged) - set(numbers))
    covered: set[int] = set()
    before = -1
    for at, entry in enumerate(ledger):
        if entry != RESET:
            before = int(entry)
            continue
        after = next((int(e) for e in ledger[at:] if e != RESET), 10**9)
        covered.update(n for n in missing if before < n < after)
    return [number for number in missing if number not in covered]


class Publisher:
    """Publishes numbers one after another, and notes which were acknowledged.

    :param publish: raises where it wasn't.
    """

    def __init__(self, publish: Callable[[str], object], pause: float = 0.001) -> None:
        self._publish = publish
        self._pause = pause
        self._over = threading.Event()
        self.acknowledged: list[int] = []
        self.refused = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(self._pause):
            number += 1
            try:
                self._publish(str(number))
            except ConnectionError:
                self.refused += 1
            else:
                self.acknowledged.append(number)

    def reach(self, count: int) -> None:
        """Wait until *count* more are acknowledged."""
        goal = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= goal, 20)

    def stop(self) -> list[int]:
        """End it; give what was acknowledged."""
        self._over.set()
        self._thread.join(PATIENCE)
        return self.acknowledged
