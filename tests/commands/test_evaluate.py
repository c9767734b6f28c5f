"""Evaluation: uniform questions without the references, paired intervals, and the share that selection would get."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from repro.difficulty.baselines import Method
from repro.difficulty.evaluate import Evaluation, evaluate_predictor
from repro.files import dump_json

SIZE = 60
RATES = np.random.default_rng(0).integers(0, 17, SIZE) / 16


def with_noise(scale: float) -> Method:
    noise = np.random.default_rng(1).standard_normal(SIZE)
    return lambda references, truth: np.clip(1 - RATES + scale * noise, 0, 1)


def evaluated(methods: dict[str, Method], **changes: Any) -> Evaluation:
    options: dict[str, Any] = {"references": 10, "group_size": 8, "batch": 12, "repeats": 4, "resamples": 300}
    return evaluate_predictor(methods, RATES, **(options | changes))


def test_measures_are_those_of_the_questions_that_are_no_references() -> None:
    found = evaluated({"noisy": with_noise(0.3)})
    record = found.record["methods"]["noisy"]
    truth, predicted = 1 - RATES, with_noise(0.3)(np.zeros(0), np.zeros(0))
    outside = [~row for row in found.is_reference]
    assert [int(row.sum()) for row in outside] == [SIZE - 10] * 4
    for key, expected in (
        ("pearson", [stats.pearsonr(predicted[row], truth[row]).statistic for row in outside]),
        ("spearman", [stats.spearmanr(predicted[row], truth[row]).statistic for row in outside]),
        ("mse", [((predicted[row] - truth[row]) ** 2).mean() for row in outside]),
    ):
        np.testing.assert_allclose(record[key]["value"], np.mean(expected), atol=1e-12)
        assert record[key]["low"] < record[key]["value"] < record[key]["high"]


def test_a_prediction_of_references_counts_for_nothing() -> None:
    def spoils(references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        out = with_noise(0.3)(references, truth)
        out[references] = 1 - truth
        return out

    one, other = (evaluated({"m": method}).record["methods"]["m"] for method in (with_noise(0.3), spoils))
    for key in ("pearson", "spearman", "mse", "chosen"):
        assert one[key] == pytest.approx(other[key], abs=1e-12)
    assert [bin["count"] for bin in one["calibration"]] == [bin["count"] for bin in other["calibration"]]


def test_the_chosen_are_the_nearest_to_the_target() -> None:
    found = evaluated({"truth": with_noise(0.0)}, repeats=1)
    outside = ~found.is_reference[0]
    informative = (RATES >= 1 / 8) & (RATES <= 7 / 8)
    order = np.argsort(np.abs(RATES - 0.5) + 2.0 * found.is_reference[0], kind="stable")[:12]
    assert found.record["chosen_by_oracle"]["value"] == informative[order].mean() == 1
    assert found.record["chosen_at_random"]["value"] == pytest.approx(informative[outside].mean())
    assert found.record["methods"]["truth"]["chosen"] == found.record["chosen_by_oracle"]
    easiest = evaluated({"truth": with_noise(0.0)}, repeats=1, target=0.0, batch=5).record
    assert easiest["methods"]["truth"]["chosen"]["value"] == 0, "pass rate 1 gives groups without advantage"


def test_bounds_of_informative_questions_belong_to_them() -> None:
    rates = np.array([1 / 3, 2 / 3, 0.3, 0.7, 1.0, 0.0, 0.5, 0.5])
    record = evaluate_predictor(
        {"same": lambda references, truth: np.full(8, 0.5)}, rates, references=2, group_size=3, batch=1, repeats=200
    ).record
    assert record["chosen_at_random"]["value"] == pytest.approx(0.5, abs=0.05)
    assert record["methods"]["same"]["pearson"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_differences_are_paired() -> None:
    record = evaluated({"good": with_noise(0.2), "bad": with_noise(0.5), "same": with_noise(0.2)}).record
    assert record["differences"]["same"]["pearson"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    difference = record["differences"]["bad"]["pearson"]
    good, bad = (record["methods"][name]["pearson"] for name in ("good", "bad"))
    assert difference["value"] == pytest.approx(good["value"] - bad["value"])
    assert 0 < difference["low"] < difference["high"]
    assert record["differences"]["bad"]["mse"]["high"] < 0


def test_calibration_bins_hold_every_counted_prediction() -> None:
    found = evaluated({"noisy": with_noise(0.3)})
    bins = found.record["methods"]["noisy"]["calibration"]
    predicted = found.predicted["noisy"][~found.is_reference]
    measured = np.broadcast_to(found.measured, found.is_reference.shape)[~found.is_reference]
    assert sum(one["count"] for one in bins) == len(predicted)
    for one in bins:
        inside = (predicted >= one["from"]) & ((predicted < one["to"]) | (one["to"] == 1.0))
        assert one["count"] == inside.sum()
        assert one["predicted"] == pytest.approx(predicted[inside].mean())
        assert one["measured"]["value"] == pytest.approx(measured[inside].mean())


def test_methods_see_the_references_as_selection_would() -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def watching(references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        seen.append((references, truth))
        return np.full(SIZE, 0.5)

    found = evaluated({"a": watching})
    for repeat, (rows, truth) in enumerate(seen):
        assert np.flatnonzero(found.is_reference[repeat]).tolist() == sorted(rows)
        np.testing.assert_array_equal(truth, 1 - RATES[rows])
    seen.clear()
    evaluated({"a": watching}, reference_samples=2, repeats=50)
    rates = np.concatenate([truth for _, truth in seen])
    assert set(rates) == {0.0, 0.5, 1.0}
    expected = np.concatenate([1 - RATES[rows] for rows, _ in seen]).mean()
    assert rates.mean() == pytest.approx(expected, abs=5 * 0.5 / np.sqrt(2 * len(rates)))


def test_the_record_is_json_and_the_same_for_a_seed() -> None:
    one, same = (evaluated({"noisy": with_noise(0.3)}).record for _ in range(2))
    assert one == same == json.loads(dump_json(one))
    assert evaluated({"noisy": with_noise(0.3)}, seed=1).record != one


def test_the_mean_prediction_of_a_question_leaves_out_where_it_was_a_reference() -> None:
    def repeats(references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        out = np.full(SIZE, 0.25)
        out[references] = 1.0
        return out

    found = evaluated({"m": repeats}, repeats=2, references=50, batch=1)
    always = found.is_reference.all(axis=0)
    assert 0 < always.sum() < SIZE
    assert (found.predicted["m"][~found.is_reference] == 0.25).all()


def test_an_evaluation_that_leaves_nothing_to_judge_is_refused() -> None:
    for changes in ({"references": SIZE - 2}, {"references": 1}, {"batch": SIZE - 9}, {"batch": 0}, {"group_size": 1}):
        with pytest.raises(ValueError, match="expected 2 <="):
            evaluated({"m": with_noise(0.1)}, **changes)
    with pytest.raises(ValueError, match="at least one method"):
        evaluated({})
