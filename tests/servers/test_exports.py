"""Exports on real servers: a file is whole, or plainly broken, and its receipt knows.

The judges are other people's readers: csv, openpyxl, calamine, pyarrow, curl, and
PostgreSQL's own list of what it runs.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import openpyxl
import psutil
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from python_calamine import CalamineWorkbook

from helpers import until
from needs import needs
from ports import free_port
from servers.client import CUT, RESET, WHOLE, Answer, curl, fetch, opened
from servers.harness import (
    BY_NAME,
    START_SECONDS,
    Server,
    running,
    workplace,
)
from servers.rows import only

KNOWN = 1.0  # seconds within which a departure is known where it can be watched
MIB = 1 << 20
ROWS = 1000
Table = list[list[Any]]

these_servers = only("gunicorn-gthread", "gunicorn-gevent", "uvicorn", "werkzeug")
with_databases = only("gunicorn-gthread", "uvicorn", "werkzeug")


# --- reading ------------------------------------------------------------------------


def by_csv(data: bytes) -> Table:
    """Read all of it as `csv` does, and its numbers as numbers."""
    head, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    return [head, *([int(n), float(half), text] for n, half, text in rows)]


def by_openpyxl(data: bytes) -> Table:
    """Read the first sheet."""
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    try:
        return [list(row) for row in book.worksheets[0].values]
    finally:
        book.close()


def by_calamine(data: bytes) -> Table:
    """Read the first sheet, in which every number is a float."""
    return (
        CalamineWorkbook.from_filelike(io.BytesIO(data))
        .get_sheet_by_index(0)
        .to_python()
    )


def _columnar(table: pa.Table) -> Table:
    return [
        table.column_names,
        *map(list, zip(*table.to_pydict().values(), strict=True)),
    ]


def by_parquet(data: bytes) -> Table:
    """Read it with pyarrow."""
    return _columnar(pq.read_table(io.BytesIO(data)))


def by_arrow(data: bytes) -> Table:
    """Read it with pyarrow."""
    return _columnar(pa.ipc.open_stream(data).read_all())


def by_json(data: bytes) -> Table:
    """Read an array of objects."""
    rows = json.loads(data)
    return [list(rows[0]), *(list(row.values()) for row in rows)]


READERS: dict[str, list[Callable[[bytes], Table]]] = {
    "a.csv": [by_csv],
    "a.xlsx": [by_openpyxl, by_calamine],
    "a.parquet": [by_parquet],
    "a.arrow": [by_arrow],
    "a.json": [by_json],
}


def expected(rows: int = ROWS) -> Table:
    """Give the table that `/export` sends."""
    return [["n", "half", "text"], *([n, n / 2, f"täxt {n}"] for n in range(rows))]


def receipt_of(port: int, answer: Answer) -> dict[str, Any]:
    """Ask for the receipt of an export, as the client that has it."""
    got = fetch(port, f"/sluice/receipts/{answer.headers['sluice-receipt']}")
    assert got.status == 200
    return dict(json.loads(got.body))


def ended(port: int, answer: Answer) -> dict[str, Any]:
    """Wait for the receipt's last word: the client may read faster than it is said."""
    until(lambda: receipt_of(port, answer)["status"] != "running")
    return receipt_of(port, answer)


@contextmanager
def reading(port: int, path: str) -> Iterator[tuple[HTTPResponse, Answer]]:
    """Ask with the standard library's client, which is quick with large files.

    Nothing of the body is read before the block does it; one that is cut raises.
    """
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as response:
            pairs = response.getheaders()
            yield response, Answer(headers={k.lower(): v for k, v in pairs})


def sha256(data: bytes) -> str:
    """Give the digest as receipts have it."""
    return hashlib.sha256(data).hexdigest()


# --- whole --------------------------------------------------------------------------


@these_servers
@pytest.mark.parametrize("name", READERS)
def test_a_file_arrives_whole(server: Server, key: str, name: str) -> None:
    """Other people's readers find all rows, and the receipt has its digest."""
    answer = fetch(server.port, f"/export/{name}/{key}?rows={ROWS}")
    assert (answer.status, answer.ending) == (200, WHOLE)
    for read in READERS[name]:
        assert read(answer.body) == expected()
    record = ended(server.port, answer)
    assert record["status"] == "complete"
    assert (record["rows"], record["skipped"]) == (ROWS, 0)
    assert record["bytes"] == len(answer.body)
    assert record["sha256"] == sha256(answer.body)
    assert record["filename"] == name


