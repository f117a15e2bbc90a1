"""check-hints: what its two answers are taken to mean, and how it is asked."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask
from itsdangerous import TimestampSigner

from flask_sluice import Sluice
from flask_sluice.hints.check import Answer, Head, judge
from flask_sluice.hints.interim import token
from helpers import make_app


def answer(
    *statuses: int,
    version: str = "HTTP/2",
    exit_code: int = 0,
    error: str = "",
    **headers: str,
) -> Answer:
    """Give an answer with these heads, the headers in the last."""
    heads = [Head(version, status, {}) for status in statuses]
    if heads:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        heads[-1] = Head(version, statuses[-1], named)
    return Answer(heads, exit_code, error)


PLAIN = answer(200, server="nginx/1.31.3")
SENT = {"sluice_check": "sent"}


@pytest.mark.parametrize(
    ("plain", "probed", "outcome", "words"),
    [
        (PLAIN, answer(103, 200, **SENT), "arrives", "arrives"),
        (PLAIN, answer(200, **SENT), "dropped", "dropped"),
        (PLAIN, answer(200, sluice_check="no-api"), "unsent", "server can't"),
        (PLAIN, answer(200, sluice_check="http/1.0"), "unsent", "HTTP/1.0"),
        (PLAIN, answer(200, sluice_check="failed"), "unsent", "refused"),
        (PLAIN, answer(200), "unknown", "didn't notice"),
        (PLAIN, answer(exit_code=92, error="curl: (92) x"), "breaks", "curl: (92) x"),
        (PLAIN, answer(103), "breaks", "the 103 is all that comes"),
        (PLAIN, answer(503), "breaks", "503 comes in place of 200"),
        (answer(302), answer(103, 302, **SENT), "arrives", "arrives"),
        (answer(exit_code=7, error="no way"), answer(), "unknown", "no way"),
        (answer(exit_code=2), answer(exit_code=2), "unknown", "doesn't speak"),
        (answer(200, version="HTTP/1.1"), answer(200), "unspoken", "HTTP/1.1"),
    ],
)
def test_verdicts(plain: Answer, probed: Answer, outcome: str, words: str) -> None:
    """Each difference between the two answers has its name, and its words."""
    verdict = judge("HTTP/2", plain, probed)
    assert (verdict.outcome, words in verdict.words) == (outcome, True), verdict


def test_a_103_with_the_head_of_an_answer() -> None:
    """One that says what becomes of the connection was sent as the answer."""
    heads = [
        Head("HTTP/1.1", 103, {"connection": "keep-alive"}),
        Head("HTTP/1.1", 200, {"sluice-check": "sent"}),
    ]
    verdict = judge("HTTP/1.1", answer(200, version="HTTP/1.1"), Answer(heads))
    assert verdict.outcome == "breaks"


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"server": "nginx/1.31.3"}, "early_hints 1;"),
        ({"server": "Apache/2.4.71"}, "H2EarlyHints on"),
        ({"server": "envoy"}, "proxy_100_continue"),
        ({"server": "gunicorn", "x_varnish": "1"}, "Varnish"),
        ({"via": "1.1 varnish (Varnish/7.1)"}, "Varnish"),
        ({}, "CDN"),
    ],
)
def test_the_proxy_that_shows_is_named(headers: dict[str, str], word: str) -> None:
    """What to change is that of the proxy that the answer names, or of all."""
    (line,) = judge("HTTP/2", answer(200, **headers), answer(200, **SENT)).advice
    assert word in line


def test_to_break_is_to_leave_it_off() -> None:
    """The first advice is the setting that is always at hand."""
    verdict = judge("HTTP/2", PLAIN, answer(exit_code=92, error="x"))
    assert "SLUICE_EARLY_HINTS" in verdict.advice[0]
    assert "proxy_http_version" in verdict.advice[1]


# --- the app's side --------------------------------------------------------


def probed(app: Flask, word: str, **environ: Any) -> tuple[list[Any], Any]:
    """Ask the app with a token, on a server that can send a 103."""
    sent: list[Any] = []
    app.add_url_rule("/", "page", lambda: "page")
    overrides = {"wsgi.early_hints": sent.append, **environ}
    client = app.test_client()
    response = client.get(
        "/", headers={"Sluice-Check": word}, environ_overrides=overrides
    )
    return sent, response


def test_the_token_has_one_sent() -> None:
    """Also while hints are off; no cache may keep the response."""
    app = make_app()
    sent, response = probed(app, token(app) or "")
    assert sent == [[("Link", "</>; rel=sluice-check")]]
    assert response.headers["Sluice-Check"] == "sent"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("environ", "outcome"),
    [
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, "http/1.0"),
        ({"wsgi.early_hints": None}, "no-api"),
        ({"wsgi.early_hints": lambda _: 1 / 0}, "failed"),
    ],
)
def test_it_tells_why_not(environ: dict[str, Any], outcome: str) -> None:
    """In the header of its response."""
    app = make_app()
    _, response = probed(app, token(app) or "", **environ)
    assert (response.text, response.headers["Sluice-Check"]) == ("page", outcome)


def _stale(app: Flask, monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patch:
        now = int(time.time())
        patch.setattr(TimestampSigner, "get_timestamp", lambda _: now - 301)
        return token(app) or ""


@pytest.mark.parametrize("kind", ["nonsense", "another app's", "stale"])
def test_a_stranger_has_none_sent(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is told anything: not without the key, nor with a token of yesterday."""
    app, other = make_app(), Flask("other")
    other.secret_key = "another"
    words = {
        "nonsense": "103",
        "another app's": token(other) or "",
        "stale": _stale(app, monkeypatch),
    }
    sent, response = probed(app, words[kind])
    assert (sent, response.text) == ([], "page")
    assert "Sluice-Check" not in response.headers


# --- the command -----------------------------------------------------------


def run(app: Flask, *words: str) -> Any:
    """Type it."""
    return app.test_cli_runner().invoke(args=["sluice", "check-hints", *words])


@pytest.mark.parametrize("url", ["site/page", "ftp://site/", "--url=x", "https:///p"])
def test_an_address_that_is_none(url: str) -> None:
    """It is a usage error."""
    assert run(make_app(), url).exit_code == 2


def test_without_a_key() -> None:
    """It says what is missing."""
    app = Flask("bare")
    Sluice(app)
    result = run(app, "https://localhost/")
    assert (result.exit_code, "SECRET_KEY" in result.output) == (1, True)


def test_without_curl(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is missing."""
    monkeypatch.setenv("PATH", "")
    result = run(make_app(), "https://localhost/")
    assert (result.exit_code, "needs curl" in result.output) == (1, True)


def test_the_apps_own_group_stays() -> None:
    """A command that the app calls so itself isn't replaced."""
    app = Flask("own")
    app.cli.command("sluice")(lambda: print("its own"))  # noqa: T201
    Sluice(app)
    assert "its own" in app.test_cli_runner().invoke(args=["sluice"]).output
