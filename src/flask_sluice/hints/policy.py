"""Content-Security-Policy: whether a page may fetch a file by a hint.

In: policies as they stand in headers or a page, and a file on the page's own site.
Out: yes or no. It refuses to know other sites' files.

A hint carries neither nonce nor hash, so a file that is allowed by these alone isn't
allowed to it (CSP Level 3, §6.7.2). Where all policies of a page would let the file in
by its address, the hint may go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = ["Origin", "allows", "without_nonces"]

_ASKED = {
    "style": ("style-src-elem", "style-src", "default-src"),
    "script": ("script-src-elem", "script-src", "default-src"),
    "font": ("font-src", "default-src"),
    "image": ("img-src", "default-src"),
    "fetch": ("connect-src", "default-src"),
    "track": ("media-src", "default-src"),
}
_NONCE = re.compile(r"'nonce-[^']*'", re.IGNORECASE)
_PORTS = {"http": "80", "https": "443"}


class Origin(NamedTuple):
    """Where the page is: "https", and a host with its port, if it isn't the usual."""

    scheme: str
    host: str


def without_nonces(policy: str) -> str:
    """Give a policy that is the same for each request."""
    return _NONCE.sub("'nonce-'", policy) if "nonce-" in policy else policy


def allows(policies: Iterable[str], kind: str, path: str, origin: Origin) -> bool:
    """Tell whether all *policies* let in a file of the page's own site.

    :param policies: header values, each of one policy or several with commas.
    :param kind: as in a preload's `as`.
    :param path: the file's address, from the root.
    """
    single = (part for policy in policies for part in policy.split(","))
    return all(_allows(policy, kind, path, origin) for policy in single)


def _allows(policy: str, kind: str, path: str, origin: Origin) -> bool:
    directives: dict[str, list[str]] = {}
    for part in policy.split(";"):
        name, *sources = part.split() or [""]
        directives.setdefault(name.lower(), sources)
    asked = _ASKED.get(kind, ("default-src",))
    for name in asked:
        if name in directives:
            return _lists(directives[name], kind, urlsplit(path).path, origin)
    return True


def _lists(sources: list[str], kind: str, path: str, origin: Origin) -> bool:
    # With 'strict-dynamic' addresses don't count for scripts (§8.2).
    if kind == "script" and "'strict-dynamic'" in map(str.lower, sources):
        return False
    return any(_fits(source, path, origin) for source in sources)


def _fits(source: str, path: str, origin: Origin) -> bool:
    lowered = source.lower()
    if lowered in ("'self'", "*"):
        return True
    if lowered.startswith("'"):
        return False
    if lowered.endswith(":"):
        return _upgrades(lowered[:-1], origin.scheme)
    scheme, mark, rest = source.rpartition("://")
    if mark and not _upgrades(scheme.lower(), origin.scheme):
        return False
    authority, slash, allowed = rest.partition("/")
    host, _, port = authority.lower().partition(":")
    own, _, own_port = origin.host.lower().partition(":")
    usual = _PORTS.get(origin.scheme, "")
    if port not in ("*", own_port or usual) and (port or own_port not in ("", usual)):
        return False
    if host.startswith("*."):
        if not own.endswith(host[1:]):
            return False
    elif host not in ("*", own):
        return False
    if not slash or not allowed:
        return True
    whole = unquote(f"/{allowed}")
    asked = unquote(path)
    return asked.startswith(whole) if whole.endswith("/") else asked == whole


def _upgrades(scheme: str, to: str) -> bool:
    return scheme == to or (scheme, to) == ("http", "https")
