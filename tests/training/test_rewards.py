"""What is rewarded reaches rollouts, probes and pass rates, not evaluations; groups of too little spread are idle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repro.cache import Cache
from repro.models.model_spec import ModelSpec, TinyModel
from repro.models.policy import Policy
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Cell, EvaluateSpec, ReplaySpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.prompts import PromptStyle
from repro.tasks.replies import Reply
from repro.tasks.reward_spec import RewardTerm, accuracy_terms
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.resources import PolicyResources

from .conftest import TRAIN, coin

SOURCE = """
import zlib


def thirds(completion, problem):
    return zlib.crc32(completion.encode()) % 4 / 3


def begins(completion, problem):
    return float(completion.startswith("<think>"))


def near(completion, problem):
    return 0.5 + zlib.crc32(completion.encode()) % 2 / 10
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`taste`: rewards that depend on the text alone."""
    (tmp_path / "taste.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))


def terms(*names: str) -> list[RewardTerm]:
    return [RewardTerm(reward=name) for name in names]


def first_batch(trainer: Any) -> tuple[torch.Tensor, np.ndarray]:
    """(groups, G) advantages and rewards of one generation batch."""
    trainer.model.train()
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    return output["advantages"].view(4, 4), np.array(trainer._record.rewards)


def test_a_reward_in_thirds_gives_the_advantages_of_its_group(make_trainer: Any) -> None:
    advantages, rewards = first_batch(make_trainer(reward=terms("taste:thirds")))
    assert set((3 * rewards).round(12).ravel()) <= {0, 1, 2, 3} and len(set(rewards.ravel().round(6))) > 2
    expected = (rewards - rewards.mean(1, keepdims=True)) / (rewards.std(1, ddof=1, keepdims=True) + 1e-4)
    np.testing.assert_allclose(advantages.cpu().numpy(), expected, atol=1e-5)


def test_a_reward_sees_what_the_prompt_has_opened(make_trainer: Any) -> None:
    for reply, expected in ((Reply("<think>\n"), 1.0), (Reply(), 0.0)):
        _, rewards = first_batch(make_trainer(reward=terms("taste:begins"), reply=reply))
        assert set(rewards.ravel()) == {expected}


@pytest.mark.parametrize(("min_spread", "idle"), [(0.0, False), (0.0999, False), (0.1, True), (0.5, True)])
def test_a_group_whose_spread_equals_min_spread_is_left_out_and_one_just_above_is_not(
    make_trainer: Any, min_spread: float, idle: bool
) -> None:
    train = TRAIN.model_copy(update={"min_spread": min_spread})
    replay = ReplaySpec(fresh=0.5, capacity=8)
    trainer = make_trainer(train=train, reward=terms("taste:near"), replay=replay, seed=2)  # groups of both kinds
    advantages, rewards = first_batch(trainer)
    spread = rewards.max(1) - rewards.min(1)  # (groups,) 0 or a tenth
    assert set(spread.round(6)) == {0.0, 0.1}
    trains = (spread > 0.05) & (not idle)
    assert (advantages.abs().sum(1) > 0).tolist() == trains.tolist()
    assert trainer._record.trains == trains.tolist()
    assert trainer._record.metrics["train/zero_variance"] == 1 - trains.mean()
    assert len(trainer.buffer.groups) == trains.sum()


def test_accuracy_and_each_reward_are_logged_beside_the_mean_of_them(make_trainer: Any) -> None:
    trainer = make_trainer(reward=terms("accuracy", "taste:thirds"))
    _, rewards = first_batch(trainer)
    found = trainer._record.metrics
    assert found["train/reward"] == pytest.approx(rewards.mean())
    parts = found["train/reward_accuracy"], found["train/reward_thirds"]
    assert found["train/reward"] == pytest.approx(np.mean(parts)) and parts[0] != parts[1]
    assert found["train/accuracy"] == parts[0]


def test_where_accuracy_is_the_reward_nothing_stands_beside_it(make_trainer: Any) -> None:
    trainer = make_trainer()
    first_batch(trainer)
    assert not {"train/accuracy", "train/reward_accuracy"} & set(trainer._record.metrics)


@pytest.fixture
def resources(tmp_path: Path, tokenizer: Any, data: Any, start_policy: Any) -> Callable[..., PolicyResources]:
    """`resources(terms)`: of a run with this reward, all on one cache."""

    def make(reward: list[RewardTerm]) -> PolicyResources:
        cell = Cell(
            spec="test",
            arm="arm",
            model=ModelSpec(tiny=TinyModel()),
            dataset=DatasetSpec(arithmetic=Arithmetic(pool=32, test=8, validation=0)),
            train=TrainSpec(max_completion_tokens=12),
            evaluate=EvaluateSpec(),
            reward=reward,
            selection=Uniform(),
            replay=None,
            budget=None,
            seed=0,
        )
        task, ledger = replace(data, verifier=coin), Ledger()
        sampler = Sampler(start_policy.eval(), tokenizer, task, PromptStyle(), 12, ledger, reward=reward)
        loaded = Policy(start_policy, tokenizer, tmp_path, "tiny", "an-identity")
        return PolicyResources(cell, task, loaded, sampler, ledger, Cache(tmp_path / "cache"))

    return make


def test_pass_rates_of_another_reward_are_measured_anew_and_not_read_from_the_cache(
    resources: Callable[..., PolicyResources],
) -> None:
    rates = resources(accuracy_terms()).pass_rates(2)
    rewards = resources(terms("taste:thirds")).pass_rates(2)
    assert set(rates) <= {0, 0.5, 1} and not set(rewards) <= {0, 0.5, 1}
    assert (resources(accuracy_terms()).pass_rates(2) == rates).all()
    assert (resources(terms("taste:thirds")).pass_rates(2) == rewards).all()


def test_probes_are_rewarded_as_training_is_and_evaluations_by_the_verifier(
    resources: Callable[..., PolicyResources],
) -> None:
    made = resources(terms("taste:thirds"))
    assert {round(3 * value, 9) for row in made.probe(range(8), 4) for value in row} == {0, 1, 2, 3}
    result = made.sampler.evaluate("test", made.data.test, 4, 1.0, 1.0, 0, greedy=True)
    same = Sampler(made.sampler.model, made.sampler.tokenizer, made.data, PromptStyle(), 12, Ledger())
    assert result == same.evaluate("test", made.data.test, 4, 1.0, 1.0, 0, greedy=True)
    assert 0 < result.accuracy < 1
