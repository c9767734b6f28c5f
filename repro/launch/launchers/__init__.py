"""The launchers: every module of this package is one, with its options, their checks and what runs the jobs.

A new launcher is a new module here with a subclass of `repro.launch.where.Where` called `LAUNCHER`. Such a module
imports the standard library only, and the rest when its launcher is made.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

from repro.launch.where import Where


@functools.cache
def launchers() -> dict[str, type[Where]]:
    """Name -> launcher, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{name}").LAUNCHER for name in names]
    return {kind.NAME: kind for kind in found}
