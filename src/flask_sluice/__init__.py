"""Everything a Flask app streams, whole, bounded and quick, on every server."""

from .archive import stream_zip
from .deferral import defer
from .events import Event, stream_events
from .extension import Sluice
from .frames import snapshot_frame, stream_frames
from .page import stream_page
from .response import StreamedResponse, stream
from .rows import stream_rows
from .typing import flush

__all__ = [
    "Event",
    "Sluice",
    "StreamedResponse",
    "defer",
    "flush",
    "snapshot_frame",
    "stream",
    "stream_events",
    "stream_frames",
    "stream_page",
    "stream_rows",
    "stream_zip",
]
