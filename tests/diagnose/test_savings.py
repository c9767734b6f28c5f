"""What is saved: the numbers of the paper's cost model, and cases that a hand can reckon."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from repro.diagnose.choice import choices
from repro.diagnose.costs import rollouts, selection_costs, speed_of
from repro.diagnose.design import Design
from repro.diagnose.savings import Times, bound, group_times, replay_steps, saved
from repro.diagnose.updates import UpdateSpeed
from repro.replay.replay_spec import ReplaySpec
from repro.selection.methods.difficulty import Difficulty
from repro.spec.schema import TrainSpec

from .pools import made

PAPER = Design(
    train=TrainSpec(questions_per_step=512, group_size=8, minibatches=8, steps=60),
    dots=Difficulty(method="difficulty", references=256, every=2),
    replay=ReplaySpec(fresh=0.5, capacity=256),
)
"""DOTS + RR, table 4."""


def test_a_step_of_the_paper_rolls_out_three_quarters_and_saves_an_eighth_of_the_time() -> None:
    """Rollouts are about half of its steps; Table 1 has 11 to 13 %."""
    measured = made(np.linspace(0, 1, 2000), np.linspace(0.1, 0.9, 2000), design=PAPER)
    rollout = group_times(PAPER, speed_of(measured)).rollout
    measured = replace(measured, updates=UpdateSpeed(8 * 30 / rollout, 0.0))  # as long as the rollouts
    found = choices(
        PAPER, 2000, measured.drawn.rewards[:200], measured.in_band.rewards, measured.embeddings[:200], 0, draws=50
    )
    step = replay_steps(measured, found)["dots_rr"]
    assert step.volume == pytest.approx(0.75)
    assert 0.11 < 1 - step.step_time < 0.13


def test_times_of_a_group_come_from_the_measured_speeds() -> None:
    measured = made(np.full(100, 0.5), np.linspace(0.1, 0.9, 100))
    times = group_times(measured.design, speed_of(measured))
    speed = 100 * 16 * 20 / 10.0  # completion tokens over seconds
    assert times.rollout == pytest.approx(8 * 20 / speed)
    assert times.update == pytest.approx(8 * 30 / 3000 + 4 * 0.01 / 32)


def test_the_bound_is_one_over_the_share_and_less_in_time() -> None:
    generator = np.random.default_rng(0)
    measured = made(generator.choice([0.0, 0.5], 1000), generator.random(1000))
    found = choices(
        measured.design, 1000, measured.drawn.rewards, measured.in_band.rewards, measured.embeddings, 0, draws=50
    )
    most = bound(found, group_times(measured.design, speed_of(measured)))
    share = found.shares["uniform"].value
    assert most.tokens.value == pytest.approx(1 / share)
    assert most.tokens.low < 1 / share < most.tokens.high
    assert 1 < most.seconds.value < most.tokens.value


def test_updates_that_pass_every_row_are_saved_too() -> None:
    sparse, dense = Times(1.0, 1.0, False), Times(1.0, 1.0, True)
    half = np.array([0.5])
    assert sparse.informative(half)[0] == 3.0
    assert dense.informative(half)[0] == 4.0


def test_what_choosing_costs_is_taken_off() -> None:
    generator = np.random.default_rng(1)
    measured = made(generator.beta(0.4, 1.1, 1000), generator.random(1000))
    found = choices(
        measured.design, 1000, measured.drawn.rewards, measured.in_band.rewards, measured.embeddings, 0, draws=50
    )
    factors, costs, whole = saved(measured, found), selection_costs(measured), rollouts(measured)
    ratio = found.shares["dots"].value / found.shares["uniform"].value
    assert costs["dots"].generated / whole.generated == pytest.approx(0.25)  # K / (mu B) = 16 / (2 x 32)
    assert factors["dots"].tokens.value == pytest.approx(ratio / 1.25)
    assert costs["hardest"].generated == 8 * 1000 * 20
    assert costs["ufo"].prefill == 40 * 1000
    assert (factors["random"].tokens.value, costs["random"].generated) == (1.0, 0.0)


def test_longer_training_shares_out_what_a_subset_costs_once() -> None:
    rates = np.random.default_rng(1).beta(0.4, 1.1, 500)
    short = made(rates, rates)
    long = replace(short, design=Design(train=TrainSpec(steps=400)))
    for measured, expected in ((short, 8 * 500 / (40 * 256)), (long, 8 * 500 / (400 * 256))):
        cost = selection_costs(measured)["oracle"].generated / rollouts(measured).generated
        assert cost == pytest.approx(expected)


def test_a_pool_that_nothing_solves_gives_no_factor_and_no_error() -> None:
    measured = made(np.zeros(100), np.linspace(0.1, 0.9, 100))
    found = choices(
        measured.design, 100, measured.drawn.rewards, measured.in_band.rewards, measured.embeddings, 0, draws=50
    )
    assert np.isnan(bound(found, group_times(measured.design, speed_of(measured))).tokens.value)
    assert np.isnan(saved(measured, found)["dots"].tokens.value)
