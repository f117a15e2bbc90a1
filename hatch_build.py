"""Builds the compiled row encoder, where that is possible.

In: what Hatchling asks for, a wheel or an editable install. Out: one extension module
in it, or none: the package works without, only slower, so that whatever goes wrong
here is one line and not an error. It refuses to call a compiler by itself: setuptools
knows how, on each system.

FLASK_SLUICE_NO_EXTENSIONS=1 leaves it out.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "flask_sluice.formats._speedups"
HERE = Path("src", "flask_sluice", "formats")


class CustomBuildHook(BuildHookInterface[Any]):
    """Hatchling's hook, by the name that it looks for."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the files of the wheel are collected."""
        editable = version == "editable"
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        in_place = HERE / f"_speedups{suffix}"  # where an editable install has it
        reason = unwanted()
        if reason is None:
            try:
                built = build(None if editable else self._folder())
            except Exception as error:  # noqa: BLE001 - no compiler, no headers, ...
                reason = " ".join(str(error).split()) or type(error).__name__
        if reason is not None:
            sys.stderr.write(f"flask-sluice: no compiled encoder ({reason}).\n")
            if editable:
                Path(self.root, in_place).unlink(missing_ok=True)  # an older one's
        elif not editable:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            inside = Path("flask_sluice", "formats", in_place.name).as_posix()
            build_data["force_include"][str(built)] = inside

    def finalize(
        self, version: str, build_data: dict[str, Any], artifact_path: str
    ) -> None:
        """Remove what was built on the way."""
        if hasattr(self, "_temporary"):
            self._temporary.cleanup()

    def _folder(self) -> str:
        self._temporary = tempfile.TemporaryDirectory()
        return self._temporary.name


def unwanted() -> str | None:
    """Say why not to try at all; None if nothing speaks against it."""
    if os.environ.get("FLASK_SLUICE_NO_EXTENSIONS", "") not in {"", "0"}:
        return "FLASK_SLUICE_NO_EXTENSIONS is set"
    if platform.python_implementation() != "CPython":
        return "this isn't CPython"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python has no GIL"
    return None


def build(folder: str | None) -> Path:
    """Compile into *folder*; None is beside the source. Give the module's path."""
    # setuptools first: it brings the distutils that it is made of.
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    extension = Extension(
        NAME,
        sources=[(HERE / "_speedups.c").as_posix()],
        depends=[header.as_posix() for header in sorted(HERE.glob("_*.h"))],
    )
    distribution = Distribution(
        {"name": "flask-sluice", "ext_modules": [extension], "package_dir": {"": "src"}}
    )
    command = build_ext(distribution)
    with tempfile.TemporaryDirectory() as scratch:
        command.build_temp = scratch
        if folder is None:
            command.inplace = True
        else:
            command.build_lib = folder
        command.ensure_finalized()
        command.run()
    return Path(command.get_ext_fullpath(NAME)).resolve()
