"""`{% await %}` and `{% flush %}` for Jinja.

In: a template's source. Out: nodes that Jinja compiles like any others, so that
autoescape, line numbers in tracebacks and template errors stay Jinja's own.

How a part of a template can be rendered later, on another thread: each branch of the
tag becomes a block of the template, under a name nobody else has, and the tag itself
a call that gets the derived context of its place, with a copy of all local variables
as they are there: this round's loop variable, a macro's arguments. Rendering a branch
is calling its block with that context and the value. The blocks are never printed
where they stand (`{% if false %}`). What is mentioned in them and changes with time,
such as `loop`, is kept as it was (`moment`).

A few names mean something else inside a block than around it, and are taken along:
`super` would be the tag's own, and Jinja looks for `caller`, `loop` and their like in
a macro's or loop's body, but not in the blocks inside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.nodes import EvalContext
from markupsafe import Markup

from .deferral import adopt
from .moment import AHEAD, Moment
from .pages.deferred import Deferred, Failure
from .pages.slot import fill, inside

if TYPE_CHECKING:
    from flask import Flask
    from jinja2.parser import Parser
    from jinja2.runtime import Context

__all__ = ["SluiceTags", "install"]

# Local names of a branch, none of which a template would use.
VALUE = "_sluice_value"
AUTOESCAPE = "_sluice_autoescape"
TAKEN = "_sluice_"
SUPER = TAKEN + "super"

# What the names of branches begin with.
OWN = "await_"

# What Jinja looks for in a macro's, a loop's or a block's own body.
SPECIAL = frozenset({"super", "caller", "kwargs", "varargs", "loop"})

# A filter changes what is in it, and a mark must not be changed: no slots there.
FILTERED = "filter"
# What these give may be put into a variable, and printed more than once.
CAPTURED = frozenset({"call", "macro", "set"})


def install(app: Flask) -> None:
    """Give *app*'s templates the tags."""
    if "jinja_env" in app.__dict__:
        app.jinja_env.add_extension(SluiceTags)
        return
    # Its environment isn't made yet, and its options may still change.
    known = app.jinja_options.get("extensions", [])
    app.jinja_options = {**app.jinja_options, "extensions": [*known, SluiceTags]}


