"""Contexts of deferred functions: what they are lent, what they own, and their end."""

from __future__ import annotations

import asyncio
import copy
import io
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import (
    Flask,
    abort,
    appcontext_popped,
    appcontext_pushed,
    current_app,
    flash,
    g,
    get_flashed_messages,
    has_app_context,
    has_request_context,
    render_template,
    request,
    session,
    url_for,
)
from jinja2 import DictLoader
from werkzeug.datastructures import FileStorage
from werkzeug.local import LocalProxy

from flask_sluice import defer, stream_page
from flask_sluice.errands import Errand
from flask_sluice.errors import CommittedError, DeferredTimeoutError
from flask_sluice.testing import StreamClient
from helpers import PATIENCE, make_app, until
from needs import needs

KINDS = ["sync", "async"]


class House:
    """An app that notes what happens in it, in order."""

    def __init__(self, **templates: str) -> None:
        self.app = make_app()
        self.app.jinja_loader = DictLoader(templates)
        self.notes: list[Any] = []
        self.client = StreamClient(self.app)
        self.app.teardown_request(self._request_torn)
        self.app.teardown_appcontext(self._app_torn)

    def note(self, *what: Any) -> str:
        """Note it; usable in a template."""
        self.notes.append(what[0] if len(what) == 1 else what)
        return ""

    def _request_torn(self, error: BaseException | None) -> None:
        assert has_request_context()
        self.note("request", g.get("who", "view"), error)

    def _app_torn(self, error: BaseException | None) -> None:
        assert has_app_context()
        self.note("app", g.get("who", "view"), error)

    def torn(self, who: str) -> list[Any]:
        """Give what was torn down of *who*, with the errors."""
        notes = [note for note in self.notes if isinstance(note, tuple)]
        return [(what, error) for what, whose, error in notes if whose == who]

    def assert_once(self, who: str, error: object = None) -> None:
        """Assert that *who* was torn down once, with *error*."""
        until(lambda: len(self.torn(who)) >= 2)
        found = self.torn(who)
        assert [what for what, _ in found] == ["request", "app"]
        assert all(raised is error for _, raised in found)

    def get(self, path: str = "/") -> bytes:
        """Make a request, and read all that comes."""
        with self.client.stream(path) as arrivals:
            arrivals.read_all()
            arrivals.assert_whole()
            return arrivals.data


def of_kind(kind: str, function: Callable[[], Any]) -> Callable[[], Any]:
    """Give *function*, or an async one that does the same."""

    async def later() -> Any:
        await asyncio.sleep(0)
        return function()

    return function if kind == "sync" else later


# --- what it finds ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("view_is", ["open", "over"])
def test_the_request_is_there(kind: str, view_is: str) -> None:
    """Request, session, g, current_app and url_for work, whether the view is over."""
    house, gate, made = House(), threading.Event(), []

    def facts() -> tuple[Any, ...]:
        return (
            request.args["q"],
            request.path,
            request.endpoint,
            request.view_args,
            request.headers["X-Mine"],
            session["user"],
            g.colour,
            current_app.name,
            url_for("view", name="x"),
            url_for(".view", name="y", _external=True),
        )

    def gated() -> tuple[Any, ...]:
        assert gate.wait(PATIENCE)
        return facts()

    @house.app.get("/<name>")
    def view(name: str) -> Any:
        session["user"] = "ada"
        g.colour = "teal"
        if view_is == "over":
            made.append((defer(of_kind(kind, gated)), facts()))
        else:
            gate.set()
            made.append((defer(of_kind(kind, gated)), facts()))
            made[0][0].result(PATIENCE)
        return "fine"

    with house.app.test_client() as client:
        client.get("/page?q=7", headers={"X-Mine": "yes"})
    gate.set()
    deferred, expected = made[0]
    assert deferred.result(PATIENCE) == expected


