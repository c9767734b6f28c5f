"""Mistakes in the fields of an open section, reported as pydantic reports those of a fixed one."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


def mistake(kind: Literal["value_error", "extra_forbidden"], field: str, value: Any, **context: Any) -> ValidationError:
    """One mistake in a field; raised in a validator, it gets the place of the section before it."""
    line = InitErrorDetails(type=PydanticCustomError(kind, kind, context), loc=(field,), input=value)
    return ValidationError.from_exception_data("section", [line])


def under(error: ValidationError, field: str) -> ValidationError:
    """The same mistakes one level deeper, in the section `field`."""
    lines = []
    for item in error.errors(include_url=False):
        kind: Any = PydanticCustomError(item["type"], "{message}", {**item.get("ctx", {}), "message": item["msg"]})
        lines.append(InitErrorDetails(type=kind, loc=(field, *item["loc"]), input=item["input"]))
    return ValidationError.from_exception_data(error.title, lines)
