"""Sphinx configuration. The build needs no network: there is no intersphinx."""

import importlib
import tomllib
from pathlib import Path

_project = tomllib.loads(
    (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
)["project"]

project = "Flask-Sluice"
author = copyright = "the Flask-Sluice authors"
version = release = _project["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
default_role = "code"  # docstrings quote code with single backticks

html_theme = "furo"
html_title = "Flask-Sluice"
html_static_path = ["_static"]
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}

# What nitpicky mode may find unresolved. Each line names a reason.
nitpick_ignore_regex = [
    # Their inventories live on the network.
    (r"py:.*", r"(flask|werkzeug|blinker|jinja2)\..*"),
    (r"py:.*", r"(asyncio|collections|contextlib|datetime|http|types|typing)\..*"),
    # Internal classes: an app is handed one, and never makes one.
    (r"py:class", r"flask_sluice\.(extension|state)\.\w+"),
    (r"py:class", r"flask_sluice\.(formats|pubsub|serve|video|wire)\.\w+\.\w+"),
    (r"py:class", r"WSGIApplication|SansIOResponse"),  # of type stubs, of Werkzeug
    (r"py:(class|obj)", r"(flask_sluice\.testing\.)?_[PR]"),  # type variables
    (r"py:(class|obj)", r"flask_sluice\.(deferral\.R|pages\.deferred\.T)"),
    (r"py:class", r"flask_sluice\.compat\.flasksr\.entities\._Entity"),
    (r"py:class", r"MemberBody|datetime"),  # as a NamedTuple's fields say them
    (r"py:class", r"Conflate|Filter"),  # aliases, as a constructor's signature has them
]

# Where a public name is looked for that a signature gives by its inner module.
PUBLIC = ("", ".rows", ".sources", ".pubsub", ".asgi", ".signals", ".errors")
PUBLIC += (".hints", ".testing", ".typing")


def find_public(app, env, node, contnode):
    """Resolve `flask_sluice.response.StreamedResponse` as what users import."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    if module.partition(".")[0] != "flask_sluice":
        return None
    for suffix in PUBLIC:
        public = f"flask_sluice{suffix}"
        if public != module and name in importlib.import_module(public).__all__:
            return env.get_domain("py").resolve_xref(
                env,
                node["refdoc"],
                app.builder,
                node["reftype"],
                f"{public}.{name}",
                node,
                contnode,
            )
    return None


def setup(app):
    """Hook into Sphinx."""
    app.connect("missing-reference", find_public)
