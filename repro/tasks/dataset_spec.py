"""The schema of a dataset: procedural, named, on the hub or in a local file."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from repro.fields import Scalar, Strict
from repro.tasks.catalogue import CATALOGUE, NAMES, DatasetName, TestName

PROCEDURAL = ("arithmetic", "shuffle", "variables")
"""Fields of a dataset whose questions are made and not read."""

TEST_SHARE = 0.1
"""Share of train that becomes the test split where a dataset has none."""


class Procedural(Strict):
    """What made-up questions share: sizes, the skew of the pool, and the longest chain of steps."""

    pool: int = Field(1024, ge=8, description="training questions")
    validation: int = Field(128, ge=0, description="questions that sweeps and tuning may look at")
    test: int = Field(256, ge=1, description="held-out 1-6-step questions of the headline accuracy")
    easy: float = Field(0.15, ge=0, le=1, description="share of the pool that is trivially easy")
    hard: float = Field(0.35, ge=0, le=1, description="share of the pool with 7-10 steps, almost never solved")
    max_steps: int = Field(6, ge=1, le=10, description="longest chain of the remaining pool and of the test set")
    seed: int = Field(0, ge=0, description="seed of the questions")

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.easy + self.hard > 1:
            raise ValueError(f"got easy + hard = {self.easy + self.hard:g}, expected at most 1")
        return self


class Arithmetic(Procedural):
    """Left-to-right arithmetic modulo 100 with a written chain of steps."""


class Shuffle(Procedural):
    """A short word changed by a chain of operations, with every state written out."""


class Variables(Procedural):
    """Assignments modulo 10 whose operands are earlier variables by name, with every value written out."""


class Limits(Strict):
    """Use only the first questions of a split (fixed order, so every arm sees the same ones)."""

    train: int | None = Field(None, ge=1, description="training questions (the pool)")
    validation: int | None = Field(None, ge=1, description="validation questions")
    test: int | None = Field(None, ge=1, description="test questions")


class Interval(Strict):
    """Numbers between two bounds, both included; a bound that is left out does not bind."""

    min: float | None = Field(None, description="smallest value kept")
    max: float | None = Field(None, description="largest value kept")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("got neither min nor max, expected at least one of them")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"got min {self.min:g} and max {self.max:g}, expected min <= max")
        return self


def _filter_kind(value: Any) -> str:
    if isinstance(value, dict | Interval):
        return "<interval>"
    return "<list>" if isinstance(value, list | tuple) else "<value>"


Filter = Annotated[
    Annotated[Interval, Tag("<interval>")]
    | Annotated[list[Scalar], Field(min_length=1), Tag("<list>")]
    | Annotated[Scalar, Tag("<value>")],
    Discriminator(_filter_kind),
]
"""What a field of a row must be: a value, one of several, or a number between two bounds."""


class DatasetSpec(Strict):
    """Questions with known answers: exactly one of `arithmetic`, `shuffle`, `variables`, `named`, `hub` or `path`.

    The strings `arithmetic`, `shuffle`, `variables` and the names of known datasets are short for `{arithmetic: {}}`
    and `{named: gsm8k}`. A name stands for the fields of its entry in `repro.tasks.catalogue`; what is written beside
    it goes before them, `path` for a local copy and `hub` for another copy with the same layout too.
    """

    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"name", "path", "test_path"})

    arithmetic: Arithmetic | None = Field(None, description="the embedded procedural task")
    shuffle: Shuffle | None = Field(None, description="a second procedural task, of another kind")
    variables: Variables | None = Field(None, description="a third procedural task: looking up named values")
    named: DatasetName | None = Field(None, description="a dataset whose fields are known; offline via REPRO_DATA")
    hub: str | None = Field(None, description="a Hugging Face dataset id")
    path: str | None = Field(None, description="a .jsonl, .json or .parquet file, or a directory with train/test files")
    config: str | None = Field(None, description="configuration of the hub dataset")
    revision: str | None = Field(None, description="commit, tag or branch of the hub dataset")
    train_split: str = Field("train", description="hub split or file stem for training")
    test_split: str | None = Field("test", description="hub split or file stem for testing; none: cut from train")
    test_path: str | None = Field(None, description="a separate local file with the test questions")
    test_named: TestName | None = Field(None, description="a named dataset whose test questions are used")
    question: str = Field("question", description="field with the question; a dotted path reaches into nested fields")
    answer: str = Field("answer", description="field with the gold answer (text after #### where present)")
    solution: str | None = Field(None, description="field with a worked solution")
    id: str | None = Field(None, description="field with a unique id (default: a digest of the question)")
    filters: dict[str, Filter] = Field(
        default_factory=dict, description="field -> the value, values or {min, max} of the training rows that are kept"
    )
    without: tuple[TestName, ...] = Field(
        (), strict=False, description="named evaluation sets whose questions are dropped from train"
    )
    decontaminate: Literal["warn", "drop", "off"] = Field(
        "warn", description="training questions much like one of the test questions or of `without`"
    )
    validation_fraction: float = Field(0.1, ge=0, lt=1, description="share of train held back for validation")
    limits: Limits = Field(default_factory=Limits, description="use only the first n questions of a split")
    stand_in: bool = Field(False, description="made-up rows in place of what is on the hub, as --smoke uses them")
    name: str | None = Field(None, description="label in tables and figures (default: derived)")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, str) and value in PROCEDURAL:
            return {value: {}}
        if isinstance(value, str) and value in NAMES:
            value = {"named": value}
        if isinstance(value, dict) and isinstance(value.get("named"), str) and value["named"] in CATALOGUE:
            return {**CATALOGUE[value["named"]].defaults(), **value}
        return value

    @model_validator(mode="after")
    def _one_source(self) -> DatasetSpec:
        sources = (*PROCEDURAL, "named", "hub", "path")
        given = [k for k in sources if getattr(self, k) is not None]
        if len(given) != 1 and given not in (["named", "path"], ["named", "hub"]):
            found = " and ".join(given) or "none of them"
            raise ValueError(f"got {found}, expected exactly one of {', '.join(sources)}")
        if self.test_named is not None and self.test_path is not None:
            raise ValueError("got test_named and test_path, expected at most one of them")
        return self

    def written_out(self) -> dict[str, Any]:
        """Plain data that gives the same spec again: no empty fields but those whose absence means something else."""
        fields = self.model_dump(mode="json", exclude_none=True)
        if self.procedural is None and self.test_split is None:
            fields["test_split"] = None
        if self.named is not None and self.solution is None:
            fields["solution"] = None
        return fields

    @property
    def procedural(self) -> Procedural | None:
        """The made-up task of this dataset, None where questions are read."""
        return self.arithmetic or self.shuffle or self.variables

    @property
    def label(self) -> str:
        """Short name for tables and figures."""
        if self.name:
            return self.name
        if self.procedural:
            return type(self.procedural).__name__.lower()
        return self.named or str(self.hub or self.path).rstrip("/").rsplit("/", 1)[-1].split(".")[0]
