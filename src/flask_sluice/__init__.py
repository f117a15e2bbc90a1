"""Everything a Flask app streams, whole, bounded and quick, on every server."""

from .extension import Sluice
from .response import StreamedResponse, stream
from .typing import flush

__all__ = ["Sluice", "StreamedResponse", "flush", "stream"]
