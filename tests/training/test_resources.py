"""What selection asks of the policy: values, what is cached under which key, and who pays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repro.cache import Cache
from repro.errors import UserError
from repro.models.flops import FlopCounter
from repro.models.model_spec import ModelSpec, TinyModel
from repro.models.policy import Policy
from repro.models.tiny import build_tiny
from repro.models.tokenizers import character_tokenizer
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.problem import Dropped
from repro.tasks.prompts import UFO_RL_SYSTEM_PROMPT, PromptStyle
from repro.training import pass_rates
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.randomness import PASS_RATE, derive_seed
from repro.training.resources import PolicyResources

from .conftest import coin


@pytest.fixture(scope="module")
def policy(tokenizer: Any) -> Any:
    """Untrained, with room for the longest solution."""
    return build_tiny(TinyModel(width=24, layers=2, heads=3), tokenizer, 160).eval()


@pytest.fixture
def make(tmp_path: Path, tokenizer: Any, data: Any, policy: Any) -> Callable[..., PolicyResources]:
    """`make()`: resources of another run on the same cache, with a ledger of its own."""

    def resources(without: int = 0) -> PolicyResources:
        cell = Cell(
            spec="test",
            arm="arm",
            model=ModelSpec(tiny=TinyModel()),
            dataset=DatasetSpec(arithmetic=Arithmetic(pool=32, test=8, validation=0)),
            train=TrainSpec(max_completion_tokens=12),
            evaluate=EvaluateSpec(),
            selection=Uniform(),
            replay=None,
            budget=None,
            seed=0,
        )
        loaded = Policy(policy, tokenizer, tmp_path, "tiny", "an-identity")
        left = tuple(problem.id for problem in data.train[:without])
        dropped = (Dropped("train", "too_long", without, "", left),) if left else ()
        ledger, task = Ledger(), replace(data, verifier=coin, train=data.train[without:], dropped=dropped)
        sampler = Sampler(policy, tokenizer, task, PromptStyle(), 12, ledger)
        return PolicyResources(cell, task, loaded, sampler, ledger, Cache(tmp_path / "cache"))

    return resources


@pytest.fixture
def passes(policy: Any) -> Any:
    """Grows with every forward pass of the policy's body."""
    seen: list[int] = []
    hook = policy.base_model.register_forward_hook(lambda *_: seen.append(1))
    yield seen
    hook.remove()


def paid(resources: PolicyResources, phase: str) -> dict[str, float]:
    return resources.ledger.as_dict()[phase]


TARGETS: tuple[Any, ...] = ("final_answer", "solution", "greedy_response")
ASKED: dict[str, Callable[[PolicyResources], np.ndarray]] = {
    "confidence": lambda r: r.confidences("final_answer"),
    "confidence in a greedy response": lambda r: r.confidences("greedy_response"),
    "prompt perplexity": lambda r: r.prompt_scores("perplexity"),
    "prompt entropy": lambda r: r.prompt_scores("entropy"),
    "pass rates": lambda r: r.pass_rates(2),
    "pass rates of some": lambda r: r.pass_rates(2, [5, 3, 9]),
}


@pytest.mark.parametrize("name", ASKED)
def test_another_run_reads_the_same_values_and_pays_the_same(make: Any, passes: list[int], name: str) -> None:
    first, second = make(), make()
    values = ASKED[name](first)
    spent = {phase: paid(first, phase) for phase in ("score", "probe")}
    assert spent["probe" if name.startswith("pass") else "score"]["flops"] > 0
    assert ((values >= 0) & (values <= 1)).all() and len(set(values.tolist())) > 1
    before = len(passes)
    assert np.array_equal(ASKED[name](second), values)
    assert len(passes) == before > 0
    assert {phase: paid(second, phase) for phase in ("score", "probe")} == spent
    ASKED[name](first)
    assert {phase: paid(first, phase) for phase in ("score", "probe")} == spent  # a run pays once


def with_chat(resources: PolicyResources) -> PolicyResources:
    """The same with a tokenizer of bytes, on which no system prompt is lost, and a chat template."""
    tokenizer = character_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}="
    resources.policy.tokenizer = tokenizer
    resources.policy.model = build_tiny(TinyModel(width=24, layers=2, heads=3), tokenizer, 999).eval()
    return resources


def test_a_system_prompt_that_all_texts_share_is_paid_for_once(make: Any) -> None:
    resources = with_chat(make())
    counter = resources.sampler.flop_counter = FlopCounter.of(resources.policy.model)
    resources.confidences("final_answer", "paper")
    opening = len(UFO_RL_SYSTEM_PROMPT)
    own = [len(f"{p.question}=<answer> {p.answer}") for p in resources.data.train]
    spent = paid(resources, "score")
    assert spent["scored_tokens"] == pytest.approx(opening + sum(own), abs=len(own))  # questions may begin alike
    rows = [opening + length for length in own]
    once = counter.forward(rows) - (len(rows) - 1) * counter.forward([opening])
    assert spent["flops"] == pytest.approx(once, rel=0.02) and spent["flops"] < counter.forward(rows) / 5


def test_everything_that_changes_the_values_is_in_the_key(make: Any, tmp_path: Path) -> None:
    resources = with_chat(make())
    values = [resources.confidences(target, prompt) for target in TARGETS for prompt in (None, "paper")]
    assert all(not np.array_equal(one, other) for one, other in combinations(values, 2))
    for samples, indices in ((2, None), (3, None), (2, [1, 2]), (2, [2, 1]), (2, [1, 3])):
        resources.pass_rates(samples, indices)
    assert len(list((tmp_path / "cache/scores").glob("[!.]*"))) == 2 * len(TARGETS)
    assert len(list((tmp_path / "cache/pass_rates").glob("[!.]*"))) == 5


