"""What every section of a spec is made of: strict models and the types of common fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Scalar = bool | int | float | str | None


class Strict(BaseModel):
    """Base of every spec section: unknown keys are errors, instances are immutable, nothing is coerced.

    (`"3"` is no number and `yes` no boolean; a whole number may stand for a float.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, strict=True)
