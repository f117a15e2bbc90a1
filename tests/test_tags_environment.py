"""The tags in environments of every kind, with values of every kind, and misspelt."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import jinja2
import pytest
from flask import Flask, render_template_string, stream_template
from jinja2.sandbox import SandboxedEnvironment

from flask_sluice import Sluice, defer
from helpers import PATIENCE, make_app
from slots import Gate, Site, applied

# Values.


def test_values_of_other_kinds() -> None:
    """Plain values stand in place; futures and coroutines are waited for."""
    future: Future[str] = Future()
    gate = Gate("gate")

    async def coroutine() -> str:
        return "coroutine"

    site = Site(
        "{% for v in values %}{% await x = v %}{{ x }};{% pending %}..{% error e %}"
        "{{ e }};{% endawait %}{% endfor %}"
    )
    site._context = lambda: {  # type: ignore[method-assign]
        "values": ["plain", future, coroutine(), defer(gate), 0]
    }
    with site.open() as arrivals:
        shell = arrivals.read_until(b"0;").decode()
        assert shell.startswith("plain;<?start")
        assert shell.count("..<?end>") in {2, 3}  # the coroutine may be quick
        gate.open()
        future.set_exception(LookupError("future"))
        arrivals.read_all()
        arrivals.assert_whole()
    assert applied(arrivals.data.decode()).text == "plain;future;coroutine;gate;0;"


def test_a_value_that_is_there_is_no_slot() -> None:
    """A deferred that is done is rendered in place, its failure too."""
    app = make_app()
    site = Site(
        "{% await x = a %}{{ x }}{% pending %}..{% endawait %}"
        "{% await x = b %}{{ x }}{% pending %}..{% error e %}{{ e }}{% endawait %}",
        app=app,
    )

    def context() -> dict[str, Any]:
        done = {"a": defer(str, 1), "b": defer(int, "x")}
        for deferred in done.values():
            deferred.wait(PATIENCE)
        return done

    site._context = context  # type: ignore[method-assign]
    page = site.streamed()
    assert page.filled == []
    assert page.text.startswith("1invalid literal")


def test_a_plain_value_has_no_error_branch() -> None:
    """What goes wrong with it is the page's own error."""
    site = Site("{% await x = a %}{{ 1 // x }}{% error %}E{% endawait %}")
    site.values = {"a": 0}
    with site.open() as arrivals:
        assert arrivals.status_code == 500


# What is no template.


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("\n{% await x = a %}", 2, "'endawait'"),
        ("{% await x = a %}{% pending %}\n{% pending %}{% endawait %}", 2, "twice"),
        ("{% await x = a %}\n\n{% error %}{% error e %}{% endawait %}", 3, "twice"),
        ("{% await %}{% endawait %}", 1, "Expected an expression"),
        ("{% await x = %}{% endawait %}", 1, "Expected an expression"),
        ("\n{% await x.y = a %}{% endawait %}", 2, "can't assign"),
        ("{% await 1 = a %}{% endawait %}", 1, "can't assign"),
        ("{% await x = a, b %}{% endawait %}", 1, "one value"),
        ("{% await x = a %}{% pending p %}{% endawait %}", 1, "got 'p'"),
        ("{% await x = a %}{% error a.b %}{% endawait %}", 1, "got '.'"),
        ("{% await x = a %}{% error (a, b) %}{% endawait %}", 1, "got '('"),
        ("{% await x = a %}\n{% else %}{% endawait %}", 2, "unknown tag 'else'"),
        ("{% await x = a %}{% endawait y %}", 1, "got 'y'"),
        ("\n{% pending %}", 2, "unknown tag 'pending'"),
        ("{% flush now %}", 1, "got 'now'"),
    ],
)
def test_mistakes_have_their_line(source: str, line: int, words: str) -> None:
    """Each is a TemplateSyntaxError that says where and what."""
    with pytest.raises(jinja2.TemplateSyntaxError) as caught:
        make_app().jinja_env.from_string(source)
    assert caught.value.lineno == line
    assert words in str(caught.value.message)


def test_an_async_environment_is_refused() -> None:
    """Its templates can't be rendered on threads: said when one is compiled."""
    app = make_app()
    app.jinja_options = {**app.jinja_options, "enable_async": True}
    with pytest.raises(jinja2.TemplateSyntaxError, match="without enable_async"):
        app.jinja_env.from_string("{% await a %}{% endawait %}")


def _lines(told: Any, folder: Path) -> list[tuple[str, int | None]]:
    frames = [(Path(f.filename), f.lineno) for f in traceback.extract_tb(told[2])]
    return [(path.name, line) for path, line in frames if path.parent == folder]


