"""`stream_rows()`: rows of any source as a file of any format.

In: rows, a file's name, and the request. Out: a `StreamedResponse`. This is where the
format is chosen (the name's suffix, else `?format=`, else `Accept`) and source, encoder
and receipt are joined; what each of them does is theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from functools import partial
from typing import Any

from flask import current_app
from flask import request as flask_request

from .arguments import check_seconds, checked_headers, close_unused, content_type
from .errors import (
    ArgumentError,
    BodyTypeError,
    UnacceptableFormatError,
    UnknownFormatError,
)
from .exports.catalogue import FORMATS, OPTIONS, PACKINGS, Format, of_filename
from .exports.columns import Column, Columns, columns_of
from .exports.export import Export, OnRowError, Packing, copied
from .exports.tally import Status, Tally
from .receipts import HEADER, opened
from .response import StreamedResponse
from .serve.drive import EXCHANGE
from .sources.copy import Copy
from .sources.cursor import Cursor, is_cursor
from .sources.query import Query, QueryRows
from .sources.records import AsyncRecords, Records
from .state import requested_state
from .typing import Body
from .wire.headers import attachment

__all__ = ["Column", "Query", "stream_rows"]

_COPY_OPTIONS = {"delimiter", "header", "null"}


def stream_rows(
    rows: Any,
    filename: str | None = None,
    *,
    format: str | None = None,  # noqa: A002 - what everybody calls it
    columns: Columns | None = None,
    session: Any = None,
    copy: bool = False,
    on_row_error: OnRowError = "fail",
    max_rows: int | None = None,
    max_bytes: int | None = None,
    receipt: str | None = None,
    compress: bool | None = None,
    max_delay: float | None = None,
    deadline: float | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    **options: Any,
) -> StreamedResponse:
    """Return rows as a file, which is made while it is sent.

    The first rows are read before this returns, so an error up to there, an empty
    table or a query that is wrong has its true status. One that comes later cuts the
    transfer: nothing that looks like a whole file arrives. The response's header
    `Sluice-Receipt` has the id under which `receipts` tells how it went.

    :param rows: an iterable of tuples, dicts, named tuples, dataclasses, attrs or
        msgspec objects, or rows of an ORM, sync or async; a DB-API cursor that has
        run its query, or a `Query` that is to be run; SQLAlchemy's `Select`,
        `Result` or `Query`; whatever exports Arrow: tables, frames, batch readers.
    :param filename: the browser saves it under this name. Its suffix is the format;
        `.gz` or `.zst` behind it give a compressed file. Without a suffix it gets
        that of the format. None: the browser shows it.
    :param format: a name such as "csv"; None: the suffix, else `?format=`, else
        `Accept`, else CSV.
    :param columns: which, in which order: names, pairs of name and label, `Column`
        objects, or a mapping of names to labels. None: all. What plain tuples' values
        are called, too.
    :param session: where SQLAlchemy runs a query: a session, a sessionmaker, an
        engine or a connection. None: Flask-SQLAlchemy's.
    :param copy: have PostgreSQL write the CSV itself: with a `Query` of psycopg 3, or
        SQLAlchemy's on it. The text is PostgreSQL's, and needs `guard=False`.
    :param on_row_error: "skip" leaves out rows with a value that the format can't
        hold, and counts them in the receipt; "fail" fails.
    :param max_rows: more rows are an error: 413 where that is known before the first
        byte, else the stream fails. Rows are never left out.
    :param max_bytes: the same for the file's bytes.
    :param receipt: an id of `receipts.new_receipt()`; None: a new one.
    :param compress: as for `stream()`.
    :param max_delay: as for `stream()`.
    :param deadline: as for `stream()`.
    :param headers: more headers.
    :param options: of the formats; see the docs' page on exports.
    :raises NotInitializedError: the app has no `Sluice`.
    :raises OutsideRequestError: no request is being handled.
    :raises UnknownFormatError: there is no such format (a 400).
    :raises UnacceptableFormatError: the client accepts none of them (a 406).
    :raises ExportTooLargeError: there are more rows than *max_rows* (a 413).
    :raises MissingExtraError: a package for the format isn't installed.
    :raises BodyTypeError: *rows* aren't rows.
    :raises ArgumentError: another argument can't be used.
    :raises TooManyStreamsError: a limit is reached (a 503 with `Retry-After`).
    """
    state = requested_state("stream_rows()")
    check_seconds("max_delay", max_delay)
    check_seconds("deadline", deadline)
    _check(on_row_error, options, max_rows, max_bytes)
    chosen, packing, by_accept = _choose(filename, format)
    wanted = columns_of(columns)
    if copy and (
        chosen.name not in {"csv", "tsv"} or wanted or options.get("guard", 1)
    ):
        raise ArgumentError(
            "copy=True sends CSV as PostgreSQL writes it: only CSV and TSV, without"
            " columns, and with guard=False, because it has no guard against formulas."
        )
    mimetype = PACKINGS[packing][1] if packing else chosen.mimetype
    response = StreamedResponse(
        None, headers=checked_headers(headers), content_type=content_type(mimetype)
    )
    if filename is not None:
        response.headers["Content-Disposition"] = attachment(
            filename if of_filename(filename)[0] else f"{filename}.{chosen.name}"
        )
    if by_accept:
        response.vary.add("Accept")
    identity, tell = opened(receipt, filename)
    response.headers[HEADER] = identity
    tally = Tally(tell=tell)
    exchange = flask_request.environ.get(EXCHANGE)
    if exchange is not None and exchange.takes_trailers:
        response.headers["Trailer"] = HEADER
        exchange.trailers = lambda: [(HEADER, f"{identity}; {tally.sentence()}")]
    pack = Packing(PACKINGS[packing][0] if packing else None, tally, max_bytes)
    kept = {k: v for k, v in options.items() if k in chosen.options}
    body: Body
    if copy:
        source: Any = _copy_of(rows, session, chosen, kept)
        body = partial(copied, source, pack, max_rows)
    else:
        export = Export(
            partial(chosen.load(), **chosen.fixed, **kept),
            wanted,
            tally,
            pack,
            max_rows=max_rows,
            skip=on_row_error == "skip",
        )
        source = _source(rows, session, wanted)
        is_async = isinstance(source, AsyncRecords)
        body = partial(export.async_chunks if is_async else export.chunks, source)
    current_app.extensions["sluice"].on_leave(source.cancel)
    if flask_request.method != "HEAD":
        response.call_on_close(partial(_end, tally, response))
        tally.begin()
    try:
        response.begin(
            state,
            body,
            compress=False if packing else compress,
            max_delay=max_delay,
            deadline=deadline,
        )
    except BaseException:
        tally.end("failed")
        close_unused(source)
        raise
    if flask_request.method == "HEAD":
        close_unused(source)
    return response


_ENDINGS: dict[str | None, Status] = {"complete": "complete", "left": "left"}


def _end(tally: Tally, response: StreamedResponse) -> None:
    tally.end(_ENDINGS.get(response.outcome, "failed"))


def _check(
    on_row_error: object,
    options: dict[str, Any],
    max_rows: int | None,
    max_bytes: int | None,
) -> None:
    if on_row_error not in {"fail", "skip"}:
        raise ArgumentError(f'on_row_error is {on_row_error!r}: "fail" or "skip".')
    for name, value in (("max_rows", max_rows), ("max_bytes", max_bytes)):
        if value is not None and (type(value) is not int or value < 0):
            raise ArgumentError(f"{name} is {value!r}, but expects a count, or None.")
    unknown = sorted(set(options) - OPTIONS)
    if unknown:
        raise ArgumentError(
            f"stream_rows() has no option {unknown[0]!r}. The formats' options are:"
            f" {', '.join(sorted(OPTIONS))}."
        )


def _choose(
    filename: str | None, wanted: str | None
) -> tuple[Format, str | None, bool]:
    packing = None
    if filename is not None:
        suffix, packing = of_filename(filename)
        wanted = wanted or suffix
    if wanted is not None:
        if wanted not in FORMATS:
            raise ArgumentError(f"There is no format {wanted!r}. {_there_are()}")
        return FORMATS[wanted], packing, False
    asked = flask_request.args.get("format")
    if asked is not None:
        if asked not in FORMATS:
            raise UnknownFormatError(
                f"There is no format {asked[:40]!r}. {_there_are()}"
            )
        return FORMATS[asked], packing, False
    accepted = flask_request.accept_mimetypes
    if not accepted:
        return FORMATS["csv"], packing, True
    by_type = {each.mimetype: each for each in FORMATS.values()}
    best = accepted.best_match(by_type)
    if best is None:
        raise UnacceptableFormatError(f"{_there_are()}")
    return by_type[best], packing, True


def _there_are() -> str:
    kinds = ", ".join(f"{f.name} ({f.mimetype})" for f in FORMATS.values())
    return f"There are: {kinds}."


# --- sources -----------------------------------------------------------------


def _source(rows: Any, session: Any, wanted: list[Column] | None) -> Any:
    names = None if wanted is None else tuple(column.name for column in wanted)
    for ask in (_from_query, _from_sqlalchemy, _from_arrow, _from_cursor):
        source = ask(rows, session)
        if source is not None:
            return source
    if isinstance(rows, (str, bytes, bytearray, memoryview, Mapping)):
        raise BodyTypeError(
            f"stream_rows() got a {type(rows).__name__}, which isn't many rows: give it"
            " a list, a generator, a cursor or a query."
        )
    if callable(rows) and not isinstance(rows, (Iterable, AsyncIterable)):
        rows = rows()
    if isinstance(rows, AsyncIterable):
        return AsyncRecords(rows, names)
    if isinstance(rows, Iterable):
        return Records(rows, names)
    raise BodyTypeError(
        f"stream_rows() got a {type(rows).__name__}, which gives no rows."
    )


def _from_query(rows: Any, session: Any) -> Any:
    return QueryRows(rows) if isinstance(rows, Query) else None


def _from_sqlalchemy(rows: Any, session: Any) -> Any:
    # Whatever it made has classes of its own behind it; nothing is imported for others.
    kinds = type(rows).__mro__
    if not any(kind.__module__.startswith("sqlalchemy.") for kind in kinds):
        return None
    from .sources.sqlalchemy import selected

    return selected(rows, _session(session))


def _session(session: Any) -> Any:
    if session is not None:
        return session
    extension = current_app.extensions.get("sqlalchemy")
    return getattr(extension, "session", None)


def _from_arrow(rows: Any, session: Any) -> Any:
    if not hasattr(rows, "__arrow_c_stream__"):
        return None
    from .sources.frames import Frame

    return Frame(rows)


def _from_cursor(rows: Any, session: Any) -> Any:
    return Cursor(rows) if is_cursor(rows) else None


def _copy_of(rows: Any, session: Any, chosen: Format, options: dict[str, Any]) -> Copy:
    if not isinstance(rows, Query):
        from .sources.sqlalchemy import compiled

        rows = Query(*compiled(rows, _session(session)))
    given = {k: v for k, v in options.items() if k in _COPY_OPTIONS}
    return Copy(rows, **{**chosen.fixed, **given})