DECODERS = {
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "gzip": gzip.decompress,
}


@only("gunicorn-gthread", "uvicorn")
@pytest.mark.parametrize("coding", DECODERS)
def test_compressed_on_the_way(server: Server, key: str, coding: str) -> None:
    """Text is, what is packed by itself isn't; the digest is the saved file's."""
    headers = [("Accept-Encoding", coding)]
    answer = fetch(server.port, f"/export/a.csv/{key}", headers=headers)
    assert answer.headers["content-encoding"] == coding
    data = DECODERS[coding](answer.body)
    assert by_csv(data) == expected()
    assert ended(server.port, answer)["sha256"] == sha256(data)
    for name in ("a.xlsx", "a.parquet"):
        answer = fetch(server.port, f"/export/{name}/{key}", headers=headers)
        assert "content-encoding" not in answer.headers
        assert READERS[name][0](answer.body) == expected()


@only("gunicorn-gthread", "uvicorn")
@pytest.mark.parametrize(("suffix", "coding"), [("zst", "zstd"), ("gz", "gzip")])
def test_a_compressed_file_is_not_compressed_again(
    server: Server, key: str, suffix: str, coding: str
) -> None:
    """It is a file of that type, whatever the client accepts; so is its digest."""
    headers = [("Accept-Encoding", "zstd, gzip, br")]
    answer = fetch(server.port, f"/export/a.csv.{suffix}/{key}", headers=headers)
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == f"application/{coding}"
    assert by_csv(DECODERS[coding](answer.body)) == expected()
    record = ended(server.port, answer)
    assert record["sha256"] == sha256(answer.body)
    assert (record["rows"], record["bytes"]) == (ROWS, len(answer.body))


class Pair(NamedTuple):
    """A gunicorn with two workers."""

    port: int

    def pid(self) -> int:
        """Ask who answers."""
        return int(json.loads(fetch(self.port, "/ping").body)["pid"])


@contextmanager
def two_workers(kind: str) -> Iterator[Pair]:
    """Run one; the side door is for a single process, so it has none."""
    row = BY_NAME[f"gunicorn-{kind}"]
    with workplace() as folder:
        port, log_path = free_port(), folder / "log"
        command = row.command(port, {"arguments": ["--workers", "2"]})
        here = Path(__file__).resolve()
        environ = {
            "PYTHONPATH": os.pathsep.join(
                (str(here.parents[2] / "src"), str(here.parent))
            ),
            "SLUICE_TEST_CONFIG": json.dumps(
                {"SLUICE_RECEIPTS": str(folder / "receipts")}
            ),
        }
        with running(command, folder, log_path, environ) as process:

            def is_up() -> bool:
                assert process.poll() is None, log_path.read_text()
                try:
                    return fetch(port, "/ping").status == 200
                except OSError:
                    return len(psutil.Process(process.pid).children()) > 2

            until(is_up, START_SECONDS)
            until(lambda: len(psutil.Process(process.pid).children()) == 2)
            yield Pair(port)


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop a process for a while."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@needs("gunicorn", "gevent")
@pytest.mark.parametrize("kind", ["gthread", "gevent"])
def test_another_worker_has_the_receipt(kind: str) -> None:
    """While the worker of an export sleeps, the other one tells how far it is."""
    with two_workers(kind) as pair:
        # Each of them answers, so none of them is still starting.
        pids = set()
        until(lambda: pids.add(pair.pid()) or len(pids) == 2)
        path = "/export/a.csv/mine?rows=20000&pad=1000"
        with reading(pair.port, path) as (response, answer):
            owner = int(answer.headers["x-worker"])
            with paused(owner):
                record = receipt_of(pair.port, answer)
                assert pair.pid() != owner
            assert (record["status"], record["sha256"]) == ("running", None)
            data = response.read()
        ended(pair.port, answer)
        with paused(owner):
            record = receipt_of(pair.port, answer)
        assert (record["status"], record["rows"]) == ("complete", 20_000)
        assert record["sha256"] == sha256(data)


# --- broken -------------------------------------------------------------------------


