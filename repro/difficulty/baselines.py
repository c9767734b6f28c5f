"""Ways to predict difficulty from measured references: the trained towers, and what they have to beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from repro.difficulty import attention
from repro.difficulty.predictor import DifficultyPredictor

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""`method(references (K,) rows, truth (K,) failure rates)` -> (M,) failure rates of all questions of a pool."""

PENALTIES = np.geomspace(1e-3, 1e4, 15)
"""Candidates of the ridge penalty, on standardised features."""


def trained(predictor: DifficultyPredictor, embeddings: np.ndarray) -> Method:
    """The predictor on embeddings (M, W), projected once."""
    projections = predictor.project(embeddings)
    return lambda references, truth: predictor.predict(projections, references, truth)


def untrained(embeddings: np.ndarray) -> Method:
    """Attention over the whitened embeddings (M, W) themselves, temperature and slope left one out."""
    z = attention.whiten(embeddings)
    return lambda references, truth: attention.predict(z, references, truth).failure


def surface_labels(questions: Sequence[str], fitted: Sequence[str], failure: np.ndarray) -> Method:
    """Ridge regression of surface features fitted on other questions, its line then fitted on the references.

    questions: M texts to predict; fitted: N texts with their failure rates (N,), the label policies' mean. The line
    through the references takes the policy at hand into account; its slope is at least 0.
    """
    features = Surface(fitted)
    weights = ridge(features(fitted), failure)
    score = _with_one(features(questions)) @ weights  # (M,)

    def method(references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        known = score[references]
        x, y = known - known.mean(), truth - truth.mean()
        slope = max(0.0, float(x @ y) / max(float(x @ x), 1e-12))
        return np.clip(truth.mean() + slope * (score - known.mean()), 0.0, 1.0)

    return method


def surface_references(questions: Sequence[str]) -> Method:
    """Ridge regression of the surface features of M texts, fitted on the references alone."""
    x = Surface(questions)(questions)  # (M, F)
    return lambda references, truth: np.clip(_with_one(x) @ ridge(x[references], truth), 0.0, 1.0)


class Surface:
    """Length and counts of every operator: symbols that are neither letter, digit nor space, and upper-case letters.

    The symbols are those of the texts it was made from, and so are mean and deviation, by which features are
    standardised; one that does not vary there is 0.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        symbols = {c for text in texts for c in text if c.isupper() or not (c.isalnum() or c.isspace())}
        self.symbols = sorted(symbols)
        raw = self._raw(texts)
        self._mean, deviation = raw.mean(axis=0), raw.std(axis=0)
        self._scale = np.where(deviation > 1e-9, deviation, np.inf)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 1 + symbols) float64."""
        return (self._raw(texts) - self._mean) / self._scale

    def _raw(self, texts: Sequence[str]) -> np.ndarray:
        counts = [Counter(text) for text in texts]
        rows = [[len(text), *(c[s] for s in self.symbols)] for text, c in zip(texts, counts, strict=True)]
        return np.array(rows, dtype=np.float64)


def ridge(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(1 + F,) intercept and weights of ridge regression, its penalty the one with the least leave-one-out error.

    features (n, F), target (n,). The error is exact: residual / (1 - leverage). The intercept is not penalised.
    """
    mean = features.mean(axis=0)
    left, singular, right = np.linalg.svd(features - mean, full_matrices=False)  # (n, r), (r,), (r, F)
    along, y = left.T @ (target - target.mean()), target - target.mean()  # (r,), (n,)
    best, weights = np.inf, np.zeros(features.shape[1])
    for penalty in PENALTIES:
        shrink = singular**2 / (singular**2 + penalty)  # (r,)
        leverage = 1 / len(y) + (left**2) @ shrink  # (n,)
        error = float((((y - left @ (shrink * along)) / np.maximum(1 - leverage, 1e-9)) ** 2).mean())
        if error < best:
            best, weights = error, right.T @ (singular / (singular**2 + penalty) * along)
    return np.concatenate([[target.mean() - mean @ weights], weights])


def _with_one(features: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(features)), features])