class SluiceTags(Extension):
    """The two tags."""

    tags = {"await", "flush"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """Parse one of the tags."""
        token = next(parser.stream)
        if self.environment.is_async:
            parser.fail(
                f"{{% {token.value} %}} needs a Jinja environment without"
                " enable_async: its slots are rendered on threads.",
                token.lineno,
            )
        if token.value == "flush":
            return self._edge_of(self.call_method("_flush"), token.lineno)
        return self._parse_await(parser, token.lineno)

    def _parse_await(self, parser: Parser, lineno: int) -> list[nodes.Node]:
        target, value = _parse_value(parser)
        branches = {"body": _with_target(target, _statements(parser), lineno)}
        while (token := next(parser.stream)).value != "endawait":
            branch = token.value
            if branch in branches:
                parser.fail(f"{{% {branch} %}} stands twice here", token.lineno)
            named = None
            if branch == "error" and parser.stream.current.type == "name":
                named = parser.parse_assign_target(name_only=True)
            body = _statements(parser)
            branches[branch] = _with_target(named, body, token.lineno)
        return self._nodes(parser, lineno, value, branches)

    def _nodes(
        self,
        parser: Parser,
        lineno: int,
        value: nodes.Expr,
        branches: dict[str, list[nodes.Node]],
    ) -> list[nodes.Node]:
        everything = [node for body in branches.values() for node in body]
        found = sorted({name.name for name in _free(everything)} & SPECIAL)
        mentioned = _mentioned(everything)
        for node in _leaving(everything):
            parser.fail("A loop can't be left from inside {% await %}", node.lineno)
        for name in _free(everything):
            if name.name == "super":
                name.name = SUPER
        # Unlike other tags' bodies, a block's isn't compiled with the autoescape of
        # its place; only where that was changed is it worth the slower code.
        tags = getattr(parser, "_tag_stack", ())
        if "autoescape" in tags:
            for branch, body in branches.items():
                branches[branch] = [_autoescaped(body)]
        blocks: list[nodes.Node] = []
        names: dict[str, str] = {}
        for branch, body in branches.items():
            # Blocks of parents and children, and those in a bytecode cache, share
            # one space of names.
            names[branch] = f"{OWN}{branch}_{secrets.token_hex(8)}"
            blocks.append(nodes.Block(names[branch], body, False, False, lineno=lineno))
        awaited = parser.free_identifier(lineno=lineno)
        taken = nodes.Dict(
            [
                nodes.Pair(nodes.Const(TAKEN + name), nodes.Name(name, "load"))
                for name in found
            ]
        )
        call = self.call_method(
            "_await",
            [
                nodes.DerivedContextReference(),
                awaited,
                *(nodes.Const(names.get(b)) for b in ("body", "pending", "error")),
                taken,
                nodes.Const(mentioned),
                nodes.Const(FILTERED in tags),
                nodes.Const(not CAPTURED.isdisjoint(tags)),
            ],
        )
        value = self.call_method("_adopt", [value])
        return [
            nodes.Assign(awaited, value, lineno=lineno),
            *self._edge_of(self.call_method("_edge", [awaited]), lineno),
            nodes.Output([call], lineno=lineno),
            nodes.If(nodes.Const(False), blocks, [], [], lineno=lineno),
        ]

    def _edge_of(self, call: nodes.Expr, lineno: int) -> list[nodes.Node]:
        # A piece of output after the call, with nothing in it. Were it the call's
        # own, a `finalize` could make something of that.
        nothing = nodes.Output([nodes.TemplateData("")], lineno=lineno)
        return [nodes.ExprStmt(call, lineno=lineno), nothing]

    # What a rendering template calls.

    def _flush(self) -> None:
        slot = inside.get()
        # A slot is sent whole.
        if slot is not None and slot is slot.page.root:
            slot.page.flush_due = True

    def _adopt(self, value: object) -> object:
        return adopt(value) or value

    def _edge(self, value: object) -> None:
        # In document order what stands before a value that takes long goes out first.
        slot = inside.get()
        if slot is not None and slot.page.in_order and isinstance(value, Deferred):
            slot.page.flush_due |= not value.done()

    def _await(  # noqa: PLR0917 - called by compiled templates
        self,
        context: Context,
        value: object,
        body: str,
        pending: str | None,
        error: str | None,
        taken: dict[str, Any],
        mentioned: tuple[str, ...] | None,
        filtered: bool,
        captured: bool,
    ) -> Markup:
        view = _Branches(context, body, pending, error, taken)
        if not isinstance(value, Deferred):
            return Markup(view.body(value))  # noqa: S704 - rendered by Jinja
        deferred: Deferred[Any] = value
        slot = inside.get()
        if slot is not None:
            slot.page.met_deferred = True
            if not (slot.page.in_order or deferred.done() or filtered):
                view.keep(mentioned)
                opened = slot.page.open(deferred, view, keep=captured)
                if opened is not None:
                    return Markup(opened)  # noqa: S704
        deferred.wait()
        return Markup(fill(deferred, view))  # noqa: S704


def _statements(parser: Parser) -> list[nodes.Node]:
    return parser.parse_statements(("name:pending", "name:error", "name:endawait"))


def _parse_value(parser: Parser) -> tuple[nodes.Expr | None, nodes.Expr]:
    target = None
    value = parser.parse_tuple()
    if parser.stream.skip_if("assign"):
        target, value = value, parser.parse_tuple()
        target.set_ctx("store")
        if not target.can_assign():
            parser.fail("{% await %} can't assign to this", target.lineno)
    if isinstance(value, nodes.Tuple):
        parser.fail(
            "{% await %} waits for one value: put one tag into another, or defer"
            " a function that gives a tuple",
            value.lineno,
        )
    return target, value


def _with_target(
    target: nodes.Expr | None, body: list[nodes.Node], lineno: int
) -> list[nodes.Node]:
    if target is None:
        return body
    value = nodes.Name(VALUE, "load", lineno=lineno)
    return [nodes.Assign(target, value, lineno=lineno), *body]


def _autoescaped(body: list[nodes.Node]) -> nodes.Node:
    escape = nodes.Keyword("autoescape", nodes.Name(AUTOESCAPE, "load"))
    return nodes.ScopedEvalContextModifier([escape], body)


def _free(body: list[nodes.Node]) -> Iterator[nodes.Name]:
    for node in body:
        if isinstance(node, nodes.Name):
            if node.ctx == "load":
                yield node
        elif not isinstance(node, nodes.Block):
            yield from _free(list(node.iter_child_nodes()))


def _leaving(body: list[nodes.Node]) -> Iterator[nodes.Node]:
    for node in body:
        if isinstance(node, (nodes.Break, nodes.Continue)):
            yield node
        elif not isinstance(node, (nodes.For, nodes.Block)):
            yield from _leaving(list(node.iter_child_nodes()))


def _mentioned(body: list[nodes.Node]) -> tuple[str, ...] | None:
    """Give the names that are looked up in *body*; None for any."""
    whole = nodes.Template(body)
    others: Any = (nodes.Include, nodes.Import, nodes.FromImport)
    if any(node.with_context for node in whole.find_all(others)):
        return None
    if not all(block.name.startswith(OWN) for block in whole.find_all(nodes.Block)):
        return None  # another template may override it
    # Those in tags within this one too: their places are in its body, but the
    # variables are those of its own place.
    names = {name.name for name in whole.find_all(nodes.Name)}
    names.update(part.attr for part in whole.find_all(nodes.Getattr))
    return tuple(sorted(names))


class _Branches:
    """One tag's branches, with the variables of its place."""

    def __init__(
        self,
        context: Context,
        body: str,
        pending: str | None,
        error: str | None,
        taken: dict[str, Any],
    ) -> None:
        self._context = context
        self._body = body
        self._pending = pending
        self._error = error
        self._autoescape = context.vars[AUTOESCAPE] = context.eval_ctx.autoescape
        # Its own: {% autoescape %} changes it, and another thread may be rendering.
        context.eval_ctx = EvalContext(context.environment, context.name)
        if SUPER in taken:
            context.vars[SUPER] = taken[SUPER]

    def keep(self, mentioned: tuple[str, ...] | None) -> None:
        """Keep what would have changed by the time that it is rendered.

        :param mentioned: names that are looked up; None for any.
        """
        context = self._context
        moment = Moment(AHEAD if mentioned is None else mentioned)
        for name in context.parent if mentioned is None else mentioned:
            value = context.resolve_or_missing(name)
            kept = moment.keep(value)
            if kept is not value:
                context.vars[name] = kept

    def pending(self) -> str:
        return self._render(self._pending, None)

    def body(self, value: Any) -> str:
        return self._render(self._body, value)

    def error(self, failure: Failure) -> str:
        return self._render(self._error, failure)

    def _render(self, block: str | None, value: Any) -> str:
        if block is None:
            return ""
        # One branch after the other, never two at once; so one context will do.
        context = self._context
        context.vars[VALUE] = value
        context.eval_ctx.autoescape = self._autoescape
        environment = context.environment
        try:
            return environment.concat(context.blocks[block][0](context))
        except Exception:  # noqa: BLE001 - it raises, with the template's lines
            environment.handle_exception()
