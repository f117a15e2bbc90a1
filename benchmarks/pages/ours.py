"""The page as the extension serves it: `stream_page`, a `defer` for each slot."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from flask_sluice import Sluice, defer, stream_page

from .peers import ROWS, WORKERS
from .plan import STYLE, Slot, fetch, slots_of, title_of

app = Flask("benchmarks.pages.ours", root_path=__file__.rsplit("/", 1)[0])
app.config["SLUICE_DEFER_WORKERS"] = WORKERS
Sluice(app)


@app.before_request
def _note_the_start() -> None:
    request.environ["bench.start"] = time.time()


@app.after_request
def _say_when_it_started(response: Response) -> Response:
    response.headers["X-Start"] = f"{request.environ['bench.start'] * 1000:.3f}"
    return response


def _run(slot: Slot) -> list[tuple[Slot, Any]]:
    fetch(slot)
    return [_begin(inner) for inner in slot.get("nested", [])]


def _begin(slot: Slot) -> tuple[Slot, Any]:
    return slot, defer(_run, slot)


@app.get("/sluice")
def page() -> ResponseReturnValue:
    """The page; it needs no word for native or fallback, the request tells."""
    name = request.args.get("page", "bench")
    slots = slots_of(name, request.args.get("order", "asc"))
    jobs = [_begin(slot) for slot in slots]
    return stream_page("sluice.html", title=title_of(name), style=STYLE, jobs=jobs)


@app.get("/burst")
def burst() -> ResponseReturnValue:
    """Every slot waits for the same thing: all are ready at one moment."""
    job = defer(time.sleep, int(request.args["ms"]) / 1000)
    count = int(request.args["count"])
    return stream_page(
        "burst-sluice.html", title="Burst", style=STYLE, job=job, count=count
    )


@app.get("/rows-page")
def rows_page() -> ResponseReturnValue:
    """2,000 rows and no slot."""
    return stream_page("rows.html", rows=ROWS)


@app.get("/ping")
def ping() -> ResponseReturnValue:
    """Whether the server is there."""
    return "pong"