def curled(port: int, path: str, folder: Path, *more: str) -> tuple[int, bytes, Answer]:
    """Give curl's exit code, what it got, and the headers as of an answer."""
    heads = folder / "heads"
    code, data = curl(port, path, "--dump-header", str(heads), *more)
    pairs = [line.split(": ", 1) for line in heads.read_text().splitlines()[1:] if line]
    return code, data, Answer(headers={name.lower(): value for name, value in pairs})


def refused(name: str, data: bytes) -> bool:
    """Tell whether every reader of such files refuses these bytes."""
    refusals = 0
    for read in READERS[name]:
        try:
            read(data)
        except Exception:  # each reader has its own
            refusals += 1
    return refusals == len(READERS[name])


def told_to_curl(port: int, answer: Answer) -> dict[str, Any]:
    """Ask as curl, which got the export, for the receipt's last word."""

    def ask() -> dict[str, Any]:
        code, data = curl(port, f"/sluice/receipts/{answer.headers['sluice-receipt']}")
        assert code == 0
        return dict(json.loads(data))

    until(lambda: ask()["status"] != "running")
    return ask()


@needs("curl")
@these_servers
@pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.parquet", "a.json"])
def test_rows_that_fail_half_way(
    server: Server, key: str, name: str, tmp_path: Path
) -> None:
    """Curl exits non-zero, no reader takes it, the receipt says failed, and where."""
    path = f"/export/{name}/{key}?rows=20000&fails=1"
    code, data, answer = curled(server.port, path, tmp_path)
    assert code != 0
    if name == "a.csv":
        assert by_csv(data[: data.rindex(b"\n") + 1]) == expected(data.count(b"\n") - 1)
    else:
        assert refused(name, data)
    record = told_to_curl(server.port, answer)
    assert record["status"] == "failed"
    assert record["sha256"] is None
    assert 10_000 < record["rows"] <= 20_000
    assert record["bytes"] >= len(data) > 0
    assert server.noted(key, "stream finished")["outcome"] == "failed"
    assert server.noted(key, "body failed")


@only("waitress", "hypercorn", "granian-wsgi")
def test_where_a_cut_can_not_be_seen_the_receipt_tells(
    server: Server, key: str
) -> None:
    """Over HTTP/1.0 a broken file may look whole. Its receipt says what it is."""
    request: dict[str, Any] = {"version": "1.0"}
    broken = fetch(server.port, f"/export/a.csv/{key}?rows=20000&fails=1", **request)
    whole = fetch(server.port, f"/export/a.csv/{key}?rows=20000", **request)
    assert broken.ending == whole.ending == WHOLE
    assert len(broken.body) < len(whole.body)
    record = ended(server.port, broken)
    assert (record["status"], record["sha256"]) == ("failed", None)
    record = ended(server.port, whole)
    assert (record["status"], record["sha256"]) == ("complete", sha256(whole.body))


@only("gunicorn-gthread", "uvicorn", "werkzeug")
def test_the_receipt_and_the_old_protocol_agree(server: Server, key: str) -> None:
    """Where HTTP/1.0 shows the cut, as a reset, the receipt says the same."""
    path = f"/export/a.csv/{key}?rows=20000&fails=1"
    answer = fetch(server.port, path, version="1.0")
    assert answer.ending in (CUT, RESET)
    # A reset may outrun the headers, so the receipt is found where they are.
    if "sluice-receipt" in answer.headers:
        assert ended(server.port, answer)["status"] == "failed"
    assert server.noted(key, "stream finished")["outcome"] == "failed"


# --- readers that stop, and that leave ----------------------------------------------


STOPPED = 64_000  # rows of 1 KB, which no buffer holds


def _stalled(port: int, answer: Answer) -> dict[str, Any]:
    """Ask for the receipt until its rows are the same for a while."""
    seen: list[tuple[float, int]] = []

    def stands_still() -> bool:
        record = receipt_of(port, answer)
        assert record["status"] == "running"
        seen.append((time.monotonic(), record["rows"]))
        # Receipts are written four times a second: look for longer than that.
        recent = {rows for at, rows in seen if at > seen[-1][0] - 0.6}
        return len(recent) == 1 and seen[-1][0] - seen[0][0] > 0.6

    until(stands_still, 20)
    return receipt_of(port, answer)