@pytest.mark.parametrize("target", TARGETS)
def test_the_tokens_of_targets_come_with_the_scores_and_cost_nothing_more(
    make: Any, passes: list[int], target: Any
) -> None:
    first = make()
    first.confidences(target)
    spent, before = paid(first, "score"), len(passes)
    tokens = first.target_tokens(target)
    assert tokens.dtype == np.int64 and (tokens >= 1).all()
    assert len(passes) == before and paid(first, "score") == spent
    if target != "greedy_response":
        problems = first.data.train  # one token per character
        solutions = [p.solution + "#" if target == "solution" else "" for p in problems]
        assert tokens.tolist() == [len(s) + len(p.answer) for s, p in zip(solutions, problems, strict=True)]
    second = make()
    assert np.array_equal(second.target_tokens(target), tokens)
    assert len(passes) == before and paid(second, "score")["flops"] == 0, "nobody selects by lengths"


def test_one_pass_serves_both_prompt_scores_and_is_paid_once(make: Any, passes: list[int]) -> None:
    resources = make()
    perplexity = resources.prompt_scores("perplexity")
    before, spent = len(passes), paid(resources, "score")
    entropy = resources.prompt_scores("entropy")
    assert len(passes) == before and paid(resources, "score") == spent
    assert spent["scored_tokens"] == sum(len(problem.question) for problem in resources.data.train)
    assert spent["completions"] == 0
    # Every question is a bare text here, so its first character has no prediction and stands alone as context.
    text = resources.data.train[7].question
    ids = torch.tensor([resources.policy.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        p = resources.policy.model(input_ids=ids).logits[0, :-1].double().softmax(-1)  # (T - 1, vocabulary)
    assert perplexity[7] == pytest.approx(float(p.gather(1, ids[0, 1:, None]).log().mean().exp()), rel=1e-4)
    assert entropy[7] == pytest.approx(float(-(p * p.log()).sum(1).mean()) / np.log(p.shape[1]), rel=1e-4)


def test_pass_rates_of_some_questions_are_those_of_their_completions_in_the_order_asked(make: Any) -> None:
    resources, indices = make(), [9, 2, 30]
    rates = resources.pass_rates(4, indices)
    assert paid(resources, "probe")["completions"] == 12
    problems = [resources.data.train[i] for i in indices]
    _, rewards = resources.sampler.completions(problems, 4, 1.0, 1.0, derive_seed(PASS_RATE, 4), "evaluate")
    assert rates.tolist() == [sum(group) / 4 for group in rewards]


def test_a_column_is_what_the_task_or_the_rows_know_of_each_question(make: Any) -> None:
    resources = make()
    steps = resources.column("steps")
    assert steps.dtype == np.float64
    assert steps.tolist() == [problem.metadata["steps"] for problem in resources.data.train]
    with pytest.raises(UserError, match=r"got \"step\", expected a numeric column of the dataset.*did you mean steps"):
        resources.column("step")
    with pytest.raises(UserError, match="expected a numeric column"):
        resources.column("operations")  # text


def test_everything_asked_of_the_start_policy_is_paid_from_its_card(make: Any, tmp_path: Path) -> None:
    resources = make()
    resources.embeddings()
    (card,) = (tmp_path / "cache/embeddings").glob("*/card.json")
    cost = json.loads(card.read_text())["cost"]
    assert paid(resources, "score") == {"trained_tokens": 0, **cost}
    lengths = [len(problem.question) for problem in resources.data.train]  # one token per character
    assert cost["scored_tokens"] == sum(lengths)
    assert cost["flops"] == FlopCounter.of(resources.policy.model).forward(lengths)


def test_pass_rates_of_a_large_policy_are_kept_in_parts_and_a_stopped_run_goes_on_with_them(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make().pass_rates(2)
    for folder in (tmp_path / "cache/pass_rates").glob("[!.]*"):
        shutil.rmtree(folder)
    monkeypatch.setattr(pass_rates, "large", lambda model: True)
    monkeypatch.setattr(pass_rates, "PART", 5)
    parts = -(-len(whole) // 5)
    said: list[str] = []

    def stopped(message: str) -> None:
        said.append(message)
        if len(said) == 3:
            raise KeyboardInterrupt

    first = make()
    first._say = stopped
    with pytest.raises(KeyboardInterrupt):
        first.pass_rates(2)
    assert len(list((tmp_path / "cache/pass_rate_parts").glob("[!.]*"))) == 2
    said.clear()
    second = make()
    second._say = said.append
    np.testing.assert_array_equal(second.pass_rates(2), whole)
    assert len(said) == parts - 2 and said[0] == f"pass rates of the start policy: question 10 of {len(whole)}"
    assert second.ledger.cost("score").completions + second.ledger.cost("probe").completions == 2 * len(whole)


def test_pass_rates_of_a_pool_that_lacks_what_a_policy_is_not_asked_are_measured_apart(make: Any) -> None:
    whole, less = make().pass_rates(2), make(without=3).pass_rates(2)
    assert len(whole) - 3 == len(less)
    np.testing.assert_array_equal(make().pass_rates(2), whole)
