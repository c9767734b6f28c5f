"""Difficulty of every question from a few measured ones: attention over references, then a line fit (DOTS)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repro.numbers import softmax

COMPONENTS = 8
"""Directions of the embeddings that count. Fixed on the embedded pool with 16 references, from the start policy and a
policy trained with another seed: correlation with the true pass rate .32 and .48, against .23 and .37 for all 96.
Another number gives other runs: raise `repro.study.identity.VERSION` with it."""


DECIMALS = 12
"""Of predictions; a decomposition of the same embeddings has other last bits in another process."""


def whiten(embeddings: np.ndarray, components: int = COMPONENTS) -> np.ndarray:
    """(N, c) float64: the leading principal components at equal variance, rows scaled to length sqrt(c).

    Mean-pooled hidden states share a large common direction, so that raw dot products are all alike; centring removes
    it. A handful of references cannot weigh a hundred directions, so only the leading ones are kept (c = components,
    or what there is). The row scaling is the LayerNorm at the end of DOTS' towers (without its parameters): without it
    the longest references would win every query. Directions without variance and all-zero rows become zeros.
    """
    centred = np.asarray(embeddings, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)  # (N, r), (r,)
    left, singular = left[:, :components], singular[:components]
    z = left * (singular > 1e-9 * max(1.0, float(singular.max(initial=0.0))))  # (N, c)
    length = np.linalg.norm(z, axis=1, keepdims=True)  # (N, 1)
    return z * np.sqrt(z.shape[1]) / np.where(length > 1e-12, length, np.inf)


def effective_references(weights: np.ndarray) -> float:
    """Mean over rows of exp(entropy): how many references a row attends to, from 1 to all. weights (..., K)."""
    entropy = -(weights * np.log(np.where(weights > 0, weights, 1.0))).sum(axis=-1)
    return round(float(np.exp(entropy).mean()), DECIMALS)


def _without_self(scores: np.ndarray) -> np.ndarray:
    masked = np.array(scores, dtype=np.float64)
    np.fill_diagonal(masked, -np.inf)
    return masked


def left_out(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(K,) attention prediction of each reference from the other K - 1. scores (K, K), divided by a temperature."""
    return softmax(_without_self(scores)) @ truth


