"""Learned hints: pages are sent, and what they use goes ahead of the next ones."""

from __future__ import annotations

import gzip
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request, stream_template_string
from flask.testing import FlaskClient

from flask_sluice import stream, stream_page
from flask_sluice.hints import early_hints, learning, preload
from flask_sluice.hints.gathering import EXTENSION
from flask_sluice.hints.learning import Learner
from helpers import make_app, until
from hinting import links

HEAD = "<!doctype html><head><link rel=stylesheet href=/a.css></head>"
PAGE = f"{HEAD}<body>page"
CSS = "</a.css>; rel=preload; as=style"
JS = "</a.js>; rel=preload; as=script"

View = Callable[[], Any]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a file of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class Browser:
    """Navigates on a server that can send a 103."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def go(self, path: str = "/p/x", **options: Any) -> tuple[list[str], Any]:
        """Give the links of the 103s, and the response, read to its end."""
        sent: list[tuple[str, str]] = []
        environ = {"wsgi.early_hints": sent.extend, **options.pop("environ", {})}
        headers = {"Sec-Fetch-Mode": "navigate", **options.pop("headers", {})}
        response = self.client.open(
            path, headers=headers, environ_overrides=environ, **options
        )
        response.get_data()
        return [value for _, value in sent], response

    def third(self, path: str = "/p/x", **options: Any) -> list[str]:
        """Go there three times, and give the links of the third 103."""
        for _ in range(2):
            assert self.go(path, **options)[0] == []
        return self.go(path, **options)[0]


def learning_app(view: View, **config: Any) -> Flask:
    """Give an app whose pages below /p/ are this view's."""
    app = make_app(**{"SLUICE_EARLY_HINTS": "learned", **config})
    app.add_url_rule("/p/<path:_>", "page", lambda _: view())
    app.add_url_rule("/q", "other", view)
    return app


def browser(view: View, **config: Any) -> Browser:
    """Give a browser for such an app."""
    return Browser(learning_app(view, **config).test_client(use_cookies=False))


def learner(app: Flask) -> Learner:
    """Give the app's."""
    found = app.extensions[EXTENSION].learner
    assert isinstance(found, Learner)
    return found


def two_parts() -> Iterator[str]:
    """Give a page in pieces, the head in two of them."""
    yield HEAD[:30]
    yield HEAD[30:]
    yield "<body>page"


KINDS: dict[str, View] = {
    "text": lambda: PAGE,
    "parts": lambda: Response([HEAD, "<body>page"], mimetype="text/html"),
    "stream": lambda: stream([PAGE]),
    "stream in parts": lambda: stream(two_parts),
    "page": lambda: stream_page(_template(HEAD + "{{ x }}"), x="page"),
    "generator": lambda: Response(two_parts(), mimetype="text/html"),
    "template": lambda: stream_template_string(f"{HEAD}{{{{ 'page' }}}}"),
    "no end": lambda: "<title>x</title><link rel=stylesheet href=/a.css>page",
}


def _template(text: str) -> Any:
    from flask import current_app

    return current_app.jinja_env.from_string(text)


@pytest.mark.parametrize("view", KINDS.values(), ids=KINDS)
def test_the_third_page_has_one(view: View) -> None:
    """Whatever the page is made as; it comes whole, and its header is as it was."""
    site = browser(view)
    assert site.third() == [CSS]
    sent, response = site.go()
    assert (sent, links(response)) == ([CSS], [])
    assert response.text.endswith("page")


def test_it_comes_before_anything_of_the_apps() -> None:
    """Before its own before_request functions, which may look up who this is."""
    order: list[str] = []
    app = learning_app(lambda: PAGE)

    @app.before_request
    def look_up() -> None:
        order.append("before_request")

    site = Browser(app.test_client(use_cookies=False))
    site.third()
    order.clear()
    site.go(environ={"wsgi.early_hints": lambda _: order.append("103")})
    assert order == ["103", "before_request"]


@pytest.mark.parametrize(
    "view",
    [
        lambda: (PAGE, 404),
        lambda: Response(PAGE, mimetype="text/plain"),
        lambda: Response(PAGE, headers={"Content-Disposition": "attachment"}),
        lambda: Response(PAGE, headers={"Content-Encoding": "br"}),
        lambda: stream([PAGE], filename="page.html"),
        lambda: "just text",
        lambda: Response(b"", mimetype="text/html"),
    ],
)
def test_what_is_no_page(view: View) -> None:
    """Nothing is learned from it."""
    assert browser(view).third() == []


