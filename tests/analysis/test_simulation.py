"""How often the verdicts of a study are right, on made-up studies with a known truth."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from analysis.equal_cost import saving
from analysis.estimates import over_tasks, over_these
from analysis.simulation import Shape, by_task, pair, study, verdicts
from benchmarks.verdicts import ROOT, SHIPPED, shape_of
from repro.study.load import load_spec

STUDIES = {
    "quickstart": 250,
    "ufo_rl/tiny": 40,
    "ufo_rl/gsm8k_tiny": 60,
    "dots_rr/tiny": 25,
}
"""Shipped spec -> made-up studies of its shape: some three seconds of one core together."""


def false_verdicts(shape: Shape, studies: int) -> int:
    """Of so many studies in which every arm equals the baseline, those that call any arm different."""
    draw = np.random.default_rng(0)
    return sum(any(verdicts(study(shape, [1.0] * shape.arms, draw))) for _ in range(studies))


def most_by_chance(studies: int) -> float:
    """5 % of the studies and two standard errors of such a count."""
    return 0.05 * studies + 2 * math.sqrt(0.05 * 0.95 * studies)


def test_arms_equal_to_the_baseline_are_called_different_in_at_most_five_percent_of_studies_of_the_shipped_shapes():
    shapes = {name: shape_of(load_spec(ROOT / "experiments" / f"{name}.yaml").spec) for name in STUDIES}
    assert set(shapes) == set(SHIPPED)
    wrong = {name: false_verdicts(shape, STUDIES[name]) for name, shape in shapes.items()}
    for name, count in wrong.items():
        assert count <= most_by_chance(STUDIES[name]), name
    assert sum(wrong.values()) <= most_by_chance(sum(STUDIES.values()))


def test_an_arm_that_learns_twice_as_fast_is_seen_more_often_the_more_seeds_there_are():
    draw = np.random.default_rng(1)
    seen = [
        sum(verdicts(study(Shape("", 1, 1, seeds, 8, 64, 4), [2.0], draw)) == [1] for _ in range(40))
        for seeds in (2, 4, 8)
    ]
    assert seen[0] < seen[1] < seen[2] and seen[2] >= 36


def test_the_interval_of_a_saving_holds_the_truth_in_nineteen_studies_of_twenty():
    draw, studies = np.random.default_rng(2), 60
    for truth in (1.0, 1.5):
        found = [saving(pair(Shape("", 1, 1, 5, 12, 64, 4), [truth], draw)) for _ in range(studies)]
        inside = sum(one.low <= truth <= one.high for one in found)
        assert inside >= stats.binom.ppf(0.001, studies, 0.94)


def test_with_tasks_that_differ_the_interval_over_tasks_holds_the_mean_over_others():
    draw, shape, spread = np.random.default_rng(4), Shape("", 1, 1, 3, 4, 40, 2), 0.4
    truth = float(np.mean([one.value for task in by_task(shape, 400, 1.25, spread, draw) for one in task]))
    studies, hits, alone = 60, 0, 0
    for _ in range(studies):
        found = by_task(shape, 4, 1.25, spread, draw)
        over, these = over_tasks(found).interval(), over_these([one for task in found for one in task]).interval()
        hits += over.low <= truth <= over.high
        alone += these.low <= truth <= these.high
    assert hits >= stats.binom.ppf(0.001, studies, 0.95) and alone < hits
