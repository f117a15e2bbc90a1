"""Async bodies, as feeds.

In: an async iterator, the context that it runs in, an event loop. Out: a `Feed`. Any
driver can carry it: under ASGI the server's own loop runs the body and sends it; under
WSGI a loop in a background thread runs all async bodies of the process.

The task knows what a thread can't: when it waits for something. What it has yielded
goes out right then, so nothing is ever held while the body waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterable, Callable
from contextvars import Context
from typing import Any

from .. import native
from ..typing import Item
from ..wire.chunks import LIMIT, is_edge
from .pump import Pump

__all__ = ["TaskPump", "background_loop", "loop_of"]


class TaskPump(Pump):
    """An async iterator as a task of an event loop.

    :param loop: any loop that runs; a server's own under ASGI.
    """

    def __init__(
        self,
        source: AsyncIterable[Item],
        context: Context,
        loop: asyncio.AbstractEventLoop,
        limit: int = LIMIT,
    ) -> None:
        super().__init__(limit)
        self._source = source
        self._context = context
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._stirring = False

    def start(self) -> None:
        """Start the task."""
        self._call(self._launch)

    def close(self) -> None:
        """Cancel the task; its body sees `CancelledError` where it waits."""
        self._stopping = self._look = True
        self._call(self._cancel)

    def _call(self, callback: Callable[[], object]) -> None:
        # A loop that is closed has cancelled its tasks.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)

    def _launch(self) -> None:
        if self._stopping:
            self._end(None)
            return
        self._task = self._loop.create_task(self._produce(), context=self._context)
        self._task.add_done_callback(self._make_sure)

    def _make_sure(self, task: asyncio.Task[None]) -> None:
        # A task that is cancelled before its first step never runs.
        del task
        if not self._over:
            self._end(None)

    def _cancel(self) -> None:
        if self._task is not None and not self._over:
            self._task.cancel()

    def _go_on(self) -> None:
        self._call(self._room.set)

    async def _produce(self) -> None:
        error: BaseException | None = None
        try:
            await self._fill()
        except asyncio.CancelledError:
            if not self._stopping:
                error = ConnectionAbortedError("the server's event loop is closing")
        except Exception as raised:
            error = raised
        except BaseException as raised:
            # SystemExit and the like would end the loop, and with it everybody's
            # async bodies, or the server.
            error = _tamed(raised)
        try:
            aclose = getattr(self._source, "aclose", None)
            if aclose is not None:
                await aclose()
        except asyncio.CancelledError:
            pass
        except Exception as raised:
            error = error or raised
        except BaseException as raised:
            error = error or _tamed(raised)
        self._end(error)

    async def _fill(self) -> None:
        append = self._items.append
        size = 0
        async for item in self._source:
            if self._stopping:
                return
            if item:
                append(item)
                size += len(item)  # type: ignore[arg-type]
                if self._look and not self._stirring:
                    # Runs as soon as this task waits for anything.
                    self._stirring = True
                    self._loop.call_soon(self._stir_now)
                if size >= self._limit:
                    self._room.clear()
                    self._press()
                    if self._items:
                        await self._room.wait()
                    size = 0
            else:
                is_edge(item)
                if self._items:
                    self._press()

    def _tell(self, call: Callable[[], None]) -> None:
        # What follows the end of a body is the app's teardown, which may block. The
        # loop's thread is for all async bodies.
        native.post(call)

    def _stir_now(self) -> None:
        self._stirring = False
        if self._items:
            self._stir()


def _tamed(error: BaseException) -> RuntimeError:
    tame = RuntimeError(f"an async body raised {type(error).__name__}")
    tame.__cause__ = error
    return tame


_background: asyncio.AbstractEventLoop | None = None
_starting = threading.Lock()


def loop_of(exchange: Any) -> asyncio.AbstractEventLoop:
    """Give the event loop for a request's async functions.

    :param exchange: what the environ has under `drive.EXCHANGE`: the server's loop is
        theirs. None, under WSGI: a loop of this process's own.
    """
    if exchange is not None:
        loop: asyncio.AbstractEventLoop = exchange.loop
        return loop
    return background_loop()


def background_loop() -> asyncio.AbstractEventLoop:
    """Give this process's own event loop, for async functions under WSGI."""
    global _background
    with _starting:
        if _background is None:
            _background = asyncio.new_event_loop()
            threading.Thread(
                target=_background.run_forever, name="flask-sluice-asyncio", daemon=True
            ).start()
        return _background


def _forget() -> None:
    global _background, _starting
    _background = None
    _starting = threading.Lock()


native.after_fork(_forget)
