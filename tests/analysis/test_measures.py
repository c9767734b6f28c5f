"""Numbers of a study in a real store, against the numbers that were put in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from repro.analysis.estimates import crossed
from repro.analysis.measures import tried
from repro.analysis.page.result_tables import accuracy_table
from repro.analysis.statistics import paired_difference, t_interval
from repro.analysis.time_to_target import NEVER
from tests.analysis.behaviour import GROUP, POOL, QUESTIONS_PER_STEP, SECONDS, TOKENS, Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store

DOTS = {"selection": {"method": "difficulty", "references": 4}}
FULL = Behaviour((0.4, 0.5, 0.6, 0.6), (0.0, 0.05, -0.05), 0.5, (0.0, 0.02, -0.02))
FASTER = Behaviour((0.6, 0.7, 0.7, 0.7), (0.0, 0.05, 0.0), 0.3, (0.0, 0.0, 0.01), probe_tokens=80)


@pytest.fixture(scope="module")
def pair(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two arms, three seeds, 20 questions: every accuracy is a multiple of 0.05."""
    from tests.analysis.synthetic import make_study

    folder = tmp_path_factory.mktemp("pair")
    return make_study(folder, store_uri, {"full": ({}, FULL), "dots": (DOTS, FASTER)}, name="pair")


def test_accuracy_gain_and_differences_are_those_that_were_put_in(pair: Store):
    measures = measure(pair)
    full, dots = measures.finals
    assert full.per_seed == pytest.approx((0.6, 0.65, 0.55))
    assert dots.per_seed == pytest.approx((0.7, 0.75, 0.7))
    assert full.accuracy == t_interval(full.per_seed)
    assert (full.asked.questions, full.asked.avg, full.step.value) == (20, "avg@4", 8)
    assert full.difference is None and full.improvement is None
    assert dots.improvement == 1.0
    assert dots.difference is not None and dots.difference_by_seed is not None
    assert dots.difference_by_seed == paired_difference(dots.per_seed, full.per_seed)
    assert dots.difference.value == pytest.approx((0.1 + 0.1 + 0.15) / 3)
    # The first a * 20 problems are solved: the whole table of pass rates is known.
    solved = [[(np.arange(20) < round(a * 20)).astype(float) for a in arm] for arm in (dots.per_seed, full.per_seed)]
    assert dots.difference == crossed(np.array(solved[0]) - np.array(solved[1])).interval()
    assert full.gain.value == pytest.approx(0.3)
    assert full.mean_over_training.n == 3


def test_the_start_policy_is_measured_over_questions_and_once(pair: Store):
    start = measure(pair).start
    assert (start.sampled.value, start.sampled.n, start.asked.questions, start.asked.avg) == (0.3, 20, 20, "avg@4")
    assert start.greedy == pytest.approx(0.45)
    assert start.temperatures == {0.3: pytest.approx(0.42), 0.6: pytest.approx(0.38)}


def test_pass_at_k_stands_beside_the_accuracy_from_the_same_samples(quick_study: Callable[..., Store]):
    arms = {"full": ({}, replace(FULL, curve=(0.5,) * 4)), "dots": (DOTS, FASTER)}
    measures = measure(quick_study(arms, wiggle=True))
    row = measures.panel.series[0].runs[0].evaluations("test")[-1]
    full = measures.final("full")
    assert set(full.pass_at) == {2, 4} and row.pass_at(4) == np.mean(row.passes > 0)
    assert row.pass_at(2) == pytest.approx(np.mean([1 - math.comb(4 - c, 2) / math.comb(4, 2) for c in row.passes]))
    seeds = [run.evaluations("test")[-1].pass_at(4) for run in full.series.runs]
    assert full.pass_at[4].value == pytest.approx(np.mean(seeds))
    table = accuracy_table(measures)
    assert "pass@4, %" in table.header and "pass@2, %" not in table.header
    assert {"pass_at_2", "pass_at_4", "pass_at_4_low"} <= set(table.data.columns)
    assert [tried(n) for n in (1, 2, 3, 8, 12)] == [(), (2,), (2, 3), (2, 4, 8), (2, 4, 8, 12)]


