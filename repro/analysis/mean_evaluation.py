"""One evaluation of several sets: the unweighted mean over the benchmarks of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repro.analysis.evaluations import Evaluation


@dataclass(frozen=True)
class MeanEvaluation:
    """Evaluations of one step, one per set, each set with equal weight whatever its number of questions."""

    parts: tuple[Evaluation, ...]

    @property
    def step(self) -> int:
        return self.parts[0].step

    @property
    def accuracy(self) -> float:
        """Mean of the sets' avg@k, in 0..1."""
        return self._mean([part.accuracy for part in self.parts])

    @property
    def samples(self) -> int:
        """Completions that every question of every set has."""
        return min(part.samples for part in self.parts)

    def pass_at(self, k: int) -> float:
        """Mean of the sets' pass@k. ValueError for k > samples."""
        return self._mean([part.pass_at(k) for part in self.parts])

    @property
    def greedy(self) -> float:
        """Mean of the sets' greedy accuracies; NaN where one set was not decoded greedily."""
        return self._mean([part.greedy for part in self.parts])

    @property
    def entropy(self) -> float:
        """Nats per token."""
        return self._mean([part.entropy for part in self.parts])

    @property
    def tokens(self) -> float:
        """Mean length of a completion."""
        return self._mean([part.tokens for part in self.parts])

    def _mean(self, values: Sequence[float]) -> float:
        return sum(values) / len(values)


def mean_evaluations(by_set: Sequence[Sequence[Evaluation]]) -> tuple[MeanEvaluation, ...]:
    """The mean over sets at each step at which all of them were evaluated, in the order of steps; () without sets."""
    at = [{row.step: row for row in rows} for rows in by_set]
    steps = sorted(set.intersection(*map(set, at))) if at else []
    return tuple(MeanEvaluation(tuple(rows[step] for rows in at)) for step in steps)
