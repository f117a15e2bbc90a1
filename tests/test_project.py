"""What the project says about itself is true.

The names that modules export, the weight of an import, the pages that name every
setting, the README that runs: each claim is read from its file and held against the
code.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import flask_sluice

ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path(flask_sluice.__file__).parent

# What users import from. Everything else in the package may change in any release.
PUBLIC_MODULES = (
    "flask_sluice",
    "flask_sluice.asgi",
    "flask_sluice.compat.firehose",
    "flask_sluice.compat.flasksr",
    "flask_sluice.errors",
    "flask_sluice.hints",
    "flask_sluice.pubsub",
    "flask_sluice.signals",
    "flask_sluice.sources",
    "flask_sluice.testing",
    "flask_sluice.typing",
    "flask_sluice.video",
)

# `import flask_sluice` loads none of these.
HEAVY = {
    "PIL",
    "asgiref",
    "asyncio",
    "av",
    "brotli",
    "cv2",
    "gevent",
    "granian",
    "gunicorn",
    "h11",
    "hypercorn",
    "isal",
    "msgspec",
    "multiprocessing",
    "numpy",
    "psycopg",
    "pyarrow",
    "pytest",
    "sqlalchemy",
    "uvicorn",
    "waitress",
    "zstandard",
}
HEAVY_PARTS = {
    "flask_sluice.asgi",
    "flask_sluice.formats.msgspec",
    "flask_sluice.formats.pyarrow",
    "flask_sluice.serve.asgi",
    "flask_sluice.sources.frames",
    "flask_sluice.sources.sqlalchemy",
    "flask_sluice.testing",
    "flask_sluice.tokens",
    "flask_sluice.video.av",
    "flask_sluice.video.opencv",
    "flask_sluice.wire.brotli",
    "flask_sluice.wire.isal",
    "flask_sluice.wire.zstd",
}


def read(*parts: str) -> str:
    """Give a file of the tree as text."""
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def pages() -> dict[str, str]:
    """Give every page of the docs, by its path."""
    found = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if "_build" not in path.parts
    }
    assert found, "docs/ holds no page"
    return found


def is_mentioned(name: str, text: str) -> bool:
    """Tell whether *text* holds *name* as a word of its own."""
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", text) is not None


def project() -> dict[str, object]:
    """Give the [project] table of pyproject.toml."""
    return tomllib.loads(read("pyproject.toml"))["project"]


FACADES = {"__init__.py", "asgi.py"}  # files that only re-export


def bound_names(module: str) -> set[str]:
    """Give the public names that *module*'s source binds at its top level.

    A plain module binds by defining; a facade also by importing from its own
    package, which is how it re-exports.
    """
    path = Path(importlib.import_module(module).__file__ or "")
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                for target in node.targets:
                    names |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.ImportFrom() if path.name in FACADES and (
                node.level or (node.module or "").startswith("flask_sluice")
            ):
                names |= {alias.asname or alias.name for alias in node.names}
    return {name for name in names if not name.startswith("_")}


# --- names -----------------------------------------------------------------


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_all_is_sorted(module):
    """`__all__` is there and in plain sorted order."""
    exported = list(importlib.import_module(module).__all__)
    assert exported == sorted(exported)


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_all_equals_the_public_names(module):
    """`__all__` has each public name of the module, and nothing else."""
    exported = set(importlib.import_module(module).__all__)
    bound = bound_names(module)
    assert not bound - exported, "public by name, yet not in __all__: give it a _"
    assert not exported - bound, "in __all__, yet not made here"


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_exported_names_exist(module):
    """Each name in `__all__` can be had from the module."""
    loaded = importlib.import_module(module)
    assert [name for name in loaded.__all__ if not hasattr(loaded, name)] == []


def test_package_exports_what_the_reference_documents():
    """The reference page has a directive for each name of the package, no more."""
    documented = re.findall(
        r"^\.\. auto(?!module)\w+:: flask_sluice\.(\w+)$",
        read("docs", "reference.md"),
        re.MULTILINE,
    )
    assert sorted(set(documented)) == flask_sluice.__all__


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_public_names_are_documented(module):
    """Each public name stands somewhere in the docs."""
    text = "\n".join(pages().values())
    names = importlib.import_module(module).__all__
    assert [name for name in names if not is_mentioned(name, text)] == []


def test_public_modules_are_in_the_reference():
    """The reference page has a section for each public module."""
    text = read("docs", "reference.md")
    missing = [name for name in PUBLIC_MODULES if f"## `{name}`" not in text]
    assert missing == []


def test_config_keys_are_documented():
    """The page on configuration has a row for each key, and for no other."""
    keys = {key.name for key in importlib.import_module("flask_sluice.config").KEYS}
    rows = re.findall(r"^\| `(SLUICE_\w+)`", read("docs", "config.md"), re.MULTILINE)
    assert sorted(rows) == sorted(keys)


def test_no_page_names_an_unknown_key():
    """A SLUICE_ key that a page speaks of is a key that exists."""
    keys = {key.name for key in importlib.import_module("flask_sluice.config").KEYS}
    texts = pages() | {name: read(name) for name in ("README.md", "CHANGELOG.md")}
    unknown = {
        (page, name)
        for page, text in texts.items()
        for name in re.findall(r"\bSLUICE_[A-Z_]*[A-Z]\b", text)
        if name not in keys
    }
    assert unknown == set()


# --- weight ----------------------------------------------------------------


def test_import_is_light():
    """`import flask_sluice` loads nothing optional on top of Flask."""
    script = (
        "import sys, flask; before = set(sys.modules); import flask_sluice;"
        "print(*sorted(set(sys.modules) - before), sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    loaded = set(run.stdout.split())
    assert "flask_sluice" in loaded
    assert loaded & HEAVY_PARTS == set()
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()


def test_package_is_typed():
    """Type checkers are told to read the package's own types."""
    assert (SOURCE / "py.typed").is_file()
    assert "Typing :: Typed" in project()["classifiers"]


