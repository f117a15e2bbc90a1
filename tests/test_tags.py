"""`{% await %}` and `{% flush %}` mean the same wherever they stand in a template."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from slots import Gate, Site, Templates

# Trees for recursive loops.
TREE = [
    {"t": "a", "c": [{"t": "b", "c": []}, {"t": "c", "c": [{"t": "d", "c": []}]}]},
    {"t": "e", "c": []},
]


def gated(values: dict[str, Any]) -> dict[str, Any]:
    """Make gates of the values named `a` to `d`, anew."""
    return {k: Gate(v) if k in {*"abcd"} else v for k, v in values.items()}


def check(templates: Templates, values: dict[str, Any], expected: str) -> None:
    """Stream a page with its gates opened in every order; it is the twin each time."""
    site = Site(templates, gated(values))
    assert site.twin() == expected
    for order in itertools.permutations(site.gates):
        site.values = gated(values)
        page = site.streamed(*order)
        assert page.text == expected, order
        page.assert_clean()
    site.values = gated(values)
    site.order = "document"
    for gate in site.gates.values():
        gate.let()
    page = site.streamed()
    assert page.text == expected
    assert page.filled == []


# The values a, b, c and d are deferred.


def case(name: str, source: str, expected: str, **values: Any) -> Any:
    """Give a case: templates, what comes of them, and what they are given.

    Line breaks and indentation don't count. A line `-- name` begins another template
    than the page's.
    """
    templates: dict[str, str] = {"page.html": ""}
    current = "page.html"
    for line in source.splitlines():
        if line.strip().startswith("-- "):
            current = line.strip().removeprefix("-- ")
            templates[current] = ""
        else:
            templates[current] += line.strip()
    return pytest.param(templates, expected, values, id=name)


VARIABLES = [
    case(
        "a loop's variable and what it is set to",
        """
        {% for i in 'pqr' %}{% set k = i ~ i %}
        {% await x = a %}{{ i }}{{ k }}{{ x }}{% pending %}{{ i }}..{% endawait %};
        {% endfor %}
        """,
        "ppp1;qqq1;rrr1;",
        a=1,
    ),
    case(
        "loop's own attributes",
        """
        {% for i in 'pqr' %}{% await x = a %}{{ loop.index }}{{ loop.index0 }}
        {{ loop.revindex }}{{ loop.length }}{{ loop.first|int }}{{ loop.last|int }}
        {{ loop.previtem|default('-') }}{{ loop.nextitem|default('-') }}
        {{ loop.cycle('o', 'e') }}{{ loop|length }}{% endawait %};{% endfor %}
        """,
        "103310-qo3;212300pre3;321301q-o3;",
        a=1,
    ),
    case(
        "a filtered loop over a generator",
        """
        {% for i in g() if i % 2 %}{% await x = a %}{{ i }}{{ loop.last|int }}
        {{ loop.length }}{% endawait %};{% endfor %}
        """,
        "102;312;",
        a=1,
        g=lambda: iter(range(5)),
    ),
    case(
        "loops in loops",
        """
        {% for i in 'pq' %}{% set o = loop %}{% for j in 'xy' %}{% await x = a %}
        {{ o.index }}{{ loop.index }}{{ i }}{{ j }}{% endawait %};
        {% endfor %}{% endfor %}
        """,
        "11px;12py;21qx;22qy;",
        a=1,
    ),
    case(
        "a recursive loop in a loop",
        """
        {% for o in 'XY' %}{% for n in tree recursive %}{% await x = a %}
        {{ o }}{{ loop.depth }}{{ n.t }}{% if n.c %}({{ loop(n.c) }}){% endif %}
        {% endawait %}{% endfor %};{% endfor %}
        """,
        "X1a(X2bX2c(X3d))X1e;Y1a(Y2bY2c(Y3d))Y1e;",
        a=1,
        tree=TREE,
    ),
    case(
        "unpacking in a loop",
        """
        {% for k, (p, q) in rows %}{% await x = a %}{{ k }}{{ p }}{{ q }}
        {% endawait %};{% endfor %}
        """,
        "123;456;",
        a=1,
        rows=[(1, (2, 3)), (4, (5, 6))],
    ),
    case(
        "a namespace",
        """
        {% set ns = namespace(n=0) %}{% for i in 'pq' %}{% set ns.n = ns.n + 1 %}
        {% await x = a %}{{ ns.n }}{% await y = b %}{{ ns.n }}{% endawait %}
        {% endawait %};{% endfor %}{{ ns.n }}
        """,
        "11;22;2",
        a=1,
        b=2,
    ),
    case(
        "a loop around two tags",
        """
        {% for i in 'pq' %}{% await x = a %}{% await y = b %}{{ i }}{{ loop.index }}
        {{ x }}{{ y }}{% endawait %}{% endawait %};{% endfor %}
        """,
        "p112;q212;",
        a=1,
        b=2,
    ),
    case(
        "set before, inside and after",
        """
        {% set v = 1 %}{% await x = a %}{{ v }}{% set v = 2 %}{{ v }}{% endawait %}
        {{ v }}{% set v = 3 %}{{ v }}
        """,
        "1213",
        a=1,
    ),
    case(
        "the target hides a variable, in the tag",
        """
        {% await a = a %}{{ a }}{% endawait %}{{ 'it' if a.done }}
        """,
        "1it",
        a=1,
    ),
    case(
        "with",
        """
        {% with k = 5 %}{% await x = a %}{{ k }}{{ x }}{% endawait %}{% endwith %}
        """,
        "51",
        a=1,
    ),
    case(
        "tuple targets",
        """
        {% await p, (q, r) = a %}{{ p }}{{ q }}{{ r }}{% endawait %}
        {% await (p, q) = a %}{{ q[0] }}{% endawait %}
        """,
        "1232",
        a=(1, (2, 3)),
    ),
    case(
        "no target",
        """
        {% await a %}done{% pending %}..{% endawait %}
        """,
        "done",
        a=1,
    ),
    case(
        "falsy values",
        """
        {% for d in [a, b, c, d] %}{% await x = d %}[{{ x }}]{% endawait %}
        {% endfor %}
        """,
        "[0][][[]][None]",
        a=0,
        b="",
        c=[],
        d=None,
    ),
    case(
        "one value for many",
        """
        {% await x = a %}{{ x }}{% endawait %}{% await a %}!{% endawait %}
        {% await y = a %}{% await z = a %}{{ y }}{{ z }}{% endawait %}{% endawait %}
        """,
        "1!11",
        a=1,
    ),
    case(
        "an if inside and around",
        """
        {% if yes %}{% await x = a %}{% if x %}{{ x }}{% else %}no{% endif %}
        {% endawait %}{% else %}{% await x = b %}{% endawait %}{% endif %}
        """,
        "1",
        a=1,
        b=2,
        yes=True,
    ),
]

MACROS = [
    case(
        "a caller in a loop over a generator",
        """
        {% macro m() %}{% await x = a %}{{ caller() }}{% endawait %};{% endmacro %}
        {% for i in g() %}{% call m() %}{{ i }}{{ loop.last|int }}{% endcall %}
        {% endfor %}
        """,
        "00;11;",
        a=1,
        g=lambda: iter(range(2)),
    ),
    case(
        "an include that reads what the page has under another name",
        """
        {% for i in 'pq' %}{% set lp = loop %}{% await x = a %}{% include 'i' %}
        {% endawait %}{% endfor %}
        -- i
        {{ i }}{{ lp.index }}{{ lp.last|int }};
        """,
        "p10;q21;",
        a=1,
    ),
    case(
        "imports in a tag and in what is around it",
        """
        {% with %}{% import 'm' as m %}{% await x = a %}{{ m.f(x) }}
        {% from 'm' import f %}{{ f(2) }}{% endawait %}{% endwith %}
        -- m
        {% macro f(n) %}f{{ n }}{% endmacro %}
        """,
        "f1f2",
        a=1,
    ),
    case(
        "a macro made in a tag",
        """
        {% await x = a %}{% macro m(y) %}{{ x }}{{ y }}{% await z = b %}{{ y }}{{ z }}
        {% endawait %};{% endmacro %}{% for i in 'pq' %}{{ m(i) }}{% endfor %}
        {% endawait %}
        """,
        "1pp2;1qq2;",
        a=1,
        b=2,
    ),
    case(
        "arguments",
        """
        {% macro m(p, q=2) %}{% await x = a %}{{ p }}{{ q }}{{ x }}
        {{ varargs|join }}{{ kwargs.z }}{% endawait %};{% endmacro %}
        {{ m(1) }}{{ m(3, 4, 5, 6, z=7) }}
        """,
        "121;341567;",
        a=1,
    ),
    case(
        "a caller in a loop",
        """
        {% macro m() %}{% await x = a %}{{ caller() }}{% endawait %};{% endmacro %}
        {% for i in 'pqr' %}{% call m() %}{{ i }}{{ loop.index }}{% endcall %}
        {% endfor %}
        """,
        "p1;q2;r3;",
        a=1,
    ),
    case(
        "a caller with arguments in a loop",
        """
        {% macro m() %}{% await x = a %}{{ caller(x) }}{% endawait %};{% endmacro %}
        {% for i in 'pqr' %}{% set k = i ~ i %}{% call(v) m() %}
        {{ k }}{{ v }}{{ loop.last|int }}{% endcall %}{% endfor %}
        """,
        "pp10;qq10;rr11;",
        a=1,
    ),
    case(
        "a tag in what is called",
        """
        {% macro m() %}<{{ caller() }}>{% endmacro %}
        {% for i in 'pq' %}{% call m() %}{% await x = a %}{{ i }}{{ loop.index }}
        {% endawait %}{% endcall %}{% endfor %}
        """,
        "<p1><q2>",
        a=1,
    ),
    case(
        "a macro made in a loop, used two tags down",
        """
        {% for i in 'pq' %}{% macro m(z) %}{{ i }}{{ loop.index }}{{ z }}
        {% endmacro %}{% await x = a %}{% await y = b %}{{ m(y) }}{% endawait %}
        {% endawait %};{% endfor %}
        """,
        "p12;q22;",
        a=1,
        b=2,
    ),
    case(
        "a recursive macro",
        """
        {% macro t(n) %}{% await x = a %}{{ n }}{% if n %}{{ t(n - 1) }}{% endif %}
        {% endawait %}{% endmacro %}{{ t(3) }}
        """,
        "3210",
        a=1,
    ),
    case(
        "variables that a macro reads are those of its call",
        """
        {% set v = 1 %}{% macro m() %}{{ v }}{% endmacro %}
        {% await x = a %}{{ m() }}{% endawait %}{% set v = 2 %}{{ m() }}
        """,
        "12",
        a=1,
    ),
    case(
        "imports with and without context",
        """
        {% import 'm' as m with context %}
        {% from 'm' import w without context %}{{ m.w(a) }}{{ w(a) }}
        -- m
        {% set top = 'T' %}{% macro w(v) %}{% await x = v %}{{ x }}{{ top }}
        {{ user|default('-') }}{% endawait %}{% endmacro %}
        """,
        "1TU1T-",
        a=1,
        user="U",
    ),
    case(
        "includes with and without context, in a loop",
        """
        {% for i in 'pq' %}{% include 'i' %}
        {% include 'i' without context %}{% endfor %}
        -- i
        {% await x = a|default('none') %}{{ i }}{{ x }}{% endawait %};
        """,
        "p1;none;q1;none;",
        a=1,
    ),
]

BLOCKS = [
    case(
        "a scoped block in a loop, and super in a call",
        """
        {% extends 'base' %}{% macro m() %}({{ caller() }}){% endmacro %}
        {% block b %}{% call m() %}{% await x = a %}{{ i }}{{ loop.index }}{{ super() }}
        {% endawait %}{% endcall %}{% endblock %}
        -- base
        {% for i in 'pq' %}{% block b scoped %}{{ i }}{% endblock %}{% endfor %}
        """,
        "(p1p)(q2q)",
        a=1,
    ),
    case(
        "a block in a tag in a loop, which another template fills",
        """
        {% extends 'base' %}{% block b %}{{ i }}{{ lp.index }}{{ x }};{% endblock %}
        -- base
        {% for i in 'pq' %}{% set lp = loop %}{% await x = a %}
        {% block b scoped %}{% endblock %}{% endawait %}{% endfor %}
        """,
        "p11;q21;",
        a=1,
    ),
    case(
        "outside the blocks of a page that extends another",
        """
        {% extends 'base' %}{% set k = 9 %}{% await x = a %}no{% endawait %}{% flush %}
        {% block b %}{% await x = a %}{{ k }}{{ x }}{% endawait %}{% endblock %}
        -- base
        [{% block b %}{% endblock %}]
        """,
        "[91]",
        a=1,
    ),
    case(
        "inheritance over three levels, super in all",
        """
        {% extends 'mid' %}
        {% block t %}T{% await x = b %}{{ x }}{% endawait %}{% endblock %}
        {% block b %}{% await x = a %}c{{ x }}{{ super() }}{{ self.t() }}
        {% pending %}p{{ super() }}{% endawait %}{% endblock %}
        -- mid
        {% extends 'base' %}{% block b %}{% await x = b %}m{{ x }}
        {{ super() }}{% endawait %}{% endblock %}
        -- base
        {% block t %}{% endblock %};{% block b %}base
        {% await x = a %}{{ x }}{% endawait %}{% endblock %}
        """,
        "T2;c1m2base1T2",
        a=1,
        b=2,
    ),
    case(
        "super past a level, in an error branch",
        """
        {% extends 'mid' %}{% block b %}{% await x = a %}{{ x }}
        {% error e %}{{ e }}{{ super.super() }}{% endawait %}{% endblock %}
        -- mid
        {% extends 'base' %}{% block b %}mid{% endblock %}
        -- base
        {% block b %}base{% endblock %}
        """,
        "no base",
        a=LookupError("no "),
    ),
    case(
        "a block in a tag in a block",
        """
        {% block o %}{% await x = a %}{% block i scoped %}{{ x }}
        {% await y = b %}{{ x }}{{ y }}{% endawait %}{% endblock %}{% endawait %}
        {% endblock %}
        """,
        "112",
        a=1,
        b=2,
    ),
    case(
        "a block in a tag, overridden",
        """
        {% extends 'base' %}{% block i %}{{ super() }}
        {% await y = b %}{{ x }}{{ y }}{% endawait %}{% endblock %}
        -- base
        {% await x = a %}{% block i scoped %}I{{ x }}{% endblock %}
        {% endawait %}
        """,
        "I112",
        a=1,
        b=2,
    ),
    case(
        "a block of the page, from inside a tag",
        """
        {% block t %}T{{ n }}{% endblock %}{% await x = a %}{{ self.t() }}{% endawait %}
        """,
        "T3T3",
        a=1,
        n=3,
    ),
    case(
        "autoescape around and inside",
        """
        {% autoescape false %}{% await x = a %}{{ x }}{% autoescape true %}{{ x }}
        {% endautoescape %}{{ x }}{% pending %}{{ lt }}{% endawait %}
        {% endautoescape %}{% await x = a %}{{ x }}{% autoescape false %}{{ x }}
        {% endautoescape %}{{ x }}{% endawait %}
        """,
        "<b>&lt;b&gt;<b>&lt;b&gt;<b>&lt;b&gt;",
        a="<b>",
        lt="<i>",
    ),
    case(
        "a filter inside",
        """
        {% await x = a %}{% filter upper %}{{ x }}{% endfilter %}{% endawait %}
        """,
        "UP",
        a="up",
    ),
]

PRINTED = [
    case(
        "never",
        """
        {% set c %}{% await x = a %}{{ x }}{% endawait %}{% endset %}Z
        """,
        "Z",
        a=1,
    ),
    case(
        "once, with another tag in it",
        """
        {% set c %}{% await x = a %}{{ x }}{% await b %}!{% endawait %}{% endawait %}
        {% endset %}Z{{ c }}
        """,
        "Z1!",
        a=1,
        b=2,
    ),
    case(
        "twice, with another tag in it",
        """
        {% set c %}{% await x = a %}{{ x }}{% await b %}!{% endawait %}{% endawait %}
        {% endset %}Z{{ c }}-{{ c }}
        """,
        "Z1!-1!",
        a=1,
        b=2,
    ),
    case(
        "in another tag",
        """
        {% set c %}{% await x = a %}{{ x }}{% endawait %}{% endset %}
        {% await y = b %}{{ y }}{{ c }}{{ c }}{% endawait %}
        """,
        "211",
        a=1,
        b=2,
    ),
    case(
        "in several tags and beside them",
        """
        {% set d %}{% await x = a %}{{ x }}{% endawait %}{% endset %}{{ d }}
        {% await y = b %}{{ y }}{{ d }}{% await z = c %}{{ z }}{{ d }}{% endawait %}
        {% endawait %}
        """,
        "12131",
        a=1,
        b=2,
        c=3,
    ),
    case(
        "as an argument",
        """
        {% macro m(t) %}{% await x = b %}{{ t }}{{ x }}{% endawait %}{% endmacro %}
        {% macro s() %}{% await x = a %}{{ x }}{% endawait %}{% endmacro %}
        {{ m(s()) }}
        """,
        "12",
        a=1,
        b=2,
    ),
    case(
        "in a pending branch that is gone",
        """
        {% await x = a %}A{% await y = c %}{{ y }}{% endawait %}{% pending %}p
        {% await y = b %}{{ y }}{% pending %}q{% await z = c %}{% endawait %}
        {% endawait %}{% endawait %}
        """,
        "A3",
        a=1,
        b=2,
        c=3,
    ),
    case(
        "in an error branch",
        """
        {% await x = a %}A{% error e %}E{{ e }}{% await y = b %}{{ y }}{% pending %}q
        {% endawait %}{% endawait %}
        """,
        "Eno2",
        a=ValueError("no"),
        b=2,
    ),
    case(
        "in a body that fails later on",
        """
        {% await x = a %}{% await y = b %}lost{% endawait %}{{ 1 // 0 }}
        {% error e %}E{% await y = b %}{{ y }}{% endawait %}{% endawait %}
        """,
        "E2",
        a=1,
        b=2,
    ),
]


@pytest.mark.parametrize(
    ("templates", "expected", "values"), VARIABLES + MACROS + BLOCKS + PRINTED
)
def test_anywhere(templates: Templates, expected: str, values: dict[str, Any]) -> None:
    """In every order of readiness the page becomes what render_template gives."""
    check(templates, values, expected)


def test_depth_four_in_every_order() -> None:
    """Whatever is ready first, a child is sent after its parent, and all arrive."""
    source = "".join(f"{{% await x = {n} %}}{n}{{{{ x }}}}" for n in "abcd")
    site = Site(source + "{% endawait %}" * 4)
    for order in itertools.permutations("abcd"):
        site.values = gated({"a": 1, "b": 2, "c": 3, "d": 4})
        page = site.streamed(*order)
        assert page.text == "a1b2c3d4"
        page.assert_clean()  # a child before its parent would be a stray


@pytest.mark.parametrize(
    "inside",
    [
        "{% await x = a %}{{ x }}{% pending %}p{% endawait %}",
        "{% for i in 'o' %}{% await x = a %}{{ i }}ne{% endawait %}{% endfor %}",
    ],
)
def test_in_a_filter_block_the_page_waits(inside: str) -> None:
    """A mark that a filter changes is none, so there is no slot."""
    source = f"{{% filter upper %}}a {inside}{{% endfilter %}}"
    site = Site(source, {"a": Gate("one")})
    site.gates["a"].let()
    page = site.streamed()
    assert page.text == "A ONE"
    assert page.filled == []


@pytest.mark.parametrize("name", ["upper", "lower", "title", "capitalize"])
def test_a_macro_through_a_filter_is_refused(name: str) -> None:
    """What changed a mark is an error, not a fallback for ever."""
    site = Site(
        "{% macro m() %}{% await x = a %}{% endawait %}{% endmacro %}"
        f"{{% autoescape false %}}{{{{ m()|{name} }}}}{{% endautoescape %}}",
        {"a": Gate()},
    )
    with site.open() as arrivals:
        assert arrivals.status_code == 500


def test_a_loop_over_a_generator_is_not_run_ahead() -> None:
    """Its items are asked for one by one, as without the tag."""
    asked: list[int] = []

    def rows() -> Iterator[int]:
        for n in range(3):
            asked.append(n)
            yield n

    source = (
        "{% for i in rows() %}{% await x = a %}{{ loop.index }}{% endawait %}"
        "{{ seen(i) }}{% endfor %}"
    )
    counts: list[int] = []

    def seen(_: int) -> str:
        counts.append(len(asked))
        return ""

    values = {"a": Gate(1), "rows": rows, "seen": seen}
    assert Site(source, values).streamed().text == "123"
    assert counts == [1, 2, 3]
