"""Pages whose slots wait at gates: whole, broken and left.

Strategy: a slot called `a` of the page of `key` waits at the gate `key.a`, and
journals under that name what its function did and was told, and how its contexts
ended. So a test chooses the order in which slots are ready, and who is told what.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from door import command, gates, journal, note
from flask import Blueprint, current_app, g, render_template, request
from jinja2 import DictLoader
from lives import oops

from flask_sluice import Sluice, defer, stream_page

slots = Blueprint("slots", __name__)
slots.jinja_loader = DictLoader(
    {
        "flat.html": """<!doctype html><title>slots</title><body><h1>Shell</h1>
{% for name, job in jobs %}<div>{% await value = job %}[{{ value }}]
{%- pending %}({{ name }}){% error e %}[{{ name }} {{ e }}]{% endawait %}</div>
{% endfor %}<p>Foot</p></body></html>""",
        "nested.html": """<!doctype html><title>slots</title><body><h1>Shell</h1>
<div>{% await value = jobs.a %}[{{ value }}
<div>{% await inner = jobs.b %}[{{ inner }}
<div>{% await innermost = jobs.c %}[{{ innermost }}]{% endawait %}</div>]
{%- endawait %}</div>]{% endawait %}</div></body></html>""",
        "long.html": """<!doctype html><title>slots</title><body><h1>Shell</h1>
<div>{% await value = jobs.a %}[{{ value }}]{% endawait %}</div>
{% for _ in range(200) %}<p>{{ "filling " * 64 }}</p>
{% endfor %}{{ wait() }}{% for _ in range(200) %}<p>{{ "filling " * 64 }}</p>
{% endfor %}<p>Foot</p></body></html>""",
        "broken.html": """<!doctype html><title>slots</title><body><h1>Shell</h1>
<div>{% await value = jobs.a %}[{{ value }}]{% endawait %}</div>
{% flush %}{{ fail() }}</body></html>""",
        "early.html": """<!doctype html><title>slots</title><h1>Shell</h1>
<div>{% await value = jobs.a %}[{{ value }}]{% endawait %}</div>{{ fail() }}
{% flush %}""",
    }
)


def _sluice() -> Sluice:
    found: Sluice = current_app.extensions["sluice"]
    return found


def _gated(key: str, name: str) -> Callable[[], str]:
    own = f"{key}.{name}"

    def work() -> str:
        g.key = own
        note(own, "begun", path=request.path)
        _sluice().on_leave(lambda: note(own, "told"))
        gates[own].wait()
        note(own, "woken", gone=_sluice().client_gone())
        if name.startswith("bad"):
            raise oops(own)
        return name

    return work


def _gated_async(key: str, name: str) -> Callable[[], Any]:
    own = f"{key}.{name}"

    async def work() -> str:
        g.key = own
        note(own, "begun", path=request.path)
        _sluice().on_leave(lambda: note(own, "told"))
        try:
            await gates[own].wait_async()
        except BaseException:
            note(own, "cancelled", gone=_sluice().client_gone())
            raise
        note(own, "woken", gone=_sluice().client_gone())
        return name

    return work


KINDS = {"sync": _gated, "async": _gated_async}


def _jobs(key: str) -> dict[str, Any]:
    gated = KINDS[request.args.get("kind", "sync")]
    names = request.args.get("slots", "a,b,c").split(",")
    timeout = request.args.get("timeout", type=float)
    return {name: defer(gated(key, name), timeout=timeout) for name in names}


@slots.get("/page/<key>")
def page(key: str) -> Any:
    """Slots beside each other, `?slots=a,b,c`."""
    order: Any = request.args.get("order")
    return stream_page("flat.html", order=order, jobs=_jobs(key).items())


@slots.get("/page/nested/<key>")
def nested(key: str) -> Any:
    """Slots inside each other."""
    return stream_page("nested.html", jobs=_jobs(key))


@slots.get("/page/long/<key>")
def long(key: str) -> Any:
    """A shell of 200 KiB, which waits at the page's own gate in its middle."""

    def wait() -> str:
        note(key, "in the shell")
        gates[key].wait()
        return ""

    return stream_page("long.html", jobs=_jobs(key), wait=wait)


@slots.get("/page/broken/<key>")
def broken(key: str) -> Any:
    """A shell that fails after its first part was sent."""

    def fail() -> None:
        gates[key].wait()
        raise oops(key)

    return stream_page("broken.html", jobs=_jobs(key), fail=fail)


@slots.get("/page/early/<key>")
def early(key: str) -> Any:
    """A shell that fails before that."""

    def fail() -> None:
        raise oops(key)

    return stream_page("early.html", jobs=_jobs(key), fail=fail)


@slots.get("/page/plain/<key>")
def plain(key: str) -> Any:
    """The same without slots, by Flask's own means."""
    return render_template("flat.html", jobs=_jobs(key).items())


@slots.get("/page/fleeting/<key>")
def fleeting(key: str) -> Any:
    """Slots that are ready when their client has left. Their jobs note nothing."""
    sluice = _sluice()

    def work() -> None:
        left = threading.Event()
        sluice.on_leave(left.set)
        left.wait(20.0)

    async def async_work() -> None:
        await asyncio.Event().wait()

    jobs = {"a": defer(work), "b": defer(work, timeout=30.0), "c": defer(async_work)}
    return stream_page("flat.html", jobs=jobs.items())


# Whatever a page consists of, on Flask 3.1 and 3.2.
COUNTED = (
    "AppContext",
    "RequestContext",
    "Request",
    "StreamedResponse",
    "Deferred",
    "Errand",
    "Opened",
    "Page",
    "Slot",
    "Stream",
    "Staged",
    "Visit",
    "_Job",
)


@command
def census() -> dict[str, int]:
    """Count what a page leaves behind, if it leaves anything."""
    gc.collect()
    kinds = Counter(type(found).__name__ for found in gc.get_objects())
    return {name: kinds[name] for name in COUNTED}


@command
def forget() -> None:
    """Empty the journal, which grows with each page."""
    journal.forget()
