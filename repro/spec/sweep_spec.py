"""The `sweep` section of a spec: which fields of an arm an Optuna study searches, and over what ranges."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from repro.fields import Scalar, Seed, Strict


def _check_range(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"got low {low:g} and high {high:g}, expected low < high")
    if log and low <= 0:
        raise ValueError(f"got log with low {low:g}, expected low > 0")


class FloatRange(Strict):
    """Real numbers between two bounds."""

    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset({"float"})  # looked at as values of the field that is searched

    float: Annotated[tuple[float, float], Field(strict=False, description="low and high, both included")]
    log: bool = Field(False, description="uniform in the logarithm")

    @model_validator(mode="after")
    def _ordered(self) -> FloatRange:
        _check_range(*self.float, self.log)
        return self


class IntRange(Strict):
    """Whole numbers between two bounds."""

    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset({"int"})

    int: Annotated[tuple[int, int], Field(strict=False, description="low and high, both included")]
    log: bool = Field(False, description="uniform in the logarithm")

    @model_validator(mode="after")
    def _ordered(self) -> IntRange:
        _check_range(*self.int, self.log)
        return self


class Choice(Strict):
    """One of the listed values."""

    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset({"choice"})

    choice: list[Scalar] = Field(min_length=1, description="the values")


def _range_kind(value: Any) -> str | None:
    kinds: dict[str, type[Strict]] = {"float": FloatRange, "int": IntRange, "choice": Choice}
    for name, kind in kinds.items():
        if isinstance(value, kind) or (isinstance(value, dict) and name in value):
            return f"<{name}>"
    return None


Range = Annotated[
    Annotated[FloatRange, Tag("<float>")] | Annotated[IntRange, Tag("<int>")] | Annotated[Choice, Tag("<choice>")],
    Discriminator(_range_kind),
]


class SweepSpec(Strict):
    """An Optuna study over fields of one arm; it looks at validation questions only."""

    arm: str = Field(description="the arm whose fields are searched")
    space: dict[str, Range] = Field(min_length=1, description="dotted path -> range")
    metric: Literal["validation_accuracy", "validation_accuracy_auc"] = Field(
        "validation_accuracy", description="at the end, or averaged over the run (auc); mean over seeds"
    )
    direction: Literal["maximize", "minimize"] = Field("maximize", description="of the metric")
    trials: int = Field(20, ge=1, le=100_000, description="trials in total; a resumed study makes the missing ones")
    batch: int = Field(2, ge=1, le=10_000, description="trials asked at once: fixes the outcome of a parallel sweep")
    seeds: list[Seed] = Field(default_factory=lambda: [1000, 1001], min_length=1, description="not those of the tables")
    sampler_seed: Seed = Field(0, description="seed of Optuna's sampler")
