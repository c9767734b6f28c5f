"""What every section of a spec is made of: strict models, what of them changes a result, types of common fields."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from repro.words import show

MOST_QUESTIONS = 10_000_000
"""Questions that a pool, a set or a buffer may hold: more do not fit in memory."""
LONGEST_COMPLETION = 1_048_576
"""Tokens of a completion at most: what the longest contexts hold."""
LEAST_RATE = 1e-12
"""The smallest learning rate that moves a weight of float32."""
LONGEST_NAME = 100
"""Characters of a name at most: it becomes part of file names, which hold 255."""
LARGEST, SMALLEST = 2**53, 1e-30
"""Numbers of a spec lie between these or are 0: beyond 2^53 a float skips whole numbers, and what is closer to 0 than
1e-30 is lost in any sum. A field with bounds of its own has narrower ones; `x-usual` in its schema is what a message
calls usual."""

HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
"""Ids of the hub."""

Fraction = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""Of a generator: NumPy's and Optuna's take 32 bits."""
Temperature = Annotated[float, Field(ge=1e-3, le=100, json_schema_extra={"x-usual": "0.6 to 1"})]
"""Of sampling: 0 would be greedy, and from 100 on every token is as likely as any other."""
TopP = Annotated[float, Field(ge=1e-6, le=1, json_schema_extra={"x-usual": "0.9 to 1"})]
"""Share of the probability that a nucleus keeps."""
Scalar = bool | int | float | str | None


def _usable_path(text: str) -> str:
    """Refuses a path that no file system can hold."""
    longest = max((len(part.encode(errors="replace")) for part in text.split("/")), default=0)
    if longest > 255 or len(text) > 4096:
        raise ValueError(
            f"got a path of {len(text)} characters whose longest part has {longest} bytes, expected parts of at most"
            " 255 and 4,096 together: no file system holds more"
        )
    return text


def _hub_id(text: str) -> str:
    """Refuses what the hub has no repository for; its libraries take an existing folder in place of an id."""
    if HUB_ID.fullmatch(text) or os.path.isdir(text):  # noqa: PTH112  (Path.is_dir raises for a name that is too long)
        return text
    raise ValueError(f"got {show(text)}, expected an id of the hub, owner/name; a folder or file is given by `path`")


PathText = Annotated[str, AfterValidator(_usable_path)]
"""A path of a file or a folder."""
HubId = Annotated[str, Field(max_length=200), AfterValidator(_hub_id)]
"""`owner/name` on the hub."""


def mistake(text: str, value: Any, *place: str | int) -> ValidationError:
    """A mistake in `value`, to be raised by a validator; `place` is the field inside the section being validated."""
    kind = PydanticCustomError("mistake", "{text}", {"text": text})
    return ValidationError.from_exception_data("section", [InitErrorDetails(type=kind, loc=place, input=value)])


def under(error: ValidationError, field: str) -> ValidationError:
    """The same mistakes one level deeper, in the section `field`; to be raised by a validator."""
    lines = []
    for item in error.errors(include_url=False):
        kind: Any = PydanticCustomError(item["type"], "{message}", {**item.get("ctx", {}), "message": item["msg"]})
        lines.append(InitErrorDetails(type=kind, loc=(field, *item["loc"]), input=item["input"]))
    return ValidationError.from_exception_data(error.title, lines)


class Strict(BaseModel):
    """Base of every spec section: unknown keys are errors, instances are immutable, nothing is coerced.

    (`"3"` is no number and `yes` no boolean; a whole number may stand for a float.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, strict=True)

    NO_RESULT: ClassVar[frozenset[str]] = frozenset()
    """Fields that change no result: labels, paths (their content enters an identity as a digest), memory settings."""
    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset()
    """Fields whose numbers are somebody's data, so that any may be meant."""

    @model_validator(mode="after")
    def _numbers_in_reach(self) -> Self:
        """Refuses what nobody can mean, in fields without bounds of their own, too."""
        found = []
        for name, value in self.__dict__.items():
            kind = type(value)
            if kind in _PLAIN or (kind in (int, float) and (SMALLEST <= value <= LARGEST or value == 0)):
                continue
            for number in () if name in self.ANY_NUMBER else _numbers(value):
                if abs(number) > LARGEST or 0 < abs(number) < SMALLEST:
                    text = f"got {show(number)}, expected a size between {SMALLEST:g} and 2^53 ({LARGEST:.1g})"
                    error = PydanticCustomError("mistake", "{text}", {"text": text})
                    found.append(InitErrorDetails(type=error, loc=(name,), input=value))
                    break
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, found)
        return self

    def result_fields(self) -> dict[str, Any]:
        """The fields that change a run's result and differ from their default; plain data.

        A field at its default stays out, so that a new field with a default leaves the identities of old runs alone.
        """
        found: dict[str, Any] = {}
        for name, required, default in _defaults(type(self)):
            value = getattr(self, name)
            if type(value) not in _SIMPLE:  # most are
                value = _result(value)
            if required or value != default:
                found[name] = value
        return found


@cache
def _defaults(section: type[Strict]) -> tuple[tuple[str, bool, Any], ...]:
    """Of each field that changes a result: its name, whether it is required, and its default as `_result` has it."""
    fields = ((name, field) for name, field in section.model_fields.items() if name not in section.NO_RESULT)
    return tuple(
        (name, field.is_required(), _result(field.get_default(call_default_factory=True))) for name, field in fields
    )


_PLAIN = (str, bool, type(None))
_SIMPLE = (*_PLAIN, int, float)


def _numbers(value: Any) -> Iterator[int | float]:
    """The numbers in a field's value; sections inside it have looked at their own."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _numbers(item)


def _result(value: Any) -> Any:
    if isinstance(value, Strict):
        return value.result_fields()
    if isinstance(value, dict):
        return {key: _result(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_result(inner) for inner in value]
    return value
