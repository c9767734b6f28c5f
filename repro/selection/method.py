"""What a way of choosing questions knows of itself: its fields, its selector, its costs, its name, its mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import Field

from repro.fields import Strict
from repro.plugins import source_digest
from repro.selection.base import Run, Selector
from repro.selection.pool import subset_size


@dataclass(frozen=True)
class Costs:
    """What choosing costs before and between the steps, as far as the fields tell."""

    samples: int = 0
    """Completions of every question of the pool before the first step."""
    calibration: int = 0
    """Further completions before the first step, in all."""
    probes: int = 0
    """Completions of one refresh."""
    every: int = 1
    """Steps between refreshes."""
    refill: float = 1.0
    """Completions of a step at most, in proportion to those of its batch: it rolls out until a batch is full."""
    unpaid: int = 0
    """Completions of one refresh that no budget and no cost of a report counts: what a bound knows."""
    passes: bool = False
    """Whether every question of the pool passes the policy once."""
    passes_response: bool = False
    """Whether that pass includes a response or solution and not the question alone."""


class Setting(NamedTuple):
    """What of a cell decides whether a selection fits it."""

    pool: int | None  # training questions, None where only the data tell
    questions_per_step: int
    group_size: int
    predictor: bool  # whether the study has a `predictor` section
    dataset: str  # its label


class Mistake(NamedTuple):
    """A field of the selection that does not fit; `uses` are the fields of the cell that the text rests on."""

    field: str
    text: str
    uses: tuple[str, ...] = ()


class Smoke(NamedTuple):
    """The sizes of a run that touches every stage within a minute."""

    steps: int
    questions_per_step: int
    group_size: int
    pool: int

    @property
    def least_fraction(self) -> float:
        """The smallest share of the pool that gives two batches."""
        return 2 * self.questions_per_step / self.pool


class Selection(Strict):
    """One way to choose questions. A subclass adds its fields and says how to `build` its selector.

    Everything else has a default; a method overrides what is different about it. `method` is the name in a spec: a
    built-in narrows it to a Literal of its names, a class from outside is named by `module:Name`.
    """

    method: str = Field(description="name of the method, or module:Name of a class of your own")

    predicts: ClassVar[bool] = False
    """Whether its selector has `predictions()`."""
    needs_steps: ClassVar[bool] = False
    """Whether it must know the number of steps, so that no budget of tokens or seconds may end the run."""
    repeats_in_batch: ClassVar[bool] = False
    """Whether a batch may hold a question more than once."""
    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ()
    """Fields that `smoke` sets, so that axes and sweeps over them fall away in a smoke run."""

    def build(self, run: Run) -> Selector:
        """The selector of a run. UserError where a value does not fit the run's questions."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """Its name in tables and figures."""
        return self.method.rpartition(":")[2].replace("_", " ")

    @property
    def trains_on(self) -> str:
        """Which questions it trains on, in words that go on from "trains on"."""
        return f"questions that {self.title} chooses"

    @property
    def version(self) -> int:
        """To be raised where the same fields come to choose other questions: old runs are not taken for new ones."""
        return 1

    @property
    def wants_predictor(self) -> bool:
        """Whether it asks for the study's trained predictor."""
        return False

    @property
    def dataset_column(self) -> str | None:
        """The numeric column of the dataset that it reads."""
        return None

    @property
    def dataset_category(self) -> str | None:
        """The column of the dataset, of numbers or short texts, whose values it takes for categories."""
        return None

    @property
    def dataset_columns(self) -> dict[str, str]:
        """{field: numeric column of the dataset that it names}, where a method reads several."""
        column = self.dataset_column
        return {} if column is None else {"column" if "column" in type(self).model_fields else "method": column}

    @property
    def offline(self) -> bool:
        """Whether it draws from a subset that is fixed before the first step."""
        return getattr(self, "fraction", None) is not None

    def references_of(self, pool: int | None) -> int:
        """Questions of the pool whose measured rewards a prediction has seen."""
        return 0

    def kept_of(self, pool: int) -> int | None:
        """How many of `pool` questions it draws from; None where only the scores tell."""
        fraction = getattr(self, "fraction", None)
        return pool if fraction is None else subset_size(fraction, pool)

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """What choosing costs; `pool` is None where its size is not known before the data are read."""
        return Costs()

    def files(self) -> dict[str, Path]:
        """Field -> file that it reads. Jobs look whether one has changed; its content belongs to `identity_fields`."""
        return {}

    def check_ids(self, ids: Sequence[str]) -> None:
        """UserError where a file that it reads lacks one of these questions; asked before any job starts."""

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """The fields that change a result; of a class from outside the package, the digest of its source too."""
        fields = self.result_fields()
        if self.version > 1:
            fields["version"] = self.version
        if not type(self).__module__.startswith("repro."):
            fields["source"] = source_digest(type(self))
        return fields

    def mistakes(self, setting: Setting) -> Iterator[Mistake]:
        """What of it does not fit a cell. Overriding methods call this one too: a subset must fill a batch."""
        kept = None if setting.pool is None else self.kept_of(setting.pool)
        if kept is not None and setting.pool is not None and kept < setting.questions_per_step <= setting.pool:
            share = setting.questions_per_step / setting.pool
            yield Mistake(
                self.size_field,
                f"which keeps {kept} of {setting.pool} questions, expected at least {setting.questions_per_step}"
                f" ({share:.3g} of the pool): a step draws questions_per_step different ones",
            )

    @property
    def size_field(self) -> str:
        """The field that decides how many questions are kept."""
        return "fraction"

    def idle(self, written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Of the fields that a user wrote, those without effect, and why."""
        yield from ()

    def smoke(self, sizes: Smoke) -> Self:
        """The same method at smoke size."""
        fraction = getattr(self, "fraction", None)
        if fraction is None:
            return self
        return self.model_copy(update={"fraction": max(fraction, sizes.least_fraction)})

    @classmethod
    def fitting(cls, fields: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
        """Of the fields that a preset sets, those that fit the fields that are `written`."""
        return dict(fields)
