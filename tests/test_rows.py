"""`stream_rows()`: any rows, any format, a receipt, and true statuses."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import ANY

import pyarrow as pa
import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from flask_sluice import receipts, stream_rows
from flask_sluice.errors import (
    ArgumentError,
    BodyTypeError,
    CellError,
    OutsideRequestError,
)
from flask_sluice.rows import Column
from flask_sluice.sources import Query
from flask_sluice.testing import StreamClient
from helpers import make_app

ROWS = [{"n": n, "text": f"t{n}"} for n in range(3)]
CSV = "n,text\r\n0,t0\r\n1,t1\r\n2,t2\r\n"


AGENT = {"User-Agent": "one"}
CLIENT: Any = {"headers": AGENT, "environ_base": {"REMOTE_ADDR": "127.0.0.1"}}


def site(rows: Any = ROWS, /, *args: Any, **kwargs: Any) -> FlaskClient:
    """Give a client of an app whose `/` sends these rows."""
    app = make_app(TESTING=True)
    app.register_blueprint(receipts.blueprint)
    app.add_url_rule("/", "index", lambda: stream_rows(rows, *args, **kwargs))
    return app.test_client()


def receipt_of(client: FlaskClient, response: Any, query: str = "") -> Any:
    """Ask for the receipt of a response, as the client who got it."""
    identity = response.headers["Sluice-Receipt"]
    return client.get(f"/sluice/receipts/{identity}{query}", headers=AGENT)


# --- which format ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "path", "accept", "mimetype"),
    [
        (None, "/", None, "text/csv"),
        ("a.json", "/", None, "application/json"),
        ("a.json", "/?format=csv", "text/csv", "application/json"),
        ("a", "/?format=tsv", "text/csv", "text/tab-separated-values"),
        (None, "/?format=ndjson", None, "application/x-ndjson"),
        (None, "/", "application/json;q=0.9, text/csv;q=0.5", "application/json"),
        (None, "/", "text/html, */*;q=0.8", "text/csv"),
        (None, "/", "application/*", "application/x-ndjson"),
    ],
)
def test_the_format(
    filename: str | None, path: str, accept: str | None, mimetype: str
) -> None:
    """The name's suffix, else `?format=`, else `Accept` with its weights, else CSV."""
    headers = {} if accept is None else {"Accept": accept}
    response = site(ROWS, filename).get(path, headers=headers)
    assert response.status_code == 200
    assert response.mimetype == mimetype
    says = "Accept" in response.vary
    assert says == (filename is None and "format=" not in path)


def test_unknown_formats() -> None:
    """400 for a word, 406 for types, each with all that there are."""
    client = site()
    response = client.get("/?format=xls<b>")
    assert response.status_code == 400
    assert "parquet" in response.text
    assert "<b>" not in response.text
    response = client.get("/", headers={"Accept": "image/png"})
    assert response.status_code == 406
    assert "text/csv" in response.text


@pytest.mark.parametrize(
    ("filename", "disposition"),
    [
        ("flights.csv", 'attachment; filename="flights.csv"'),
        ("flights", 'attachment; filename="flights.csv"'),
        (
            "Flüge.csv",
            "attachment; filename=\"Fluge.csv\"; filename*=UTF-8''Fl%C3%BCge.csv",
        ),
    ],
)
def test_the_filename(filename: str, disposition: str) -> None:
    """With the format's suffix, and an ASCII form where it needs one (RFC 6266)."""
    response = site(ROWS, filename).get("/")
    assert response.headers["Content-Disposition"] == disposition
    assert response.text == CSV


def test_a_packed_file_is_not_packed_twice() -> None:
    """`.csv.gz` is a file of its own, whatever the client accepts."""
    response = site(ROWS, "a.csv.gz").get("/", headers={"Accept-Encoding": "gzip"})
    assert response.mimetype == "application/gzip"
    assert "Content-Encoding" not in response.headers
    assert gzip.decompress(response.data).decode() == CSV
    response = site(ROWS, "a.csv").get("/", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.data).decode() == CSV


def test_options_are_the_format_s() -> None:
    """Those of another format don't matter; those of none are an error."""
    client = site(ROWS, delimiter=";", bom=True, sheet="S", columns=["text", "n"])
    assert client.get("/").text == "\ufefftext;n\r\nt0;0\r\nt1;1\r\nt2;2\r\n"
    assert client.get("/?format=json").json[0] == {"text": "t0", "n": 0}
    with pytest.raises(ArgumentError, match="no option 'colour'"):
        site(ROWS, colour=1).get("/")


# --- which rows -----------------------------------------------------------------


def rows_of(client: FlaskClient) -> list[list[str]]:
    """Ask for CSV, and read it."""
    response = client.get("/")
    assert response.status_code == 200, response.text
    return list(csv.reader(io.StringIO(response.text)))


WHOLE = [["n", "text"], ["0", "t0"], ["1", "t1"], ["2", "t2"]]


