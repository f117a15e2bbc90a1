"""Who exports: a name, a server, how many rows a turn takes. And how a body is checked.

Each serves `/sqlite.csv?rows=N` and `/postgres.csv?rows=N`. Before its first turn each
body is fetched whole and compared with what `csv.writer` makes of the same rows, byte
by byte (by its SHA-256); in the turns its length is.
"""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from .. import client
from ..scale import Scale
from ..servers import Server, get, serve
from . import node
from .data import Data, expected

DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
OURS, PURE = "sluice, compiled", "sluice, no compiler"
FLASK = "flask, its docs' idiom"


@dataclass(frozen=True)
class Contender:
    """A server's kind and its app."""

    name: str
    kind: str
    app: str

    def rows(self, scale: Scale) -> int:
        """How many a turn takes: the quicker, the more."""
        return scale.export_rows if self.app == OUR_APP else scale.export_peer_rows


OUR_APP = "benchmarks.exports.ours:app"


def contenders() -> list[Contender]:
    """All of them, ours last."""
    package = "benchmarks.exports"
    return [
        Contender(FLASK, "gthread", f"{package}.flask_idiom:app"),
        Contender("Django's idiom", "gthread", f"{package}.django_idiom:application"),
        Contender("Starlette", "uvicorn", f"{package}.starlette_idiom:app"),
        Contender("Node, csv-stringify", "node", str(node.installed() / "csv.mjs")),
        Contender(PURE, "gthread", f"{package}.ours_pure:app"),
        Contender(OURS, "gthread", OUR_APP),
    ]


@contextmanager
def everybody(data: Data) -> Iterator[dict[str, Server]]:
    """All servers at once; only the one that is asked does anything."""
    with ExitStack() as stack:
        yield {
            each.name: stack.enter_context(
                serve(each.kind, each.app, more=data.environment)
            )
            for each in contenders()
        }


@contextmanager
def ours(data: Data) -> Iterator[Server]:
    """A fresh server of ours."""
    with serve("gthread", OUR_APP, more=data.environment) as server:
        if get(server.port, "/compiled") != b'{"compiled":true}\n':
            raise RuntimeError("the C encoder isn't built here")
        yield server


def check(server: Server, path: str, wanted: tuple[int, str]) -> None:
    """Raises unless the body has that many bytes and that digest."""
    url = f"http://127.0.0.1:{server.port}{path}"
    sha, size = hashlib.sha256(), 0
    with urllib.request.urlopen(url) as response:
        while piece := response.read(1 << 20):
            sha.update(piece)
            size += len(piece)
    if (size, sha.hexdigest()) != wanted:
        raise RuntimeError(f"{path}: {size} bytes, not {wanted[0]}, or others")


def check_csv(server: Server, data: Data, database: str, count: int) -> None:
    """Raises unless the CSV is `csv.writer`'s."""
    wanted = expected(data, database, count)
    check(server, f"/{database}.csv?rows={count}", wanted)


def fetch(server: Server, path: str, size: int, encoding: str = "") -> dict[str, Any]:
    """One body; raises if it hasn't as many bytes (0: its length isn't known)."""
    [body] = client.fetch(server.port, path, encoding=encoding)
    if size and body["payload"] != size:
        raise RuntimeError(f"{path}: {body['payload']} bytes instead of {size}")
    if body["encoding"] != encoding:
        raise RuntimeError(f"{path}: coded as {body['encoding']!r}, not {encoding!r}")
    return body