@pytest.mark.parametrize(
    "how",
    [
        {"headers": {"Sec-Fetch-Mode": "cors"}},
        {"method": "HEAD"},
        {"environ": {"SERVER_PROTOCOL": "HTTP/1.0"}},
        {"environ": {"wsgi.early_hints": None}},
    ],
    ids=repr,
)
def test_nobody_else_gets_one(how: dict[str, Any]) -> None:
    """Programs, other requests, HTTP/1.0, and servers that can't."""
    app = learning_app(lambda: PAGE)
    site = Browser(app.test_client(use_cookies=False))
    assert site.third() == [CSS]
    sent, response = site.go(**how)
    assert (sent, response.status_code) == ([], 200)


@pytest.mark.parametrize("mode", [None, "explicit"])
def test_not_unless_it_is_asked_for(mode: str | None) -> None:
    """Both other settings learn nothing."""
    app = learning_app(lambda: PAGE, SLUICE_EARLY_HINTS=mode)
    assert Browser(app.test_client()).third() == []
    assert app.extensions[EXTENSION].learner is None


def test_a_compressed_page() -> None:
    """What the view made is read, whoever compresses it afterwards."""
    app = learning_app(lambda: PAGE)

    @app.after_request
    def compress(response: Response) -> Response:
        response.set_data(gzip.compress(response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
        return response

    assert Browser(app.test_client(use_cookies=False)).third() == [CSS]


def test_a_stream_is_compressed() -> None:
    """And read before that."""
    site = browser(lambda: stream(two_parts))
    assert site.third(headers={"Accept-Encoding": "gzip"}) == [CSS]


def test_what_was_hinted_is_learned_too() -> None:
    """From the header, whoever put it there; and it goes once."""

    def view() -> Response:
        preload("/a.js", "script")
        early_hints()
        return Response(PAGE, headers={"Link": "</b.woff2>; rel=preload; as=font"})

    site = browser(view)
    assert [site.go()[0] for _ in range(2)] == [[JS]] * 2
    sent, response = site.go()
    assert sent == [JS, "</b.woff2>; rel=preload; as=font", CSS]
    assert links(response) == ["</b.woff2>; rel=preload; as=font", JS]


def test_a_policy_is_asked() -> None:
    """One that is put there after the view, too, with a nonce that changes."""
    nonces = iter(range(99))
    app = learning_app(
        lambda: f"{HEAD[:-7]}<script nonce={next(nonces)} src=/a.js></script></head>"
    )

    @app.after_request
    def protect(response: Response) -> Response:
        policy = f"script-src 'nonce-{next(nonces)}'; style-src 'self'"
        response.headers["Content-Security-Policy"] = policy
        return response

    assert Browser(app.test_client(use_cookies=False)).third() == [CSS]


def test_a_page_that_changes() -> None:
    """What it stops using is dropped with that page."""
    files = ["ab"] * 3 + ["bc"] * 2
    pages = iter(files)

    def view() -> str:
        found = "".join(f"<link rel=stylesheet href=/{x}>" for x in next(pages))
        return f"<head>{found}</head>"

    site = browser(view)
    sent = [[link[2] for link in site.go("/q")[0]] for _ in files]
    assert sent == [[], [], ["a", "b"], ["a", "b"], ["b"]]


def test_a_stylesheet_of_ones_own() -> None:
    """It goes to nobody else, and not to them either once there are others."""

    def view() -> str:
        name = request.cookies["name"]
        return f"{HEAD[:-7]}<link rel=stylesheet href=/{name}.css></head>"

    site = browser(view)

    def go(name: str) -> list[str]:
        headers = {"Cookie": f"name={name}", "User-Agent": name}
        return site.go("/q", headers=headers)[0]

    own = "</ann.css>; rel=preload; as=style"
    assert [go("ann") for _ in range(4)] == [[], [], [CSS, own], [CSS, own]]
    assert [go("ben"), go("ben")] == [[], [CSS]]
    assert go("ann") == [CSS]


def test_a_stranger_learns_nothing_of_a_members_page() -> None:
    """Those without a cookie are shown a login, and told no more."""

    def view() -> Any:
        return PAGE if "Cookie" in request.headers else ("login", 401)

    site = browser(view)
    for agent in ("a", "b", "c"):
        site.go("/q", headers={"Cookie": "a=b", "User-Agent": agent})
    assert site.go("/q")[0] == []
    assert site.go("/q", headers={"Cookie": "c=d", "User-Agent": "d"})[0] == [CSS]


def test_each_page_of_an_endpoint() -> None:
    """What one of them uses isn't what all do, until two did."""
    site = browser(lambda: PAGE)
    assert site.third("/p/one") == [CSS]
    assert site.go("/p/two")[0] == []
    assert site.go("/p/three")[0] == [CSS]


@pytest.mark.parametrize(
    "elsewhere",
    [{"path": "/q?token=b"}, {"path": "/q"}, {"headers": {"Host": "b.example"}}],
)
def test_a_file_with_a_token(elsewhere: dict[str, Any]) -> None:
    """It stays at the address that has it: not for other queries, nor other hosts."""

    def view() -> str:
        own = f"/{request.host[0]}{request.args.get('token')}.css"
        return f"{HEAD[:-7]}<link rel=stylesheet href={own}></head>"

    site = browser(view)
    assert len(site.third("/q?token=a")) == 2
    there = {"path": "/q?token=a", **elsewhere}
    assert [site.go(**there)[0] for _ in range(2)] == [[], [CSS]]


def test_files_beside_the_page() -> None:
    """They are elsewhere for another page, and below where the app is mounted."""
    site = browser(lambda: "<head><link rel=stylesheet href=a.css></head>")
    environ = {"SCRIPT_NAME": "/shop"}
    assert site.third("/p/x/y", environ=environ) == [
        "</shop/p/x/a.css>; rel=preload; as=style"
    ]
    assert site.go("/p/z", environ=environ)[0] == []
    assert site.go("/p/x/y", environ=environ)[0] == []
    assert site.go("/p/x/y")[0] == []


def test_no_more_than_the_limit() -> None:
    """It is that of the header."""
    html = "".join(f"<script src=/{at}.js></script>" for at in range(9))
    site = browser(lambda: html + "<p>", SLUICE_MAX_HINTS=2)
    assert len(site.third()) == 2
    assert browser(lambda: html + "<p>", SLUICE_MAX_HINTS=0).third() == []


@pytest.mark.parametrize("once", ["cookie", "session"])
def test_what_the_client_has_is_left_out(once: str) -> None:
    """A learned hint counts as one; another client is sent it."""
    app = learning_app(lambda: PAGE, SLUICE_HINTS_ONCE=once)
    for _ in range(2):
        Browser(app.test_client()).go()
    site = Browser(app.test_client())
    assert [site.go("/p/x")[0] for _ in range(2)] == [[CSS], []]
    # As one with a cookie it is another kind of client, which learned it since.
    assert [site.go("/p/x")[0] for _ in range(2)] == [[], []]
    assert Browser(app.test_client()).go()[0] == [CSS]


def test_a_connector_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Without a SECRET_KEY no cookie can be signed; no page breaks on a guess."""
    app = learning_app(lambda: PAGE, SLUICE_HINTS_ONCE="cookie")
    app.secret_key = None
    site = Browser(app.test_client(use_cookies=False))
    with caplog.at_level(logging.DEBUG, "flask_sluice"):
        assert site.third() == []
        assert site.go()[1].text == PAGE
    assert len(caplog.records) == 1


# --- what goes wrong --------------------------------------------------------


@pytest.mark.parametrize("view", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("what", ["wanted", "read", "HeadReader.take"])
def test_a_fault_breaks_no_page(
    view: View,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The page comes whole, and the log is told once, at level DEBUG."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(f"{learning.__name__}.{what}", fail)
    site = browser(view)
    with caplog.at_level(logging.DEBUG, "flask_sluice"):
        for _ in range(3):
            assert site.go()[1].text.endswith("page")
    told = [record.levelname for record in caplog.records if record.exc_info]
    assert told in ([], ["DEBUG"])
    assert told or what != "wanted"


def test_a_fault_before_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same there."""
    app = learning_app(lambda: PAGE)
    monkeypatch.setattr(learner(app), "memory", None)
    assert Browser(app.test_client()).go()[1].text == PAGE


def test_a_generator_is_closed() -> None:
    """And not read further than it was asked for."""
    closed: list[int] = []
    asked: list[int] = []

    def body() -> Iterator[str]:
        try:
            for at in range(9):
                asked.append(at)
                yield HEAD
        finally:
            closed.append(1)

    app = learning_app(lambda: Response(body(), mimetype="text/html"))
    with app.test_client() as client:
        response = client.get(
            "/q", headers={"Sec-Fetch-Mode": "navigate"}, buffered=False
        )
        next(response.iter_encoded())
        assert asked == [0]
        response.close()
    assert closed == [1]


# --- sharing ----------------------------------------------------------------


def test_another_process_knows() -> None:
    """By the file: an app that is started anew sends at its second page."""
    one = learning_app(lambda: PAGE)
    site = Browser(one.test_client(use_cookies=False))
    site.third()
    until(learner(one).sync)
    other = learning_app(lambda: PAGE)
    site = Browser(other.test_client(use_cookies=False))
    site.go()
    until(lambda: "nobody" not in learner(other).memory.lessons()[0][1].reach)
    assert site.go()[0] == [CSS]


class Shelf:
    """A store that counts."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.saves = 0

    def load(self) -> dict[str, str]:
        """Give what there is."""
        return dict(self.texts)

    def save(self, texts: dict[str, str], keep: float, /) -> None:
        """Take what is new."""
        assert keep > 0
        self.saves += 1
        self.texts.update(texts)


def test_a_store_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked now and then, and told what is new alone."""
    app = learning_app(lambda: PAGE)
    own, shelf = learner(app), Shelf()
    own.store = shelf
    site = Browser(app.test_client(use_cookies=False))
    site.third()
    until(own.sync)
    known = shelf.saves
    assert list(shelf.texts) == ["page\nunknown\n"]
    site.go()
    until(own.sync)
    assert shelf.saves == known
    later = learning.now() + learning.SYNC
    monkeypatch.setattr(learning, "now", lambda: later)
    shelf.texts["other\nunknown\n"] = shelf.texts["page\nunknown\n"]
    site.go()
    until(lambda: len(own.memory.lessons()) == 2)


def test_a_store_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Learning goes on in the process."""
    app = learning_app(lambda: PAGE)

    class Broken(Shelf):
        def load(self) -> dict[str, str]:
            raise OSError("disk full")

    own = learner(app)
    own.store = Broken()
    with caplog.at_level(logging.DEBUG, "flask_sluice"):
        until(own.sync)
        until(own.sync)
        assert Browser(app.test_client(use_cookies=False)).third() == [CSS]
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


# --- flask sluice hints -----------------------------------------------------


def listed(app: Flask) -> tuple[int, list[str]]:
    """Run the command: its exit code and its lines."""
    result = app.test_cli_runner().invoke(args=["sluice", "hints"])
    return result.exit_code, result.output.splitlines()


def test_the_command_lists_what_servers_have_learned() -> None:
    """By the file; and says to whom it goes."""
    one = learning_app(lambda: f"{HEAD[:-7]}<script src=/a.js></script></head>")
    assert Browser(one.test_client(use_cookies=False)).third("/q") == [CSS, JS]
    site = Browser(one.test_client(use_cookies=False))
    site.go("/p/x", headers={"Cookie": "a=b"}, environ={"SCRIPT_NAME": "/shop"})
    until(learner(one).sync)
    code, lines = listed(learning_app(lambda: PAGE))
    assert code == 0
    assert lines == [
        "other  /q",
        "  visitors without; goes to all, at the one address that was seen",
        f"    {CSS}",
        f"    {JS}",
        "page  /shop/p/<path:_>",
        "  visitors with a cookie or a login; goes to nobody yet: one page was seen",
        f"    {CSS}",
        f"    {JS}",
    ]


def test_the_command_has_nothing_to_list(tmp_path: Path) -> None:
    """It says why: nothing was seen, it is off, or can't be read."""
    app = learning_app(lambda: PAGE)
    assert "Nothing was learned in the last hour" in listed(app)[1][0]
    code, lines = listed(make_app())
    assert (code, "isn't" in lines[0]) == (1, True)
    [folder] = tmp_path.iterdir()
    folder.rmdir()
    folder.write_text("a file")
    code, lines = listed(app)
    assert (code, "can't be read" in lines[0]) == (1, True)
