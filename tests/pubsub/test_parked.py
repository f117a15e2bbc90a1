"""Channels on real sockets, carried by the one epoll thread: every delivery counted."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from flask_sluice import native
from flask_sluice.pubsub.channel import Channel, drain
from flask_sluice.pubsub.subscription import Subscription
from flask_sluice.serve.park import Parked
from flask_sluice.serve.stream import Departure, Stream
from flask_sluice.wire.framing import LAST_CHUNK
from flask_sluice.wire.pipeline import Pipeline
from helpers import PATIENCE, open_descriptors, read_to_end, tcp_pair, until


class Listener:
    """A client of channels, and its parked stream."""

    def __init__(
        self,
        channels: list[Channel],
        at: str | None = None,
        *,
        chunked: bool = True,
        buffers: dict[str, int] | None = None,
        **options: Any,
    ) -> None:
        self.client, server = tcp_pair(**(buffers or {}))
        self.chunked = chunked
        self.stream = Stream("/", "::1", Departure())
        self.ended = threading.Event()
        self.stream.on_finish(lambda _: self.ended.set())
        Parked(
            native.RawSocket(fileno=server.detach()),
            Subscription(channels, at, **options),
            self.stream,
            chunked=chunked,
            pipeline=Pipeline(),
            half_close="ask",
        )

    def read_whole(self) -> str:
        """Read to the end, which has to be a proper one."""
        wire = read_to_end(self.client)
        self.client.close()
        assert self.ended.wait(PATIENCE)
        if not self.chunked:
            return wire.decode()
        assert wire.endswith(LAST_CHUNK)
        body = b""
        while wire:
            size, _, wire = wire.partition(b"\r\n")
            length = int(size, 16)
            # A chunk of length 0 is the end: none may stand in the middle.
            assert length or wire == b"\r\n"
            body += wire[:length]
            wire = wire[length + 2 :]
        return body.decode()


def said(stream: str) -> list[str]:
    """Give the data of each event."""
    return re.findall(r"^data: (.*)$", stream, re.MULTILINE)


@pytest.mark.parametrize("chunked", [True, False])
def test_every_delivery_is_counted(chunked: bool) -> None:
    """Forty clients, three publishers: each event once, each publisher's in order."""
    first = Channel("a", history=10_000)
    second = Channel("b", history=10_000)
    choices = ([first], [second], [first, second], [second, first])
    listeners = [Listener(choices[n % 4], chunked=chunked) for n in range(40)]
    whole: dict[Listener, str] = {}

    def listen(listener: Listener) -> None:
        whole[listener] = listener.read_whole()

    def publish(who: int) -> None:
        for n in range(300):
            first.publish(f"a {who} {n}")
            second.publish(f"b {who} {n}")

    readers = [threading.Thread(target=listen, args=(each,)) for each in listeners]
    writers = [threading.Thread(target=publish, args=(who,)) for who in range(3)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join(4 * PATIENCE)
    assert drain(patience=0) >= 40
    for thread in readers:
        thread.join(4 * PATIENCE)
        assert not thread.is_alive()
    for n, listener in enumerate(listeners):
        got = said(whole[listener])
        names = {channel.name for channel in choices[n % 4]}
        assert len(got) == 900 * len(names)
        for name in names:
            for who in range(3):
                start = f"{name} {who} "
                mine = [line for line in got if line.startswith(start)]
                assert mine == [f"{start}{n}" for n in range(300)]
        # The last words: when to come back.
        assert re.search(r"\n\nretry: \d+\n\n\Z", whole[listener])
        assert listener.stream.outcome == "complete"


def test_clients_that_come_and_go_lose_nothing() -> None:
    """Cut off again and again in mid-stream, a client gets every event, and once."""
    channel = Channel("c", history=100_000)
    total = 3_000
    got: list[str] = []
    place: str | None = channel.cursor()

    def publish() -> None:
        for n in range(total):
            channel.publish(f"{n} {'x' * 50}")

    publisher = threading.Thread(target=publish)
    publisher.start()
    last = f"data: {total - 1} {'x' * 50}\n\n".encode()
    while len(got) < total:
        listener = Listener([channel], place, chunked=False)
        wire = b""
        while len(wire) < 5_000 and last not in wire:
            wire += listener.client.recv(1_777)
        listener.client.close()
        # As a browser does: what has no blank line after it didn't happen.
        for block in wire.decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            place = fields.get("id", place)
            if "data" in fields:
                got.append(fields["data"].split()[0])
    publisher.join(PATIENCE)
    assert got == [str(n) for n in range(total)]
    until(lambda: not channel.readers)


def test_one_that_stops_reading_is_closed_and_holds_nobody_up() -> None:
    """The others get every event; it comes back and is told what it missed."""
    channel = Channel("c", history=50)
    quick = Listener([channel])
    small = {"receive_buffer": 4096, "send_buffer": 4096}
    stopped = Listener([channel], chunked=False, buffers=small)
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.append(quick.read_whole()))
    thread.start()
    for n in range(200):
        channel.publish(f"{n} {'x' * 2000}")
        until(lambda n=n: quick.stream.bytes_made > n * 2000)
    late = stopped.read_whole()
    assert channel.overtaken == 1
    drain(patience=0)
    thread.join(PATIENCE)
    assert [line.split()[0] for line in said(got[0])] == [str(n) for n in range(200)]
    seen = [line.split()[0] for line in said(late)]
    assert seen == [str(n) for n in range(len(seen))]
    assert len(seen) < 150
    place = re.findall(r"^id: (.*)$", late, re.MULTILINE)[-1]
    again = Subscription([channel], place).take()
    assert again is not None
    assert b'"reason": "overtaken"' in again


def test_five_hundred_come_and_go_and_nothing_is_left() -> None:
    """No descriptor, no reader, nobody in a list."""
    channel = Channel("c")
    before = open_descriptors()
    for _ in range(10):
        listeners = [Listener([channel]) for _ in range(50)]
        channel.publish("x")
        for listener in listeners:
            listener.client.close()
        channel.publish("y")
        for listener in listeners:
            assert listener.ended.wait(PATIENCE)
    assert channel.subscribers == len(channel.waiting) == 0
    until(lambda: open_descriptors() <= before + 1)
