"""What "accuracy" is in a report: one set of questions, or the mean over the benchmarks; and its name in captions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from repro.analysis.captions import captioned
from repro.analysis.evaluations import Evaluation
from repro.analysis.mean_evaluation import MeanEvaluation
from repro.analysis.text import NOTHING, joined
from repro.spec.schema import BENCHMARKS_MEAN, MAIN_SETS, Spec
from repro.words import plural

_ACCURACY = re.compile(r"(?<!multi-sample )accurac(y|ies)", re.IGNORECASE)
"""Accuracy on held-out questions; the multi-sample accuracy of a training question is its pass rate."""


@dataclass(frozen=True)
class MainSeries:
    """Whose accuracy every number is about, and the names of the study's benchmarks."""

    name: str
    benchmarks: tuple[str, ...] = ()

    @property
    def mean(self) -> bool:
        """Whether it is the mean over the benchmarks."""
        return self.name == BENCHMARKS_MEAN

    @property
    def title(self) -> str:
        """`mean of 4 benchmarks`, or the name of the set."""
        return f"mean of {plural(len(self.benchmarks), 'benchmark')}" if self.mean else self.name

    @property
    def said(self) -> str:
        """What accuracy is, in one sentence; empty for the dataset's own held-out questions."""
        if self.mean:
            return f"Accuracy: unweighted {self.title} ({joined(list(self.benchmarks))})."
        return "" if self.name in MAIN_SETS else f"Accuracy: on the benchmark {self.name}."

    def label(self, text: str) -> str:
        """The label of an axis of accuracy, with the name of the series on a line of its own where it needs one."""
        return f"{text}\n({self.title})" if self.said else text

    @property
    def over_questions(self) -> str:
        """How an interval over questions is meant; empty for one set."""
        if not self.mean:
            return ""
        return "Where an interval covers questions, they vary inside each benchmark; the benchmarks are fixed."


def main_series(spec: Spec) -> MainSeries:
    """The series that a spec's report is about. The spec has passed the checks of `validate`."""
    name = spec.report.main or next(own for own in MAIN_SETS if own in spec.evaluate.sets)
    return MainSeries(name, tuple(benchmark.label for benchmark in spec.evaluate.benchmarks))


@dataclass(frozen=True)
class Asked:
    """Which questions were asked and how: numbers of samples and temperatures in rising order, each once."""

    questions: int
    samples: tuple[int, ...]
    temperatures: tuple[float, ...]
    sets: tuple[str, ...]

    @property
    def avg(self) -> str:
        """`avg@4`, or `avg@1 to 16` where benchmarks differ."""
        return f"avg@{_range([str(count) for count in self.samples])}"

    @property
    def temperature(self) -> str:
        """`1`, or `0.6 to 1` where benchmarks differ."""
        return _range([f"{value:g}" for value in self.temperatures])

    @property
    def held_out(self) -> str:
        """`256 held-out questions`, and of how many benchmarks where there are several."""
        text = plural(self.questions, "held-out question")
        return f"{text} of {plural(len(self.sets), 'benchmark')}, weighted equally" if len(self.sets) > 1 else text


def asked(row: Evaluation | MeanEvaluation) -> Asked:
    """What was asked in one evaluation."""
    return Asked(
        sum(len(part.problems) for part in row.parts),
        tuple(sorted({part.samples for part in row.parts})),
        tuple(sorted({part.temperature for part in row.parts})),
        tuple(part.set for part in row.parts),
    )


def _range(values: list[str]) -> str:
    return " to ".join(dict.fromkeys((values[0], values[-1]))) if values else NOTHING


# ---------------------------------------------------------------- the name in captions


def with_main_series(item: Any, main: MainSeries) -> Any:
    """Tables, pictures and whatever holds them: the captions of those that show accuracy say which one it is."""

    def more(words: Sequence[str], caption: str) -> str:
        if not any(map(_ACCURACY.search, words)):
            return ""
        return " ".join(filter(None, [main.said, main.over_questions if "questions" in caption else ""]))

    return captioned(item, more) if main.said else item
