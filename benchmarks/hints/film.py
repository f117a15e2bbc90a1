"""The film of the hints: one page through Caddy, hinted in four ways."""

from __future__ import annotations

from pathlib import Path

from ..filmstrip import film
from .visits import scene

MOMENTS = [200, 400, 650, 700, 800]
PROXY = "Caddy"
ROWS = {
    "off": ("no hints", "rows take 600 ms"),
    "link": ("Link header", "comes with the page"),
    "learned": ("103, learned", "comes ahead of it"),
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
