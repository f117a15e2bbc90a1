"""Everything a Flask app streams, whole, bounded and quick, on every server."""

from .archive import stream_zip
from .deferral import defer
from .events import Event, stream_events
from .extension import Sluice
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
    "stream",
    "stream_events",
    "stream_page",
    "stream_rows",
    "stream_zip",
]
