"""Chooses questions near a target difficulty, which it predicts from references that it measures now and then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.difficulty.attention import DECIMALS
from repro.difficulty.estimators import Estimator, TrainedEstimator, UntrainedEstimator
from repro.difficulty.quality import quality
from repro.draws import gumbel_top_k
from repro.errors import UserError
from repro.groups import has_spread
from repro.selection.base import Attention, Run
from repro.selection.pool import align
from repro.selection.stateful import StatefulSelector
from repro.selection.ties import ranked, tie_places

if TYPE_CHECKING:
    from repro.selection.methods.difficulty import Difficulty

NEAR = 0.1  # half-width of the "near the target" metric


class DifficultySelector(StatefulSelector):
    """Every `every` steps, at the top of `choose`: measure K uniform references, predict all N, then draw.

    P(q) ~ exp(-|d_q - target| / temperature) without replacement over a whole window of `every` steps (the same
    prediction must not hand out the same questions again; if fewer than n are left, the window starts over).
    References may be chosen too. `observe` learns nothing: as in the paper, only references enter the prediction.
    An oracle measures the whole pool in place of K references. With `reuse_references` a refresh puts the references
    near the target first, and they train with the rollouts that measured them (DOTS, appendix A.1).

    Quality is measured on the uniform references only; on the chosen questions a correlation collapses.
    `predictor_*` compares the prediction in force, made `every` steps ago from other references, with the
    new measurement: out of sample, but it counts the policy's drift. `loo_*` is leave-one-out on the new references:
    current. `loo_pearson` correlates deviations from the mean of the other references, because a left-out prediction
    without information is that mean and correlates at -1 with the truth.
    """

    def __init__(self, selection: Difficulty, run: Run) -> None:
        if selection.references_of(len(run.ids)) > len(run.ids):
            raise UserError(
                f"selection.references: {selection.references}, expected at most the {len(run.ids)} questions of the "
                f"pool; lower it"
            )
        super().__init__(selection, run)
        self.selection = selection
        self.samples = selection.samples or run.group_size
        self.target = selection.target if selection.measure == "failure_rate" else 1.0 - selection.target
        self._estimator: Estimator | None = None
        self._failure: np.ndarray | None = None  # (N,) predicted failure rates in force
        self._references: list[int] = []  # of the prediction in force
        self._truth: list[float] = []  # their measured failure rates
        self._window: list[int] = []  # chosen since the latest refresh
        self._step = 0  # calls of choose so far

    def pick(self, n: int) -> list[int]:
        """Refreshes first when `every` steps have passed."""
        if self._step % self.selection.every == 0 or self._failure is None:
            near = self._refresh()
            if self.selection.reuse_references:
                self._reused = near[:n]
        assert self._failure is not None
        if len(self.ids) - len(self._window) < n:
            self._window = []
        distance = np.abs(self._failure - self.target)  # (N,)
        log_weights = -distance / self.selection.temperature
        log_weights[self._window + self._reused] = -np.inf
        drawn = gumbel_top_k(log_weights, n - len(self._reused), self.generator)
        chosen = self._reused + [int(i) for i in drawn]
        self._window += chosen
        self._step += 1
        self._metrics |= {
            "predicted_mean": float(np.clip(1 - self._failure, 0, 1).mean()),
            "chosen_predicted_mean": float(np.clip(1 - self._failure[chosen], 0, 1).mean()),
            "chosen_near_target": float((distance[chosen] <= NEAR).mean()),
        }
        if self.selection.reuse_references:
            self._metrics["reused"] = float(len(self._reused))
        return chosen

    def _near(self, failure: np.ndarray, rewards: Sequence[tuple[float, ...]]) -> list[int]:
        """References that are near the target, from all N predictions and the K rows of rewards.

        The nearest first; equally near ones in the order in which they were drawn.
        """
        if self.selection.reuse_by == "predicted":
            distance = {i: abs(float(failure[i]) - self.target) for i in self._references}
        else:
            spread = [has_spread(row, self.run.min_spread) for row in rewards]
            measured = zip(self._references, self._truth, spread, strict=True)
            distance = {i: abs(truth - self.target) for i, truth, differs in measured if differs}
        within = self.selection.reuse_within
        near = np.array([i for i, d in distance.items() if d <= within], dtype=np.int64)
        if self.selection.predictor == "oracle":  # whose references are in the order of the data, not drawn
            places = tie_places([self.ids[i] for i in near], self.generator)
        else:
            places = np.arange(len(near))
        return near[ranked(np.array([distance[int(i)] for i in near]), places)].tolist()

    def _refresh(self) -> list[int]:
        """Measure and predict. The references near the target, the nearest first."""
        oracle = self.selection.predictor == "oracle"
        count = len(self.ids) if oracle else self.selection.references
        references = np.arange(count) if oracle else self.generator.choice(len(self.ids), size=count, replace=False)
        keep = self.selection.reuse_references
        rewards = self.run.resources.probe([int(i) for i in references], self.samples, keep=keep)
        if len(rewards) != count or any(len(row) != self.samples for row in rewards):
            raise ValueError(f"probe returned {len(rewards)} rows, expected {count} of {self.samples} rewards each")
        truth = 1.0 - np.array([np.mean(row) for row in rewards], dtype=np.float64)  # (K,) failure rates
        if not ((truth >= 0) & (truth <= 1)).all():
            raise ValueError(f"mean rewards of references are outside [0, 1]: {1 - truth.max()} to {1 - truth.min()}")
        self._metrics |= {
            "reference_pass_rate": float(1 - truth.mean()),
            "reference_informative": float(np.mean([has_spread(row, self.run.min_spread) for row in rewards])),
        }
        if self._failure is not None:
            new = ~np.isin(references, [] if oracle else self._references)  # the measured ones knew their own answer
            self._metrics |= _quality("predictor", self._failure[references[new]], truth[new])
        self._failure = truth if oracle else self._predict(references, truth)
        self._references, self._truth = [int(i) for i in references], truth.tolist()
        self._window = []
        return self._near(self._failure, rewards)

    def _predict(self, references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        made = self._make_estimator().estimate(references, truth)
        mean = (truth.sum() - truth) / (len(truth) - 1)  # (K,) of the other references
        self._metrics |= _quality("loo", made.left_out_raw - mean, truth - mean)
        self._metrics["loo_mae"] = float(np.abs(made.left_out - truth).mean())
        self._metrics |= {"line_slope": round(made.slope, DECIMALS), "attended_references": made.attended}
        return made.failure

    def _make_estimator(self) -> Estimator:
        if self._estimator is None:
            if self.selection.predictor == "trained":
                predictor, embeddings = self.run.resources.predictor()
                rows = align(embeddings, self.run.resources.ids, self.ids)
                self._estimator = TrainedEstimator(predictor, rows, self.selection.recalibration)
            else:
                rows = align(self.run.resources.embeddings(), self.run.resources.ids, self.ids)
                self._estimator = UntrainedEstimator(rows)
        return self._estimator

    def predictions(self) -> np.ndarray | None:
        """(N,) predicted pass rates in force (1 - difficulty), None before the first choice."""
        return None if self._failure is None else np.clip(1.0 - self._failure, 0.0, 1.0)

    def attention(self, indices: Sequence[int]) -> Attention | None:
        """Weights of the references in force, (Q, K); None before the first choice and for an oracle."""
        if self._failure is None or self.selection.predictor == "oracle":
            return None
        questions, references = np.array(indices, dtype=np.int64), np.array(self._references)  # (Q,), (K,)
        truth = np.array(self._truth)  # (K,)
        return Attention(references, 1.0 - truth, self._make_estimator().attention(questions, references, truth))

    def learnt(self) -> dict[str, Any]:
        """Step counter, window, prediction in force."""
        return {
            "step": self._step,
            "window": list(self._window),
            "references": list(self._references),
            "truth": list(self._truth),
            "failure": None if self._failure is None else self._failure.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it; nothing is probed or embedded until the next refresh."""
        self._step = int(state["step"])
        self._window = [int(i) for i in state["window"]]
        self._references = [int(i) for i in state["references"]]
        self._truth = [float(rate) for rate in state["truth"]]
        self._failure = None if state["failure"] is None else np.array(state["failure"], dtype=np.float64)


def _quality(name: str, predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    if len(truth) < 3:
        return {}
    found = quality(predicted, truth)
    return {f"{name}_{measure}": found[measure] for measure in ("mae", "pearson") if measure in found}
