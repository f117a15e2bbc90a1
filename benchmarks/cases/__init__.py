"""The cases, in the order in which they run. Each is one module with one `run`.

A case takes a `Scale` (how long to try) and gives a `Report` (what was seen). It
starts and ends its own servers, and knows nothing of files or of the command line.
"""

from collections.abc import Callable

from ..report import Report
from ..scale import Scale
from . import (
    events,
    exports,
    firstbyte,
    hints,
    idle,
    items,
    memory,
    pages,
    throughput,
    video,
)

CASES: dict[str, Callable[[Scale], Report]] = {
    "throughput": throughput.run,
    "items": items.run,
    "firstbyte": firstbyte.run,
    "idle": idle.run,
    "memory": memory.run,
    "pages": pages.run,
    "hints": hints.run,
    "exports": exports.run,
    "events": events.run,
    "video": video.run,
}
