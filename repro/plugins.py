"""Doors for code from outside the package: `module:Name` in a spec, or the name of an installed entry point."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from repro.digests import file_digest
from repro.words import did_you_mean

OWN = ("repro",)
"""Packages of this suite: their versions and not their sources decide what a run is."""

DOOR = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_door(text: object) -> bool:
    """Whether a word of a spec is written as `module:Name`."""
    return isinstance(text, str) and DOOR.fullmatch(text) is not None


def load(door: str, what: str) -> Any:
    """The class or function behind `module:Name`; importing the module runs its code.

    Args:
        what: what a message calls the thing, e.g. "a selection".

    Raises:
        ValueError: the text is no door, the module cannot be imported, or it has no such name (with the nearest).
    """
    if not is_door(door):
        raise ValueError(f"got {door!r}, expected {what} as module:Name, e.g. my_package.rules:Mine")
    module_name, _, name = door.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ValueError(
                f"got {door!r}, but there is no module {error.name!r}: expected one in the current folder, beside the "
                f"spec or installed"
            ) from None
        raise ValueError(f"got {door!r}, but {module_name} needs {error.name!r}, which is not installed") from None
    except Exception as error:
        raise ValueError(f"got {door!r}, but {module_name} fails on import: {_last_line(error)}") from error
    if not hasattr(module, name):
        names = [other for other in vars(module) if not other.startswith("_")]
        raise ValueError(f"got {door!r}, but {module_name} has no {name!r}{did_you_mean(name, names)}")
    return getattr(module, name)


def _last_line(error: Exception) -> str:
    where = ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({error.filename}:{error.lineno})"
    elif error.__traceback__ is not None:
        last = inspect.getinnerframes(error.__traceback__)[-1]
        where = f" ({last.filename}:{last.lineno})"
    return f"{type(error).__name__}: {error}{where}"


def installed(group: str) -> dict[str, str]:
    """Entry points of a group, such as `repro.selections`: name -> `module:Name`."""
    return {point.name: point.value for point in entry_points(group=group)}


def importable(*folders: Path) -> None:
    """Modules in these folders can be imported here and in every process started from here."""
    for folder in reversed(folders):
        place = str(folder.resolve())
        if place not in sys.path:
            sys.path.insert(0, place)
        inherited = os.environ.get("PYTHONPATH", "")
        if place not in inherited.split(os.pathsep):
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [place, inherited]))


def source_digest(thing: Any) -> str:
    """16 hexadecimal digits of the content of `source_files`. ValueError as there."""
    parts = [f"{name}:{file_digest(file)}" for name, file in sorted(source_files(thing).items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def source_files(thing: Any) -> dict[str, Path]:
    """Name -> file of the module of a class or function and of the modules that it imports from beside it.

    Beside it: modules of its own package, and, where it is not installed, all modules in the folder that holds it.
    This package itself does not enter.

    Raises:
        ValueError: the module has no source file (it was typed into an interpreter).
    """
    module = inspect.getmodule(thing)
    if module is None or getattr(module, "__file__", None) is None:
        raise ValueError(f"{thing!r} has no source file, so a run's identity cannot hold it: put it into a module")
    path = Path(str(module.__file__)).resolve()
    depth = module.__name__.count(".") + (path.name == "__init__.py")
    found: dict[str, Path] = {}
    _collect(module.__name__, path.parents[depth], found)
    return found


def _collect(first: str, folder: Path, found: dict[str, Path]) -> None:
    """Name -> file of a module in `folder` and of the modules there that it imports, directly or not."""
    installed_here = bool({"site-packages", "dist-packages"} & set(folder.parts))
    waiting = [first]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        outside = top in OWN or (installed_here and top != first.partition(".")[0])
        file = None if outside or name in found else _file_in(folder, name)
        if file is not None:
            found[name] = file
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            with contextlib.suppress(SyntaxError, ValueError):  # nothing can import it, so it imports nothing
                waiting += _imports(ast.parse(file.read_bytes()), package)


def _file_in(folder: Path, name: str) -> Path | None:
    place = folder.joinpath(*name.split("."))
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Modules that a source imports, and names that may be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
