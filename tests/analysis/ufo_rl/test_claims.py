"""The verdicts on UFO-RL: read off intervals, changed by the store, and pooled as the simulation says they may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from repro.analysis.claims import Claim, side, verdict
from repro.analysis.measures import Measures
from repro.analysis.statistics import (
    Interval,
)
from repro.analysis.ufo_rl.claims import claims, table
from repro.analysis.ufo_rl.stability import table as stability
from repro.analysis.ufo_rl.strategies import headline
from tests.analysis.synthetic import Store
from tests.analysis.ufo_rl.study import SIX, behaviour, changed, headline_arms

TWO = {"dataset": [{"arithmetic": {"pool": 64, "test": 100}}, {"shuffle": {"pool": 64, "test": 100}}]}
EPOCH = {"budget": {"epochs": 1}}


def panels_of(store: Store) -> list[Measures]:
    study = store.read()
    return [Measures(panel, study.spec.report.target) for panel in study.panels]


def by_key(panels: list[Measures]) -> dict[str, Claim]:
    return {claim.key: claim for claim in claims(panels)}


@pytest.fixture
def two(quick_study: Callable[..., Store]) -> Callable[..., list[Measures]]:
    """Two datasets, one model."""
    return lambda arms: panels_of(quick_study(arms, questions=100, wiggle=True, fields=TWO))


# ---------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("bounds", "bar", "expected"),
    [
        ([(0.01, 0.02)], 0.0, "holds"),
        ([(-0.01, 0.02)], -0.02, "holds"),
        ([(-0.03, 0.02)], -0.02, "undecided"),
        ([(-0.05, -0.03)], -0.02, "does not hold"),
        ([(0.01, 0.02), (-0.1, 0.2)], 0.0, "undecided"),
        ([(0.01, 0.02), (-0.2, -0.1)], 0.0, "does not hold"),
        ([(math.nan, math.nan)], 0.0, "undecided"),
        ([], 0.0, "not measured"),
    ],
)
def test_a_verdict_is_read_off_the_intervals(bounds: list[tuple[float, float]], bar: float, expected: str):
    assert verdict([side(Interval(0.0, low, high, 3), bar) for low, high in bounds]) == expected


def test_claims_measure_what_the_store_was_given(two: Callable[..., list[Measures]]):
    panels = two(headline_arms())
    found = by_key(panels)
    # The jitter of a seed is common to all arms, so paired differences are exact: 59 - 60, 59 - 56, ...
    assert found["matches_full"].effects[0].pooled.value == pytest.approx(-0.01)
    assert found["matches_full"].verdict == "holds" and found["matches_full"].in_favour == (2, 2)
    assert found["matches_full"].beside[0].pooled.value == pytest.approx(-0.04)
    assert found["beats_random"].verdict == "holds"
    assert [effect.pooled.value for effect in found["middle_best"].effects] == pytest.approx([0.09, 0.07])
    assert found["hardest_best"].verdict == "does not hold" and len(found["hardest_best"].effects) == 5
    assert found["tracks_pass_rate"].verdict == "holds"
    assert found["fewer_zero"].effects[0].pooled.value == pytest.approx(0.1) and found["fewer_zero"].verdict == "holds"
    assert found["time_epochs"].verdict == "not measured"
    # 8 steps of 0.5 s against the same with 0.3 s of scoring
    assert found["time_steps"].effects[0].pooled.value == pytest.approx(4 / 4.3)
    assert found["time_steps"].verdict == "does not hold"


def test_another_store_gives_other_verdicts_and_other_counts(two: Callable[..., list[Measures]]):
    before, arms = two(headline_arms()), headline_arms()
    arms = changed(arms, "ufo", curve=behaviour(0.40).curve, agreement=0.0, zero=0.7)
    after = two(arms)
    old, new = by_key(before), by_key(after)
    for key in ("matches_full", "beats_random", "middle_best", "matches_pass_rate", "tracks_pass_rate", "fewer_zero"):
        assert (old[key].verdict, new[key].verdict) == ("holds", "does not hold"), key
    counts = [table(panels)[0].caption for panels in (before, after)]
    assert counts[0] != counts[1]


def test_seeds_that_disagree_leave_a_claim_open_and_a_single_seed_decides_nothing(
    two: Callable[..., list[Measures]], quick_study: Callable[..., Store]
):
    panels = two(changed(headline_arms(), "ufo", jitter=(0.08, 0.0, -0.08)))
    claim = by_key(panels)["matches_full"]
    assert claim.verdict == "undecided" and claim.in_favour == (0, 2)
    single = panels_of(quick_study(headline_arms(), questions=100, seeds=1, fields=TWO))
    assert by_key(single)["beats_random"].verdict == "undecided"


def test_equal_epochs_have_time_and_accuracy_with_a_random_subset_beside_both(two: Callable[..., list[Measures]]):
    arms: dict[str, Any] = headline_arms()
    for name, final in (("full", 0.7), ("random", 0.38), ("ufo", 0.4)):
        arms[f"{name}_epoch"] = (arms[name][0] | EPOCH, replace(arms[name][1], curve=(final,) * 4))
    panels = two(arms)
    found = by_key(panels)
    assert headline(panels)["full"] == "full"
    time, ended = found["time_epochs"], found["matches_full_epochs"]
    # 8 steps against 2; 0.3 s of scoring for UFO
    assert time.effects[0].pooled.value == pytest.approx(4 / 1.3) and time.verdict == "holds"
    assert time.beside[0].pooled.value == pytest.approx(4.0)
    assert ended.effects[0].pooled.value == pytest.approx(-0.3) and ended.verdict == "does not hold"
    assert ended.beside[0].pooled.value == pytest.approx(-0.32)
    assert found["matches_full"].verdict == "holds" and found["matches_full_tokens"].verdict == "not measured"


def test_one_pass_is_compared_with_sampling_panel_by_panel(
    two: Callable[..., list[Measures]], quick_study: Callable[..., Store]
):
    claim = by_key(two(headline_arms()))["cheaper"]
    assert claim.beside[0].pooled.value == pytest.approx(3.0 / 0.3)
    # FLOPs are counted: 1e9 for the samples, 12e6 a question for the pass over 64 of them.
    assert claim.effects[0].pooled.value == pytest.approx(1e9 / (64 * 12e6))
    assert claim.verdict == "holds" and claim.in_favour == (2, 2)
    assert claim.effects[0].told((1.0,)) == "1.30× (counted)"
    six = by_key(panels_of(quick_study(headline_arms(), questions=100, seeds=1, fields=SIX)))["cheaper"]
    assert six.verdict == "holds" and not six.beside[0].pooled.known, "seconds were measured once, no spread of seeds"
    assert "8 samples a question" in six.short and str(six.published) == "abstract, Table 4: 39×, up to 185×"


def test_a_panel_without_an_arm_is_left_out_of_that_claim_alone(two: Callable[..., list[Measures]]):
    panels = two(changed(headline_arms(), "random", absent=("shuffle",)))
    found = by_key(panels)
    assert found["beats_random"].in_favour[1] == 1 and found["matches_full"].in_favour[1] == 2
    for made in (table(panels), stability(panels)):
        assert len(made) == 1


def test_without_ufo_no_claim_is_judged(quick_study: Callable[..., Store]):
    arms = {"full": headline_arms()["full"]}
    panels = panels_of(quick_study(arms, questions=100))
    (made,) = table(panels)
    assert {row[1] for row in made.rows} == {"**not measured**"}


def test_stability_has_the_spread_over_seeds_of_each_strategy(quick_study: Callable[..., Store]):
    (made,) = stability(panels_of(quick_study(headline_arms(), questions=100, fields=TWO)))
    row = made.data.set_index("arm").loc["ufo"]
    # Seeds at -0.02, 0 and +0.02 on both datasets: SD 0.02 with four degrees of freedom.
    assert row["deviation"] == pytest.approx(0.02) and row["degrees_of_freedom"] == 4
    assert row["deviation_high"] == pytest.approx(0.02 * math.sqrt(4 / stats.chi2.ppf(0.025, 4)))
    assert row["zero_variance"] == pytest.approx(0.4) and row["difference"] == pytest.approx(-0.1)


def test_tasks_that_disagree_are_told_apart(two: Callable[..., list[Measures]]):
    arms = changed(headline_arms(), "ufo", shifts={"shuffle": 0.05 - 0.2})
    panels = two(arms)
    effect = by_key(panels)["matches_full"].effects[0]
    assert effect.datasets["arithmetic"].value == pytest.approx(-0.01)
    assert effect.datasets["shuffle"].value == pytest.approx(-0.21)
    assert effect.tasks_differ < 1e-3 and "the tasks differ (p < 0.001)" in effect.told()
    assert "the tasks differ (p = 0.012)" in replace(effect, tasks_differ=0.012).told()
    alike = by_key(two(headline_arms()))["matches_full"].effects[0]
    assert alike.tasks_differ > 0.05 and "differ" not in alike.told()


def test_what_the_paper_claims_is_told_apart_from_comparisons_of_ours(two: Callable[..., list[Measures]]):
    panels = two(headline_arms())
    found = by_key(panels)
    ours = {key for key, claim in found.items() if claim.published is None}
    assert ours == {"matches_full", "matches_full_tokens", "matches_pass_rate", "time_steps", "fewer_zero"}
    (made,) = table(panels)
    cells = {row[0]: row[-1] for row in made.rows}
    assert cells["UFO matches full data at equal epochs"] == "abstract, Table 5: +0.15 points (2 of 1,319 items)"
    assert cells["UFO saves time at equal epochs"] == "abstract, Table 6: up to 16×; 13.0× and 15.8×"
    assert cells["Confidence tracks the pass rate"] == "Table 2", "claimed there, no number at hand"
    assert cells["UFO matches full data at equal steps"] == "a comparison of ours"
    assert any("What could be read of it" in note for note in made.notes)
    assert made.caption.startswith("Of 6 published claims about UFO-RL checked here, ")
