"""Files, network cameras and devices through PyAV: the only module that imports it.

In: a target. Out: its pictures, as Pillow images; or as JPEG bytes, untouched, from a
camera that makes JPEG itself. A network camera that says nothing for a while raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import av

from ..errors import BodyTypeError
from .metronome import Metronome

if TYPE_CHECKING:
    from .sources import Target

__all__ = ["frames"]

TIMEOUT = 5.0  # seconds, to open and for each read
FPS = 25.0  # of a file that doesn't say

TABLES = b"\xff\xc4"  # a JPEG's Huffman tables, which some devices leave out


def frames(target: Target) -> Iterator[object]:
    """Open *target* and give its frames: a file's at its pace, and again and again."""
    container_format = "v4l2" if target.kind == "device" else None
    options = {"rtsp_transport": "tcp"} if target.url.startswith("rtsp") else {}
    with av.open(
        target.url, format=container_format, options=options, timeout=TIMEOUT
    ) as container:
        if not container.streams.video:
            raise BodyTypeError(f"{target.url} has no video.")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if target.kind == "file":
            yield from _played(container, stream)
        elif stream.codec_context.name == "mjpeg":
            yield from _passed_on(container, stream)
        else:
            for frame in container.decode(stream):
                yield frame.to_image()


def _played(container: Any, stream: Any) -> Iterator[object]:
    metronome = Metronome(float(stream.average_rate or FPS))
    while True:
        count = 0
        for frame in container.decode(stream):
            metronome.wait()
            count += 1
            yield frame.to_image()
        if not count:
            return
        container.seek(0)


def _passed_on(container: Any, stream: Any) -> Iterator[object]:
    for packet in container.demux(stream):
        data = bytes(packet)
        if TABLES in data:
            yield data
        else:
            for frame in packet.decode():
                yield frame.to_image()
