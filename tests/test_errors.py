"""The errors: one tree, drawn as it is, each also the built-in that fits."""

from __future__ import annotations

import errno
import inspect
import re

import pytest
from werkzeug.exceptions import HTTPException

from flask_sluice import errors
from flask_sluice.errors import SluiceError, TooManyStreamsError, TransferCut

ALL = [getattr(errors, name) for name in errors.__all__]


def test_the_drawing_is_the_tree() -> None:
    """Every class stands in the docstring, under its parent, and no other does."""
    drawn: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ((?:│   |    |├── |└── )*)(\w+)", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        del path[depth:]
        drawn[match[2]] = path[-1] if path else None
        path.append(match[2])
    actual = {
        kind.__name__: None if kind is SluiceError else kind.__bases__[0].__name__
        for kind in ALL
    }
    assert drawn == actual


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_is_a_sluice_error_with_words(kind: type[Exception]) -> None:
    """One `except SluiceError` catches all, and each says what it means."""
    assert issubclass(kind, SluiceError)
    assert inspect.getdoc(kind)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("UsageError", RuntimeError),
        ("ConfigError", ValueError),
        ("ArgumentError", ValueError),
        ("HeaderError", ValueError),
        ("BodyTypeError", TypeError),
        ("FellBehindError", RuntimeError),
        ("CommittedError", RuntimeError),
        ("TooManyStreamsError", HTTPException),
        ("TransferCut", ConnectionResetError),
    ],
)
def test_each_is_the_builtin_that_fits(name: str, builtin: type[Exception]) -> None:
    """`except ValueError` and the like still work."""
    assert issubclass(getattr(errors, name), builtin)


def test_a_cut_has_the_errno_that_servers_look_for() -> None:
    """ECONNRESET: a client that went away, to a server."""
    assert TransferCut("why").errno == errno.ECONNRESET


@pytest.mark.parametrize("per_client", [True, False])
def test_too_many_is_a_503(per_client: bool) -> None:
    """With the limit, and when to come again."""
    error = TooManyStreamsError(7, per_client=per_client, retry_after=5)
    response = error.get_response()
    assert response.status_code == 503
    assert dict(error.get_headers())["Retry-After"] == "5"
    assert (error.limit, error.per_client) == (7, per_client)
    assert "7" in str(error.description)
