"""The one epoll thread: nothing lost, in order, and never stopped by a handler."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter

import pytest

from flask_sluice.serve.loop import HALF, READ, WRITE, Loop, Timer, loop
from helpers import PATIENCE, until


def settle(loop: Loop) -> None:
    """Wait until the loop has done what it was asked so far."""
    done = threading.Event()
    loop.call_soon(done.set)
    assert done.wait(PATIENCE)


def test_a_process_has_one() -> None:
    """However many ask at once."""
    barrier = threading.Barrier(8)
    seen: list[Loop] = []

    def ask() -> None:
        barrier.wait(PATIENCE)
        seen.append(loop())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(set(map(id, seen))) == 1


def test_calls_from_many_threads_all_run_in_each_ones_order() -> None:
    """Eight threads, a thousand calls each, all on one thread."""
    ran: list[tuple[int, int]] = []
    where: set[int] = set()

    def note(who: int, n: int) -> None:
        ran.append((who, n))
        where.add(threading.get_ident())

    def call(who: int) -> None:
        for n in range(1000):
            loop().call_soon(lambda n=n: note(who, n))

    threads = [threading.Thread(target=call, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    settle(loop())
    assert len(ran) == 8000
    for who in range(8):
        assert [n for w, n in ran if w == who] == list(range(1000))
    assert len(where) == 1
    assert threading.get_ident() not in where


def test_no_wake_up_is_lost() -> None:
    """Each call is waited for before the next is made, for a second, fourfold."""
    until_when = time.monotonic() + 1.0
    counts: Counter[int] = Counter()
    lost: list[int] = []

    def ping(who: int) -> None:
        answered = threading.Event()
        while time.monotonic() < until_when:
            answered.clear()
            loop().call_soon(answered.set)
            if not answered.wait(2.0):
                lost.append(who)
                return
            counts[who] += 1

    threads = [threading.Thread(target=ping, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert lost == []
    assert min(counts.values()) > 10


def test_timers_run_in_the_order_of_their_times() -> None:
    """Not in that of their making; equal times in that."""
    ran: list[str] = []
    done = threading.Event()
    running = loop()
    began = time.monotonic()
    running.call_later(0.06, done.set)
    running.call_later(0.04, lambda: ran.append("c"))
    running.call_later(0.02, lambda: ran.append("b"))
    running.call_later(0.0, lambda: ran.append("a"))
    assert done.wait(PATIENCE)
    assert time.monotonic() - began >= 0.06
    assert ran == ["a", "b", "c"]


def test_a_timer_that_was_called_off_does_not_run() -> None:
    """Before its time, twice, and also after it."""
    ran: list[str] = []
    done = threading.Event()
    running = loop()
    timers: list[Timer] = []

    def schedule() -> None:
        # On the loop's thread, so that none can run before it is called off.
        off = running.call_later(0.01, lambda: ran.append("off"))
        timers.append(running.call_later(0.01, lambda: ran.append("on")))
        running.call_later(0.03, done.set)
        off.cancel()
        off.cancel()

    running.call_soon(schedule)
    assert done.wait(PATIENCE)
    timers[0].cancel()
    assert ran == ["on"]


def test_what_raises_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A call, a timer and a handler that raise are logged, and the loop goes on."""
    one, two = socket.socketpair()
    with one, two:
        running = loop()
        running.add(one.fileno(), WRITE, lambda events: fail("handler"))

        def fail(what: str) -> None:
            running.remove(one.fileno())
            raise LookupError(what)

        def shout(what: str) -> None:
            raise LookupError(what)

        running.call_soon(lambda: shout("soon"))
        running.call_later(0.0, lambda: shout("later"))
        settle(running)
        for what in ("soon", "later", "handler"):
            until(lambda what=what: f"LookupError: {what}" in caplog.text)
        settle(running)


def test_events_are_handled_until_removed() -> None:
    """Other events after `modify`, none after `remove`."""
    one, two = socket.socketpair()
    with one, two:
        running = loop()
        seen: list[int] = []
        heard = threading.Event()

        def hear(events: int) -> None:
            seen.append(events)
            one.recv(100)
            heard.set()

        running.add(one.fileno(), READ, hear)
        two.send(b"x")
        assert heard.wait(PATIENCE)
        assert seen == [READ]
        running.modify(one.fileno(), HALF)
        two.send(b"x")
        settle(running)
        assert seen == [READ]
        running.remove(one.fileno())
        running.remove(one.fileno())
        two.shutdown(socket.SHUT_WR)
        settle(running)
        assert seen == [READ]


def test_descriptors_come_and_go_while_events_do() -> None:
    """Threads add and remove sockets that are always ready, and none is lost."""
    running = loop()
    errors: list[BaseException] = []

    def churn() -> None:
        try:
            for _ in range(100):
                one, two = socket.socketpair()
                with one, two:
                    heard = threading.Event()
                    running.add(one.fileno(), WRITE, lambda events, h=heard: h.set())
                    assert heard.wait(PATIENCE)
                    running.remove(one.fileno())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert errors == []
    settle(running)


def test_a_number_that_was_given_away_hears_no_old_events() -> None:
    """Of two descriptors ready at once the first handled closes the other.

    Its number goes to a new one, which must not get what was meant for the old.
    """
    running = loop()
    a, a_peer = socket.socketpair()
    b, b_peer = socket.socketpair()
    new, new_peer = socket.socketpair()
    stale: list[int] = []
    done = threading.Event()

    def replace(other: socket.socket) -> None:
        if done.is_set():
            return
        done.set()
        number = other.fileno()
        running.remove(number)
        os.dup2(new.fileno(), number)
        running.add(number, HALF, stale.append)

    def begin() -> None:
        # On the loop's thread, so that both are ready when it asks next.
        running.add(a.fileno(), HALF, lambda events: replace(b))
        running.add(b.fileno(), HALF, lambda events: replace(a))
        a_peer.shutdown(socket.SHUT_WR)
        b_peer.shutdown(socket.SHUT_WR)

    with a, a_peer, b, b_peer, new, new_peer:
        running.call_soon(begin)
        assert done.wait(PATIENCE)
        settle(running)
        for sock in (a, b):
            running.remove(sock.fileno())
        settle(running)
    assert stale == []
