"""Every way to choose questions by its name in a spec: the files of `methods/`, entry points, and `module:Name`."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, get_args

from pydantic import GetJsonSchemaHandler, PlainSerializer, PlainValidator, SerializationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from repro import plugins
from repro.fields import mistake
from repro.selection import methods
from repro.selection.base import Selector
from repro.selection.method import Selection
from repro.words import listed, show, unknown

OUTSIDE = "x-outside"
"""Marks the schema of a class from outside the package, whose fields only the class knows."""

GROUP = "repro.selections"
"""The entry points under which an installed package offers methods: name = module:Name."""


@cache
def builtin() -> dict[str, type[Selection]]:
    """Name -> class of the methods in `methods/`, in the order of their files; a class may have several names."""
    found: dict[str, type[Selection]] = {}
    for info in pkgutil.iter_modules(methods.__path__):
        module = import_module(f"{methods.__name__}.{info.name}")
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, Selection) and thing.__module__ == module.__name__:
                found |= dict.fromkeys(get_args(thing.model_fields["method"].annotation), thing)
    return found


def names() -> list[str]:
    """Every name that `method` may have beside `module:Name`."""
    return [*builtin(), *plugins.installed(GROUP)]


def find(method: str) -> type[Selection]:
    """The class of a method.

    Raises:
        ValueError: an unknown name (with the nearest), or a class from outside that is no selection or cannot build.
    """
    if method in builtin():
        return builtin()[method]
    door = plugins.installed(GROUP).get(method, method)
    if not plugins.is_door(door):
        raise ValueError(unknown(method, names(), "a method"))
    found = plugins.load(door, "a selection")
    if not (isinstance(found, type) and issubclass(found, Selection)):
        raise ValueError(f"got {door!r}, which is no subclass of repro.selection.Selection")
    if found.build is Selection.build:
        raise ValueError(f"got {door!r}, which has no `build(self, run)`: it returns the selector")
    for thing in vars(import_module(found.__module__)).values():
        selector = isinstance(thing, type) and issubclass(thing, Selector) and thing is not Selector
        if selector and thing.choose is Selector.choose and not thing.__subclasses__():
            raise ValueError(f"got {door!r}, whose {thing.__name__} has no `choose(self, n)`: it returns indices")
    return found


def selection_of(fields: Mapping[str, Any]) -> Selection:
    """The selection with these fields; uniform where no method is named.

    Raises:
        pydantic.ValidationError: with the place of every mistake.
    """
    method = fields.get("method", "uniform")
    try:
        kind = find(method) if isinstance(method, str) else None
    except ValueError as error:
        raise mistake(str(error), method, "method") from None
    if kind is None:
        raise mistake(f"got {show(method)}, expected a method ({listed(names())})", method, "method")
    return kind.model_validate({**fields, "method": method})


def _validate(value: Any) -> Selection:
    if isinstance(value, Selection):
        return value
    if isinstance(value, Mapping) and "method" in value:
        return selection_of(value)
    raise mistake(f"got {show(value)}, expected a mapping with method: {listed(names())}", value)


def _dump(value: Selection, info: SerializationInfo) -> dict[str, Any]:
    """All fields of the method, not only those that every selection has."""
    return value.model_dump(mode=info.mode, exclude_none=info.exclude_none, exclude_defaults=info.exclude_defaults)


class _Methods:
    """In the JSON schema: one alternative for each built-in class, and one for classes from outside."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        classes = list(dict.fromkeys(builtin().values()))
        outside = {
            "type": "object",
            OUTSIDE: True,
            "description": "a class of your own, with its fields",
            "properties": {"method": {"type": "string", "pattern": f"^{plugins.DOOR.pattern}$"}},
            "required": ["method"],
        }
        return {"oneOf": [*(handler(kind.__pydantic_core_schema__) for kind in classes), outside]}


AnySelection = Annotated[Selection, PlainValidator(_validate), PlainSerializer(_dump), _Methods()]
"""A field that holds a selection of any method."""
