"""What becomes of a 103 between this app and the world, in plain words.

In: a deployed page's address, and the token that its app lets in. Out: a verdict for
each HTTP version. It refuses to know how the app sends a 103.

The page is asked twice in each version: as any program would, and with the token,
upon which the app sends a 103 and says so in a header of its response. What differs
between the two is the 103's doing. curl does the asking: it shows interim responses,
speaks HTTP/2, and is on most machines, so nothing has to be installed for this.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from .interim import CHECK, FAILED, NO_API, OLD, SENT

__all__ = ["Answer", "NoCurlError", "Verdict", "ask", "check", "judge"]

SECONDS = 20  # for one answer

Version = Literal["HTTP/1.1", "HTTP/2"]
Outcome = Literal["arrives", "dropped", "breaks", "unsent", "unspoken", "unknown"]

_OPTIONS: dict[Version, str] = {"HTTP/1.1": "--http1.1", "HTTP/2": "--http2"}
_STATUS = re.compile(r"(HTTP/[\d.]+) (\d{3})")
# curl's own: it can't do what it was asked to.
_CURL_CANT = {2, 4}


class NoCurlError(RuntimeError):
    """There is no curl here."""


@dataclass(frozen=True)
class Head:
    """The head of one response, interim or not."""

    version: str
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What came back for one request.

    :ivar heads: in their order; the last is the answer's own.
    :ivar exit: curl's exit code: 0 for an answer that came whole.
    :ivar error: what curl says then.
    """

    heads: list[Head]
    exit: int = 0
    error: str = ""

    @property
    def final(self) -> Head | None:
        """The answer's own head, if one came."""
        if self.heads and self.heads[-1].status >= 200:
            return self.heads[-1]
        return None

    @property
    def early(self) -> Head | None:
        """The 103, if one came."""
        return next((head for head in self.heads if head.status == 103), None)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a 103 in one version of HTTP."""

    version: Version
    outcome: Outcome
    words: str
    advice: list[str] = field(default_factory=list)


# --- asking ----------------------------------------------------------------


def ask(
    url: str, version: Version, headers: Mapping[str, str], *, insecure: bool = False
) -> Answer:
    """Ask for *url* once.

    :param insecure: take any certificate.
    :raises NoCurlError: there is no curl.
    """
    curl = shutil.which("curl")
    if curl is None:
        raise NoCurlError
    words = [curl, "-q", "--silent", "--show-error", "--max-time", str(SECONDS)]
    words += [_OPTIONS[version], "--suppress-connect-headers", "--dump-header", "-"]
    words += ["--output", os.devnull, *(["--insecure"] if insecure else [])]
    for name, value in headers.items():
        words += ["--header", f"{name}: {value}"]
    run = subprocess.run(  # noqa: S603 - no shell, and the URL can't be an option
        [*words, "--url", url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    error = run.stderr.decode(errors="replace").strip()
    return Answer(_heads(run.stdout.decode("latin-1")), run.returncode, error)


def _heads(text: str) -> list[Head]:
    heads = []
    for block in re.split(r"\r?\n\r?\n", text):
        first, *lines = block.strip().splitlines() or [""]
        found = _STATUS.match(first)
        if found is None:
            continue
        pairs = [line.partition(":") for line in lines]
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        heads.append(Head(found[1], int(found[2]), headers))
    return heads


# --- judging ---------------------------------------------------------------

_UNNOTICED = (
    "Run this with the deployed app's SECRET_KEY, and with its version of Flask-Sluice;"
    f" see that no cache answers in its place, and that proxies pass {CHECK} on."
)
_OFF = "Leave SLUICE_EARLY_HINTS at None while this path is in use."


class Advice(NamedTuple):
    """What to change where a proxy drops a 103, and where it breaks."""

    dropped: str
    breaks: str


# By what a proxy calls itself in `Server` or `Via`.
_KNOWN = {
    "nginx": Advice(
        dropped="nginx 1.29 and newer sends it on with `early_hints 1;` beside"
        " proxy_pass; older ones can't.",
        breaks="nginx before 1.29 takes a 103 for the answer. Have it ask in HTTP/1.0,"
        " in which none is sent: proxy_http_version 1.0; or take nginx 1.29 or newer,"
        " with `early_hints 1;`.",
    ),
    "varnish": Advice(
        dropped="Varnish can't send it on.",
        breaks="Varnish takes a 103 for a broken answer; only return(pipe) lets it by.",
    ),
    "apache": Advice(
        dropped="Apache's mod_http2 sends it on with `H2EarlyHints on`.",
        breaks="Apache is known to send it on. Look for what else is there.",
    ),
    "envoy": Advice(
        dropped="Envoy sends it on with `proxy_100_continue: true`.",
        breaks="Envoy drops it without `proxy_100_continue: true`.",
    ),
}
_ANY = Advice(
    dropped="Among those in front of the app, nginx 1.29 and newer needs"
    " `early_hints 1;`, Apache `H2EarlyHints on`, Envoy `proxy_100_continue: true`; a"
    " CDN has a switch of its own.",
    breaks="Proxies known for it: nginx before 1.29 with `proxy_http_version 1.1`"
    " (leave that out, or take 1.29 or newer) and Varnish.",
)


def _advice(answer: Answer) -> Advice:
    headers = answer.final.headers if answer.final else {}
    if "x-varnish" in headers:
        return _KNOWN["varnish"]
    told = f"{headers.get('server', '')} {headers.get('via', '')}".lower()
    return next((both for name, both in _KNOWN.items() if name in told), _ANY)


# By what the app says of itself, where it sent none: the words, and what to do.
_UNSENT = {
    OLD: (
        "what stands before the app asks it in HTTP/1.0, which has none",
        "nginx: 1.29 or newer, `proxy_http_version 1.1;` and `early_hints 1;`.",
    ),
    NO_API: (
        "the app's server can't",
        "gunicorn can; under ASGIApp `gunicorn -k asgi`, and hypercorn over HTTP/2.",
    ),
    FAILED: (
        "the app's server refused",
        "The app's log says why, at level DEBUG.",
    ),
}


def judge(version: Version, plain: Answer, probed: Answer) -> Verdict:
    """Say what the difference between two answers means.

    :param plain: the one to a request as any program would make it.
    :param probed: the one to a request that had the app send a 103.
    """
    if plain.exit in _CURL_CANT:
        return Verdict(version, "unknown", "this curl doesn't speak it.")
    if plain.final is None or plain.exit:
        why = plain.error or "it ended without one"
        return Verdict(version, "unknown", f"there is no whole answer anyway: {why}.")
    if not plain.final.version.startswith(version):
        words = f"it isn't spoken there: the answer came in {plain.final.version}."
        return Verdict(version, "unspoken", words)
    advised = _advice(plain)
    broken = _breakage(plain.final, probed)
    if broken:
        words = f"a 103 BREAKS the page: {broken}."
        return Verdict(version, "breaks", words, [_OFF, advised.breaks])
    assert probed.final is not None
    told = probed.final.headers.get(CHECK.lower())
    if told is None:
        words = "the app didn't notice that it was asked."
        return Verdict(version, "unknown", words, [_UNNOTICED])
    if told in _UNSENT:
        why, advice = _UNSENT[told]
        words = f"no 103 is sent: {why}. That is safe, and hints would do nothing."
        return Verdict(version, "unsent", words, [advice])
    if told == SENT and probed.early is not None:
        return Verdict(version, "arrives", "a 103 arrives, and the page after it.")
    words = "a 103 is dropped on its way, and the page is whole. That is safe."
    return Verdict(version, "dropped", words, [advised.dropped])


def _breakage(before: Head, probed: Answer) -> str:
    """Say how the page is broken; nothing if it isn't."""
    if probed.exit or probed.final is None:
        return probed.error or "the 103 is all that comes"
    if probed.final.status != before.status:
        return f"{probed.final.status} comes in place of {before.status}"
    # No interim response has one: a proxy has sent it as the answer, and the true
    # answer as its body, which happens to be read as what it was.
    if probed.early is not None and "connection" in probed.early.headers:
        return "a proxy takes it for the answer, and the answer for its body"
    return ""


def check(url: str, token: str, *, insecure: bool = False) -> list[Verdict]:
    """Give the verdicts on *url*, one for each version of HTTP.

    :raises NoCurlError: there is no curl.
    """
    verdicts = []
    is_secure = urlsplit(url).scheme == "https"
    probe = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", CHECK: token}
    for version in _OPTIONS:
        if version == "HTTP/2" and not is_secure:
            words = "browsers speak it with https:// only. Ask that address."
            verdicts.append(Verdict(version, "unspoken", words))
            continue
        plain = ask(url, version, {"Accept": "text/html"}, insecure=insecure)
        probed = ask(url, version, probe, insecure=insecure)
        verdicts.append(judge(version, plain, probed))
    return verdicts
