"""The schema of further evaluation sets: the mean over a paper's benchmarks, and what each is sampled with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from repro.fields import LONGEST_NAME, MOST_QUESTIONS, PathText, Strict, Temperature, TopP
from repro.tasks.catalogue import TestName
from repro.tasks.dataset_spec import DatasetSpec
from repro.user_paths import user_path

if TYPE_CHECKING:
    from repro.spec.schema import EvaluateSpec

RESERVED = ("accuracy", "benchmarks", "entropy", "extra", "greedy", "pool_like", "test", "tokens", "validation")
"""Series of an evaluation that a benchmark cannot be called by."""


class Benchmark(Strict):
    """One further set that is evaluated whenever an evaluation is due: a named one, a local file, or both.

    A string is short for its name, `aime24` for `{named: aime24}`.
    """

    named: TestName | None = Field(None, description="a named dataset whose test questions are used")
    path: PathText | None = Field(None, description="a local file of questions, or a directory with a test file")
    question: str | None = Field(None, description="field with the question (default: the named set's, else question)")
    answer: str | None = Field(None, description="field with the gold answer (default: the named set's, else answer)")
    revision: str | None = Field(None, description="commit, tag or branch of the named set on the hub")
    unreadable: Literal["refuse", "drop"] = Field("refuse", description="rows that hold no question with an answer")
    questions: int | None = Field(
        None, ge=1, le=MOST_QUESTIONS, description="only the first n questions (default: evaluate.questions)"
    )
    samples: int | None = Field(None, ge=1, le=10_000, description="k of avg@k (default: evaluate.samples)")
    temperature: Temperature | None = Field(None, description="sampling temperature (default: evaluate.temperature)")
    top_p: TopP | None = Field(None, description="nucleus (default: evaluate.top_p)")
    stand_in: bool = Field(False, description="made-up questions in place of what is on the hub, as --smoke uses them")
    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_NAME, description="its series is eval/NAME"
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"named": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Benchmark:
        if self.named is None and self.path is None:
            raise ValueError("got neither named nor path, expected one of them, or both for a local copy")
        return self

    @property
    def label(self) -> str:
        """Its name in records and series."""
        return self.name or self.named or Path(str(self.path)).stem

    @property
    def dataset(self) -> DatasetSpec:
        """Its questions, as the test questions of a dataset."""
        fields = {"named": self.named, "path": self.path, "revision": self.revision, "stand_in": self.stand_in}
        fields["unreadable"] = self.unreadable
        fields["solution"] = None  # nobody reads it
        fields |= {key: value for key in ("question", "answer") if (value := getattr(self, key)) is not None}
        if self.path is not None and not user_path(self.path).is_dir():
            fields["test_path"] = self.path
        return DatasetSpec.model_validate(fields)

    def measured_fields(self, evaluate: EvaluateSpec) -> dict[str, Any]:
        """The fields that change what is measured; the questions enter an identity as a digest."""
        fields = self.model_dump(mode="json", exclude_none=True, exclude={"name", "path", "stand_in", "unreadable"})
        return fields | {name: value for name, value in self.sampling(evaluate).items() if value is not None}

    def sampling(self, evaluate: EvaluateSpec) -> dict[str, Any]:
        """Questions, samples, temperature and nucleus, with what is left out taken from `evaluate`."""
        names = ("questions", "samples", "temperature", "top_p")
        return {name: getattr(evaluate if getattr(self, name) is None else self, name) for name in names}


def label_problem(benchmarks: Sequence[Benchmark]) -> str | None:
    """What is wrong with the labels of a list of benchmarks, or None."""
    labels = [benchmark.label for benchmark in benchmarks]
    for label in labels:
        if label in RESERVED:
            return f"got a benchmark labelled {label}, which is another series: give it a name"
        if labels.count(label) > 1:
            return f"got two benchmarks labelled {label}, expected distinct ones: give one a name"
    return None
