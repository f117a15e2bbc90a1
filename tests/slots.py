"""Pages with slots, for tests: values that come when the test says, and a reader.

In: templates as text, and names of values that are deferred. Out: a page as it
arrives, and what a browser would make of it: a small patch applier that shares no
code with the package. Order is the test's: opening a gate returns when whatever
waited for its value has been rendered.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jinja2
from flask import Flask, g, render_template

from flask_sluice import defer, stream_page
from flask_sluice.testing import Arrivals, StreamClient
from helpers import PATIENCE, make_app

# A browser that applies patches by itself, one that needs the runtime, and nobody.
NATIVE = {"User-Agent": "Mozilla/5.0 AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36"}
FALLBACK = {"User-Agent": "Mozilla/5.0 (X11; rv:140.0) Gecko/20100101 Firefox/140.0"}

Templates = str | Mapping[str, str]


class Gate:
    """A value that is there when the test says so.

    Pass it to `defer`. `open` lets it return (or raise) what it was made with, and
    comes back when its contexts are torn down: every slot that waited is rendered.
    """

    def __init__(self, value: Any = None) -> None:
        self.value = value
        self.started = False
        self._may = threading.Event()
        self._over = threading.Event()

    def __call__(self) -> Any:
        g.gate_over = self._over.set
        self.started = True
        assert self._may.wait(PATIENCE), "nobody opened this gate"
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    def open(self) -> None:
        """Let it return, and wait for what comes of it."""
        self._may.set()
        assert self._over.wait(PATIENCE), "this gate's function never ended"

    def let(self) -> None:
        """Let it return, and don't wait."""
        self._may.set()


class Site:
    """An app with one template set: `/` streams it, `/twin` renders it.

    :param templates: the source of "page.html", or sources by name.
    :param values: the template's variables. A `Gate` is deferred, anew for each
        request; anything else goes in as it is.
    """

    def __init__(
        self,
        templates: Templates,
        values: Mapping[str, Any] | None = None,
        *,
        app: Flask | None = None,
        order: Any = None,
        **config: Any,
    ) -> None:
        self.app = make_app(**config) if app is None else app
        self.values = dict(values or {})
        self.order = order
        sources = {"page.html": templates} if isinstance(templates, str) else templates
        self.app.jinja_loader = jinja2.DictLoader(dict(sources))
        self.app.add_url_rule("/", "page", self._page, methods=["GET", "POST"])
        self.app.add_url_rule("/twin", "twin", self._twin)
        self.app.teardown_appcontext(_gate_is_over)

    def _context(self) -> dict[str, Any]:
        return {
            name: defer(value) if isinstance(value, Gate) else value
            for name, value in self.values.items()
        }

    def _page(self) -> Any:
        return stream_page("page.html", order=self.order, **self._context())

    def _twin(self) -> str:
        return render_template("page.html", **self._context())

    @property
    def gates(self) -> dict[str, Gate]:
        """The gates among the values."""
        return {k: v for k, v in self.values.items() if isinstance(v, Gate)}

    @contextmanager
    def open(self, path: str = "/", **options: Any) -> Iterator[Arrivals]:
        """Ask for the page, as a native browser unless told otherwise."""
        options.setdefault("headers", NATIVE)
        with StreamClient(self.app).stream(path, **options) as arrivals:
            yield arrivals
        for gate in self.gates.values():
            gate.let()

    def twin(self) -> str:
        """Give what `render_template` makes of it, with values that are there."""
        for gate in self.gates.values():
            gate.let()
        response = self.app.test_client().get("/twin")
        assert response.status_code == 200, response.data
        return response.text

    def streamed(self, *order: str) -> Applied:
        """Stream it, open the gates in this order, and apply what came."""
        with self.open() as arrivals:
            assert arrivals.status_code == 200, arrivals.read_all()
            for name in order or tuple(self.gates):
                self.gates[name].open()
            arrivals.read_all()
            arrivals.assert_whole()
        return applied(arrivals.data.decode())


def _gate_is_over(error: BaseException | None) -> None:
    over: Callable[[], None] | None = g.pop("gate_over", None)
    if over is not None:
        over()


# What a browser does.

_MARK = re.compile(r'<\?start name="([^"]*)">|<\?end>')
_PATCH = re.compile(r"<template for=([\w-]+)>")
_TEMPLATE = re.compile(r"<template\b|</template>")


@dataclass
class Applied:
    """A page whose patches were applied, in the order in which they came.

    :ivar text: what is left.
    :ivar shell: what came before the first patch.
    :ivar filled: the names of the patches that found their place, in order.
    :ivar strays: the names of those that didn't.
    """

    text: str
    shell: str = ""
    filled: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def assert_clean(self) -> None:
        """Assert that each mark was filled, and each patch was needed."""
        assert self.strays == []
        assert "<?" not in self.text, self.text


def applied(data: str) -> Applied:
    """Apply patches as they come, each to the first place of its name."""
    first = _PATCH.search(data)
    page = Applied("", data if first is None else data[: first.start()])
    position = 0
    while (patch := _PATCH.search(data, position)) is not None:
        page.text += data[position : patch.start()]
        end = _end_of_template(data, patch.end())
        content = data[patch.end() : end]
        position = end + len("</template>")
        place = _place(page.text, patch[1])
        if place is None:
            page.strays.append(patch[1])
            page.text += data[patch.start() : position]
        else:
            page.filled.append(patch[1])
            page.text = page.text[: place[0]] + content + page.text[place[1] :]
    page.text += data[position:]
    return page


def _end_of_template(data: str, start: int) -> int:
    depth = 1
    for tag in _TEMPLATE.finditer(data, start):
        depth += -1 if tag[0].startswith("</") else 1
        if not depth:
            return tag.start()
    raise AssertionError(f"a patch never ends: {data[start : start + 200]!r}")


def _place(text: str, name: str) -> tuple[int, int] | None:
    start = text.find(f'<?start name="{name}">')
    if start < 0:
        return None
    depth = 0
    for mark in _MARK.finditer(text, start):
        depth += 1 if mark[1] is not None else -1
        if not depth:
            return start, mark.end()
    raise AssertionError(f"the place {name} never ends")
