"""A training that goes wrong is named with its step and the field that most likely did it; a healthy one is silent."""

from __future__ import annotations

import math
from typing import Any

import pytest

from repro.launch.health import health_texts
from repro.selection.methods.identical import Identical
from repro.spec.schema import Cell, TrainSpec
from repro.tasks.reward_spec import RewardTerm
from repro.tracking import series
from repro.training.health import Health
from repro.training.health_rules import Measured, fallen, standard_error
from tests.training.test_job import cell, store  # noqa: F401 - a fixture

TRAIN = TrainSpec(
    steps=4, questions_per_step=4, group_size=4, minibatches=2, max_completion_tokens=16, learning_rate=1e-3
)


def with_train(**changes: Any) -> Cell:
    """A cell with fields of train that need not be valid: a spec would refuse some of them."""
    return cell(train=TRAIN.model_copy(update=changes))


def health_of(**changes: Any) -> Health:
    return Health(with_train(**changes), "test")


def measured(step: int, right: int, problems: int = 64, samples: int = 4, entropy: float = 0.5) -> Measured:
    """`right` of all completions, spread evenly over the problems."""
    each, more = divmod(right, problems)
    return Measured(step, {str(i): each + (i < more) for i in range(problems)}, samples, entropy)


def step_of(effective: float = 0.5, reward: float = 0.3, **more: float) -> dict[str, float]:
    return {series.EFFECTIVE: effective, series.REWARD: reward, series.COMPLETION_TOKENS: 8.0} | more


def kinds(health: Health) -> list[str]:
    return [warning.kind for warning in health.warnings]


# ---------------------------------------------------------------- rules


def test_a_fall_beyond_the_noise_of_both_evaluations_is_a_fall() -> None:
    assert fallen(measured(0, 100), measured(10, 40), errors=3, share=0.25)
    assert not fallen(measured(0, 100), measured(10, 84), errors=3, share=0.1)  # two standard errors
    assert not fallen(measured(0, 5), measured(10, 0), errors=3, share=0.25)  # all of it, and still noise
    assert not fallen(measured(0, 20000, 8000), measured(10, 18000, 8000), errors=3, share=0.25)  # a tenth of it


def test_the_standard_error_is_that_of_two_shares_where_problems_are_alike() -> None:
    start, now = measured(0, 128), measured(5, 128)  # every problem 2 of 4, both times
    assert standard_error(start, now) == pytest.approx(math.sqrt(0.25 * (1 / 256 + 1 / 256)))


def test_the_standard_error_grows_where_problems_change_whole() -> None:
    before = {str(i): 4 * (i % 2) for i in range(64)}
    after = {str(i): 4 * ((i + 1) % 2) for i in range(64)}
    found = standard_error(Measured(0, before, 4, 0.5), Measured(5, after, 4, 0.5))
    assert found == pytest.approx(math.sqrt((64 / 63) / 64))  # differences of +1 and -1


def test_a_collapse_is_named_with_its_step_and_followed_to_the_end() -> None:
    health = health_of(learning_rate=100.0)
    health.evaluated(measured(0, 48))
    health.evaluated(measured(10, 0))
    health.evaluated(measured(20, 2))
    (warning,) = health.warnings
    assert warning.text == (
        "accuracy fell from 0.188 at the start to 0.000 at step 10; it is 0.008 at step 20; most likely "
        "train.learning_rate 100 (too high)"
    )


def test_a_collapse_that_is_over_is_kept_and_no_longer_told() -> None:
    health = health_of()
    health.evaluated(measured(0, 128))
    health.evaluated(measured(10, 40))
    health.evaluated(measured(20, 130))
    assert health.warnings[0].over == 20
    assert health.latest == ""
    assert health_texts(health.as_dict()) == []


