"""A client that sees what is on the wire, and can behave badly.

Strategy: a plain socket, so that a test can stop reading, leave, shut one side or
reset; every arrival is stamped. h11 is the judge of framing: whether a response has
properly ended is its verdict, not ours.

In: a port. Out: an `Answer` with status, headers, decoded arrivals and how it ended.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field
from typing import Any, Self

import h11

Headers = list[tuple[str, str]]
WHOLE, CUT, RESET = "whole", "cut", "reset"


@dataclass
class Answer:
    """One response, as far as it has come."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    all_headers: Headers = field(default_factory=list)
    http_version: str = ""
    body: bytes = b""
    arrivals: list[tuple[float, bytes]] = field(default_factory=list)
    chunks: int = 0
    ending: str | None = None  # "whole", "cut" or "reset"; None while it is open

    @property
    def framing(self) -> str:
        """How the body's end is marked: "chunked", "length" or "close"."""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            return "chunked"
        return "length" if "content-length" in self.headers else "close"


class Client:
    """One connection."""

    def __init__(
        self, port: int, *, timeout: float = 10.0, source: str = "127.0.0.1"
    ) -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout, source_address=(source, 0)
        )
        self.timeout = timeout
        self._judge = h11.Connection(h11.CLIENT)
        self.raw = b""
        self.answer = Answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    # -- asking --------------------------------------------------------------

    def send(
        self,
        path: str,
        *,
        method: str = "GET",
        version: str = "1.1",
        headers: Headers | None = None,
        body: bytes | None = None,
        fin: bool = False,
    ) -> Answer:
        """Send a request; a body goes along with its length.

        With *fin* the sending side is shut in the same packet.
        """
        fields = [("Host", "localhost"), *(headers or [])]
        if body is not None:
            fields.append(("Content-Length", str(len(body))))
        if self._judge.our_state is h11.DONE:
            self._judge.start_next_cycle()
        request = h11.Request(method=method, target=path, headers=fields)
        data = self._judge.send(request) or b""
        data = data.replace(b"HTTP/1.1\r\n", f"HTTP/{version}\r\n".encode(), 1)
        if body is not None:
            data += self._judge.send(h11.Data(data=body)) or b""
        chunked = ("Transfer-Encoding", "chunked") in fields
        if not chunked:
            data += self._judge.send(h11.EndOfMessage()) or b""
        self.answer = Answer()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, fin)
        self.socket.sendall(data)
        if fin:
            self.half_close()
        return self.answer

    def send_piece(self, data: bytes | None) -> None:
        """Send one chunk of a chunked request body; None ends it."""
        event = h11.EndOfMessage() if data is None else h11.Data(data=data)
        self.socket.sendall(self._judge.send(event) or b"")

    # -- reading -------------------------------------------------------------

    def read(self, size: int = 65536) -> bool:
        """Read once; False when the response is over, one way or another."""
        answer = self.answer
        if answer.ending is not None:
            return False
        try:
            data = self.socket.recv(size)
        except ConnectionResetError:
            answer.ending = RESET
            return False
        self.raw += data
        now = time.monotonic()
        try:
            self._judge.receive_data(data)
            while True:
                event = self._judge.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    break
                if isinstance(event, h11.ConnectionClosed):
                    answer.ending = answer.ending or CUT
                    break
                self._take(event, now)
        except h11.RemoteProtocolError:
            # Stray bytes behind a whole response don't make it less whole.
            answer.ending = answer.ending or CUT
        return answer.ending is None

    def _take(self, event: Any, now: float) -> None:
        answer = self.answer
        if isinstance(event, h11.Response):
            answer.status = event.status_code
            answer.http_version = event.http_version.decode()
            answer.all_headers = [
                (name.decode(), value.decode("latin-1"))
                for name, value in event.headers
            ]
            answer.headers = dict(answer.all_headers)
        elif isinstance(event, h11.Data):
            data = bytes(event.data)
            answer.body += data
            answer.arrivals.append((now, data))
            answer.chunks += event.chunk_start
        elif isinstance(event, h11.EndOfMessage):
            answer.ending = WHOLE

    def until(self, marker: bytes, timeout: float | None = None) -> Answer:
        """Read until the body holds *marker*; fails when it does not come."""
        end = time.monotonic() + (timeout or self.timeout)
        while marker not in self.answer.body:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                alive = self.read()
            except TimeoutError:
                alive = False
            if not alive and marker not in self.answer.body:
                raise AssertionError(f"{marker!r} did not come: {self.answer}")
        return self.answer

    def comes(self, marker: bytes, timeout: float) -> bool:
        """Whether *marker* arrives in that time."""
        try:
            self.until(marker, timeout)
        except AssertionError:
            return False
        return True

    def head(self) -> Answer:
        """Read until the status is known."""
        while not self.answer.status and self.read():
            pass
        return self.answer

    def rest(self, timeout: float | None = None) -> Answer:
        """Read to the end, whatever end that is."""
        end = time.monotonic() + (timeout or self.timeout)
        self.socket.settimeout(timeout or self.timeout)
        while self.read(1 << 18):
            if time.monotonic() > end:
                raise TimeoutError("the response does not end")
        return self.answer

    def arrived(self, marker: bytes) -> float:
        """When the body first held *marker*."""
        so_far = b""
        for at, data in self.answer.arrivals:
            so_far += data
            if marker in so_far:
                return at
        raise AssertionError(f"{marker!r} never came")

    # -- going ---------------------------------------------------------------

    def leave(self) -> float:
        """Close; gives the time at which it was done."""
        self.socket.close()
        return time.monotonic()

    def half_close(self) -> None:
        """Shut the sending side and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> float:
        """Close with a reset instead of a polite end."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return self.leave()


def fetch(port: int, path: str, **request: Any) -> Answer:
    """Ask once and read to the end."""
    with Client(port) as client:
        client.send(path, **request)
        return client.rest()


def curl(port: int, path: str, *arguments: str) -> tuple[int, bytes]:
    """What curl makes of it: its exit code and the bytes it got."""
    done = subprocess.run(
        ["curl", "--silent", "--no-buffer", "--max-time", "10", *arguments,
         f"http://127.0.0.1:{port}{path}"],
        capture_output=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def cookie_of(answer: Answer) -> str:
    """The Cookie header that a browser would send back."""
    pairs = [
        re.split(";", value)[0]
        for name, value in answer.all_headers
        if name == "set-cookie"
    ]
    return "; ".join(pairs)


@contextlib.contextmanager
def opened(port: int, path: str, **request: Any) -> Any:
    """A connection on which the request was sent."""
    with Client(port) as client:
        client.send(path, **request)
        yield client
