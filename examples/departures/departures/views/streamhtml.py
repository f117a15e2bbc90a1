"""A stream of a known length, for load tests.

``/streamhtml?nblocks=10&block_size=1024&sleep_ms=0&use_static_data=0`` answers with
exactly ``nblocks * block_size`` bytes of HTML: blocks of random letters, each ended by
a line break. Nothing stands before, between or after the blocks. With a pause, each
block is sent when it is made.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response, abort, request
from werkzeug.datastructures import MultiDict

from flask_sluice import StreamedResponse, flush, stream
from flask_sluice.typing import Item

bp = Blueprint("streamhtml", __name__)

#: name: (default, least, most)
PARAMETERS = {
    "nblocks": (10, 0, 100_000),
    "block_size": (1024, 1, 1_048_576),
    "sleep_ms": (0, 0, 10_000),
    "use_static_data": (0, 0, 1),
}
#: Bytes that one answer may have in all.
MOST_BYTES = 1_073_741_824
#: Seconds that one answer may sleep in all.
MOST_SLEEP = 600

DIGITS = re.compile(r"[0-9]{1,12}")
BREAK = b"<br>\n"
#: Turns any byte into a small letter.
LETTERS = bytes(ord("a") + number % 26 for number in range(256))


@dataclass(frozen=True, slots=True)
class Plan:
    """What one request asks for."""

    nblocks: int
    block_size: int
    sleep_ms: int
    use_static_data: int


class BadPlanError(ValueError):
    """A request asks for what can't be had; the message is a sentence."""


@bp.get("/streamhtml")
def blocks() -> StreamedResponse:
    """Stream the blocks."""
    try:
        wanted = plan(request.args)
    except BadPlanError as error:
        sentence = f"{error}\n"
        abort(Response(sentence, status=400, mimetype="text/plain"))
    return stream(body(wanted), headers={"Cache-Control": "no-store"})


def plan(arguments: MultiDict[str, str]) -> Plan:
    """Read the arguments, or say in a sentence what is wrong with them."""
    values = {}
    for name, (default, least, most) in PARAMETERS.items():
        text = arguments.get(name, str(default))
        number = int(text) if DIGITS.fullmatch(text) else -1
        if not least <= number <= most:
            raise BadPlanError(
                f"{name} must be a whole number from {least} to {most:,}."
            )
        values[name] = number
    found = Plan(**values)
    if found.nblocks * found.block_size > MOST_BYTES:
        raise BadPlanError(
            f"nblocks times block_size must not be more than {MOST_BYTES:,} bytes."
        )
    if found.nblocks * found.sleep_ms > MOST_SLEEP * 1000:
        raise BadPlanError(
            f"nblocks times sleep_ms must not be more than {MOST_SLEEP} seconds."
        )
    return found


def body(wanted: Plan) -> Iterator[Item]:
    """Yield the blocks, each after its pause."""
    fixed = block(wanted.block_size) if wanted.use_static_data else None
    for _ in range(wanted.nblocks):
        if wanted.sleep_ms:
            time.sleep(wanted.sleep_ms / 1000)
        yield fixed or block(wanted.block_size)
        if wanted.sleep_ms:
            yield flush


def block(size: int) -> bytes:
    """Make a block of exactly this many bytes; a tiny one has no line break."""
    ending = BREAK if size >= len(BREAK) else b""
    letters = random.randbytes(size - len(ending))  # noqa: S311, filler, no secret
    return letters.translate(LETTERS) + ending