def test_errors_have_the_templates_file_and_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The logged traceback of a slot leads to the line of its template."""
    (tmp_path / "part.html").write_text(
        "{% macro m(v) %}\n{{ v.missing.deep }}\n{% endmacro %}"
    )
    (tmp_path / "page.html").write_text(
        "{% import 'part.html' as p %}\n\n{% await x = a %}\n<p>\n"
        "{{ p.m(x) }}\n{% pending %}\n{% error e %}\n\n{{ 1 // 0 }}{% endawait %}"
    )
    site = Site("", {"a": Gate(1)})
    site.app.jinja_loader = jinja2.FileSystemLoader(tmp_path)
    assert site.streamed().text.strip() == ""
    body, error = [r.exc_info for r in caplog.records if r.levelno == logging.ERROR]
    assert body is not None
    assert error is not None
    assert _lines(body, tmp_path) == [("page.html", 5), ("part.html", 2)]
    assert _lines(error, tmp_path) == [("page.html", 9)]


# Environments of other kinds.


def test_undefined_is_the_environments_own() -> None:
    """Nothing for the default, an error slot for StrictUndefined."""
    source = "{% await x = a %}[{{ x }}{{ missing }}]{% error e %}{{ e }}{% endawait %}"
    assert Site(source, {"a": Gate(1)}).streamed().text == "[1]"
    strict = Site(source, {"a": Gate(1)})
    strict.app.jinja_options = {
        **strict.app.jinja_options,
        "undefined": jinja2.StrictUndefined,
    }
    assert strict.streamed().text == "&#39;missing&#39; is undefined"


def test_an_undefined_deferred() -> None:
    """A name that nobody gave is a plain value, and undefined."""
    source = "{% await x = a %}[{{ x }}]{{ x is defined }}{% endawait %}"
    assert Site(source).streamed().text == "[]False"


def test_finalize_sees_what_is_printed_and_no_more() -> None:
    """The tags print nothing of their own that it could change."""
    site = Site("A{% flush %}{% await x = a %}{{ x }}{{ n }}{% endawait %}B{{ n }}")
    site.values = {"a": Gate(None), "n": 5}
    site.app.jinja_options = {
        **site.app.jinja_options,
        "finalize": lambda value: "-" if value in (None, "") else value,
    }
    assert site.streamed().text == "A-5B5"


def test_a_sandbox_stays_one() -> None:
    """In a slot too, and what the sandbox forbids is an error slot."""

    class Boxed(Flask):
        jinja_environment = type(
            "Box", (SandboxedEnvironment, Flask.jinja_environment), {}
        )

    app = Boxed("unit")
    Sluice(app)
    app.jinja_env.globals["secret"] = app
    source = (
        "{% for i in 'pq' %}{% await x = a %}{{ loop.index }}{{ x }}{% endawait %}"
        "{% endfor %}{% await x = a %}{{ secret.config.__class__.__mro__ }}"
        "{% error e %}{{ e }}{% endawait %}"
    )
    page = Site(source, {"a": Gate(1)}, app=app).streamed()
    assert page.text.startswith("1121access to attribute &#39;__class__&#39;")


def test_a_bytecode_cache_between_two_environments(tmp_path: Path) -> None:
    """Bytecode written by one app is used by another, mixed with fresh templates."""

    class Cache(jinja2.FileSystemBytecodeCache):
        read = 0

        def load_bytecode(self, bucket: Any) -> None:
            super().load_bytecode(bucket)
            Cache.read += bucket.code is not None

    base = "{% block b %}{% await x = a %}{{ x }}{% endawait %}{% endblock %}"
    for page in (
        "{{ super() }}",
        "{% await y = a %}{{ super() }}{{ y }}{% endawait %}",
    ):
        child = f"{{% extends 'base' %}}{{% block b %}}{page}{{% endblock %}}"
        site = Site({"page.html": child, "base": base}, {"a": Gate(1)})
        site.app.jinja_options = {
            **site.app.jinja_options,
            "bytecode_cache": Cache(str(tmp_path)),
        }
        streamed = site.streamed()
    assert streamed.text == "11"
    assert Cache.read == 1


def test_other_delimiters_and_line_statements() -> None:
    """The tags are written as the environment writes tags."""
    site = Site(
        "<ul>\n% for i in 'pq'\n%   await x = a:\n<li>${ i }${ x }\n%   pending\n..\n"
        "%   error e\n%   endawait\n% endfor\n</ul><% flush %><# none #>",
        {"a": Gate(1)},
    )
    site.app.jinja_options = {
        **site.app.jinja_options,
        "block_start_string": "<%",
        "block_end_string": "%>",
        "variable_start_string": "${",
        "variable_end_string": "}",
        "comment_start_string": "<#",
        "comment_end_string": "#>",
        "line_statement_prefix": "%",
    }
    assert site.streamed().text == "<ul>\n<li>p1\n<li>q1\n</ul>"


def test_trim_blocks() -> None:
    """White space around the tags goes as around any others."""
    source = (
        "<p>\n  {% await x = a %}\n  {{ x }}\n  {% pending %}\n  ..\n"
        "  {% endawait %}\n{%- await y = a -%}  \n {{ y }} {%- endawait %}\n</p>"
    )
    site = Site(source, {"a": Gate(1)})
    site.app.jinja_options = {
        **site.app.jinja_options,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    page = site.streamed()
    assert page.shell.startswith("<p>\n<?start name=")
    assert ">  ..\n<?end><?start" in page.shell
    assert page.text == "<p>\n  1\n1</p>"


def test_the_extension_beside_others() -> None:
    """i18n's {% trans %} and loop controls work inside the tag and around it."""
    source = (
        "{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{% await x = a %}"
        "{% trans n=x %}{{ n }} row{% pluralize %}{{ n }} rows{% endtrans %}{{ i }}"
        "{% for j in 'xyz' %}{% if j == 'y' %}{% break %}{% endif %}{{ j }}"
        "{% endfor %}{% do seen.append(x) %};{% endawait %}{% endfor %}"
    )
    seen: list[int] = []
    site = Site(source, {"a": Gate(3), "seen": seen})
    for name in ("i18n", "loopcontrols", "do"):
        site.app.jinja_env.add_extension(f"jinja2.ext.{name}")
    site.app.jinja_env.install_null_translations(  # type: ignore[attr-defined]
        newstyle=True
    )
    assert site.streamed().text == "3 rows0x;3 rows1x;"
    assert seen == [3, 3]