# --- packaging -------------------------------------------------------------


def test_flask_is_the_only_hard_dependency():
    """Nothing but Flask is required, and no requirement has an upper bound."""
    assert [re.split(r"[<>=~! ]", need)[0] for need in project()["dependencies"]] == [
        "flask"
    ]
    extras = project()["optional-dependencies"]
    needs = [need for group in extras.values() for need in group]
    assert [need for need in needs if re.search(r"<|==|~=|!=", need)] == []


def test_extras_are_on_the_install_page():
    """The table of extras on the install page is the one in pyproject.toml."""
    section = read("docs", "install.md").partition("## Extras")[2].split("\n##")[0]
    rows = re.findall(r"^\| `(\w+)`", section, re.MULTILINE)
    assert sorted(rows) == sorted(project()["optional-dependencies"])


def test_extra_all_has_every_extra():
    """`flask-sluice[all]` is the sum of the other extras, without FFmpeg's two."""
    extras = dict(project()["optional-dependencies"])
    (everything,) = extras.pop("all")
    named = re.fullmatch(r"flask-sluice\[([\w,]+)\]", everything)
    assert named is not None
    assert sorted(named[1].split(",")) == sorted(extras.keys() - {"av", "opencv"})


def test_version_is_the_same_everywhere():
    """pyproject.toml, the installed package and the changelog name one version."""
    version = project()["version"]
    newest = re.search(r"^## \[?(\d[\w.]*)\]?", read("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None, "CHANGELOG.md has no heading with a version"
    assert newest[1] == version
    installed = importlib.metadata.version("flask-sluice")
    assert installed == version, "the environment is stale: make test installs anew"


# --- README ----------------------------------------------------------------

PYTHON_BLOCKS = re.findall(
    r"^```python\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL
)

# Runs in a process of its own: a program may start threads that outlive the test.
SMOKE = """
import sys
from flask import Flask

program = sys.stdin.read()
names = {"__name__": "readme"}
exec(compile(program, "<README>", "exec"), names)
apps = [value for value in names.values() if isinstance(value, Flask)]
assert len(apps) == 1, f"{len(apps)} apps"
client = apps[0].test_client()
asked = 0
for rule in apps[0].url_map.iter_rules():
    if rule.arguments or rule.endpoint == "static":
        continue
    with client.get(rule.rule) as response:
        assert response.status_code == 200, (rule.rule, response.status)
        assert next(filter(None, response.iter_encoded())), rule.rule
    asked += 1
assert asked, "no route to ask"
print("asked", asked)
"""


def test_readme_has_a_program():
    """The README's first program is twelve lines long at most."""
    assert PYTHON_BLOCKS
    lines = [line for line in PYTHON_BLOCKS[0].splitlines() if line.strip()]
    assert len(lines) <= 12


@pytest.mark.parametrize(
    "program", PYTHON_BLOCKS, ids=[f"block{n}" for n in range(len(PYTHON_BLOCKS))]
)
def test_readme_program_runs(program):
    """Each program of the README runs, and its routes answer with a first chunk."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SMOKE],
        input=program,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("asked ")
    assert run.stderr == ""


def test_readme_names_the_two_commands():
    """The README's commands are targets that `make` knows how to run."""
    blocks = re.findall(
        r"^```(?:sh|bash|console)\n(.*?)^```",
        read("README.md"),
        re.MULTILINE | re.DOTALL,
    )
    commands = re.findall(r"^(?:\$ )?make (\w+)", "\n".join(blocks), re.MULTILINE)
    assert {"demo", "test"} <= set(commands)
    targets = set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))
    assert set(commands) - targets == set()


def test_readme_pictures_and_links_exist():
    """Each file of the tree that the README points to is there."""
    links = re.findall(r"\]\(([^)#]+)", read("README.md"))
    local = [link for link in links if not re.match(r"\w+://", link)]
    assert local
    assert [link for link in local if not (ROOT / link).exists()] == []


# --- the tree --------------------------------------------------------------

SCRIPTS = (".ci/run", *(f"scripts/{p.name}" for p in (ROOT / "scripts").iterdir()))

# Made by tools, and in no commit.
UNTRACKED = {
    ".git",
    ".hypothesis",
    ".import_linter_cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    "__pycache__",
    "_build",
    "build",
    "dist",
    "instance",
}


def tree() -> dict[str, str]:
    """Give every text file of the tree, by its path."""
    found = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in UNTRACKED]
        for name in files:
            path = Path(folder, name)
            try:
                found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a picture
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_strict(script):
    """Each script is executable bash that stops at its first error."""
    assert os.access(ROOT / script, os.X_OK)
    assert read(script).startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in read(script)


def test_no_path_of_somebodys_machine():
    """No file holds an absolute path into a home folder."""
    homes = re.compile(r"(?<![\w./:-])(?:/home|/root|/Users|C:\\Users)[/\\]\w")
    found = {
        (path, line)
        for path, text in tree().items()
        for line in text.splitlines()
        if homes.search(line)
    }
    assert found == set()


def test_ci_runs_what_everybody_runs():
    """CI calls `make test` and has no recipe of its own."""
    commands = [
        line
        for line in read(".ci", "run").splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == ["exec make test"]


def test_modules_stay_short():
    """A module of the package has 400 lines at most: one concept a file."""
    long = {
        str(path.relative_to(SOURCE)): count
        for path in SOURCE.rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}
