"""The film of the hints: one page through Caddy, as it is hinted or streamed."""

from __future__ import annotations

from pathlib import Path

from ..filmstrip import film
from .visits import scene

MOMENTS = [100, 400, 700, 830, 1000]
PROXY = "Caddy"
ROWS = {
    "off": ("no hints", "rows take 600 ms"),
    "link": ("Link header", "comes with the page"),
    "explicit": ("103, explicit", "comes ahead of it"),
    "learned": ("103, learned", "the same, by itself"),
    "shell": ("stream_page", "a shell at once"),
}


def make(target: Path) -> None:
    """Film the ways."""
    with scene() as stage:
        rows = [
            (*words, stage.chromium, stage.url(PROXY, way))
            for way, words in ROWS.items()
        ]
        film(rows, MOMENTS, target)