def test_a_fall_of_more_than_half_is_told_at_the_end_though_few_questions_show_it() -> None:
    health = health_of(stop_on=("nan", "collapse"))
    health.evaluated(measured(0, 6, problems=16, samples=2))
    health.evaluated(measured(4, 0, problems=16, samples=2))
    assert kinds(health) == []
    health.ended()
    assert kinds(health) == ["collapse"]
    assert health.stopped is None, "nothing was left to stop"


def test_a_gain_within_noise_and_a_few_idle_steps_are_no_warning() -> None:
    health = health_of()
    health.evaluated(measured(0, 60))
    for step in range(1, 41):
        health.generated(step, step_of(effective=0.0 if step % 10 < 9 else 0.25))
        health.updated(step, {series.LOSS: 0.01, series.GRAD_NORM: 2.0, series.KEPT_CLIP_RATIO: 0.1})
        health.evaluated(measured(step, 52, entropy=0.3))
    health.ended()
    assert health.warnings == []


def test_numbers_that_are_nan_though_the_weights_are_finite_are_laid_to_the_arithmetic() -> None:
    text = "the policy's token probabilities are NaN or infinite after step 6"
    told = health_of(precision="bfloat16").sampling_failed(6, weights_finite=True)
    assert told.what == f"{text}, though all its weights are finite"
    assert told.likely.startswith("train.precision bfloat16 ")
    assert health_of(precision="bfloat16").sampling_failed(6, weights_finite=False).text == (
        f"{text}; most likely train.learning_rate 0.001"
    )
    assert health_of().sampling_failed(6, weights_finite=True).likely == "train.learning_rate 0.001"


@pytest.mark.parametrize(
    ("reward", "changes", "field"),
    [
        (0.0, {}, "too hard"),
        (0.0, {"max_completion_tokens": 8}, "train.max_completion_tokens 8"),
        (1.0, {}, "too easy"),
        (0.4, {}, "train.group_size 4"),
        (0.4, {"temperature": 0.1}, "train.temperature 0.1"),
        (0.4, {"min_spread": 0.2}, "train.min_spread 0.2"),
        (0.0, {"learning_rate": 0.5}, "train.learning_rate 0.5 (too high)"),
    ],
)
def test_steps_without_a_signal_name_the_field_that_their_rewards_point_at(
    reward: float, changes: dict[str, Any], field: str
) -> None:
    health = health_of(**changes)
    for step in range(1, 11):
        assert health.warnings == []
        health.generated(step, step_of(0.0, reward))
    (warning,) = health.warnings
    assert (warning.kind, warning.step) == ("no_signal", 10)
    assert field in warning.likely


def test_a_question_that_is_repeated_and_never_solved_is_the_cause_and_not_the_dataset() -> None:
    health = Health(cell(selection=Identical(method="identical")), "test")
    for step in range(1, 11):
        health.generated(step, step_of(0.0, 0.0))
    assert health.warnings[0].likely == "selection.method identical (too hard: no completion earns a reward)"


def test_replayed_groups_are_a_signal() -> None:
    health = health_of()
    for step in range(1, 30):
        health.generated(step, step_of(0.0, 0.0, **{series.REPLAY + "reused": 2.0}))
    assert health.warnings == []


def test_a_short_run_that_never_had_a_signal_is_told_at_its_end() -> None:
    health = health_of()
    for step in range(1, 4):
        health.generated(step, step_of(0.0, 1.0))
    health.ended()
    assert [warning.what for warning in health.warnings] == ["no group had a gradient in any of the 3 steps"]


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        ({series.LOSS: math.nan}, "the loss is NaN at step 3"),
        ({series.GRAD_NORM: math.inf}, "the norm of the gradient is infinite at step 3"),
    ],
)
def test_a_number_that_is_none_always_stops(metrics: dict[str, float], text: str) -> None:
    health = health_of()
    health.updated(3, metrics)
    assert health.stopped is not None
    assert health.stopped.what == text


