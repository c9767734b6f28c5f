"""How well difficulty is predicted on held-out questions of a held-out policy, and what selection makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from repro.difficulty.baselines import Method
from repro.difficulty.weighted import chosen_share, mean_squared_error, pearson, spearman, weighted_mean

STREAM = 23
"""Sets the draws of an evaluation apart from all others of its seed."""

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Predictions (M,) and weights (D, M) -> (D,)."""

LEVEL = 0.95
BINS = 10
WEIGHTS_HELD = 2_000_000
"""Bootstrap weights held at once."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found. All rates are failure rates."""

    record: dict[str, Any]  # plain JSON: every number with its interval
    measured: np.ndarray  # (M,) failure rates
    is_reference: np.ndarray  # (R, M) bool
    predicted: dict[str, np.ndarray]  # method -> (R, M); references among them, which no number counts


def evaluate_predictor(
    methods: Mapping[str, Method],
    pass_rates: np.ndarray,
    *,
    references: int,
    group_size: int,
    batch: int,
    target: float = 0.5,
    reference_samples: int | None = None,
    repeats: int = 20,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Judge each method on the M questions of a pool under one policy, and the first method against every other.

    Each of the `repeats` draws `references` questions uniformly, hands their failure rates to all methods and judges
    them on all other questions alike: chosen ones would show no correlation even for a good predictor, because their
    difficulty hardly varies (range restriction). Measures are means over repeats; intervals are 95 % percentiles of a
    bootstrap that resamples questions and repeats, the same resamples for every method, so that differences are paired.

    Args:
        methods: name -> method; see `repro.difficulty.baselines`.
        pass_rates: (M,) measured, of the held-out policy.
        references: K, fewer than M - 2.
        group_size: G; a question is informative if its pass rate lies in [1/G, 1 - 1/G].
        batch: B, the questions that selection takes: those predicted nearest `target`. At most M - K.
        target: failure rate that selection aims at.
        reference_samples: rollouts per reference, drawn binomially from its pass rate, as selection would see them;
            None hands over the measured rates.

    Returns:
        An `Evaluation`; its record holds, per method, `pearson`, `spearman`, `mse`, `chosen` (share of informative
        questions among the chosen) as {value, low, high} and `calibration` bins; `chosen_at_random` and
        `chosen_by_oracle`; `differences` of the first method to each other. None stands for what the data leave open.
    """
    size = len(pass_rates)
    if not methods or not ((pass_rates >= 0) & (pass_rates <= 1)).all():
        raise ValueError("expected at least one method, and pass rates in [0, 1]")
    if not 2 <= references < size - 2 or not 1 <= batch <= size - references or group_size < 2:
        raise ValueError(
            f"references {references}, batch {batch}, group_size {group_size} with {size} questions; expected 2 <= "
            f"references < {size - 2}, 1 <= batch <= questions - references, group_size >= 2"
        )
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAM])))
    measured = 1.0 - np.asarray(pass_rates, dtype=np.float64)  # (M,)
    is_reference = np.zeros((repeats, size), dtype=bool)
    predicted = {name: np.empty((repeats, size)) for name in methods}
    for repeat in range(repeats):
        rows = generator.choice(size, size=references, replace=False)  # (K,)
        truth = measured[rows]
        if reference_samples is not None:
            truth = generator.binomial(reference_samples, truth) / reference_samples
        is_reference[repeat, rows] = True
        for name, method in methods.items():
            predicted[name][repeat] = method(rows, truth)
    informative = (np.abs(measured - 0.5) <= 0.5 - 1 / group_size + 1e-9).astype(float)  # (M,)
    ties = generator.random(size)  # the order of questions that are equally near
    boot = _Bootstrap(generator, ~is_reference, resamples)

    def chosen(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return chosen_share(np.abs(values - target), ties, informative, batch, weights)

    measures: dict[str, Measure] = {
        "pearson": lambda values, weights: pearson(values, measured, weights),
        "spearman": lambda values, weights: spearman(values, measured, weights),
        "mse": lambda values, weights: mean_squared_error(values, measured, weights),
        "chosen": chosen,
    }
    draws = {
        name: {key: boot.draws(values, measure) for key, measure in measures.items()}
        for name, values in predicted.items()
    }
    oracle = np.broadcast_to(measured, is_reference.shape)  # (R, M)
    at_random = boot.draws(oracle, lambda _, weights: weighted_mean(informative, weights))
    first, *others = methods
    record = {
        "questions": size,
        "references": references,
        "reference_samples": reference_samples,
        "group_size": group_size,
        "batch": batch,
        "target": target,
        "repeats": repeats,
        "resamples": resamples,
        "seed": seed,
        "methods": {
            name: {key: _interval(found) for key, found in by_measure.items()}
            | {"calibration": boot.calibration(predicted[name], measured)}
            for name, by_measure in draws.items()
        },
        "chosen_at_random": _interval(at_random),
        "chosen_by_oracle": _interval(boot.draws(oracle, chosen)),
        "differences": {
            name: {key: _interval(draws[first][key] - draws[name][key]) for key in measures} for name in others
        },
    }
    return Evaluation(record, measured, is_reference, predicted)


class _Bootstrap:
    """Resamples of questions and of repeats. Row 0 is the sample itself."""

    def __init__(self, generator: np.random.Generator, counted: np.ndarray, resamples: int) -> None:
        repeats, size = counted.shape
        self._counted = counted.astype(np.float64)  # (R, M), 0 for references
        self._questions = _draw(generator, size, resamples)  # (1 + D, M)
        self._repeats = _draw(generator, repeats, resamples)  # (1 + D, R)

    def draws(self, values: np.ndarray, measure: Measure) -> np.ndarray:
        """(1 + D,) mean over repeats of `measure(values of a repeat (M,), weights (rows, M))`, NaN ones left out."""
        found = np.empty_like(self._repeats)  # (1 + D, R)
        rows = max(1, WEIGHTS_HELD // self._questions.shape[1])
        for start in range(0, len(found), rows):
            weights = self._questions[start : start + rows]
            for repeat, counted in enumerate(self._counted):
                found[start : start + rows, repeat] = measure(values[repeat], weights * counted)
        known = np.where(np.isnan(found), 0.0, self._repeats)
        total = known.sum(axis=1)
        return (known * np.nan_to_num(found)).sum(axis=1) / np.where(total > 0, total, np.nan)

    def calibration(self, predicted: np.ndarray, measured: np.ndarray) -> list[dict[str, Any]]:
        """Tenths of the predicted rate: what was predicted and measured there, over all repeats together."""
        sums = np.zeros((len(self._questions), 3, BINS))
        for repeat, counted in enumerate(self._counted):
            place = np.minimum((predicted[repeat] * BINS).astype(np.int64), BINS - 1)  # (M,)
            inside = np.eye(BINS)[place] * counted[:, None]  # (M, BINS)
            for row, values in enumerate((np.ones(len(measured)), predicted[repeat], measured)):
                sums[:, row] += self._repeats[:, [repeat]] * (self._questions @ (inside * values[:, None]))
        count, total_predicted, total_measured = sums.transpose(1, 0, 2)  # (1 + D, BINS) each
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = np.where(count > 0, total_measured / count, np.nan)  # (1 + D, BINS)
        return [
            {
                "from": b / BINS,
                "to": (b + 1) / BINS,
                "predicted": float(total_predicted[0, b] / count[0, b]),
                "measured": _interval(rates[:, b]),
                "count": int(count[0, b]),
            }
            for b in range(BINS)
            if count[0, b]
        ]


def _draw(generator: np.random.Generator, size: int, resamples: int) -> np.ndarray:
    """(1 + D, size) how often each of `size` things counts: once, then as drawn with replacement."""
    drawn = generator.multinomial(size, np.full(size, 1 / size), size=resamples)
    return np.vstack([np.ones(size), drawn])


def _interval(draws: np.ndarray) -> dict[str, float | None]:
    """Value of the sample (row 0) and percentiles of the resamples; None where undetermined."""
    value, rest = float(draws[0]), draws[1:][~np.isnan(draws[1:])]
    if np.isnan(value) or not len(rest):
        return {"value": None if np.isnan(value) else value, "low": None, "high": None}
    low, high = np.quantile(rest, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": value, "low": float(low), "high": float(high)}