def test_the_request_is_the_same_to_the_letter() -> None:
    """Routing again may not undo what a preprocessor did to the view's arguments."""
    house = House()
    app = house.app

    @app.url_value_preprocessor
    def take_language(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert values is not None
        g.language = values.pop("language")

    @app.get("/<language>/<int:number>")
    def view(number: int) -> Any:
        seen = defer(lambda: (request.view_args, g.language)).result(PATIENCE)
        return repr((seen, request.view_args))

    assert house.get("/en/3") == b"(({'number': 3}, 'en'), {'number': 3})"


def test_a_request_without_a_route() -> None:
    """An error handler may defer as well: the routing's exception is there."""
    house = House()

    @house.app.errorhandler(404)
    def missing(error: Exception) -> Any:
        same = defer(lambda: request.routing_exception).result(PATIENCE)
        return repr((same is error, defer(lambda: request.path).result(PATIENCE))), 200

    assert house.get("/nowhere") == b"(True, '/nowhere')"


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_request(kind: str) -> None:
    """In an app context alone there is an app context, torn down once."""
    house = House()

    def work() -> tuple[str, bool, str]:
        g.who = "job"
        return current_app.name, has_request_context(), g.colour

    with house.app.app_context():
        g.colour = "teal"
        job = defer(of_kind(kind, work))
        assert job.result(PATIENCE) == ("unit", False, "teal")
    until(lambda: house.torn("job"))
    assert house.torn("job") == [("app", None)]


def test_g_is_a_copy() -> None:
    """What is put into it, or taken out, stays there."""
    house = House()

    def work() -> list[str]:
        g.who = "job"
        seen = sorted(g)
        g.new = 1
        g.pop("old")
        return seen

    with house.app.test_request_context():
        g.old = 1
        job = defer(work)
        g.later = 1
        assert job.result(PATIENCE) == ["old", "who"]
        assert sorted(g) == ["later", "old"]


class Closable:
    """Something that is to be closed, by whoever opened it."""

    def __init__(self) -> None:
        self.closes = 0

    def close(self) -> None:
        self.closes += 1


def test_what_can_be_closed_stays_with_the_view() -> None:
    """A connection, a file, a cursor; something merely called so is copied."""

    class Quote:
        close = 17.5  # dollars

    house = House()
    with house.app.test_request_context():
        g.db, g.quote, g.file, g.number = Closable(), Quote(), io.StringIO(), 1
        g.rows = (n for n in range(3))
        assert sorted(defer(lambda: sorted(g)).result(PATIENCE)) == ["number", "quote"]


def test_proxies_in_g_are_left_alone() -> None:
    """One that stands for nothing yet, or puts what it stands for into g, is copied."""
    house = House()

    def load() -> Any:
        if "_user" not in g:
            g._user = "ada"
        return g._user

    with house.app.test_request_context():
        for number in range(20):
            setattr(g, f"value{number}", number)
        g.user = LocalProxy(load)
        g.nobody = LocalProxy(lambda: g.not_there)
        g.unbound = LocalProxy(_unbound)
        job = defer(lambda: (str(g.user), g.value19, "nobody" in g, "unbound" in g))
        assert job.result(PATIENCE) == ("ada", 19, True, True)


def _unbound() -> Any:
    raise RuntimeError("stands for nothing")


def test_a_login_is_seen() -> None:
    """What Flask-Login keeps in g for one request is the same user in a job."""

    class User:
        name = "ada"

    house = House()
    loads: list[int] = []

    def get_user() -> User:
        if "_login_user" not in g:
            loads.append(1)
            g._login_user = User()
        user: User = g._login_user
        return user

    current_user = LocalProxy(get_user)

    @house.app.get("/")
    def view() -> Any:
        user = current_user._get_current_object()
        same, name = defer(
            lambda: (current_user._get_current_object() is user, current_user.name)
        ).result(PATIENCE)
        return f"{same} {name} {len(loads)}"

    assert house.get() == b"True ada 1"


@pytest.mark.parametrize("kind", KINDS)
def test_the_tutorials_database(kind: str, tmp_path: Any) -> None:
    """With Flask's tutorial's get_db() and close_db() view and job have one each.

    SQLite's connections belong to one thread, so neither could use the other's.
    """
    house = House()
    opened: list[str] = []
    closed: list[str] = []

    class Connection(sqlite3.Connection):
        def close(self) -> None:
            closed.append(g.get("who", "view"))
            super().close()

    def get_db() -> sqlite3.Connection:
        if "db" not in g:
            opened.append(g.get("who", "view"))
            g.db = sqlite3.connect(tmp_path / "db.sqlite", factory=Connection)
        db: sqlite3.Connection = g.db
        return db

    @house.app.teardown_appcontext
    def close_db(error: BaseException | None) -> None:
        db = g.pop("db", None)
        if db is not None:
            db.close()

    def work() -> int:
        g.who = "job"
        found: int = get_db().execute("SELECT number FROM numbers").fetchone()[0]
        return found

    @house.app.get("/")
    def view() -> Any:
        db = get_db()
        db.execute("CREATE TABLE numbers (number)")
        db.execute("INSERT INTO numbers VALUES (7)")
        db.commit()
        number = defer(of_kind(kind, work)).result(PATIENCE)
        until(lambda: closed)
        again = db.execute("SELECT number FROM numbers").fetchone()[0]
        return repr((number, again))

    assert house.get() == b"(7, 7)"
    assert opened == ["view", "job"]
    assert closed == ["job", "view"]


# --- the session -------------------------------------------------------------------

WRITES: dict[str, Callable[[], object]] = {
    "set": lambda: session.__setitem__("a", 2),
    "set new": lambda: session.__setitem__("new", 2),
    "delete": lambda: session.__delitem__("a"),
    "pop": lambda: session.pop("a"),
    "popitem": lambda: (session.popitem(),),
    "clear": lambda: (session.clear(),),
    "update": lambda: session.update(a=2),
    "setdefault": lambda: session.setdefault("new", 1),
    "permanent": lambda: setattr(session, "permanent", True),
    "modified": lambda: setattr(session, "modified", True),
    "attribute": lambda: setattr(session, "anything", True),
    "flash": lambda: flash("too late"),
    "flashed": get_flashed_messages,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("write", WRITES)
def test_writing_to_the_session(kind: str, write: str) -> None:
    """It raises at that line; the view's own session has nothing of it."""
    house = House()

    @house.app.get("/")
    def view() -> Any:
        session["a"] = 1
        if write == "flashed":
            flash("in time")
        before = dict(session)
        failed = defer(of_kind(kind, WRITES[write]))
        with pytest.raises(CommittedError, match="session"):
            failed.result(PATIENCE)
        return repr(dict(session) == before)

    assert house.get() == b"True"


def test_reading_the_session() -> None:
    """All that reads works, and gives what the view's own gives."""
    house = House()

    def facts() -> list[Any]:
        return [
            session["a"],
            session.get("b", 2),
            "a" in session,
            "b" in session,
            bool(session),
            len(session),
            sorted(session),
            list(session.items()),
            list(session.keys()),
            list(session.values()),
            dict(session),
            session == {"a": 1},
            session.permanent,
            session.new,
            session.modified,
            session.copy(),
            session.setdefault("a", 9) if session.get("c") else 1,
        ]

    @house.app.get("/")
    def view() -> Any:
        session["a"] = 1
        session.permanent = True
        del session["_permanent"]
        session.permanent = False
        return repr(defer(facts).result(PATIENCE) == facts())

    @house.app.get("/missing")
    def missing() -> Any:
        with pytest.raises(KeyError):
            defer(lambda: session["nothing"]).result(PATIENCE)
        with pytest.raises(AttributeError):
            defer(lambda: session.nothing).result(PATIENCE)
        return "fine"

    assert house.get() == b"True"
    assert house.get("/missing") == b"fine"


def test_a_lent_session_can_be_copied() -> None:
    """Not that it would be of use; but it must not go round in circles."""
    house = House()
    with house.app.test_request_context():
        session["a"] = 1
        copied = defer(lambda: copy.copy(session._get_current_object()))  # type: ignore[attr-defined]
        assert copied.result(PATIENCE)["a"] == 1


def test_the_view_may_write_to_its_session_still() -> None:
    """Deferring takes nothing from the view: its cookie has what it wrote."""
    house = House()

    @house.app.get("/")
    def view() -> Any:
        job = defer(lambda: session.get("before"))
        assert job.result(PATIENCE) is None
        session["after"] = 1
        return defer(lambda: str(session["after"])).result(PATIENCE)

    @house.app.get("/again")
    def again() -> Any:
        return str(session["after"])

    client = house.app.test_client()
    assert client.get("/").text == "1"
    assert client.get("/again").text == "1"


def test_a_job_that_ignores_the_session_leaves_caches_alone() -> None:
    """No Vary: Cookie for a page that has asked for no session."""
    house = House()

    @house.app.get("/")
    def view() -> Any:
        return defer(lambda: request.path).result(PATIENCE)

    assert "Vary" not in house.app.test_client().get("/").headers


# --- teardown ----------------------------------------------------------------------

PAGE = """<p>{% await value = job %}{{ note("slot") }}{{ value() }}
{% pending %}{{ note("shell") }}{% error e %}{{ note("error") }}{% endawait %}"""


class Job:
    """A function that comes to *end* when the test says so, in a page's slot."""

    def __init__(self, house: House, end: Callable[[], Any], kind: str) -> None:
        self._gate = threading.Event()
        self._end = end
        self._house = house
        job = self._async_work if kind == "async" else self._work

        @house.app.get("/")
        def view() -> Any:
            return stream_page("page.html", job=defer(job), note=house.note)

    def _work(self) -> Any:
        assert self._gate.wait(PATIENCE)
        g.who = "job"
        return self._end()

    async def _async_work(self) -> Any:
        await asyncio.to_thread(self._gate.wait, PATIENCE)
        g.who = "job"
        return self._end()

    def read(self) -> bytes:
        """Read the page, the job's end coming after its shell."""
        with self._house.client.stream("/") as arrivals:
            arrivals.read_until(b"<p>")
            self._gate.set()
            arrivals.read_all()
            arrivals.assert_whole()
            return arrivals.data


def _names(house: House) -> list[Any]:
    return [note if isinstance(note, str) else note[:2] for note in house.notes]


@pytest.mark.parametrize("kind", KINDS)
def test_teardown_comes_after_the_slot(kind: str) -> None:
    """The job's contexts are there while its slot is rendered, and no longer."""
    house = House(**{"page.html": PAGE})

    def work() -> Callable[[], str]:
        return lambda: f"{request.path} {g.who}"  # asked for in the template

    assert b"/ job" in Job(house, work, kind).read()
    house.assert_once("job")
    house.assert_once("view")
    names = _names(house)
    assert names[0] == "shell"
    assert names.index("slot") < names.index(("request", "job"))


@pytest.mark.parametrize("kind", KINDS)
def test_teardown_after_a_failure(kind: str) -> None:
    """Once, after the error branch, and told of the exception: it may roll back."""
    house = House(**{"page.html": PAGE})
    error = KeyError("lost")

    def work() -> None:
        raise error

    Job(house, work, kind).read()
    house.assert_once("job", error)
    house.assert_once("view")
    assert house.notes.count("error") == 1
    names = _names(house)
    assert names.index("error") < names.index(("request", "job"))


@pytest.mark.parametrize("kind", KINDS)
def test_teardown_after_an_abort(kind: str) -> None:
    """The job's 404 is its own; the view's contexts end without an error."""
    house = House(**{"page.html": PAGE})
    Job(house, lambda: abort(404), kind).read()
    house.assert_once("view")
    until(lambda: len(house.torn("job")) == 2)
    assert [getattr(error, "code", None) for _, error in house.torn("job")] == [404] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_teardown_after_a_timeout(kind: str) -> None:
    """The error branch has contexts of its own; the late job's end with the job."""
    house = House(**{"page.html": PAGE})
    gate = threading.Event()

    def work() -> Callable[[], str]:
        g.who = "job"
        assert gate.wait(PATIENCE)
        return lambda: "tardy"

    async def async_work() -> None:
        g.who = "job"
        await asyncio.Event().wait()

    @house.app.get("/")
    def view() -> Any:
        job = work if kind == "sync" else async_work
        return stream_page("page.html", job=defer(job, timeout=0.05), note=house.note)

    assert b"tardy" not in house.get()
    assert house.notes.count("error") == 1
    if kind == "sync":
        assert house.torn("job") == []
    gate.set()
    until(lambda: len(house.torn("job")) == 2)
    # The view's, and those of the error branch.
    until(lambda: len(house.torn("view")) == 4)
    assert house.notes.count("slot") == 0


def test_teardown_when_nobody_waits() -> None:
    """A job whose result nobody wants has its contexts torn down like others."""
    house = House()
    for kind in KINDS:

        def work(kind: str = kind) -> None:
            g.who = kind

        with house.app.test_request_context():
            defer(of_kind(kind, work)).result(PATIENCE)
        house.assert_once(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_teardown_that_raises(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, other contexts end all the same, and the value is there."""
    house = House()

    @house.app.teardown_request
    def broken(error: BaseException | None) -> None:
        if g.get("who") == "job":
            raise ValueError("broken teardown")

    def work() -> int:
        g.who = "job"
        return 7

    with house.app.test_request_context():
        assert defer(of_kind(kind, work)).result(PATIENCE) == 7
        until(lambda: caplog.records)
        assert defer(lambda: 8).result(PATIENCE) == 8
    (record,) = caplog.records
    assert "deferred function" in record.getMessage()
    assert ("app", None) in house.torn("job")


def test_every_context_that_is_opened_is_closed() -> None:
    """Flask's own signals come in pairs, whatever became of the job."""
    house = House()
    app = house.app
    pushed: list[int] = []
    popped: list[int] = []

    def fail() -> None:
        raise KeyError

    async def endless() -> None:
        await asyncio.Event().wait()

    def push(sender: Flask, **more: Any) -> None:
        pushed.append(1)

    def pop(sender: Flask, **more: Any) -> None:
        popped.append(1)

    with (
        appcontext_pushed.connected_to(push, app),
        appcontext_popped.connected_to(pop, app),
    ):
        with app.test_request_context():
            jobs = [defer(f) for f in (fail, of_kind("async", fail), int)]
            jobs.append(defer(endless, timeout=0.05))
            for job in jobs:
                assert (job.wait(PATIENCE), job.failure) is not None
        until(lambda: len(pushed) == len(popped))
    # The test's; four jobs'; and the timeout's.
    assert len(pushed) == 6


# --- what is shared, and must live on ------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_uploads_outlive_the_job(kind: str) -> None:
    """A job that reads an upload and ends doesn't close it under the view's hands."""
    house = House()
    form = b"".join(
        (
            b"--edge\r\n",
            b'Content-Disposition: form-data; name="data"; filename="f"\r\n\r\n',
            b"x" * 700_000,  # kept in a file, and not in memory
            b"\r\n--edge--\r\n",
        )
    )

    def work() -> int:
        file: FileStorage = request.files["data"]
        return len(file.read())

    @house.app.post("/")
    def view() -> Any:
        file = request.files["data"]
        size = defer(of_kind(kind, work)).result(PATIENCE)
        until(lambda: house.notes)  # torn down
        file.seek(0)
        return repr((size, len(file.read())))

    kind = "multipart/form-data; boundary=edge"
    answer = house.app.test_client().post("/", data=form, content_type=kind)
    assert answer.text == "(700000, 700000)"


def test_the_views_contexts_stay_its_own() -> None:
    """After a job, and in the middle of one, the view has what it had."""
    house = House()
    gate, begun = threading.Event(), threading.Event()

    def work() -> None:
        g.who = "job"
        begun.set()
        assert gate.wait(PATIENCE)

    @house.app.get("/<name>")
    def view(name: str) -> Any:
        g.mine = name
        job = defer(work)
        assert begun.wait(PATIENCE)
        before = (request.path, g.mine, g.get("who"), url_for("view", name="x"))
        gate.set()
        job.result(PATIENCE)
        until(lambda: len(house.torn("job")) == 2)
        after = (request.path, g.mine, g.get("who"), url_for("view", name="x"))
        return repr(before == after == ("/page", "page", None, "/x"))

    assert house.get("/page") == b"True"


def test_jobs_dont_see_each_other() -> None:
    """Twenty at once, each with a g and a request object of its own."""
    house = House()
    together = threading.Barrier(20)

    def work(number: int) -> tuple[int, int, int]:
        g.number = number
        request.mine = number  # type: ignore[attr-defined]
        together.wait(PATIENCE)
        return g.number, request.mine, number  # type: ignore[attr-defined]

    with house.app.test_request_context():
        jobs = [defer(work, number) for number in range(20)]
        for job in jobs:
            assert len(set(job.result(PATIENCE))) == 1
        assert not hasattr(request, "mine")


def test_an_errand_may_be_run_again() -> None:
    """Each run has new contexts, also many at once."""
    house = House()
    together = threading.Barrier(5)
    seen: list[Any] = []

    def work() -> None:
        assert "mark" not in g
        g.mark = 1
        together.wait(PATIENCE)
        seen.append((request.args["q"], g.colour))

    with house.app.test_request_context("/?q=7"):
        g.colour = "teal"
        errand = Errand()
    threads = [threading.Thread(target=errand.run, args=(work,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert seen == [("7", "teal")] * 5
    assert not has_app_context()


# --- a template in a job, a job in a template -------------------------------------


def test_what_a_job_renders_is_its_own() -> None:
    """A job begun by a template gives whole HTML, and opens no slot in the page."""
    house = House(
        **{
            "page.html": "<p>{% await html = begin() %}{{ html|safe }}{% endawait %}",
            "part.html": "{% await n = number %}<b>{{ n }}</b>{% endawait %}",
        }
    )
    gate = threading.Event()

    def render() -> str:
        return render_template("part.html", number=defer(lambda: gate.wait(9) and 7))

    @house.app.get("/")
    def view() -> Any:
        return stream_page("page.html", begin=lambda: defer(render))

    with house.client.stream("/") as arrivals:
        arrivals.read_until(b"<p>")
        gate.set()
        arrivals.read_all()
        arrivals.assert_whole()
    assert b"<b>7</b>" in arrivals.data
    assert arrivals.data.count(b"<?start") == 1


def test_a_timeout_is_shown_with_contexts() -> None:
    """The error branch has request and g as every other part of the page."""
    house = House(
        **{
            "page.html": "{% await v = job %}{{ v }}{% error e %}"
            "{{ e.timed_out }} {{ request.path }} {{ g.colour }} {{ e.id }}"
            "{% endawait %}"
        }
    )
    gate = threading.Event()

    @house.app.get("/")
    def view() -> Any:
        g.colour = "teal"
        return stream_page("page.html", job=defer(gate.wait, PATIENCE, timeout=0.05))

    assert b"True / teal " in house.get()
    gate.set()


def test_a_timeout_may_be_caught_in_the_view() -> None:
    """The view sees what a slot would show."""
    house = House()
    gate = threading.Event()

    @house.app.get("/")
    def view() -> Any:
        try:
            return str(defer(gate.wait, PATIENCE, timeout=0.05).result())
        except DeferredTimeoutError as error:
            return f"{error.seconds}"

    assert house.get() == b"0.05"
    gate.set()


# --- SQLAlchemy --------------------------------------------------------------------


@pytest.fixture
def library(tmp_path: Any) -> Iterator[tuple[House, Any, Any]]:
    """An app with authors and their books, loaded lazily from a scoped session."""
    from flask_sqlalchemy import SQLAlchemy

    house = House(
        **{
            "page.html": "<p>{% await author = job %}{{ author.name }}:"
            "{% for book in author.books %} {{ book.title }}{% endfor %}"
            "{% pending %}soon{% error e %}{{ e }}{% endawait %}"
        }
    )
    house.app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/books.sqlite"
    db: Any = SQLAlchemy(house.app)

    class Author(db.Model):  # type: ignore[name-defined, misc]
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String)
        books = db.relationship("Book", lazy="select", order_by="Book.title")

    class Book(db.Model):  # type: ignore[name-defined, misc]
        id = db.Column(db.Integer, primary_key=True)
        title = db.Column(db.String)
        author_id = db.Column(db.ForeignKey("author.id"))

    with house.app.app_context():
        db.create_all()
        books = [Book(title=title) for title in ("Emma", "Persuasion")]
        db.session.add(Author(name="Austen", books=books))
        db.session.commit()
    yield house, db, Author
    with house.app.app_context():
        db.engine.dispose()


@needs("flask-sqlalchemy")
@pytest.mark.parametrize("kind", KINDS)
def test_relations_are_loaded_in_the_slot(
    library: tuple[House, Any, Any], kind: str
) -> None:
    """The session is there while the slot is rendered, and closed right after it."""
    house, db, author = library
    sessions: list[Any] = []

    def load() -> Any:
        sessions.append(db.session())
        return db.session.execute(db.select(author)).scalar_one()

    @house.app.before_request
    def use() -> None:
        sessions.append(db.session())

    assert b"Austen: Emma Persuasion" in Job(house, load, kind).read()
    assert sessions[0] is not sessions[1]
    with house.app.app_context():
        until(lambda: db.engine.pool.checkedout() == 0)