def test_sources() -> None:
    """Lists, generators and their functions, async ones, tables, cursors, queries."""

    async def slowly() -> AsyncIterator[Any]:
        for row in ROWS:
            yield row

    assert rows_of(site(ROWS)) == WHOLE
    assert rows_of(site(iter(ROWS))) == WHOLE
    assert rows_of(site(lambda: iter(ROWS))) == WHOLE
    assert rows_of(site(slowly)) == WHOLE
    assert rows_of(site(pa.Table.from_pylist(ROWS))) == WHOLE
    tuples = [tuple(row.values()) for row in ROWS]
    assert rows_of(site(tuples, columns=["n", "text"])) == WHOLE
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript("CREATE TABLE r (n, text)")
    db.executemany("INSERT INTO r VALUES (?, ?)", tuples)
    assert rows_of(site(db.execute("SELECT * FROM r"))) == WHOLE
    assert rows_of(site(Query(db, "SELECT * FROM r WHERE n < ?", (9,)))) == WHOLE
    db.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_flask_sqlalchemy() -> None:
    """Its session is found by itself, open to the last row, and closed after it."""
    app = make_app(SQLALCHEMY_DATABASE_URI="sqlite://")
    db = SQLAlchemy(app)

    class Thing(db.Model):  # type: ignore[name-defined]
        n: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(String)

    with app.app_context():
        db.create_all()
        db.session.add_all([Thing(**row) for row in ROWS])
        db.session.commit()
    ended = []
    app.teardown_appcontext(lambda _: ended.append(True))

    @app.get("/")
    def index() -> Any:
        return stream_rows(select(Thing).order_by(Thing.n))

    with StreamClient(app).stream("/") as arrivals:
        assert next(arrivals).data.decode() == CSV
        assert ended == []
        arrivals.read_all()
    assert ended == [True]
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("rows", ["text", b"bytes", {"a": 1}, 5, None])
def test_what_is_not_rows(rows: Any) -> None:
    """An error says what to give."""
    with pytest.raises(BodyTypeError):
        site(rows).get("/")


