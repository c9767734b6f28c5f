"""Sampling within a time: piece by piece, resumable, the same when it is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from repro.cache import Cache
from repro.diagnose import sampling
from repro.diagnose.sampling import Asking, order_of, samples_for, sampling_seed
from repro.models.sampling import Completions
from repro.tasks.problem import Problem

FIELDS = {"policy": "p", "temperature": 1.0, "top_p": 1.0, "seed": 5}
PROBLEMS = tuple(Problem(f"q{i}", f"question {i}", "1") for i in range(200))


class Sampler:
    """Completes at once; the reward of a sample is a function of its question, as with a policy."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.fail_after = fail_after

    def completions(
        self, problems: Sequence[Problem], samples: int, temperature: float, top_p: float, seed: int, phase: str
    ) -> tuple[Completions, list[tuple[float, ...]]]:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise KeyboardInterrupt
        self.asked += [problem.id for problem in problems]
        rows = len(problems) * samples
        made = Completions(["x"] * rows, [[1] * (1 + i % 3) for i in range(rows)], [7] * rows)
        return made, [tuple(float((int(p.id[1:]) + k) % 2) for k in range(samples)) for p in problems]


def asking(folder: Path, sampler: Sampler, **more: object) -> Asking:
    return Asking(Cache(folder), PROBLEMS, {**FIELDS, **more}, lambda: sampler)


ORDER = order_of(len(PROBLEMS), 0).tolist()


def test_the_first_questions_of_the_order_are_sampled_until_enough_are_there(tmp_path: Path) -> None:
    sampler = Sampler()
    found = asking(tmp_path, sampler).sample(ORDER, 4, 1e-3, 1e9, 70, 1)
    assert found.indices.tolist() == ORDER[:70]
    assert sampler.asked == [f"q{i}" for i in ORDER[:70]]
    assert found.rewards.shape == (70, 4)
    assert found.rewards[0].tolist() == [(ORDER[0] + k) % 2 for k in range(4)]
    assert found.tokens[0].tolist() == [1, 2, 3, 1] and found.prompts[0] == 7


def test_a_call_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    first = Sampler(fail_after=64)
    with pytest.raises(KeyboardInterrupt):
        asking(tmp_path, first).sample(ORDER, 4, 1e-3, 1e9, 150, 1)
    second = Sampler()
    found = asking(tmp_path, second).sample(ORDER, 4, 1e-3, 1e9, 150, 1)
    assert second.asked == [f"q{i}" for i in ORDER[64:150]]
    whole = asking(tmp_path / "whole", Sampler()).sample(ORDER, 4, 1e-3, 1e9, 150, 1)
    assert found.indices.tolist() == whole.indices.tolist()
    assert found.rewards.tolist() == whole.rewards.tolist()


def test_time_ends_it_and_a_second_call_ends_at_the_same_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(np.arange(0, 1e6, 8.0))  # a piece takes 8 seconds
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    found = asking(tmp_path, Sampler()).sample(ORDER, 4, 4.0, 20.0, 150, 1)
    monkeypatch.undo()
    assert (len(found), found.seconds) == (16, 16.0)  # pieces of 8: a third would end after 24 seconds
    again = Sampler()
    assert len(asking(tmp_path, again).sample(ORDER, 4, 4.0, 20.0, 150, 1)) == 16
    assert again.asked == []


def test_the_least_is_sampled_whatever_the_time(tmp_path: Path) -> None:
    assert len(asking(tmp_path, Sampler()).sample(ORDER, 4, 1.0, 0.0, 150, 32)) == 32


def test_other_settings_are_sampled_anew(tmp_path: Path) -> None:
    for more in ({}, {"policy": "other"}, {"temperature": 0.5}, {"seed": 6}):
        sampler = Sampler()
        asking(tmp_path, sampler, **more).sample(ORDER, 4, 1e-3, 1e9, 10, 1)
        assert len(sampler.asked) == 10, more


def test_no_question_is_asked_where_none_is_wanted(tmp_path: Path) -> None:
    found = asking(tmp_path, Sampler()).sample(ORDER, 4, 1e-3, 1e9, 0, 0)
    assert (len(found), found.rewards.shape, found.seconds) == (0, (0, 4), 0.0)


def test_many_samples_are_taken_where_the_time_allows_enough_questions() -> None:
    limit = sampling.ENOUGH * sampling.MANY * 0.01
    assert samples_for(0.0099, limit) == sampling.MANY
    assert samples_for(0.0101, limit) == sampling.FEW


def test_orders_and_seeds_depend_on_the_seed_alone() -> None:
    assert order_of(50, 1).tolist() == order_of(50, 1).tolist() != order_of(50, 2).tolist()
    assert sorted(order_of(50, 1).tolist()) == list(range(50))
    assert sampling_seed(1) == sampling_seed(1) != sampling_seed(2)
