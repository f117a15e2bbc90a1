"""CSV by Starlette's `StreamingResponse` of an async generator, under uvicorn.

PostgreSQL is read by psycopg's async cursor. SQLite is read on the loop, which blocks
it but is quicker: a plain generator would cost a hop to a thread for each row
(https://www.starlette.io/responses/#streamingresponse).
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from . import sources
from .data import COLUMNS


async def _rows(database: str, count: int) -> AsyncIterator[Any]:
    if database == "sqlite":
        for row in sources.rows(database, count):
            yield row
        return
    yield COLUMNS
    async with (
        await psycopg.AsyncConnection.connect("") as db,
        db.cursor("export") as cursor,
    ):
        await cursor.execute(sources.limited(count))
        while batch := await cursor.fetchmany(sources.BATCH):
            for row in batch:
                yield row


async def _lines(database: str, count: int) -> AsyncIterator[str]:
    data = io.StringIO()
    writer = csv.writer(data)
    async for row in _rows(database, count):
        writer.writerow(row)
        yield data.getvalue()
        data.seek(0)
        data.truncate(0)


async def export(request: Request) -> StreamingResponse:
    """The first rows of the table."""
    count = int(request.query_params["rows"])
    lines = _lines(request.path_params["database"], count)
    return StreamingResponse(lines, media_type="text/csv")


async def ping(request: Request) -> PlainTextResponse:
    """Whether the server is there."""
    return PlainTextResponse("pong")


app = Starlette(routes=[Route("/{database}.csv", export), Route("/ping", ping)])