def test_outside_a_request() -> None:
    """It needs one."""
    with pytest.raises(OutsideRequestError):
        stream_rows(ROWS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "xls"}, "no format 'xls'"),
        ({"on_row_error": "log"}, "on_row_error"),
        ({"max_rows": -1}, "max_rows"),
        ({"max_bytes": True}, "max_bytes"),
        ({"copy": True}, "guard=False"),
        ({"columns": ["z"]}, "no column 'z'"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    """Each says what to write instead."""
    with pytest.raises(ArgumentError, match=words):
        site(ROWS, **options).get("/")


# --- truth ----------------------------------------------------------------------


def test_a_failure_before_the_first_row_has_its_status() -> None:
    """Nothing was sent, so the view's own error handling has its say."""
    app = make_app()
    app.register_error_handler(KeyError, lambda error: ("lost", 418))

    def rows() -> Iterator[Any]:
        raise KeyError("x")
        yield

    app.add_url_rule("/", "index", lambda: stream_rows(rows()))
    assert app.test_client().get("/").status_code == 418


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.xlsx", "a.arrow", "a.parquet"])
def test_a_failure_later_cuts(name: str) -> None:
    """No file that looks whole arrives, and the receipt says it."""

    def rows() -> Iterator[Any]:
        yield from ({"n": n} for n in range(200_000))
        raise ValueError("the database is gone")

    client = site(rows, name)
    with StreamClient(client.application).stream("/", **CLIENT) as arrivals:
        assert arrivals.status_code == 200
        arrivals.read_all()
        arrivals.assert_cut()
    record = receipt_of(client, arrivals).json
    assert record["status"] == "failed"
    assert record["sha256"] is None
    assert 0 < record["rows"] <= 200_000


def test_a_reader_who_leaves() -> None:
    """The rows end with him, and the receipt says so."""
    ends = []

    def rows() -> Iterator[Any]:
        try:
            n = 0
            while True:
                yield {"n": n}
                n += 1
        finally:
            ends.append(n)

    client = site(rows)
    with StreamClient(client.application).stream("/", **CLIENT) as arrivals:
        next(arrivals)
        next(arrivals)
    assert len(ends) == 1
    assert receipt_of(client, arrivals).json["status"] == "left"


def test_too_many_rows() -> None:
    """413 where that is known before the first byte."""
    response = site(ROWS, max_rows=2).get("/")
    assert response.status_code == 413
    assert "2 rows" in response.text
    assert site(iter(ROWS), max_rows=2).get("/").status_code == 413
    assert site(ROWS, max_rows=3).get("/").text == CSV


def test_rows_that_can_not_be_sent_are_counted() -> None:
    """Half a character has no bytes: an error, or a row left out and said so."""
    rows = [{"t": "ok"}, {"t": "\ud800"}, {"t": "fine"}]
    with pytest.raises(CellError, match="Row 2, column 't'"):
        site(rows).get("/")
    client = site(rows, on_row_error="skip")
    response = client.get("/", headers=AGENT)
    assert response.text == "t\r\nok\r\nfine\r\n"
    record = receipt_of(client, response).json
    assert (record["rows"], record["skipped"], record["total"]) == (2, 1, 3)


def test_head_reads_nothing() -> None:
    """But has the headers."""
    asked = []

    def rows() -> Iterator[Any]:
        asked.append(True)
        yield {"n": 1}

    response = site(rows, "a.csv").head("/")
    assert response.status_code == 200
    assert response.mimetype == "text/csv"
    assert asked == []


# --- columns ---------------------------------------------------------------------


def test_columns() -> None:
    """Order, labels and forms, in any format."""
    columns = [Column("text", "Text", format=str.upper), "n"]
    client = site(ROWS, columns=columns)
    assert client.get("/").text.splitlines()[:2] == ["Text,n", "T0,0"]
    assert client.get("/?format=json").json[1] == {"Text": "T1", "n": 1}


# --- receipts ---------------------------------------------------------------------


def test_a_receipt() -> None:
    """Rows, bytes and digest, to the client that asked, and to nobody else."""
    client = site(ROWS, "a.csv")
    response = client.get("/", headers=AGENT)
    assert response.text == CSV
    record = receipt_of(client, response).json
    assert record["status"] == "complete"
    assert record["rows"] == record["total"] == 3
    assert record["bytes"] == len(response.data)
    assert record["filename"] == "a.csv"
    assert len(record["sha256"]) == 64
    assert "client" not in record
    identity = response.headers["Sluice-Receipt"]
    other = {"User-Agent": "another"}
    path = f"/sluice/receipts/{identity}"
    assert client.get(path, headers=other).status_code == 404
    assert client.get(f"{path}?key=0123456789abcdef", headers=other).status_code == 404
    with client.application.test_request_context():
        link = receipts.receipt_url(identity)
    assert client.get(link, headers=other).json == {**record, "age": ANY}


def test_a_receipt_known_beforehand() -> None:
    """A page may know it before it asks, and its client may try again; nobody else."""
    app = make_app(TESTING=True)
    app.register_blueprint(receipts.blueprint)

    @app.get("/<receipt>")
    def index(receipt: str) -> Any:
        return stream_rows(ROWS, receipt=receipt)

    client = app.test_client()
    with app.test_request_context():
        identity = receipts.new_receipt()
    path = f"/sluice/receipts/{identity}"
    assert client.get(path).status_code == 204
    assert client.get(f"/{identity}").text == CSV
    assert client.get(path).json["status"] == "complete"
    assert client.get(f"/{identity}").text == CSV
    other = {"User-Agent": "another"}
    assert client.get(f"/{identity}", headers=other).status_code == 400


def test_workers_share_a_key(tmp_path: Any) -> None:
    """Also those of an app without a secret key."""
    known = []
    for _ in range(2):
        app = make_app(SLUICE_RECEIPTS=tmp_path, SECRET_KEY=None)
        app.register_blueprint(receipts.blueprint)
        with app.test_request_context():
            known.append(receipts.new_receipt())
        for identity in known:
            path = f"/sluice/receipts/{identity}"
            assert app.test_client().get(path).status_code == 204


@pytest.mark.parametrize("made_up", ["mine", "ä" * 16 + "." + "b" * 16])
def test_a_made_up_receipt_is_refused(made_up: str) -> None:
    """With a 400, since it is the client who brought it."""
    response = site(ROWS, receipt=made_up).get("/")
    assert response.status_code == 400
    assert "new_receipt" in response.text


@pytest.mark.parametrize("identity", ["x", "..", "a" * 16 + "." + "b" * 16])
def test_receipts_that_there_are_not(identity: str) -> None:
    """404, whatever is asked for."""
    assert site().get(f"/sluice/receipts/{identity}").status_code == 404


def test_progress_can_be_read_meanwhile(tmp_path: Any) -> None:
    """A receipt of a running export is there with the first rows."""
    app = make_app(SLUICE_RECEIPTS=str(tmp_path))
    app.register_blueprint(receipts.blueprint)

    def rows() -> Iterator[Any]:
        yield from ({"n": n} for n in range(100))

    app.add_url_rule("/", "index", lambda: stream_rows(rows()))
    client = app.test_client()
    with StreamClient(app).stream("/", **CLIENT) as arrivals:
        next(arrivals)
        path = f"/sluice/receipts/{arrivals.headers['Sluice-Receipt']}"
        record = client.get(path, headers=AGENT).json
        assert record["status"] == "running"
        assert record["rows"] >= 0
        arrivals.read_all()
    assert client.get(path, headers=AGENT).json["rows"] == 100
    assert json.loads(next(tmp_path.glob("*.json")).read_text())["rows"] == 100
