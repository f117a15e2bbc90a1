"""The page as Flask alone, and as FlaskSR, would serve it.

`render_template` and `stream_template` are given their best: every slot's work starts
at once on a pool as large as the one `ours.py` has, and one slot's failure is caught,
logged and shown in its place. With `?raise=1` nothing is caught by hand, which is what
happens to a page whose author did not think of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from flask import (
    Flask,
    Response,
    copy_current_request_context,
    has_request_context,
    render_template,
    request,
    stream_template,
)
from flask.typing import ResponseReturnValue
from flasksr import Component, Dom, Layout, LayoutSR

from .plan import STYLE, NoAnswerError, Slot, fetch, slots_of, title_of

WORKERS = 512

app = Flask("benchmarks.pages.peers", root_path=__file__.rsplit("/", 1)[0])
pool = ThreadPoolExecutor(WORKERS)

Shown = dict[str, Any]
"""A slot as its template wants it: with `jobs` inside, or `failed`."""
Wait = Callable[[Any], Shown]


@app.after_request
def _say_when_it_started(response: Response) -> Response:
    response.headers["X-Start"] = f"{request.environ['bench.start'] * 1000:.3f}"
    return response


@app.before_request
def _note_the_start() -> None:
    request.environ["bench.start"] = time.time()


def _run(slot: Slot) -> Shown:
    fetch(slot)
    return {**slot, "jobs": [_begin(inner) for inner in slot.get("nested", [])]}


def _begin(slot: Slot) -> tuple[Slot, Future[Shown]]:
    # With contexts it is what queries by way of `current_app` or `g.db` need, and
    # what ours always have.
    wanted = has_request_context() and "contexts" in request.args
    run = copy_current_request_context(_run) if wanted else _run
    return slot, pool.submit(run, slot)


def _take(job: tuple[Slot, Future[Shown]]) -> Shown:
    return job[1].result()


def _run_now(slot: Slot) -> Shown:
    fetch(slot)
    return {**slot, "jobs": slot.get("nested", [])}


def _caught(wait: Wait, job: Any) -> Shown:
    try:
        return wait(job)
    except NoAnswerError:
        app.logger.exception("A slot failed")
        slot: Slot = job[0] if isinstance(job, tuple) else job
        return {**slot, "failed": True}


def _context(parallel: bool) -> dict[str, Any]:
    page = request.args.get("page", "bench")
    slots = slots_of(page, request.args.get("order", "asc"))
    wait: Wait = _take if parallel else _run_now
    return {
        "title": title_of(page),
        "style": STYLE,
        "jobs": [_begin(slot) for slot in slots] if parallel else slots,
        "wait": wait if "raise" in request.args else partial(_caught, wait),
    }


@app.get("/render-sequential")
def render_sequential() -> ResponseReturnValue:
    """One query after the other, then the page."""
    return render_template("plain.html", **_context(parallel=False))


@app.get("/render-parallel")
def render_parallel() -> ResponseReturnValue:
    """All queries at once, then the page."""
    return render_template("plain.html", **_context(parallel=True))


@app.get("/stream-parallel")
def stream_parallel() -> ResponseReturnValue:
    """All queries at once, the page in document order as far as they are there."""
    return Response(stream_template("plain.html", **_context(parallel=True)))


def _flasksr(parallel: bool) -> ResponseReturnValue:
    context = _context(parallel)
    wait: Wait = context["wait"]
    # FlaskSR runs its functions when the request's contexts are gone.
    template = app.jinja_env.get_template
    shell = template("base.html").render(title=context["title"], style=STYLE)
    head, tail = shell.split("<main></main>")
    slots = [job[0] if parallel else job for job in context["jobs"]]

    def part(job: Any) -> str:
        return template("plain-slot.html").render(job=job, wait=wait)

    return LayoutSR(
        *(
            Component(slot["id"], part, job)
            for slot, job in zip(slots, context["jobs"], strict=True)
        ),
        pre_stream=Dom(lambda: head),
        layout=Layout(lambda: template("flasksr-layout.html").render(slots=slots)),
        post_stream=Dom(lambda: tail),
    ).response


@app.get("/flasksr")
def flasksr() -> ResponseReturnValue:
    """FlaskSR as its documentation has it: a component's function does the work."""
    return _flasksr(parallel=False)


@app.get("/flasksr-parallel")
def flasksr_parallel() -> ResponseReturnValue:
    """FlaskSR with all queries at once, its functions only wait for theirs."""
    return _flasksr(parallel=True)


@app.get("/burst-in-order")
def burst() -> ResponseReturnValue:
    """Head at once, then every section in one write: as quick as markup can come."""
    count, pause = int(request.args["count"]), int(request.args["ms"])
    shell = render_template("base.html", title="Burst", style=STYLE)
    head, _ = shell.split("</main>")

    job = pool.submit(time.sleep, pause / 1000)

    def pieces() -> Iterator[str]:
        yield head
        rest = app.jinja_env.get_template("burst-rest.html").render(count=count)
        job.result()
        yield rest

    return Response(pieces())


def rows() -> list[dict[str, Any]]:
    """The rows of the page that has no slots."""
    return [{"name": f"row {n}", "value": f"value {n}"} for n in range(2000)]


ROWS = rows()


@app.get("/rows-render")
def rows_render() -> ResponseReturnValue:
    """2,000 rows, rendered whole."""
    return render_template("rows.html", rows=ROWS)


@app.get("/rows-stream")
def rows_stream() -> ResponseReturnValue:
    """2,000 rows by Flask's own streaming."""
    return Response(stream_template("rows.html", rows=ROWS))


@app.get("/ping")
def ping() -> ResponseReturnValue:
    """Whether the server is there."""
    return "pong"
