"""Clients that see interim responses, in either version of HTTP, with TLS or without.

In: a port and a path. Out: the heads of what comes, one by one as it comes, so that a
test can act between two of them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from needs import program
from servers.harness import workplace

PATIENCE = 10.0
BROWSER = {"Sec-Fetch-Mode": "navigate"}

CERTIFICATE = (
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
    "-nodes", "-days", "1", "-subj", "/CN=localhost",
)  # fmt: skip


class Came(NamedTuple):
    """A head, or with status 0 a body."""

    status: int
    links: list[str]
    body: bytes = b""


Look = Callable[..., Iterator[Came]]


def over_http1(
    port: int,
    path: str,
    headers: dict[str, str] = BROWSER,
    version: str = "1.1",
    *,
    tls: bool = False,
) -> Iterator[Came]:
    """Ask in HTTP/1."""
    fields = {"Host": "localhost", "Connection": "close", **headers}
    lines = [f"GET {path} HTTP/{version}", *(f"{n}: {v}" for n, v in fields.items())]
    with _line(port, "http/1.1" if tls else "") as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        with line.makefile("rb") as stream:
            status = 100
            while status < 200:
                status = int(stream.readline().split()[1])
                links = []
                while head := stream.readline().decode().strip():
                    name, _, value = head.partition(": ")
                    if name.lower() == "link":
                        links.append(value)
                yield Came(status, links)
            yield Came(0, [], stream.read())


@contextlib.contextmanager
def _line(port: int, protocol: str) -> Iterator[socket.socket]:
    """Connect; with TLS if there is a *protocol* to ask for in it."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as line:
        if not protocol:
            yield line
            return
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        with context.wrap_socket(line) as wrapped:
            yield wrapped


def over_http2(
    port: int, path: str, headers: dict[str, str] = BROWSER, *, tls: bool = False
) -> Iterator[Came]:
    """Ask in HTTP/2: with TLS, or without, not asking whether that will do."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import (
        DataReceived,
        InformationalResponseReceived,
        ResponseReceived,
        StreamEnded,
    )
    from h2.settings import SettingCodes

    own = [(name.lower(), value) for name, value in headers.items()]
    connection = H2Connection(H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    connection.update_settings({SettingCodes.ENABLE_PUSH: 0})
    target = [(":method", "GET"), (":path", path), (":scheme", "http")]
    connection.send_headers(1, [*target, (":authority", "localhost"), *own], True)
    body = b""
    with _line(port, "h2" if tls else "") as line:
        line.sendall(connection.data_to_send())
        while data := line.recv(65536):
            for event in connection.receive_data(data):
                match event:
                    case InformationalResponseReceived() | ResponseReceived():
                        fields = list(event.headers)
                        links = [value for name, value in fields if name == "link"]
                        yield Came(int(dict(fields)[":status"]), links)
                    case DataReceived():
                        body += event.data
                    case StreamEnded():
                        yield Came(0, [], body)
                        return
            line.sendall(connection.data_to_send())


def links_of(came: list[Came]) -> list[str]:
    """Give the links in the order in which they came, one field each or all in one."""
    return ", ".join(link for head in came for link in head.links).split(", ")


@cache
def _certificate() -> tuple[bytes, bytes]:
    """Make a key and a certificate, the same for all tests of a run."""
    with workplace() as folder:
        paths = folder / "key.pem", folder / "cert.pem"
        words = ("-keyout", str(paths[0]), "-out", str(paths[1]))
        _openssl(*CERTIFICATE, *words)
        return paths[0].read_bytes(), paths[1].read_bytes()


def _openssl(*words: str, data: bytes = b"") -> bytes:
    return subprocess.run(
        [program("openssl") or "", *words],
        input=data,
        check=True,
        capture_output=True,
        timeout=30,
    ).stdout


def make_certificate(folder: Path) -> tuple[str, str]:
    """Write a key and a certificate into *folder*; give their paths."""
    paths = folder / "key.pem", folder / "cert.pem"
    for path, data in zip(paths, _certificate(), strict=True):
        path.write_bytes(data)
    return str(paths[0]), str(paths[1])


def key_hash() -> str:
    """Give the hash of the certificate's key, by which Chromium will trust it.

    It keeps nothing in its cache that came with a certificate it merely overlooks.
    """
    public = _openssl("pkey", "-pubout", "-outform", "DER", data=_certificate()[0])
    return base64.b64encode(hashlib.sha256(public).digest()).decode()
