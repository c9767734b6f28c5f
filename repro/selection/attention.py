"""Difficulty of every question from a few measured ones: attention over references, then a line fit (DOTS)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def standardize(embeddings: np.ndarray) -> np.ndarray:
    """(N, h) float64: every dimension centred and scaled over the pool, then every row scaled to length sqrt(h).

    Mean-pooled hidden states share a large common direction, so that raw dot products are all alike; centring removes
    it. The row scaling is the LayerNorm at the end of DOTS' towers (without its parameters): without it the longest
    references would win every query. Constant dimensions and all-zero rows become zeros.
    """
    centred = np.asarray(embeddings, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    deviation = centred.std(axis=0)
    z = centred / np.where(deviation > 1e-12, deviation, np.inf)  # (N, h)
    length = np.linalg.norm(z, axis=1, keepdims=True)  # (N, 1)
    return z * np.sqrt(z.shape[1]) / np.where(length > 1e-12, length, np.inf)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis; -inf means no weight."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def effective_references(weights: np.ndarray) -> float:
    """Mean over rows of exp(entropy): how many references a row attends to, from 1 to all. weights (..., K)."""
    entropy = -(weights * np.log(np.where(weights > 0, weights, 1.0))).sum(axis=-1)
    return float(np.exp(entropy).mean())


def attention_temperature(scores: np.ndarray) -> float:
    """The divisor of the K x K reference scores at which each attends to about sqrt(K) of the others.

    DOTS trains its towers so that z.z / sqrt(h) is sharp enough; untrained embeddings have no such scale (sqrt(h)
    alone attends to one neighbour at h = 1536 and to most at h = 16). sqrt(K) neighbours is the usual rule of
    nearest-neighbour regression. It looks at embeddings only, never at rewards, so it cannot overfit them.
    """
    others = _without_self(scores)
    wanted = min(max(np.sqrt(len(scores)), 1.0), len(scores) - 1.0)
    low, high = -10.0, 10.0  # natural logarithm of the temperature
    for _ in range(50):  # attention widens with temperature, so bisection finds it
        middle = (low + high) / 2
        wide = effective_references(softmax(others / np.exp(middle))) >= wanted
        low, high = (low, middle) if wide else (middle, high)
    return float(np.exp(high))


def _without_self(scores: np.ndarray) -> np.ndarray:
    masked = np.array(scores, dtype=np.float64)
    np.fill_diagonal(masked, -np.inf)
    return masked


def fit_line(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(slope, intercept) of least squares truth ~ predicted, with slope >= 0.

    A left-out prediction without information is (sum of the others) / (K - 1), which falls as the truth rises: its
    unconstrained slope is -(K - 1) and would turn noise into confident nonsense. At slope 0 everything is predicted
    as the references' mean, and the choice becomes uniform, as it should without information.
    """
    spread = predicted - predicted.mean()
    variance = float(spread @ spread)
    slope = max(0.0, float(spread @ truth) / variance) if variance > 1e-12 else 0.0
    return slope, float(truth.mean() - slope * predicted.mean())


def left_out(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(K,) attention prediction of each reference from the other K - 1. scores (K, K) after the temperature."""
    return softmax(_without_self(scores)) @ truth


@dataclass(frozen=True)
class Prediction:
    """Predicted failure rates of the pool, and what the references say about their quality."""

    failure: np.ndarray  # (N,) in [0, 1]
    left_out_raw: np.ndarray  # (K,) attention prediction of each reference from the others
    left_out: np.ndarray  # (K,) the same after a line that has not seen that reference either
    slope: float  # of the line
    attended: float  # effective number of references per question


def predict(z: np.ndarray, references: np.ndarray, truth: np.ndarray) -> Prediction:
    """Failure rate of all N questions from K measured references.

    z (N, h) from `standardize`; references (K,) distinct rows of it, K >= 2; truth (K,) their failure rates.
    d_q = sum_i softmax_i(z_q . z_i / (sqrt(h) T)) truth_i, T from `attention_temperature`; then a line fitted on the
    references' leave-one-out predictions (in-sample fits are biased for small K, dots_rr trap 10), clipped to [0, 1].
    References are predicted like all others (so their own measurement takes part, with the weight it deserves).
    """
    if len(references) < 2 or len(truth) != len(references):
        raise ValueError(f"{len(references)} references and {len(truth)} measured rates, expected equal and >= 2")
    keys = z[references]  # (K, h), projected once per refresh
    logits = z @ keys.T / np.sqrt(z.shape[1])  # (N, K)
    among = logits[references]  # (K, K)
    temperature = attention_temperature(among)
    weights = softmax(logits / temperature)
    raw = left_out(among / temperature, truth)
    slope, intercept = fit_line(raw, truth)
    failure = np.clip(slope * (weights @ truth) + intercept, 0.0, 1.0)
    honest = np.empty(len(truth))
    for i in range(len(truth)):  # K folds of a K x K softmax: 0.2 s at K = 256, once per refresh
        others = np.delete(np.arange(len(truth)), i)
        if len(others) > 1:
            inner = left_out(among[np.ix_(others, others)] / temperature, truth[others])
            fold_slope, fold_intercept = fit_line(inner, truth[others])
        else:
            fold_slope, fold_intercept = 0.0, float(truth[others].mean())
        honest[i] = np.clip(fold_slope * raw[i] + fold_intercept, 0.0, 1.0)
    return Prediction(failure, raw, honest, slope, effective_references(weights))


def pearson(predicted: np.ndarray, truth: np.ndarray) -> float | None:
    """Correlation of two vectors; 0 where the prediction is constant, None where the truth is (nothing to say)."""
    a, b = predicted - predicted.mean(), truth - truth.mean()
    norms = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if norms[1] < 1e-12:
        return None
    return 0.0 if norms[0] < 1e-12 else float(a @ b / (norms[0] * norms[1]))
