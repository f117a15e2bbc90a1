"""sse-starlette on Starlette, with the queue for each client of its own examples."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .ticks import Queues, in_task

queues = Queues()


async def events(request: Request) -> Response:
    """Reads."""

    async def sent() -> AsyncIterator[dict[str, str]]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.open.add(queue)
        try:
            yield {"comment": "hello"}
            while True:
                data = await queue.get()
                yield {"id": data.split()[1], "data": data}
        finally:
            queues.open.discard(queue)

    return EventSourceResponse(sent(), ping=15)


async def publish(request: Request) -> Response:
    """Publishes."""
    wanted = request.query_params
    in_task(queues.publish, int(wanted["count"]), float(wanted["rate"]))
    return PlainTextResponse("")


async def ping(request: Request) -> Response:
    """Answers."""
    return PlainTextResponse("pong")


app = Starlette(
    routes=[Route("/events", events), Route("/publish", publish), Route("/ping", ping)]
)