@these_servers
def test_a_reader_that_stops_for_a_while(server: Server, key: str) -> None:
    """The rows stop too, and memory stays bounded; then the whole file comes."""
    fetch(server.port, f"/export/a.csv/{key}-warm?rows=2000&pad=1000")
    before = server.worker.memory_info().rss
    path = f"/export/a.csv/{key}?rows={STOPPED}&pad=1000"
    with reading(server.port, path) as (response, answer):
        record = _stalled(server.port, answer)
        assert record["rows"] < STOPPED
        assert record["bytes"] < server.row.slack
        assert server.worker.memory_info().rss - before < server.row.slack
        data = response.read()
        assert server.worker.memory_info().rss - before < server.row.slack
    assert len(data) > 3 * server.row.slack
    record = ended(server.port, answer)
    assert (record["status"], record["rows"]) == ("complete", STOPPED)
    assert record["sha256"] == sha256(data)


@these_servers
def test_a_reader_that_leaves(server: Server, key: str) -> None:
    """The rows end with him, and the receipt says that he left, and when."""
    with opened(server.port, f"/export/a.csv/{key}?rows=64000&pad=1000") as client:
        client.until(b"\n100,")
        left = client.leave()
    assert server.noted(key, "body closed")["at"] - left < KNOWN
    record = ended(server.port, client.answer)
    assert record["status"] == "left"
    assert record["sha256"] is None
    assert 100 < record["rows"] < 64_000


# --- PostgreSQL ---------------------------------------------------------------------

WAYS = ["cursor", "copy", "sheet"]


class Watcher(NamedTuple):
    """Somebody else's view of the database."""

    connection: psycopg.Connection[Any]
    where: str
    key: str

    def path(self, name: str, way: str) -> str:
        """Give the address of an export from this database."""
        asked = {"where": self.where} | ({"copy": "1"} if way == "copy" else {})
        return f"/export/pg/{name}/{self.key}?{urlencode(asked)}"

    def ask(self, query: str) -> Any:
        """Ask for one value about the sessions of this key."""
        row = self.connection.execute(
            f"SELECT {query} FROM pg_stat_activity WHERE application_name = %s",
            (self.key,),
        ).fetchone()
        return row and row[0]

    def sleeps(self) -> bool:
        """Whether the query is in its middle, where it sleeps."""
        return self.ask("count(*) FILTER (WHERE wait_event = 'PgSleep')") == 1


@pytest.fixture
def watcher(postgres: str, key: str) -> Iterator[Watcher]:
    """A connection of the test's own."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield Watcher(connection, postgres, key)


@needs("postgresql")
@with_databases
@pytest.mark.parametrize("way", WAYS)
def test_the_database_is_killed_half_way(
    server: Server, watcher: Watcher, key: str, way: str
) -> None:
    """The transfer is cut, the receipt says failed, with the rows that came so far."""
    name = "a.xlsx" if way == "sheet" else "a.csv"
    with opened(server.port, watcher.path(name, way)) as client:
        client.head()
        until(watcher.sleeps)
        assert watcher.ask("bool_and(pg_terminate_backend(pid))") is True
        answer = client.rest()
    assert answer.ending in (CUT, RESET)
    if name == "a.xlsx":
        assert refused(name, answer.body)
    else:
        assert b"\n1000,v1000" in answer.body
    record = ended(server.port, answer)
    assert (record["status"], record["sha256"]) == ("failed", None)
    assert 1000 <= record["rows"] <= 20_000
    assert record["bytes"] >= len(answer.body)
    finished = server.noted(key, "stream finished")
    assert "AdminShutdown" in finished["exception"]
    # Its own connection was closed, and the server serves on.
    assert server.noted(key, "request torn down")
    assert fetch(server.port, f"/export/a.csv/{key}-next").ending == WHOLE


@needs("postgresql")
@with_databases
@pytest.mark.parametrize("way", WAYS)
def test_a_query_ends_with_its_reader(
    server: Server, watcher: Watcher, key: str, way: str
) -> None:
    """Within a second it is gone from PostgreSQL's list, and its session with it."""
    name = "a.xlsx" if way == "sheet" else "a.csv"
    with opened(server.port, watcher.path(name, way)) as client:
        client.until(b"PK" if way == "sheet" else b"\n1000,v1000")
        until(watcher.sleeps)
        left = client.leave()
    until(lambda: watcher.ask("count(*)") == 0)
    assert time.monotonic() - left < KNOWN
    record = ended(server.port, client.answer)
    assert (record["status"], record["sha256"]) == ("left", None)
    assert 1000 <= record["rows"] <= 20_000
    assert server.noted(key, "stream finished")["outcome"] == "left"