def test_a_clip_share_a_ratio_and_an_entropy_that_run_away_are_warnings() -> None:
    health = health_of()
    health.updated(1, {series.KEPT_CLIP_RATIO: 0.7})
    assert health.warnings[0].text == (
        "the ratio was outside the clip on 70% of the trained tokens of step 1; most likely train.learning_rate 0.001 "
        "(too high)"
    )
    replayed = health_of()
    replayed.generated(2, step_of(**{series.REPLAY + "ratio_mean": 25.0}))
    assert kinds(replayed) == ["ratio"]
    still = health_of()
    still.evaluated(measured(0, 60, entropy=0.5))
    still.evaluated(measured(5, 58, entropy=0.01))
    assert kinds(still) == ["entropy"]
    better = health_of()
    better.evaluated(measured(0, 60, entropy=0.5))
    better.evaluated(measured(5, 250, entropy=0.01))  # sure because it is right
    assert better.warnings == []


@pytest.mark.parametrize("completions", [64, 6400])
def test_a_fall_is_told_from_three_standard_errors_and_a_quarter_on_and_at_the_end_from_two_and_a_half(
    completions: int,
) -> None:
    """On few completions the errors decide, on many the share."""
    start = measured(0, completions * 2 // 5, problems=completions // 4)
    told: dict[str, list[float]] = {"while": [], "end": []}
    for percent in range(41):
        now = measured(5, completions * percent // 100, problems=completions // 4)
        drop, error = start.accuracy - now.accuracy, standard_error(start, now)
        health = health_of()
        health.evaluated(start)
        health.evaluated(now)
        assert bool(kinds(health)) == (drop > 3 * error and drop > start.accuracy / 4), percent
        health.ended()
        wanted = (drop > 3 * error and drop > start.accuracy / 4) or (drop > 2 * error and drop > start.accuracy / 2)
        assert bool(kinds(health)) == wanted, percent
        told["while"].append(drop > 3 * error)
        told["end"].append(drop > 2 * error)
    assert told["while"] != told["end"], "the two bounds differ here"


@pytest.mark.parametrize(("beyond", "warned"), [(-0.01, []), (0.01, ["ratio"])])
def test_a_warning_begins_at_its_bound(beyond: float, warned: list[str]) -> None:
    clipped, replayed, entropy, idle = (health_of() for _ in range(4))
    clipped.updated(1, {series.KEPT_CLIP_RATIO: 0.5 + beyond})
    replayed.generated(1, step_of(**{series.REPLAY + "ratio_mean": 10 + beyond}))
    assert kinds(clipped) == kinds(replayed) == warned
    entropy.evaluated(measured(0, 60, entropy=0.5))
    entropy.evaluated(measured(5, 60, entropy=0.05 * (1 - beyond)))
    assert kinds(entropy) == ["entropy"] * len(warned)
    for step in range(1, 3 + len(warned)):
        idle.generated(step, step_of(0.0, 0.0))
    idle.ended()
    assert kinds(idle) == ["no_signal"] * len(warned), "from the third step on"


def test_accuracy_that_falls_under_another_reward_points_at_the_reward() -> None:
    health = Health(
        cell().model_copy(update={"reward": [RewardTerm.model_construct(reward="own:score", weight=1.0)]}), "test"
    )
    health.evaluated(measured(0, 100))
    health.evaluated(measured(2, 10))
    assert health.warnings[0].likely.startswith("reward score (it is not accuracy)")


def test_what_stops_a_run_is_one_list_whatever_its_order() -> None:
    assert TrainSpec().stop_on == ("nan",)
    assert TrainSpec(stop_on=()).result_fields() == {}
    assert TrainSpec(stop_on=("no_signal", "collapse", "collapse")) == TrainSpec(
        stop_on=("nan", "collapse", "no_signal")
    )
    assert TrainSpec(stop_on=("collapse",)).result_fields() == {"stop_on": ["nan", "collapse"]}
