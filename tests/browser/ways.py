"""How a page gets to be seen: an engine, with or without scripts, under some policy.

In: names from WAYS. Out: a mark that runs a test in each of them; the test is given the
`way`, and its `page` is one of that engine.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

NONCE = "b2J2aW91cw=="
NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'"
STRICT = (
    f"{NO_SCRIPTS}; script-src 'nonce-{NONCE}'; base-uri 'none';"
    " require-trusted-types-for 'script'"
)


class Way(NamedTuple):
    """How a page gets to be seen."""

    engine: str
    javascript: bool = True
    policy: str = ""
    runtime: bool = False


WAYS = {
    "native": Way("native"),
    "native-no-javascript": Way("native", javascript=False),
    "native-no-scripts": Way("native", policy=NO_SCRIPTS),
    # A browser that the server doesn't know, though it could do without.
    "native-and-runtime": Way("native", runtime=True),
    "legacy-strict": Way("legacy", policy=STRICT, runtime=True),
}


def ways(*names: str) -> pytest.MarkDecorator:
    """Run a test in these WAYS."""
    return pytest.mark.parametrize(
        ("engine", "javascript", "way"),
        [(WAYS[name].engine, WAYS[name].javascript, WAYS[name]) for name in names],
        ids=names,
    )


every_way = ways(*WAYS)
# The one without any help, and the one with all hindrances.
both_extremes = ways("native-no-javascript", "legacy-strict")
