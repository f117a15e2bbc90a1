"""Chromium's own log of its network: when each file of a page was there.

In: the log of a browser that is over. Out: for each page that was navigated to, in
their order, the moments of its requests. The page itself can't tell: what came for a
hint it finds in the cache, and knows nothing of before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEGIN = 1


@dataclass
class Fetch:
    """One request; ms by the browser's clock.

    :ivar sent: when it began to be sent; None if the cache had the answer.
    :ivar first: when the first bytes of the body were there.
    :ivar over: when it ended well.
    """

    url: str
    begun: float
    sent: float | None = None
    first: float | None = None
    over: float | None = None


@dataclass
class Loading:
    """One page's request, and those that followed it, up to the next page's."""

    page: Fetch
    others: list[Fetch] = field(default_factory=list)

    def there(self, name: str) -> float:
        """When a file was first there as a whole."""
        return min(
            fetch.over
            for fetch in self.others
            if fetch.url.endswith(f"/{name}") and fetch.over is not None
        )


def _note(fetch: Fetch, kind: str, event: dict[str, Any], at: float) -> None:
    match kind, event["phase"]:
        case "HTTP_TRANSACTION_SEND_REQUEST", 1:
            fetch.sent = fetch.sent or at
        case "URL_REQUEST_JOB_FILTERED_BYTES_READ", _:
            fetch.first = fetch.first or at
        case "REQUEST_ALIVE", 2 if not event.get("params", {}).get("net_error"):
            fetch.over = at


def _fetches(path: Path) -> list[Fetch]:
    log = json.loads(path.read_text(encoding="utf-8"))
    kinds = {number: name for name, number in log["constants"]["logEventTypes"].items()}
    found: dict[int, Fetch] = {}
    for event in log["events"]:
        kind, source, at = kinds[event["type"]], event["source"]["id"], event["time"]
        if kind == "REQUEST_ALIVE" and event["phase"] == BEGIN:
            found[source] = Fetch(event["params"]["url"], float(at))
        elif source in found:
            _note(found[source], kind, event, float(at))
    return list(found.values())


def loadings(path: Path, pages: list[str]) -> list[Loading]:
    """Read the log; *pages* are the addresses of pages."""
    found: list[Loading] = []
    for fetch in _fetches(path):
        if fetch.url in pages:
            found.append(Loading(fetch))
        elif found:
            found[-1].others.append(fetch)
    return found
