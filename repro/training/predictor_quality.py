"""How well a run's selector predicts difficulty: checked on uniform pool questions at every evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from repro.difficulty.quality import quality
from repro.errors import UserError
from repro.selection.base import Attention, Selector
from repro.spec.schema import Cell
from repro.tasks.problem import TaskData
from repro.tracking import series
from repro.tracking.journal import Journal
from repro.training.evaluation import Sampler
from repro.training.randomness import PREDICTIONS, derive_seed

REFERENCES_SHOWN = 8
"""References with the largest weights that an example of attention names."""


class PredictorQuality:
    """Rolls out questions that nobody selected and writes what was predicted beside what was measured.

    On the chosen questions a correlation collapses, because their difficulty hardly varies (range restriction); the
    references are left out too, because the prediction has seen their answers. The prediction is the one in force,
    which is up to `selection.every` steps older than the policy. Nothing of this reaches the selector.
    """

    def __init__(self, cell: Cell, data: TaskData, sampler: Sampler, journal: Journal, selector: Selector) -> None:
        """UserError where the pool has too few questions that are no references."""
        self.cell, self.data, self.sampler, self.journal, self.selector = cell, data, sampler, journal, selector
        questions, selection = cell.evaluate.predictor_questions, cell.selection
        if questions and selection.predicts:
            free = len(data.train) - selection.references_of(len(data.train))
            if questions > free:
                raise UserError(
                    f"evaluate.predictor_questions: {questions}, expected at most {free}, the questions of the pool "
                    f"that are no references; lower it"
                )

    def record(self, step: int) -> dict[str, float]:
        """The `eval/predictor_...` metrics under the policy as it is after `step`; {} where nothing is predicted.

        Appends to `predictions.jsonl` and replaces `attention.json`: {"step", "examples": [{"id", "question",
        "predicted", "measured", "references": [{"question", "weight", "pass_rate"}]}]}, references by falling weight.
        Questions and rollouts depend on the run's seed and the step alone, the cost goes to the phase `evaluate`.
        """
        count, predictions = self.cell.evaluate.predictor_questions, self.selector.predictions()
        if not count or predictions is None:
            return {}
        seed, train, samples = self.cell.seed, self.cell.train, self.cell.evaluate.pool_samples
        known = self.selector.attention([])
        free = np.setdiff1d(np.arange(len(self.data.train)), [] if known is None else known.references)
        generator = np.random.default_rng(derive_seed(seed, PREDICTIONS, step, 0))
        drawn = generator.choice(free, size=count, replace=False)  # (Q,)
        problems = [self.data.train[i] for i in drawn]
        rollouts = derive_seed(seed, PREDICTIONS, step, 1)
        _, rewards = self.sampler.completions(problems, samples, train.temperature, train.top_p, rollouts, "evaluate")
        measured = np.array([np.mean(row) for row in rewards])  # (Q,)
        predicted = predictions[drawn]  # (Q,)
        ids = [problem.id for problem in problems]
        variance = None if self.sampler.reward.is_accuracy else np.array([np.var(row) for row in rewards])  # (Q,)
        self.journal.record_predictions(
            step, ids=ids, predicted=predicted, measured=measured, samples=samples, variance=variance
        )
        order = np.argsort(predicted, kind="stable")
        shown = order[[0, count // 2, -1]] if count >= 3 else order  # hard, medium and easy, as predicted
        attention = self.selector.attention([int(drawn[row]) for row in shown])
        if attention is not None:
            examples = [
                {
                    "id": ids[row],
                    "question": problems[row].question,
                    "predicted": predicted[row],
                    "measured": measured[row],
                    "references": self._attended(attention, position),
                }
                for position, row in enumerate(shown)
            ]
            self.journal.write_json("attention.json", {"step": step, "examples": examples})
        return {series.predictor_measure(name): value for name, value in quality(predicted, measured).items()}

    def _attended(self, attention: Attention, row: int) -> list[dict[str, Any]]:
        top = np.argsort(-attention.weights[row], kind="stable")[:REFERENCES_SHOWN]
        return [
            {
                "question": self.data.train[attention.references[i]].question,
                "weight": attention.weights[row, i],
                "pass_rate": attention.pass_rates[i],
            }
            for i in top
        ]
