"""A link that takes its time: TCP through a relay that holds every byte for a while.

In: a port of loopback. Out: another one, behind which it is `ONE_WAY` further away. A
new connection costs a round trip more, as TCP's own beginning would; bandwidth isn't
limited, nothing is lost. The browser's own emulation of a network holds back what the
page asks for, but not what the browser does for a hint.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

ONE_WAY = 0.03  # seconds
ROUND_TRIP_MS = round(2000 * ONE_WAY)
CHUNK = 1 << 16

Queue = asyncio.Queue[tuple[float, bytes]]


async def _take(reader: asyncio.StreamReader, queue: Queue, earliest: float) -> None:
    now = asyncio.get_running_loop().time
    data = b"-"
    while data:
        try:
            data = await reader.read(CHUNK)
        except ConnectionError:
            data = b""
        queue.put_nowait((max(now(), earliest) + ONE_WAY, data))


async def _give(queue: Queue, writer: asyncio.StreamWriter) -> None:
    now = asyncio.get_running_loop().time
    with contextlib.suppress(ConnectionError):
        while True:
            due, data = await queue.get()
            await asyncio.sleep(due - now())
            if not data:
                break
            writer.write(data)
            await writer.drain()
    writer.close()


async def _carry(
    port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    begun = asyncio.get_running_loop().time() + 2 * ONE_WAY
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    there: Queue = asyncio.Queue()
    back: Queue = asyncio.Queue()
    await asyncio.gather(
        _take(reader, there, begun),
        _give(there, far_writer),
        _take(far_reader, back, 0),
        _give(back, writer),
    )


@contextlib.contextmanager
def far_away(port: int) -> Iterator[int]:
    """Give a port that leads to *port*, as long as the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def serve() -> asyncio.Server:
        return await asyncio.start_server(
            lambda reader, writer: _carry(port, reader, writer), "127.0.0.1", 0
        )

    async def leave(server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        server = asyncio.run_coroutine_threadsafe(serve(), loop).result()
        yield server.sockets[0].getsockname()[1]
        asyncio.run_coroutine_threadsafe(leave(server), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
