"""Contradictions between a sweep and its study: each just inside and just outside what is possible."""

from __future__ import annotations

import pytest

from tests.conftest import Mistakes
from tests.study.arms import ARMS

BOTH = "{validation_accuracy: maximize}, {generated_tokens: minimize}"


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("arm: random, ", "arm: randon, ", 'sweep.arm: got "randon", expected an arm (full, random, rr), did you mean'),
        ("arm: random, ", "arm: full, ", "sweep.space.selection.fraction: got"),
        (
            "arm: random, seeds: [9], ",
            "arm: random, seeds: [2], ",
            "sweep.seeds: got 2, expected seeds that the tables",
        ),
        ("arm: random, seeds: [9], ", "arm: random, seeds: [9, 9], ", "sweep.seeds: got 9 more than once"),
        ("arm: random, trials: 1, ", "arm: random, trials: 0, ", "sweep.trials: got 0, expected a whole number >= 1"),
        ("arm: random, ", "", "sweep.arm: got nothing, expected text"),
    ],
)
def test_sweeps_are_checked(mistakes: Mistakes, good: str, bad: str, message: str) -> None:
    spec = ARMS + "sweep: {%s space: {selection.fraction: {float: [0.1, 0.5]}}}\n"
    assert mistakes(spec % good) == []
    (found,) = mistakes(spec % bad)
    assert message in found


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("metric: validation_acuracy", 'sweep.metric: got "validation_acuracy", expected a metric, or a list of one'),
        ("metric: [{generated_token: minimize}]", 'sweep.metric: got "generated_token", expected a metric ('),
        ("metric: [{generated_tokens: minimise}]", 'sweep.metric: got "minimise", expected a direction of generated'),
        (
            "metric: [validation_accuracy]",
            'sweep.metric: got "validation_accuracy", expected a metric and its direction',
        ),
        ("metric: []", "sweep.metric: got 0 metrics, expected one or two"),
        (
            f"metric: [{BOTH}, {{validation_accuracy_auc: maximize}}]",
            "sweep.metric: got 3 metrics, expected one or two",
        ),
        (
            "metric: [{generated_tokens: minimize}, {generated_tokens: minimize}]",
            "sweep.metric: got generated_tokens tw",
        ),
        ("metric: generated_tokens", "sweep.metric: got generated_tokens to be maximized, expected direction minimize"),
        (f"direction: minimize, metric: [{BOTH}]", "sweep.direction: got minimize beside a list of metrics"),
        ("sampler: tpa", 'sweep.sampler: got "tpa", expected one of tpe, random, grid, nsga2, did you mean tpe?'),
        (
            "sampler: grid",
            "sweep.space.selection.fraction: got float, expected choice: sampler grid tries listed values",
        ),
        ("pruner: medain", 'sweep.pruner: got "medain", expected one of none, median, wilcoxon'),
        (f"pruner: median, metric: [{BOTH}]", "sweep.pruner: got median with two metrics, expected none"),
        (
            "pruner: wilcoxon, seeds: [7, 8, 9, 10]",
            "sweep.pruner: got wilcoxon with 4 seeds, expected sweep.seeds to be",
        ),
    ],
)
def test_what_a_sweep_looks_for_and_how_is_checked(mistakes: Mistakes, fields: str, message: str) -> None:
    spec = ARMS + "sweep: {arm: random, %s, space: {selection.fraction: {float: [0.1, 0.5]}}}\n"
    (found,) = mistakes(spec % fields)
    assert message in found


@pytest.mark.parametrize("fields", [f"metric: [{BOTH}]", "sampler: nsga2", f"pruner: none, metric: [{BOTH}]"])
def test_two_metrics_and_any_sampler_are_no_mistake(mistakes: Mistakes, fields: str) -> None:
    spec = ARMS + "sweep: {arm: random, %s, space: {selection.fraction: {float: [0.1, 0.5]}}}\n"
    assert mistakes(spec % fields) == []


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (
            "selection.fraction: {float: [0.1, 1]}",
            "selection.fraction: {float: [0.1, 1.1]}",
            "got 1.1, expected a number",
        ),
        (
            "selection.fraction: {float: [0.1, 1]}",
            "selection.fraction: {float: [0.01, 1]}",
            "keeps 10 of 1024 questions",
        ),
        ("selection.fraction: {float: [0.1, 1]}", "selection.fraction: {float: [1, 1]}", "expected low < high"),
        (
            "selection.fraction: {float: [0.1, 1]}",
            "selection.fraction: {float: [0.1]}",
            "float.1: got nothing, expected a number",
        ),
        ("train.weight_decay: {float: [0, 1]}", "train.weight_decay: {float: [0, 1], log: true}", "expected low > 0"),
        (
            "train.minibatches: {choice: [4, 8]}",
            "train.minibatches: {int: [4, 7]}",
            "expected a multiple of minibatches (7)",
        ),
        ("train.steps: {int: [1, 3]}", "train.steps: {float: [1, 3]}", "got 1.0, expected a whole number"),
        ("train.loss: {choice: [dapo]}", "train.loss: {choice: [dapoo]}", "did you mean dapo?"),
        ("train.loss: {choice: [dapo]}", "train.loss: {choice: []}", "expected a list of at least 1"),
    ],
)
def test_the_ends_of_a_search_space_are_values_of_their_field(
    mistakes: Mistakes, good: str, bad: str, message: str
) -> None:
    spec = ARMS + "sweep: {arm: random, space: {%s}}\n"
    assert mistakes(spec % good) == []
    found = mistakes(spec % bad)
    assert message in found[0]
    assert all("sweep.space" in line for line in found)


def test_a_sweep_needs_validation_questions(mistakes: Mistakes) -> None:
    sweep = "sweep: {arm: random, space: {train.clip: {float: [0.1, 0.3]}}}\n"
    head = "name: x\nmodel: tiny\ndataset: {arithmetic: {validation: %d}}\n"
    assert mistakes(head % 1 + ARMS + sweep) == []
    assert mistakes(head % 0 + ARMS) == []
    (found,) = mistakes(head % 0 + ARMS + sweep)
    assert "dataset.arithmetic.validation: got 0, expected more" in found
