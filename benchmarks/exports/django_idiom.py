"""CSV as Django's documentation streams it: a writer into an Echo, a chunk a row.

`StreamingHttpResponse` under gunicorn gthread, with Django's own connections, on a
cursor of the server's where there are any
(https://docs.djangoproject.com/en/stable/howto/outputting-csv/). Its settings are here.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from .data import COLUMNS
from .sources import fetched, limited

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=False,
    DATABASES={
        "default": {},
        "sqlite": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCH_SQLITE"],
        },
        "postgres": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "USER": os.environ["PGUSER"],
            "HOST": os.environ["PGHOST"],
        },
    },
)


class Echo:
    """A pseudo-buffer: what is written is what the writer gives back."""

    def write(self, value: str) -> str:
        """Return the line instead of storing it."""
        return value


def _rows(database: str, count: int) -> Iterator[Any]:
    yield COLUMNS
    with (
        transaction.atomic(using=database),
        connections[database].chunked_cursor() as cursor,
    ):
        cursor.execute(limited(count))
        yield from fetched(cursor)


def export(request: HttpRequest, database: str) -> StreamingHttpResponse:
    """The first rows of the table."""
    writer = csv.writer(Echo())
    rows = _rows(database, int(request.GET["rows"]))
    return StreamingHttpResponse(
        (writer.writerow(row) for row in rows), content_type="text/csv"
    )


def ping(request: HttpRequest) -> HttpResponse:
    """Whether the server is there."""
    return HttpResponse("pong")


urlpatterns = [path("<str:database>.csv", export), path("ping", ping)]
application = get_wsgi_application()
