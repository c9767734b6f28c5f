"""Ranks and their intervals, and how alike two orders are: against counts by hand and made-up studies."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from repro.analysis.leaderboard.orders import kendall
from repro.analysis.leaderboard.ranks import Scores, ranked, ranks, redrawn
from repro.analysis.simulation import Shape, study, verdicts


def scores(values: np.ndarray, tasks: tuple[str, ...]) -> Scores:
    return Scores(tuple(f"arm{place}" for place in range(len(values))), tasks, values)


def world(
    draw: np.random.Generator, arms: int, tasks: int, models: int, seeds: int, spread: float, task: float, seed: float
) -> tuple[Scores, np.ndarray]:
    """A study of arms whose true means differ by `spread`, on tasks that change an arm by `task`; and their true ranks.

    The first arm is the baseline: all others are differences to it.
    """
    truth = np.append(0.0, draw.normal(0, spread, arms - 1))
    by_task = np.repeat(draw.normal(0, task, (arms, tasks)), models, axis=1)
    runs = draw.normal(0, seed, (arms, tasks * models, seeds))
    values = truth[:, None, None] + (by_task - by_task[:1])[:, :, None] + runs - runs[:1]
    names = tuple(f"task{place}" for place in range(tasks) for _ in range(models))
    return scores(values, names), ranked(truth[None])[0]


def test_ranks_begin_at_the_highest_and_ties_share_their_mean():
    assert ranked(np.array([[0.3, 0.9, 0.3, 0.1]])).tolist() == [[2.5, 1.0, 2.5, 4.0]]
    found = ranked(np.array([[0.3, math.nan, 0.1]]))[0]
    assert found[0] == 1 and math.isnan(found[1]) and found[2] == 2


def test_an_arm_far_ahead_is_the_first_in_every_draw_and_equal_arms_share_all_ranks():
    draw = np.random.default_rng(0)
    values = draw.normal(0, 0.01, (6, 2, 4))
    values[0] += 1.0
    found = ranks(scores(values, ("a", "b")), np.random.default_rng(1))
    assert (found["arm0"].rank, found["arm0"].low, found["arm0"].high, found["arm0"].best) == (1, 1, 1, 1)
    others = [found[f"arm{place}"] for place in range(1, 6)]
    assert min(one.low for one in others) == 2 and max(one.high for one in others) == 6
    assert sum(one.best for one in found.values()) == pytest.approx(3)


def test_the_same_generator_gives_the_same_ranks():
    made, _ = world(np.random.default_rng(3), 8, 3, 2, 3, 0.1, 0.1, 0.1)
    assert ranks(made, np.random.default_rng(0)) == ranks(made, np.random.default_rng(0))


def test_one_seed_has_a_rank_and_no_interval():
    found = ranks(scores(np.array([[[0.1]], [[0.2]]]), ("a",)), np.random.default_rng(0))
    assert found["arm1"].rank == 1 and math.isnan(found["arm1"].low) and math.isnan(found["arm1"].best)


def test_draws_vary_around_the_means_as_a_t_interval_does():
    draw = np.random.default_rng(5)
    values = draw.normal(0, 1, (3, 1, 6))
    drawn = redrawn(scores(values, ("a",)), 20_000, np.random.default_rng(2))
    for place in range(3):
        own = values[place, 0]
        half = stats.t.ppf(0.975, 5) * own.std(ddof=1) / math.sqrt(6)
        low, high = np.quantile(drawn[:, place], [0.025, 0.975])
        assert low == pytest.approx(own.mean() - half, abs=0.2 * half)
        assert high == pytest.approx(own.mean() + half, abs=0.2 * half)


def test_with_three_tasks_the_spread_between_tasks_is_in_the_draws():
    values = np.repeat(np.array([[0.0, 1.0, 2.0]])[:, :, None], 4, axis=2)  # no seed differs
    drawn = redrawn(scores(values, ("a", "b", "c")), 20_000, np.random.default_rng(2))
    low, high = np.quantile(drawn[:, 0], [0.025, 0.975])
    half = stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert (high - low) / 2 == pytest.approx(half, rel=0.35) and (high + low) / 2 == pytest.approx(1, abs=0.05)
    two = redrawn(scores(values[:, :2], ("a", "b")), 100, np.random.default_rng(2))
    assert np.allclose(two, 0.5), "of fewer than three tasks nothing is said about others"


def test_with_fewer_than_three_tasks_other_questions_widen_the_draws_as_much_as_they_vary():
    draw = np.random.default_rng(5)
    values, by_question = np.zeros((2, 1, 4)), draw.normal(0, 0.5, (2, 25))
    made = Scores(("a", "b"), ("x",), values, ((by_question - by_question.mean(axis=1, keepdims=True),),))
    drawn = redrawn(made, 20_000, np.random.default_rng(2))
    assert drawn.std(axis=0) == pytest.approx(by_question.std(axis=1) / 5, rel=0.03)
    two = Scores(made.arms, made.tasks, values, ((made.questions[0][0], made.questions[0][0]),))
    assert redrawn(two, 20_000, np.random.default_rng(2)).std(axis=0) == pytest.approx(
        by_question.std(axis=1) / 5 / math.sqrt(2), rel=0.03
    )


def test_an_arm_counts_on_the_pairs_that_it_has():
    values = np.full((2, 3, 3), np.nan)
    values[0] = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]
    values[1, 1] = [0.4, 0.5, 0.6]
    made = scores(values, ("a", "b", "c"))
    assert made.means == pytest.approx([0.5, 0.5]) and made.repeated
    drawn = redrawn(made, 500, np.random.default_rng(0))
    assert np.isfinite(drawn).all() and drawn[:, 1].std() > 0


@pytest.mark.parametrize(
    ("tasks", "spread", "task", "least"), [(3, 0.1, 0.1, 0.9), (1, 0.1, 0.1, 0.9), (3, 0.3, 0.1, 0.95)]
)
def test_the_interval_of_a_rank_holds_the_true_rank_of_most_arms(tasks, spread, task, least):
    draw, inside, studies = np.random.default_rng(8), [], 12
    for _ in range(studies):
        made, truth = world(draw, 20, tasks, 2, 3, spread, task if tasks > 2 else 0.0, 0.1)
        found = list(ranks(made, draw).values())
        inside += [one.low <= true <= one.high for one, true in zip(found, truth, strict=True)]
    assert np.mean(inside) >= least


def test_twenty_arms_that_equal_the_baseline_are_called_clear_in_at_most_one_study_of_twenty():
    draw, studies = np.random.default_rng(6), 15
    wrong = sum(any(verdicts(study(Shape("", 20, 3, 3, 4, 40, 2), [1.0] * 20, draw))) for _ in range(studies))
    assert wrong <= stats.binom.ppf(0.999, studies, 0.05)


def test_among_equal_arms_none_is_sure_to_be_among_the_best_three():
    draw, sure, studies = np.random.default_rng(9), 0, 12
    for _ in range(studies):
        made, _ = world(draw, 20, 3, 2, 3, 0.0, 0.0, 0.1)
        sure += any(one.best > 0.95 for one in ranks(made, draw).values())
    assert sure <= stats.binom.ppf(0.999, studies, 0.05)


def test_kendalls_tau_counts_pairs_in_the_same_order():
    x, y = [1, 2, 3, 4, 5, 6], [2, 1, 3, 6, 4, 5]
    same = sum(1 if (x[i] - x[j]) * (y[i] - y[j]) > 0 else -1 for i, j in combinations(range(6), 2))
    assert kendall(x, y).value == pytest.approx(same / 15)
    tied = [1, 1, 2, 3, 3, 4]
    assert kendall(tied, y).value == pytest.approx(stats.kendalltau(tied, y).statistic)
    assert kendall(x, x).value == 1 and not kendall(x, x).known
    assert math.isnan(kendall(x, [1] * 6).value) and kendall([1, 2, math.nan], [1, 2, 3]).n == 2


def test_the_interval_of_tau_holds_the_truth_in_nineteen_samples_of_twenty():
    draw, rho, samples = np.random.default_rng(4), 0.7, 300
    truth, inside = 2 / math.pi * math.asin(rho), 0
    for _ in range(samples):
        x, y = draw.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 20).T
        found = kendall(x, y)
        inside += found.low <= truth <= found.high
    assert inside >= stats.binom.ppf(0.001, samples, 0.95)
