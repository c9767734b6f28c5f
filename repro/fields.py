"""What every section of a spec is made of: strict models, what of them changes a result, types of common fields."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Fraction = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Scalar = bool | int | float | str | None


def mistake(text: str, value: Any, *place: str | int) -> ValidationError:
    """A mistake in `value`, to be raised by a validator; `place` is the field inside the section being validated."""
    kind = PydanticCustomError("mistake", "{text}", {"text": text})
    return ValidationError.from_exception_data("section", [InitErrorDetails(type=kind, loc=place, input=value)])


class Strict(BaseModel):
    """Base of every spec section: unknown keys are errors, instances are immutable, nothing is coerced.

    (`"3"` is no number and `yes` no boolean; a whole number may stand for a float.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, strict=True)

    NO_RESULT: ClassVar[frozenset[str]] = frozenset()
    """Fields that change no result: labels, paths (their content enters an identity as a digest), memory settings."""

    def result_fields(self) -> dict[str, Any]:
        """The fields that change a run's result and differ from their default; plain data.

        A field at its default stays out, so that a new field with a default leaves the identities of old runs alone.
        """
        found: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            if name in self.NO_RESULT:
                continue
            value = _result(getattr(self, name))
            if field.is_required() or value != _result(field.get_default(call_default_factory=True)):
                found[name] = value
        return found


def _result(value: Any) -> Any:
    if isinstance(value, Strict):
        return value.result_fields()
    if isinstance(value, dict):
        return {key: _result(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_result(inner) for inner in value]
    return value
