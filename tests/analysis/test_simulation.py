"""How often the verdicts of a study are right, on made-up studies with a known truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.verdicts import shape_of, shipped
from repro.analysis.comparison import LEAST_GAIN
from repro.analysis.equal_cost import Pair, saving
from repro.analysis.estimates import crossed, over_tasks, over_these
from repro.analysis.families import holm
from repro.analysis.simulation import Shape, World, by_task, pair, study, verdicts

STUDIES = {
    "beyond/leaderboard": 6,
    "beyond/thresholds_dots_rr": 40,
    "beyond/thresholds_ufo": 30,
    "dots_rr/tiny": 6,
    "quickstart": 150,
    "smollm2/gpu_ten_minutes": 40,
    "smollm2/words": 90,
    "ufo_rl/tiny": 8,
    "ufo_rl/tiny_direct": 6,
    "ufo_rl/tiny_poles_epochs": 20,
    "ufo_rl/tiny_epochs": 6,
}
"""Shipped study -> made-up studies of its shape: some two seconds of one core together. `benchmarks/verdicts.py` draws
thousands, and docs/statistics.md has its table."""

DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"


@pytest.fixture(scope="module")
def shapes() -> dict[str, Shape | None]:
    return {name: shape_of(name, spec) for name, spec in shipped().items()}


def differs(arms: Sequence[Sequence[Pair]]) -> bool:
    """A wrong rule: whether any arm differs in a t-test over questions, as if other seeds gave the same."""
    differences = [[part.mean(axis=0) for one in pairs for part in one.differences()] for pairs in arms]
    return any(stats.ttest_1samp(np.concatenate(found), 0).pvalue <= 0.05 for found in differences)


def at_most(studies: int) -> float:
    """So many of them or fewer are false in 999 of 1,000 tests of a rule that is wrong in 5 % of studies."""
    return float(stats.binom.ppf(0.999, studies, 0.05))


def test_arms_equal_to_the_baseline_are_called_different_no_more_often_than_in_five_percent_of_studies(
    shapes: Mapping[str, Shape | None],
):
    wrong, careless = Counter[str](), Counter[str]()
    draw = np.random.default_rng(0)
    for name, count in STUDIES.items():
        shape = shapes[name]
        assert shape is not None
        for _ in range(count):
            made = study(shape, [1.0] * shape.arms, draw)
            wrong[name] += any(verdicts(made))
            careless[name] += differs(made)
    assert {name: found for name, found in wrong.items() if found > at_most(STUDIES[name])} == {}
    whole = sum(STUDIES.values())
    assert wrong.total() <= at_most(whole) < careless.total(), "a rule that forgets the seeds is found out"


def test_the_document_has_a_row_of_verdicts_for_every_shipped_study_that_compares_arms_over_seeds(
    shapes: Mapping[str, Shape | None],
):
    text = DOCUMENT.read_text()
    rows = {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in text.splitlines()) if cells}
    deciding = {name: shape for name, shape in shapes.items() if shape is not None and shape.seeds > 1}
    assert set(deciding) == set(STUDIES)
    for name, shape in deciding.items():
        size, evaluations, false, *chances, _ = rows[name]
        assert (size, evaluations) == (f"{shape.arms} x {shape.pairs} x {shape.seeds}", f"{shape.evaluations}"), name
        assert len(chances) == 3 and all(chance.endswith(" %") for chance in chances), name
        low = float(false.partition("(")[2].partition(" ")[0])
        assert low <= 5, f"{name}: more than 5 % of studies are called different, by the document's own interval"
    assert all(f"`{name}`" in text for name in set(shapes) - set(deciding)), (
        "the document names those that decide nothing"
    )


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


def by_shares(arms: Sequence[Sequence[Pair]]) -> list[int]:
    """A rule that weak pairs blur: the mean difference as a share of the baseline's gain, from one point of gain on."""
    means = []
    for pairs in arms:
        gains = [float(np.mean([part.mean() for part in one.gains()])) for one in pairs]
        kept = [(one, gain) for one, gain in zip(pairs, gains, strict=True) if gain >= LEAST_GAIN]
        means.append(over_these([crossed(*one.differences()).times(1 / gain) for one, gain in kept]))
    adjusted = holm([mean.p() for mean in means])
    return [int(np.sign(mean.value)) if p <= 0.05 else 0 for mean, p in zip(means, adjusted, strict=True)]


def test_a_pair_on_which_the_baseline_hardly_gains_hides_no_arm_that_learns_faster_on_the_others():
    draw, shape, studies = np.random.default_rng(5), Shape("", 2, 1, 3, 3, 192, 2), 100
    worlds = (World(), World(), World(gain=0.35))  # the last gains some 2 points
    found, blurred = Counter[str](), Counter[str]()
    for _ in range(studies):
        by_pair = [pair(shape, [1.6, 1.0], draw, world) for world in worlds]
        arms = [[pairs[arm] for pairs in by_pair] for arm in range(shape.arms)]
        for counted, (faster, equal) in ((found, verdicts(arms)), (blurred, by_shares(arms))):
            counted["seen"] += faster == 1
            counted["wrong"] += faster == -1 or equal != 0
    assert found["seen"] >= 45 > 30 > blurred["seen"], (found, blurred)
    assert found["wrong"] <= stats.binom.ppf(0.999, studies, 0.05)


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
