"""The `sweep` section of a spec: which fields of an arm an Optuna study searches, and over what ranges."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from repro.fields import Scalar, Seed, Strict, mistake
from repro.words import show, unknown


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


Metric = Literal["validation_accuracy", "validation_accuracy_auc", "generated_tokens"]
Direction = Literal["maximize", "minimize"]
METRICS, DIRECTIONS = get_args(Metric), get_args(Direction)

IMPORTANCE_FROM = 8
"""Finished trials from which the importance of a field is worth a look."""

WILCOXON_SEEDS = 4
"""Pairs of seeds from which the one-sided test can fall below 0.1: the least p of n pairs is 1 in 2^n."""


class SweepSpec(Strict):
    """An Optuna study over fields of an arm, one for each arm of a list; it looks at validation questions only."""

    arm: str | list[str] = Field(
        description="the arm whose fields are searched; or a list of arms, each searched by a study of its own"
    )
    space: dict[str, Range] = Field(min_length=1, description="dotted path -> range")
    metric: Metric | list[dict[Metric, Direction]] = Field(
        "validation_accuracy",
        description="at the end, averaged over the run (auc), or tokens spent; mean over seeds. Or a list of one or two"
        " with their directions, e.g. [{validation_accuracy: maximize}, {generated_tokens: minimize}]",
    )
    direction: Direction = Field("maximize", description="of the metric, where it is one name")
    sampler: Literal["tpe", "random", "grid", "nsga2"] = Field(
        "tpe", description="Optuna's sampler; grid tries each combination of choices once, nsga2 in generations of 10"
    )
    pruner: Literal["none", "median", "wilcoxon"] | None = Field(
        None,
        description="what stops a trial after some of its seeds: a mean worse than the median of other trials, or"
        " Wilcoxon's test on pairs of seeds against the best trial (default: median; none with two metrics)",
    )
    trials: int = Field(20, ge=1, le=100_000, description="trials in total; a resumed study makes the missing ones")
    batch: int = Field(2, ge=1, le=10_000, description="trials asked at once: fixes the outcome of a parallel sweep")
    seeds: list[Seed] = Field(default_factory=lambda: [1000, 1001], min_length=1, description="not those of the tables")
    sampler_seed: Seed = Field(0, description="seed of Optuna's sampler")
    confirm: bool = Field(
        False,
        description="after the last trial, train the best values, those found on other datasets, the arm as it stands"
        " and the baseline on the study's seeds, and compare them on its test questions",
    )

    @property
    def arms(self) -> list[str]:
        """The searched arms, one or more."""
        return [self.arm] if isinstance(self.arm, str) else self.arm

    @property
    def objectives(self) -> tuple[tuple[Metric, Direction], ...]:
        """(metric, direction) of each objective: one or two."""
        if isinstance(self.metric, str):
            return ((self.metric, self.direction),)
        return tuple(pair for one in self.metric for pair in one.items())

    @property
    def stops_by(self) -> Literal["none", "median", "wilcoxon"]:
        """The pruner, its default filled in."""
        return self.pruner or ("median" if len(self.objectives) == 1 else "none")

    @property
    def most_trials(self) -> int:
        """Trials that count towards the end: a grid has no more than its combinations."""
        return min(self.trials, len(self.grid)) if self.sampler == "grid" else self.trials

    @property
    def grid(self) -> list[dict[str, Scalar]]:
        """Every combination of choices, the last field varying fastest; only choices are asked for."""
        values = [list(dict.fromkeys(one.choice)) for one in self.space.values() if isinstance(one, Choice)]
        return [dict(zip(self.space, point, strict=True)) for point in itertools.product(*values)]

    @property
    def search_fields(self) -> dict[str, Any]:
        """What of the sweep changes the meaning of its trials; plain data. A later field at its default stays out."""
        found = self.model_dump(
            mode="json", exclude={"arm", "trials", "metric", "direction", "sampler", "pruner", "confirm"}
        )
        objectives = self.objectives
        if len(objectives) == 1:
            found["metric"], found["direction"] = objectives[0]
        else:
            found["objectives"] = [list(pair) for pair in objectives]
        if self.sampler != "tpe":
            found["sampler"] = self.sampler
        if self.stops_by != ("median" if len(objectives) == 1 else "none"):
            found["pruner"] = self.stops_by
        return found

    @field_validator("arm", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError(f"got {show(value)}, expected the name of an arm, or a list of names")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"got {twice} more than once, expected each arm once")
        return value

    @field_validator("metric", mode="before")
    @classmethod
    def _known_metrics(cls, value: Any) -> Any:
        if not isinstance(value, list):
            if value not in METRICS:
                raise ValueError(unknown(value, METRICS, "a metric, or a list of one or two with their directions"))
            return value
        if not 1 <= len(value) <= 2:
            raise ValueError(f"got {len(value)} metrics, expected one or two")
        for one in value:
            if not isinstance(one, dict) or len(one) != 1:
                raise ValueError(
                    f"got {show(one)}, expected a metric and its direction, e.g. {{{METRICS[0]}: maximize}}"
                )
            ((name, direction),) = one.items()
            if name not in METRICS:
                raise ValueError(unknown(name, METRICS, "a metric"))
            if direction not in DIRECTIONS:
                raise ValueError(unknown(direction, DIRECTIONS, f"a direction of {name}"))
        names = [name for one in value for name in one]
        if len(set(names)) < len(names):
            raise ValueError(f"got {names[0]} twice, expected two different metrics")
        return value

    @model_validator(mode="after")
    def _objectives_make_sense(self) -> SweepSpec:
        if not isinstance(self.metric, str) and self.direction == "minimize":
            text = "got minimize beside a list of metrics, expected the direction beside each metric of the list"
            raise mistake(text, self.direction, "direction")
        if ("generated_tokens", "maximize") in self.objectives:
            text = "got generated_tokens to be maximized, expected direction minimize: more tokens cost more"
            raise mistake(text, "maximize", "metric")
        return self

    @model_validator(mode="after")
    def _pruner_can_work(self) -> SweepSpec:
        if len(self.objectives) == 2 and self.pruner not in (None, "none"):
            text = f"got {self.pruner} with two metrics, expected none: Optuna prunes by one metric only"
            raise mistake(text, self.pruner, "pruner")
        if self.pruner == "wilcoxon" and len(self.seeds) <= WILCOXON_SEEDS:
            text = (
                f"got wilcoxon with {len(self.seeds)} seeds, expected sweep.seeds to be {WILCOXON_SEEDS + 1} or more: "
                f"its test can stop a trial after {WILCOXON_SEEDS} pairs at the earliest"
            )
            raise mistake(text, self.pruner, "pruner")
        return self

    @model_validator(mode="after")
    def _grid_is_finite(self) -> SweepSpec:
        if self.sampler == "grid":
            for path, values in self.space.items():
                if not isinstance(values, Choice):
                    kind = "int" if isinstance(values, IntRange) else "float"
                    text = f"got {kind}, expected choice: sampler grid tries listed values only"
                    raise mistake(text, kind, "space", path)
            size = math.prod(len(values.choice) for values in self.space.values() if isinstance(values, Choice))
            if size > 100_000:
                raise mistake(f"got a grid of {size:,} combinations, expected at most 100,000", size, "space")
        return self
