"""How DOTS predicts the pool's difficulty from measured references: raw embeddings, or a trained predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from repro.difficulty.attention import effective_references, line_slope, predict, whiten
from repro.difficulty.predictor import DifficultyPredictor
from repro.numbers import softmax

Recalibration = Literal["left_out", "in_sample", "none"]


@dataclass(frozen=True)
class Estimate:
    """Predicted failure rates of the pool, and how the references left out in turn were predicted."""

    failure: np.ndarray  # (N,), in [0, 1] unless the line was fitted in sample
    left_out_raw: np.ndarray  # (K,) each reference from the others, before the line
    left_out: np.ndarray  # (K,) by the whole predictor, the line fitted without it too
    slope: float  # of the line
    attended: float  # effective number of references per question


class Estimator(Protocol):
    """Predicts N failure rates from K measured ones; rows are those of the selector's questions."""

    def estimate(self, references: np.ndarray, truth: np.ndarray) -> Estimate:
        """From references (K,) and their failure rates (K,)."""

    def attention(self, questions: np.ndarray, references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """(Q, K) weights of the references in the prediction of some questions, rows sum to 1."""


class UntrainedEstimator:
    """Attention between raw embeddings; temperature and line come from the references."""

    def __init__(self, embeddings: np.ndarray) -> None:
        self.z = whiten(embeddings)  # (N, c)

    def estimate(self, references: np.ndarray, truth: np.ndarray) -> Estimate:
        """See `Estimator`."""
        made = predict(self.z, references, truth)
        calibration = made.calibration
        return Estimate(made.failure, calibration.left_out_raw, calibration.left_out, calibration.slope, made.attended)

    def attention(self, questions: np.ndarray, references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """See `Estimator`; the truth decides the temperature."""
        temperature = predict(self.z, references, truth).calibration.temperature
        return softmax(self.z[questions] @ self.z[references].T / np.sqrt(self.z.shape[1]) / temperature)


class TrainedEstimator:
    """A trained predictor; its projections of the pool are made once.

    `recalibration` is the line on top of it: `none` (the paper), `in_sample` (the authors' code: least squares on the
    references that made the prediction, not clipped), or `left_out`: through the mean of the references with a slope
    from predictions of each reference by the others, clipped to [0, 1].
    """

    def __init__(self, predictor: DifficultyPredictor, embeddings: np.ndarray, recalibration: Recalibration) -> None:
        self.predictor, self.recalibration = predictor, recalibration
        self.projections = predictor.project(embeddings)

    def estimate(self, references: np.ndarray, truth: np.ndarray) -> Estimate:
        """See `Estimator`."""
        raw = self.predictor.predict(self.projections, references, truth)  # (N,)
        others = self.predictor.left_out(self.projections, references, truth)  # (K,)
        weights = self.predictor.attention(self.projections, np.arange(len(raw)), references)  # (N, K)
        attended = effective_references(weights)
        if self.recalibration == "none":
            return Estimate(raw, others, others, 1.0, attended)
        if self.recalibration == "in_sample":
            slope, intercept = least_squares(raw[references], truth)
            return Estimate(intercept + slope * raw, others, intercept + slope * others, slope, attended)
        count, mean = len(truth), float(truth.mean())
        rest = (truth.sum() - truth) / (count - 1)  # (K,) mean of the other references
        slope = float(line_slope(others - rest, truth - rest))
        folds = ~np.eye(count, dtype=bool)
        apart = np.broadcast_to(others - rest, (count, count))[folds].reshape(count, -1)  # (K, K - 1)
        known = np.broadcast_to(truth - rest, (count, count))[folds].reshape(count, -1)  # (K, K - 1)
        honest = np.clip(rest + line_slope(apart, known) * (others - rest), 0.0, 1.0)
        return Estimate(np.clip(mean + slope * (raw - mean), 0.0, 1.0), others, honest, slope, attended)

    def attention(self, questions: np.ndarray, references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """See `Estimator`; the towers alone decide."""
        return self.predictor.attention(self.projections, questions, references)


def least_squares(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of truth on prediction; slope 0 where the predictions are all alike."""
    spread = predicted - predicted.mean()
    variance = float(spread @ spread)
    slope = float(spread @ truth) / variance if variance > 1e-12 else 0.0
    return slope, float(truth.mean() - slope * predicted.mean())