def _made_before() -> Flask:
    app = Flask("unit")
    app.jinja_env.filters["twice"] = lambda text: text * 2
    Sluice(app)
    return app


def _options_before() -> Flask:
    app = Flask("unit")
    app.jinja_options = {"extensions": ["jinja2.ext.do"], "trim_blocks": True}
    Sluice(app)
    app.jinja_env.filters["twice"] = lambda text: text * 2
    assert app.jinja_env.trim_blocks
    assert "do" in app.jinja_env.extensions["jinja2.ext.ExprStmtExtension"].tags
    return app


def _options_after() -> Flask:
    app = Flask("unit")
    Sluice(app)
    app.jinja_options["extensions"].append("jinja2.ext.do")
    app.jinja_options["trim_blocks"] = True
    app.jinja_env.filters["twice"] = lambda text: text * 2
    assert app.jinja_env.trim_blocks
    return app


@pytest.mark.parametrize("make", [_made_before, _options_before, _options_after])
def test_the_environment_may_be_made_before_or_after(make: Callable[[], Flask]) -> None:
    """Its options and filters are what they were set to, whichever came first."""
    source = "{% await x = a %}\n{{ x|twice }}{% endawait %}"
    assert Site(source, {"a": Gate("ab")}, app=make()).streamed().text.strip() == "abab"
    # Another app's options are its own.
    assert "extensions" not in Flask.jinja_options


def test_a_loop_cant_be_left_from_inside() -> None:
    """A slot may be rendered when the loop is over; a loop of its own is fine."""
    env = make_app().jinja_env
    env.add_extension("jinja2.ext.loopcontrols")
    env.from_string(
        "{% await x = a %}{% for i in x %}{% if i %}{% break %}{% endif %}{% endfor %}"
        "{% endawait %}"
    )
    for word in ("break", "continue"):
        with pytest.raises(jinja2.TemplateSyntaxError, match="can't be left") as caught:
            env.from_string(
                "{% for i in x %}{% await y = a %}\n{% if y %}"
                f"{{% {word} %}}{{% endif %}}{{% endawait %}}{{% endfor %}}"
            )
        assert caught.value.lineno == 2


# Without stream_page.


def test_the_same_template_without_slots() -> None:
    """render_template, render_template_string and stream_template wait in place."""
    source = (
        "{% for i in 'pq' %}{% await x = a %}{{ i }}{{ x }}{% pending %}..{% error e %}"
        "{{ e }}{% endawait %}{% flush %}{% endfor %}{% await y = b %}{% error e %}"
        "{{ e }}{% endawait %}"
    )
    site = Site(source, {"a": Gate(1), "b": Gate(ValueError("no"))})
    app = site.app
    app.add_url_rule(
        "/string", "s", lambda: render_template_string(source, **site._context())
    )
    app.add_url_rule(
        "/stream", "t", lambda: stream_template("page.html", **site._context())
    )
    assert site.twin() == "p1q1no"
    client = app.test_client()
    assert client.get("/string").text == client.get("/stream").text == "p1q1no"
