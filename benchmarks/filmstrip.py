"""Filmstrips: pages as a reader sees them, a row a way, a column a moment.

The frames are Chromium's own screencast with the times at which it showed them; a cell
is the newest frame at its moment after the request, and white if there was none. Of
several takes the one with the middle first frame counts, so that nobody is shown on a
bad moment of the machine. The strip itself is a page, too, and its picture is the
result. `python -m benchmarks.filmstrip [pages|hints]`, from the root, makes the docs'.
"""

from __future__ import annotations

import argparse
import base64
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from .browser import SECONDS, Chromium

FOLDER = Path(__file__).parent.parent / "docs" / "_static"
FILMS = {"pages": ".pages.film", "hints": ".hints.film"}
WIDTH, HEIGHT = 560, 476
CELL = 260
COLOURS = 96
TAKES = 5
ORIGIN = """
() => performance.timeOrigin
  + performance.getEntriesByType("navigation")[0].requestStart
"""

STYLE = f"""
body{{margin:0;padding:20px 24px;background:#fff;color:#1f2937;
  font:15px/1.3 system-ui,sans-serif;width:max-content}}
table{{border-spacing:10px}}
th{{font-weight:600;text-align:left}} thead th{{text-align:center;color:#6b7280}}
tbody th{{padding-right:8px}} small{{display:block;font-weight:400;color:#6b7280}}
img,.none{{display:block;width:{CELL}px;height:{CELL * HEIGHT // WIDTH}px;
  border:1px solid #d1d5db;border-radius:4px}}
"""

Frames = list[tuple[float, bytes]]
Take = tuple[float, Frames]
"""When the request was sent, and every frame with the time it was shown."""
Row = tuple[str, str, Chromium, str]
"""A name, a few words below it, a browser, and the page's address."""


def _record(browser: Chromium, url: str, seconds: float) -> Take:
    frames: Frames = []
    with browser.page() as page:
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        session = page.context.new_cdp_session(page)

        def take(event: dict[str, Any]) -> None:
            shown = float(event["metadata"]["timestamp"])
            frames.append((shown, base64.b64decode(event["data"])))
            session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

        session.on("Page.screencastFrame", take)
        session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
        page.goto(url, wait_until="commit", timeout=SECONDS * 1000)
        origin = float(page.evaluate(ORIGIN)) / 1000
        rest = origin + seconds + 0.5 - time.time()
        page.wait_for_timeout(max(0.0, rest) * 1000)
        session.send("Page.stopScreencast")
    return origin, frames


def _first(take: Take) -> float:
    """Seconds from the request to the first frame."""
    origin, frames = take
    return min((at - origin for at, _ in frames if at >= origin), default=math.inf)


def _middle_takes(rows: Sequence[Row], seconds: float) -> list[Take]:
    """Film each row, in turns, but for a first that doesn't count."""
    turns = [
        [_record(browser, url, seconds) for *_, browser, url in rows]
        for _ in range(1 + TAKES)
    ]
    return [
        sorted(takes, key=_first)[TAKES // 2] for takes in zip(*turns[1:], strict=True)
    ]


def _cell(origin: float, frames: Frames, moment: int) -> str:
    limit = origin + moment / 1000
    shown = [png for at, png in frames if origin <= at <= limit]
    if not shown:
        return '<td><div class="none"></div></td>'
    data = base64.b64encode(shown[-1]).decode()
    return f'<td><img src="data:image/png;base64,{data}"></td>'


def _strip(moments: Sequence[int], cells: Mapping[tuple[str, str], str]) -> str:
    heads = "".join(f"<th>{moment:,} ms</th>" for moment in moments)
    rows = "".join(
        f"<tr><th>{escape(name)}<small>{escape(words)}</small></th>{row}</tr>"
        for (name, words), row in cells.items()
    )
    return (
        f"<!doctype html><style>{STYLE}</style><table><thead><tr><th></th>{heads}"
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _picture(browser: Chromium, strip: str) -> bytes:
    context = browser.browser.new_context(
        viewport={"width": 1500, "height": 900}, device_scale_factor=1.5
    )
    try:
        page = context.new_page()
        page.set_content(strip, wait_until="load")
        return page.locator("body").screenshot()
    finally:
        context.close()


def film(rows: Sequence[Row], moments: Sequence[int], target: Path) -> None:
    """Film each row's page, and write the picture.

    :param moments: ms after the request.
    """
    cells = {}
    takes = _middle_takes(rows, moments[-1] / 1000)
    for (name, words, *_), take in zip(rows, takes, strict=True):
        cells[name, words] = "".join(_cell(*take, at) for at in moments)
        print(f"{name}: first seen after {1000 * _first(take):.0f} ms")
    png = _picture(rows[0][2], _strip(moments, cells))
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS)
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target, optimize=True)
    print(f"{target}: {image.width} by {image.height}, {target.stat().st_size:,} bytes")


def main() -> None:
    """Make those that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.filmstrip")
    parser.add_argument("films", nargs="*", metavar="film", help=", ".join(FILMS))
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    for name in arguments.films or FILMS:
        make: Callable[[Path], None] = import_module(FILMS[name], __package__).make
        make(arguments.out / f"{name}-filmstrip.png")


if __name__ == "__main__":
    main()
