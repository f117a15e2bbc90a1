"""The `SLUICE_*` keys: one table that code, docs and tests read.

In: an app's config. Out: a `Settings`, checked once at `init_app`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

from .checks import is_finite
from .errors import ConfigError

__all__ = ["KEYS", "Key", "Settings"]

log = logging.getLogger("flask_sluice")


@dataclass(frozen=True, slots=True)
class Key:
    """One config key.

    :ivar name: as in `app.config`.
    :ivar default: what counts when it isn't set.
    :ivar expects: its type and unit, in words.
    :ivar check: whether a value will do.
    :ivar why: what it is for.
    """

    name: str
    default: Any
    expects: str
    check: Callable[[Any], bool]
    why: str


def _count(value: object) -> bool:
    return value is None or (type(value) is int and value > 0)


def _is_connector(value: object) -> bool:
    methods = (getattr(value, name, None) for name in ("get_pushed", "set_pushed"))
    return not isinstance(value, str) and all(map(callable, methods))


KEYS: tuple[Key, ...] = (
    Key(
        "SLUICE_MAX_STREAMS",
        16_384,
        "a count, or None for no limit",
        _count,
        "Streams open at once in one process. One more is answered 503 before any"
        " work is done. Parked streams aren't counted by the server, so this is"
        " what keeps a process within its limit of open files.",
    ),
    Key(
        "SLUICE_MAX_STREAMS_PER_CLIENT",
        None,
        "a count, or None for no limit",
        _count,
        "The same for one `request.remote_addr`. Off by default: behind a proxy"
        " that isn't told of with ProxyFix every client has the proxy's address.",
    ),
    Key(
        "SLUICE_PARK",
        True,
        'True, False or "always"',
        lambda value: value in (True, False, "always"),
        "Whether a feed's socket may be taken from the server's worker thread."
        ' "always" does it also when a middleware wraps `start_response`, which'
        " is right for one that only watches and wrong for one that rewrites.",
    ),
    Key(
        "SLUICE_HALF_CLOSE",
        "ask",
        '"ask", "stay" or "leave"',
        lambda value: value in ("ask", "stay", "leave"),
        "What it means when a client closes its sending half. A browser that goes"
        " away and a tool that has merely said all it wants look alike until"
        ' something is sent to them. "ask": the latter if it came with the request,'
        " or if bytes sent afterwards are taken; else gone after 0.75 s."
        ' "stay": never gone by that alone. "leave": gone at once.',
    ),
    Key(
        "SLUICE_DEFER_WORKERS",
        64,
        "a count",
        lambda value: type(value) is int and value > 0,
        "How many functions given to `defer()` run at once in one process: threads,"
        " or greenlets under gevent. `async def` ones need none. More wait their"
        " turn. Let the database's pool allow for as many connections.",
    ),
    Key(
        "SLUICE_CSP_NONCE",
        None,
        "a function without arguments that gives a string, or None",
        lambda value: value is None or callable(value),
        "Gives the request's nonce for the one inline script that a page needs in"
        " browsers other than Chromium 150 and newer. None: the `csp_nonce` that"
        " Flask-Talisman puts into templates, if there is one.",
    ),
    Key(
        "SLUICE_IN_ORDER",
        None,
        "a function that gets the request and gives a truth value, or None",
        lambda value: value is None or callable(value),
        "Says which requests, beside those of known crawlers, get their pages in"
        ' document order and without slots, like `order="document"`.',
    ),
    Key(
        "SLUICE_RECEIPTS",
        None,
        "a folder's path, or None",
        lambda value: value is None or isinstance(value, (str, PathLike)),
        "Where the receipts of exports are kept for a day. All workers need the same"
        " one. None: a folder of the app's own in the system's temporary folder.",
    ),
    Key(
        "SLUICE_BROKER_URL",
        "memory://",
        '"memory://", or a URL of redis://, rediss:// or unix://',
        lambda value: isinstance(value, str) and "://" in value,
        "What carries channels between processes and machines. memory://: nothing, a"
        " channel is one process's. With `?prefix=` keys have a name of their own.",
    ),
    Key(
        "SLUICE_BROKER_WAIT",
        1.0,
        "seconds; 0 doesn't wait",
        lambda value: is_finite(value) and value >= 0,
        "How long `publish()` tries while the broker is away, before it raises"
        " `BrokerError`.",
    ),
    Key(
        "SLUICE_MAX_HINTS",
        32,
        "a count; 0 sends none",
        lambda value: type(value) is int and value >= 0,
        "Hints in one response's `Link` header, beside what others have put there.",
    ),
    Key(
        "SLUICE_EARLY_HINTS",
        None,
        '"explicit", "learned" or None',
        lambda value: value in (None, "explicit", "learned"),
        "Whether 103 responses are sent ahead of pages. Some proxies break on them:"
        ' ask with `flask sluice check-hints` first. "explicit": what `early_hints()`'
        ' is told. "learned": that, and what the pages of an endpoint were seen to'
        " use, before its view runs. None: nothing is sent ahead.",
    ),
    Key(
        "SLUICE_HINTS_ONCE",
        None,
        '"session", "cookie", an object with get_pushed() and set_pushed(), or None',
        lambda value: value in (None, "session", "cookie") or _is_connector(value),
        "Where it is remembered for each client which files it was hinted, so that"
        " they aren't hinted again. None: every response has its hints.",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force for one app."""

    max_streams: int | None
    max_streams_per_client: int | None
    park: bool | Literal["always"]
    half_close: Literal["ask", "stay", "leave"]
    defer_workers: int
    csp_nonce: Callable[[], str | None] | None
    in_order: Callable[..., object] | None
    receipts: str | PathLike[str] | None
    broker_url: str
    broker_wait: float
    max_hints: int
    early_hints: Literal["explicit", "learned"] | None
    hints_once: Any

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Read the keys.

        :raises ConfigError: a value can't be used.
        """
        known = {key.name for key in KEYS}
        for name in config:
            if name.startswith("SLUICE_") and name not in known:
                # Not an error: it may be a key of a later version.
                log.warning("%s is not a key of this Flask-Sluice: ignored", name)
        values = {}
        for key in KEYS:
            value = config.get(key.name, key.default)
            if not key.check(value):
                raise ConfigError(
                    f"{key.name} is {value!r}, but expects {key.expects}."
                )
            values[key.name.removeprefix("SLUICE_").lower()] = value
        return cls(**values)