def test_time_to_target_counts_steps_tokens_and_seconds_with_selection_inside(pair: Store):
    measures = measure(pair)
    assert measures.target(measures.panel.series[0]) == pytest.approx(0.6)
    # From 0.3 at the start dots stands at 0.6, 0.65 and 0.6 at step 2, so on average at 0.6167.
    steps, share = measures.time("dots", "steps"), 0.3 / (0.6 + 0.05 / 3 - 0.3)
    assert steps.value == pytest.approx(2 * share) and steps.got_there == 3
    assert steps.per_seed == pytest.approx((2.0, 2 * 0.3 / 0.35, 2.0))
    rollouts = QUESTIONS_PER_STEP * GROUP * TOKENS
    assert measures.time("dots", "generated tokens").value == pytest.approx(2 * share * (rollouts + 80))
    assert measures.panel.clock == "cpu_seconds"
    assert measures.time("dots", "seconds").value == pytest.approx(2 * share * (SECONDS + 0.05))
    # The baseline by the same rule: its mean is at its own final mean from step 6 on; its third seed never.
    full = measures.time("full", "steps")
    assert full.value == pytest.approx(6.0) and full.less is None
    assert math.isnan(full.per_seed[2]) and full.got_there == 2 and full.budget == 8
    assert steps.less is not None and steps.less.withheld == "4 evaluations a run, at least 8 are needed"


def test_with_eight_evaluations_the_factor_is_told_and_a_target_of_the_spec_may_be_out_of_reach(
    quick_study: Callable[..., Store],
):
    full = replace(FULL, curve=tuple(np.linspace(0.35, 0.6, 8)))
    arms = {"full": ({}, full), "dots": (DOTS, replace(FASTER, curve=tuple(np.linspace(0.45, 0.75, 8))))}
    measures = measure(quick_study(arms, every=1))
    ours, theirs = measures.time("dots", "steps"), measures.time("full", "steps")
    assert ours.less is not None and ours.less.value == pytest.approx(theirs.value / ours.value)
    assert ours.less.low < ours.less.value < ours.less.high
    high = measure(quick_study(arms, every=1, fields={"report": {"target": 0.7}}))
    reached, never = high.time("dots", "steps"), high.time("full", "steps")
    assert math.isnan(never.value) and never.got_there == 0 and never.budgets == (8.0, 8.0, 8.0)
    assert reached.value < 8 and reached.less is not None and reached.less.withheld == NEVER


def test_zero_variance_is_averaged_over_steps_and_paired_by_seed(pair: Store):
    full, dots = measure(pair).zero_variance
    assert full.per_seed == pytest.approx((0.5, 0.52, 0.48)) and full.difference is None
    assert dots.difference is not None
    expected = paired_difference([0.3, 0.3, 0.31], [0.5, 0.52, 0.48])
    assert (dots.difference.value, dots.difference.low) == pytest.approx((expected.value, expected.low))
    assert dots.difference.clear_of(0) == -1


def test_costs_are_means_per_run_by_phase(pair: Store):
    measures = measure(pair)
    rollouts = QUESTIONS_PER_STEP * GROUP
    assert measures.cost("full", "rollout", "completions") == 8 * rollouts
    assert measures.cost("dots", "probe", "generated_tokens") == 8 * 80
    assert measures.cost("full", "probe", "generated_tokens") == 0
    assert measures.cost("full", "train", "seconds") == pytest.approx(8 * SECONDS / 2)


def test_work_redone_after_a_kill_is_counted_apart(pair: Store):
    from repro.tracking.journal import Journal
    from repro.tracking.labels import Labels
    from repro.tracking.store import deliver

    before = measure(pair)
    run = before.panel.series[0].runs[0]
    assert before.redone(before.panel.series[0]) == 0
    journal = Journal(pair.runs_dir / run.identity)
    journal.spent(3, "rollout", {"generated_tokens": 123, "seconds": 1.0})
    journal.finish(journal.read_json("done.json")["summary"])
    place = run.place
    labels = Labels(pair.loaded.spec.name, place.arm, place.model, place.dataset, place.seed, place.axis_point)
    for cursor in (pair.runs_dir / run.identity / "delivery").glob("*.json"):
        cursor.unlink()  # a finished run is not delivered again
    assert deliver(pair.runs_dir / run.identity, labels, pair.uri, final=True)
    after = measure(pair)
    assert after.redone(after.panel.series[0]) == 123
    assert after.cost("full", "rollout", "generated_tokens") == before.cost("full", "rollout", "generated_tokens")


def test_the_pool_is_that_of_the_study(pair: Store):
    run = measure(pair).panel.series[0].runs[0]
    assert len(run.json("base.json")["pool"]["pass_rates"]) == POOL