def left_two_out(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(K, K) whose entry [i, j] predicts reference j from all but i and j; the diagonal means nothing. K >= 3.

    What leave-one-out would see in fold i, for all folds at once: weights of j without i are those of j with i's
    taken away. Every weight is at least 1e-9 of its row's largest, so that taking away leaves something to divide by.
    """
    masked = _without_self(scores)
    weights = np.exp(masked - masked.max(axis=1, keepdims=True)) + 1e-9  # (K, K), row j attends
    np.fill_diagonal(weights, 0.0)
    remaining = weights.sum(axis=1)[:, None] - weights  # (K, K): [j, i]
    return (((weights @ truth)[:, None] - weights * truth) / remaining).T


def candidate_temperatures(scores: np.ndarray) -> np.ndarray:
    """Temperatures from one where a reference attends to little but its nearest to one where it attends to all alike.

    Multiples (1/8 to 8) of the standard deviation of the K x K reference scores off the diagonal.
    """
    spread = float(scores[~np.eye(len(scores), dtype=bool)].std())
    return np.geomspace(1 / 8, 8, 13) * (spread if spread > 1e-12 else 1.0)


def flattest(errors: np.ndarray) -> np.ndarray:
    """(...) index of the last candidate whose error is the least, but for rounding. errors (C, ...)

    Where all references were solved equally often every temperature predicts that, and the last bits of a sum, which
    the place of an array in memory may change, are not to choose.
    """
    near = errors <= errors.min(axis=0) + 1e-12
    return np.asarray(len(errors) - 1 - near[::-1].argmax(axis=0))


def line_slope(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(...,) slope >= 0 of least squares truth ~ slope * predicted over the last axis, drawn towards 1.

    Both are deviations from the mean of the *other* references. A free line through left-out predictions themselves
    would mislead: a prediction without information is that mean, which falls as the truth rises, so its slope is
    -(K - 1). The pull has the weight of a prior N(1, 1) on the slope with the variance of the truth as noise: at K =
    16 a free slope is mostly noise, at 256 the pull is nothing.
    """
    pull = np.maximum((truth**2).mean(axis=-1), 1e-12)
    slope = ((predicted * truth).sum(axis=-1) + pull) / ((predicted**2).sum(axis=-1) + pull)
    return np.maximum(slope, 0.0)


@dataclass(frozen=True)
class Calibration:
    """What the references choose about the predictor, and how it does on references it has not seen."""

    temperature: float  # divides the scores z.z / sqrt(h)
    slope: float  # of the line through (mean of the references, mean of the references)
    left_out_raw: np.ndarray  # (K,) attention prediction of each reference from the others
    left_out: np.ndarray  # (K,) the whole predictor's, temperature and slope chosen without that reference too


def calibrate(scores: np.ndarray, truth: np.ndarray) -> Calibration:
    """Temperature and slope from leave-one-out predictions of the references.

    DOTS trains towers until softmax(z.z / sqrt(h)) is as sharp as its data bear, and fits a line in sample. Untrained
    embeddings have no such scale, so the temperature is the candidate with the least leave-one-out squared error.
    scores (K, K) = z.z / sqrt(h) between references, truth (K,). Below 4 references there is nothing to choose by.
    """
    count, index = len(truth), np.arange(len(truth))
    temperatures = candidate_temperatures(scores)  # (C,)
    raw = np.stack([left_out(scores / t, truth) for t in temperatures])  # (C, K)
    if count < 4:
        return Calibration(float(temperatures[-1]), 1.0, raw[-1], raw[-1])
    best = int(flattest(((raw - truth) ** 2).sum(axis=1)))
    mean = (truth.sum() - truth) / (count - 1)  # (K,) of the others
    slope = float(line_slope(raw[best] - mean, truth - mean))
    # The same once more inside every fold i, which knows neither i nor, when it predicts j, j itself.
    inner = np.stack([left_two_out(scores / t, truth) for t in temperatures])  # (C, K, K): [., i, j]
    others = ~np.eye(count, dtype=bool)
    choice = flattest((np.where(others, inner - truth, 0.0) ** 2).sum(axis=2))  # (K,)
    inner_mean = (truth.sum() - truth[:, None] - truth) / (count - 2)  # (K, K)
    shape = (count, count - 1)
    predicted, known = (inner[choice, index] - inner_mean)[others], (truth - inner_mean)[others]
    slopes = line_slope(predicted.reshape(shape), known.reshape(shape))  # (K,)
    honest = np.clip(mean + slopes * (raw[choice, index] - mean), 0.0, 1.0)
    return Calibration(float(temperatures[best]), slope, np.round(raw[best], DECIMALS), np.round(honest, DECIMALS))


@dataclass(frozen=True)
class Prediction:
    """Predicted failure rates of the pool, and what the references say about their quality."""

    failure: np.ndarray  # (N,) in [0, 1]
    calibration: Calibration
    attended: float  # effective number of references per question


def predict(z: np.ndarray, references: np.ndarray, truth: np.ndarray) -> Prediction:
    """Failure rate of all N questions from K measured references.

    z (N, h) from `standardize`; references (K,) distinct rows of it, K >= 2; truth (K,) their failure rates.
    d_q = m + slope * (sum_i softmax_i(z_q . z_i / (sqrt(h) T)) truth_i - m), clipped to [0, 1]; m is the references'
    mean, T and slope come from `calibrate`. References are predicted like all others, so that their own measurement
    takes part with the weight the attention gives it.
    """
    if len(references) < 2 or len(truth) != len(references):
        raise ValueError(f"{len(references)} references and {len(truth)} measured rates, expected equal and >= 2")
    keys = z[references]  # (K, h), projected once per refresh
    scores = z @ keys.T / np.sqrt(z.shape[1])  # (N, K)
    calibration = calibrate(scores[references], truth)
    weights = softmax(scores / calibration.temperature)
    mean = float(truth.mean())
    failure = np.clip(mean + calibration.slope * (weights @ truth - mean), 0.0, 1.0)
    return Prediction(np.round(failure, DECIMALS), calibration, effective_references(weights))
