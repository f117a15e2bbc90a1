"""Config: checked once at init_app, each error with the key's name."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_sluice import Sluice
from flask_sluice.config import KEYS, Settings
from flask_sluice.errors import AlreadyInitializedError, ConfigError, SluiceError


def test_the_defaults_will_do() -> None:
    """Nothing set is the table's defaults, each of which passes its own check."""
    settings = Settings.of({})
    for key in KEYS:
        assert key.check(key.default)
        name = key.name.removeprefix("SLUICE_").lower()
        assert getattr(settings, name) == key.default


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SLUICE_MAX_STREAMS", 1),
        ("SLUICE_MAX_STREAMS", None),
        ("SLUICE_MAX_STREAMS_PER_CLIENT", 5),
        ("SLUICE_MAX_STREAMS_PER_CLIENT", None),
        ("SLUICE_PARK", False),
        ("SLUICE_PARK", "always"),
        ("SLUICE_HALF_CLOSE", "stay"),
        ("SLUICE_HALF_CLOSE", "leave"),
        ("SLUICE_EARLY_HINTS", "explicit"),
        ("SLUICE_EARLY_HINTS", "learned"),
        ("SLUICE_EARLY_HINTS", None),
    ],
)
def test_values_that_do(key: str, value: Any) -> None:
    """Each is taken as it is."""
    settings = Settings.of({key: value})
    assert getattr(settings, key.removeprefix("SLUICE_").lower()) == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SLUICE_MAX_STREAMS", 0),
        ("SLUICE_MAX_STREAMS", -1),
        ("SLUICE_MAX_STREAMS", True),
        ("SLUICE_MAX_STREAMS", "10"),
        ("SLUICE_MAX_STREAMS_PER_CLIENT", 1.5),
        ("SLUICE_PARK", "yes"),
        ("SLUICE_PARK", None),
        ("SLUICE_HALF_CLOSE", "go"),
        ("SLUICE_HALF_CLOSE", None),
        ("SLUICE_HALF_CLOSE", ["ask"]),
        ("SLUICE_EARLY_HINTS", True),
        ("SLUICE_EARLY_HINTS", "on"),
    ],
)
def test_values_that_do_not(key: str, value: Any) -> None:
    """The error names key and value, and the app stays without a Sluice."""
    app = Flask("unit")
    app.config[key] = value
    with pytest.raises(ConfigError, match=key) as caught:
        Sluice(app)
    assert repr(value) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert "sluice" not in app.extensions


def test_an_unknown_key_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A later version may know it; a typing mistake is seen in the log."""
    Settings.of({"SLUICE_PRAK": False, "OTHER": 1})
    assert "SLUICE_PRAK" in caplog.text
    assert "OTHER" not in caplog.text


def test_a_second_init_app_is_refused() -> None:
    """For the same app, by the same object or another; the first stays."""
    app = Flask("unit")
    first = Sluice(app)
    for sluice in (first, Sluice()):
        with pytest.raises(AlreadyInitializedError, match="unit"):
            sluice.init_app(app)
    assert app.extensions["sluice"] is first


def test_errors_are_one_tree() -> None:
    """What init_app raises can be caught by the project's own root."""
    assert issubclass(ConfigError, SluiceError)
    assert issubclass(AlreadyInitializedError, SluiceError)
