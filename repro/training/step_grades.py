"""The rewards of a step's completions, and what is told of them beside their mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from repro.tasks.grading import Grader, Grades
from repro.tasks.problem import Problem, Verifier
from repro.tasks.verify import undecided
from repro.tracking import series
from repro.training.ranks import Ranks


class StepGrades:
    """Grades the completions of one rank, step after step. `problems`: the training questions, index by index."""

    def __init__(self, grader: Grader, verifier: Verifier, problems: Sequence[Problem]) -> None:
        self.grader, self.verifier, self.problems = grader, verifier, problems
        self._grades = Grades([], {}, [])
        self._undecided: int | None = None  # None: the verifier always decides

    def grade(self, completions: Sequence[str], questions: Sequence[int]) -> list[float]:
        """Their rewards in [0, 1]; `questions`: the index of each one's question. UserError as `Grader.grade`."""
        counts = undecided(self.verifier)
        before = 0 if counts is None else counts.total()
        asked = [self.problems[index] for index in questions]
        self._grades = self.grader.grade(self.verifier, completions, asked, verdicts=True)
        self._undecided = None if counts is None else counts.total() - before
        return list(self._grades.rewards)

    def groups(self, size: int) -> list[tuple[float, ...]]:
        """The rewards that were given last, `size` to a group."""
        rewards = self._grades.rewards
        return [tuple(rewards[i : i + size]) for i in range(0, len(rewards), size)]

    def metrics(self, ranks: Ranks) -> dict[str, float]:
        """What the mean reward alone does not tell: the accuracy of the fresh rollouts, each reward by itself, and how
        many completions the verifier could not decide; of all ranks. Collective."""
        found: dict[str, float] = {}
        if not self.grader.is_accuracy:
            graded = {series.TRAIN_ACCURACY: self._grades.verdicts}
            graded |= {series.reward_part(label): values for label, values in self._grades.parts.items()}
            gathered = ranks.gather({name: float(np.mean(values)) for name, values in graded.items()})
            found |= {name: float(np.mean([each[name] for each in gathered])) for name in graded}
        if self._undecided is not None:
            found[series.UNDECIDED] = float(sum(ranks.gather(self._undecided)))
        return found
