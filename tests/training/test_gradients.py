"""The terms of a group's gradient: against autograd of the whole loss, and in policies whose gradients are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from trl.trainer.utils import nanstd

from repro.cache import Cache
from repro.errors import UserError
from repro.models.model_spec import ModelSpec, TinyModel
from repro.models.policy import Policy
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.prompts import PromptStyle
from repro.training.base_policy import describe_base
from repro.training.evaluation import Sampler
from repro.training.gradients import completion_gradient, group_terms, measure_gradients, std_divisor
from repro.training.ledger import Ledger
from repro.training.randomness import GRADIENTS, derive_seed
from repro.training.resources import PolicyResources

from .conftest import coin

G, TEMPERATURE = 5, 0.7
PLAIN = np.ones((1, G))


@pytest.fixture
def sampler(tokenizer: Any, data: Any, start_policy: Any) -> Sampler:
    return Sampler(start_policy, tokenizer, replace(data, verifier=coin), PromptStyle(), 12, Ledger())


def test_the_terms_are_those_of_the_gradient_of_the_whole_groups_loss(sampler: Sampler, data: Any) -> None:
    problems = data.train[:6]
    rows = measure_gradients(sampler, problems, G, TEMPERATURE, 1.0)
    again = Sampler(sampler.model, sampler.tokenizer, sampler.data, PromptStyle(), 12, Ledger())
    # The same rollouts: they depend on the group size and the questions alone.
    out, rewards = again.completions(problems, G, TEMPERATURE, 1.0, derive_seed(GRADIENTS, G), "evaluate")
    assert sum(len(set(group)) == 2 for group in rewards) >= 3
    model = sampler.model.double()
    try:
        for index, (row, group) in enumerate(zip(rows, rewards, strict=True)):
            prompt = sampler.tokenizer(sampler.prompts([problems[index]]))["input_ids"][0]
            completions = out.token_ids[index * G : (index + 1) * G]
            advantages = torch.tensor(group, dtype=torch.float64) - np.mean(group)  # (G,)
            for ending, std in product(("", "_token_mean"), ("", "_std")):
                scale = (nanstd(torch.tensor(group)) + 1e-4).item() if std else 1.0
                # One padded batch and one backward pass over the loss of the group.
                width = max(map(len, completions))
                ids = torch.tensor([[*prompt, *c, *[0] * (width - len(c))] for c in completions])
                mask = torch.tensor([[1.0] * len(c) + [0.0] * (width - len(c)) for c in completions])
                logits = model(input_ids=ids).logits[:, len(prompt) - 1 : -1] / TEMPERATURE
                logps = logits.log_softmax(-1).gather(2, ids[:, len(prompt) :, None])[..., 0] * mask  # (G, T)
                per_row = logps.sum(1) / (mask.sum(1) if ending else 1.0) * advantages / scale  # (G,)
                parameters = list(model.parameters())
                whole = flat(torch.autograd.grad(per_row.sum(), parameters, retain_graph=True))
                each = [flat(torch.autograd.grad(one, parameters, retain_graph=True)) for one in per_row]
                kept = sum(float(g @ g) for g in each)
                crossed = sum(float(each[i] @ each[j]) for i in range(G) for j in range(G) if i != j)
                names = [f"{name}{std}{ending}" for name in ("norm2", "t1", "t2")]
                expected = [float(whole @ whole), kept, crossed]
                assert [row[name] for name in names] == pytest.approx(expected, rel=1e-3, abs=1e-6 * (1 + kept))
                assert row[names[0]] == pytest.approx(row[names[1]] + row[names[2]])
    finally:
        sampler.model.float()


def flat(pieces: Any) -> torch.Tensor:
    return torch.cat([piece.reshape(-1) for piece in pieces])


def test_rewards_that_are_all_alike_have_no_gradient_and_none_is_computed() -> None:
    def never() -> Any:
        raise AssertionError("no gradient is needed")
        yield

    (terms,) = group_terms(never(), [1.0] * G, PLAIN)
    assert (terms.kept, terms.crossed, terms.norm2, terms.mean_square) == (0, 0, 0, None)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_where_gradients_are_orthogonal_the_theorem_is_exact(p: float) -> None:
    """Completions of unit gradient along axes of their own, rewards independent: the mean over all rewards."""
    axes = [[row.clone()] for row in torch.eye(G)]
    mean = {"kept": 0.0, "crossed": 0.0, "std": 0.0}
    for rewards in product((0.0, 1.0), repeat=G):
        chance = np.prod([p if r else 1 - p for r in rewards])
        (terms,) = group_terms(axes, rewards, PLAIN)
        mean["kept"] += chance * terms.kept
        mean["crossed"] += chance * terms.crossed
        mean["std"] += chance * terms.norm2 / std_divisor(rewards) ** 2
    assert mean["kept"] == pytest.approx(G * p * (1 - p) * (1 - 1 / G))
    assert mean["crossed"] == pytest.approx(0, abs=1e-6)
    # Divided by the std, only whether a group is informative counts; TRL's 1e-4 takes a little away.
    assert mean["std"] == pytest.approx((G - 1) * (1 - p**G - (1 - p) ** G), rel=1e-3)


class Bandit(torch.nn.Module):
    """One token decides: 0 is right, 1 is wrong; the logits are the only parameters."""

    device = torch.device("cpu")

    def __init__(self, p: float) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor([p, 1 - p]).log())

    def forward(self, input_ids: torch.Tensor, logits_to_keep: int) -> Any:
        return SimpleNamespace(logits=self.logits.expand(1, logits_to_keep, 2))


@pytest.mark.parametrize("k", [1, 3])
def test_where_all_completions_share_one_direction_the_crossed_terms_decide(k: int) -> None:
    """grad log pi is (1 - p) v for a right and -p v for a wrong answer, |v|^2 = 2: |g|^2 = 2 (G m (1 - m))^2."""
    p, m = 0.3, k / G
    model: Any = Bandit(p)
    tokens = [0] * k + [1] * (G - k)
    gradients = (completion_gradient(model, [0], [token], 1.0) for token in tokens)
    (terms,) = group_terms(gradients, [float(token == 0) for token in tokens], PLAIN)
    assert terms.norm2 == pytest.approx(2 * (G * m * (1 - m)) ** 2)
    kept = 2 * (k * ((1 - m) * (1 - p)) ** 2 + (G - k) * (m * p) ** 2)
    assert terms.kept == pytest.approx(kept)
    assert terms.crossed == pytest.approx(terms.norm2 - kept) and terms.crossed > 0.9 * kept
    assert terms.mean_square == pytest.approx(2 * (m * (1 - p) ** 2 + (1 - m) * p**2))
    assert model.logits.grad is None


def test_the_policy_is_left_as_it_was_and_what_was_computed_is_paid(sampler: Sampler, data: Any) -> None:
    sampler.model.train()
    before = torch.random.get_rng_state()
    try:
        rows = measure_gradients(sampler, data.train[:4], G, 1.0, 1.0)
    finally:
        assert sampler.model.training
        sampler.model.eval()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(p.grad is None for p in sampler.model.parameters())
    spent = sampler.ledger.cost("evaluate")
    informative = [row for row in rows if row["gradient2"] is not None]
    assert spent.completions == 4 * G and informative
    tokens = [len(row_prompt) for row_prompt in sampler.prompts(data.train[:4])]  # one per character
    expected = sum(G * (t + row["tokens"]) for t, row in zip(tokens, rows, strict=True) if row in informative)
    assert spent.trained_tokens == pytest.approx(expected)


@pytest.fixture
def base(tmp_path: Path, tokenizer: Any, data: Any, start_policy: Any) -> Callable[[int], dict[str, Any]]:
    """`base(questions)`: the description of the start policy in a run of its own on one cache."""

    def describe(questions: int) -> dict[str, Any]:
        cell = Cell(
            spec="test",
            arm="arm",
            model=ModelSpec(tiny=TinyModel()),
            dataset=DatasetSpec(arithmetic=Arithmetic(pool=32, test=8, validation=0)),
            train=TrainSpec(max_completion_tokens=12, group_size=G),
            evaluate=EvaluateSpec(samples=1, pool_samples=3, base_temperatures=(), gradient_questions=questions),
            selection=Uniform(),
            replay=None,
            budget=None,
            seed=0,
        )
        task, ledger, cache = replace(data, verifier=coin), Ledger(), Cache(tmp_path / "cache")
        policy = Policy(start_policy, tokenizer, tmp_path, "tiny", "an-identity")
        sampler = Sampler(start_policy, tokenizer, task, PromptStyle(), 12, ledger)
        resources = PolicyResources(cell, task, policy, sampler, ledger, cache, lambda *_: None)
        found = describe_base(cell, task, policy, resources, {"test": data.test}, cache, lambda _: None)
        assert ledger.total("flops") == 0, "no run pays for the picture of its start policy"
        return found

    return describe


def test_gradients_are_measured_once_and_change_nothing_else_about_the_start_policy(base: Any, tmp_path: Path) -> None:
    without = base(0)
    with_them = base(10)
    record = with_them.pop("gradients")
    assert with_them == without
    assert len(list((tmp_path / "cache/base").glob("[0-9a-f]*"))) == 1
    assert (record["group_size"], record["groups"]) == (G, 10)
    ids = [row["id"] for row in record["rows"]]
    assert len(set(ids)) == 10
    rates = without["pool"]["pass_rates"]
    assert [row["pass_rate"] for row in record["rows"]] == [rates[name] for name in ids]
    assert record["cost"]["completions"] == 10 * G and record["cost"]["seconds"] > 0
    assert base(10)["gradients"] == record, "read from the cache, its seconds too"
    assert set(ids) != {row["id"] for row in base(11)["gradients"]["rows"][:10]}


def test_more_questions_than_have_a_pass_rate_are_a_mistake_of_the_user(base: Any) -> None:
    with pytest.raises(UserError, match=r"evaluate\.gradient_questions: 33, expected at most 32"):
        base(33)
