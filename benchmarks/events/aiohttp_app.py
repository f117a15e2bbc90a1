"""aiohttp-sse, on aiohttp's own server with uvloop: `python -m ... PORT`."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web
from aiohttp_sse import sse_response

from .ticks import Queues, in_task

queues = Queues()


async def events(request: web.Request) -> web.StreamResponse:
    """Reads."""
    async with sse_response(request) as response:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.open.add(queue)
        try:
            while response.is_connected():
                data = await queue.get()
                await response.send(data, id=data.split()[1])
        finally:
            queues.open.discard(queue)
    return response


async def publish(request: web.Request) -> web.Response:
    """Publishes."""
    in_task(queues.publish, int(request.query["count"]), float(request.query["rate"]))
    return web.Response()


async def ping(request: web.Request) -> web.Response:
    """Answers."""
    return web.Response(text="pong")


if __name__ == "__main__":
    app = web.Application()
    app.add_routes(
        [
            web.get("/events", events),
            web.get("/publish", publish),
            web.get("/ping", ping),
        ]
    )
    uvloop.install()
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        print=None,
        access_log=None,
        backlog=4096,
    )
