"""The film of the pages: the page "film" of `pages.json`, from four systems."""

from __future__ import annotations

from pathlib import Path

from ..filmstrip import film
from .contenders import CONTENDERS, NATIVE, PLAIN, cast

MOMENTS = [0, 100, 400, 1000, 1600]
ROWS = {
    PLAIN: ("render_template", "all queries at once"),
    "FlaskSR 0.6, sequential": ("FlaskSR 0.6", "one query after the other"),
    "React 19": ("React 19", "Suspense, Node"),
    NATIVE: ("stream_page", "no script on the page"),
}


def make(target: Path) -> None:
    """Film everybody."""
    with cast() as everybody:
        rows = [
            (*ROWS[who.name], everybody.browser(who), everybody.url(who, page="film"))
            for who in CONTENDERS
            if who.name in ROWS
        ]
        film(rows, MOMENTS, target)
