"""vLLM as the engine: the policy's log-probs after every sync, a broken sync noticed, draws that only seeds decide."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("vllm", reason="vLLM is not installed here; make test-vllm has an environment with it")

from repro.cache import Cache
from repro.difficulty.predictor_spec import PredictorSpec
from repro.models.model_spec import ModelSpec, TinyModel, WarmStart
from repro.models.policy import Policy, load_policy
from repro.models.rollout_spec import RolloutSpec
from repro.models.sampling import sample
from repro.models.vllm_engine import VLLMEngine, row_seeds
from repro.selection.base import Selector
from repro.spec.schema import TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle
from repro.training.config import grpo_config
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.predictor_labels import make_labels
from repro.training.trainer import SelectiveGRPOTrainer

DRAW: dict[str, Any] = {"samples": 4, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 48, "seed": 5}
TRAIN = TrainSpec(steps=2, questions_per_step=4, group_size=4, minibatches=2, max_completion_tokens=48)


@pytest.fixture(scope="module")
def data() -> TaskData:
    return Arithmetic().load()


@pytest.fixture(scope="module")
def policy(data: TaskData, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The shipped policy."""
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return load_policy(ModelSpec(tiny=TinyModel()), DatasetSpec(arithmetic=Arithmetic()), data, cache)


@pytest.fixture(scope="module")
def started(policy: Policy, data: TaskData) -> Iterator[VLLMEngine]:
    """One vLLM for all tests of this file."""
    texts = [f"{problem.question}{data.answer_format.completion(problem)}" for problem in data.train[:4]]
    fixed = policy.tokenizer(texts, add_special_tokens=False)["input_ids"]
    engine = VLLMEngine(policy.model, policy.tokenizer, RolloutSpec(engine="vllm"), fixed)
    yield engine
    engine.close()


@pytest.fixture
def engine(started: VLLMEngine) -> Iterator[VLLMEngine]:
    """The engine with the start policy's weights, which are restored afterwards."""
    weights = {name: value.clone() for name, value in started.model.state_dict().items()}
    yield started
    started.model.load_state_dict(weights)
    started.policy_changed()


def move(engine: VLLMEngine, seed: int, size: float = 0.01) -> None:
    """An update of every weight, as an optimizer's, of which nobody tells the engine."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in engine.model.parameters():
            weight.add_(size * torch.randn(weight.shape, generator=generator))


def prompts(data: TaskData, count: int = 6) -> list[str]:
    return [problem.question for problem in data.test[:count]]


def policy_logps(policy: Policy, prompt: str, completion: list[int], temperature: float) -> np.ndarray:
    ids = policy.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = policy.model(torch.tensor([ids + completion])).logits[0, len(ids) - 1 : -1] / temperature
    return logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0].numpy()  # (T,)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_sampled_tokens_have_the_policys_log_probs_after_every_sync(
    engine: VLLMEngine, policy: Policy, data: TaskData, temperature: float
) -> None:
    asked = prompts(data)
    before = engine.syncs
    for update in range(3):
        move(engine, update)
        engine.policy_changed()
        out = engine.generate(asked, **{**DRAW, "temperature": temperature})
        assert out.logps is not None
        for row, (tokens, logps) in enumerate(zip(out.token_ids, out.logps, strict=True)):
            expected = policy_logps(policy, asked[row // 4], tokens, temperature)
            np.testing.assert_allclose(logps, expected, rtol=0, atol=1e-3)
        assert engine.verify() < 1e-3
    assert engine.syncs == before + 3


def test_a_sync_that_does_not_arrive_is_an_error(
    engine: VLLMEngine, data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.generate(prompts(data, 1), **DRAW)
    monkeypatch.setattr(engine, "_copy_weights", lambda: None)
    move(engine, 0)
    engine.policy_changed()
    with pytest.raises(RuntimeError, match="vLLM's weights are not the policy's after sync"):
        engine.generate(prompts(data, 1), **DRAW)


def test_weights_that_arrive_in_part_are_an_error(
    engine: VLLMEngine, data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = engine._weights

    def without_head() -> Iterator[tuple[str, torch.Tensor]]:
        for name, weight in weights():
            yield name, torch.zeros_like(weight) if name == "lm_head.weight" else weight

    monkeypatch.setattr(engine, "_weights", without_head)
    engine.policy_changed()
    with pytest.raises(RuntimeError, match=r"allowed are 0\.001"):
        engine.synchronize()


@pytest.mark.parametrize(("every", "caught"), [(0, []), (1, [1, 2, 3, 4]), (2, [1, 3])])
def test_a_sync_is_verified_as_often_as_the_spec_says(
    engine: VLLMEngine, monkeypatch: pytest.MonkeyPatch, every: int, caught: list[int]
) -> None:
    found: list[int] = []
    monkeypatch.setattr(engine, "spec", RolloutSpec(engine="vllm", check_sync=every))
    monkeypatch.setattr(engine, "verify", lambda: found.append(engine.syncs))
    monkeypatch.setattr(engine, "syncs", 0)
    for _ in range(4):
        engine.policy_changed()
        engine.synchronize()
        engine.synchronize()  # nothing has changed since
    assert found == caught


def test_the_same_seed_draws_the_same_and_another_does_not(engine: VLLMEngine, data: TaskData) -> None:
    first = engine.generate(prompts(data), **DRAW)
    assert engine.generate(prompts(data), **DRAW).token_ids == first.token_ids
    assert engine.generate(prompts(data), **{**DRAW, "seed": 6}).token_ids != first.token_ids
    assert all(len({tuple(row) for row in first.token_ids[i : i + 4]}) > 1 for i in range(0, 24, 4))


def test_a_row_draws_the_same_alone_and_among_others(engine: VLLMEngine, policy: Policy, data: TaskData) -> None:
    ids = policy.tokenizer(prompts(data, 8), add_special_tokens=False)["input_ids"]
    seeds = row_seeds(3, range(8))
    options = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 48}
    together, _ = engine.complete(ids, seeds, **options)
    backwards, _ = engine.complete(ids[::-1], seeds[::-1], **options)
    alone = [engine.complete([row], [seed], **options)[0][0] for row, seed in zip(ids, seeds, strict=True)]
    assert together == backwards[::-1] == alone


def test_greedy_completions_are_those_of_generate(engine: VLLMEngine, policy: Policy, data: TaskData) -> None:
    options = {**DRAW, "samples": 1, "temperature": 0.0}
    asked = prompts(data, 32)
    ours, theirs = engine.generate(asked, **options), sample(policy.model, policy.tokenizer, asked, **options)
    assert ours.texts == theirs.texts
    assert ours.token_ids == theirs.token_ids  # the end is there, or the limit of tokens was reached
    assert ours.prompt_counts == theirs.prompt_counts


def test_first_tokens_follow_the_policys_distribution_within_the_nucleus(
    engine: VLLMEngine, policy: Policy, data: TaskData
) -> None:
    n = 2000
    prompt = prompts(data, 1)
    ids = policy.tokenizer(prompt[0], add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        probabilities = policy.model(torch.tensor([ids])).logits[0, -1].div(2.0).softmax(-1).numpy()
    order = np.argsort(-probabilities)
    nucleus = order[: int(np.searchsorted(probabilities[order].cumsum(), 0.9)) + 1]
    out = engine.generate(prompt, samples=n, temperature=2.0, top_p=0.9, max_new_tokens=1, seed=1)
    drawn = np.array([row[0] for row in out.token_ids])
    assert set(drawn) <= set(nucleus.tolist())
    for token in nucleus:
        expected = float(probabilities[token] / probabilities[nucleus].sum())
        assert abs((drawn == token).mean() - expected) < 4.5 * np.sqrt(expected * (1 - expected) / n) + 1e-9


def test_evaluations_go_through_the_engine_and_are_counted(engine: VLLMEngine, policy: Policy, data: TaskData) -> None:
    ledger = Ledger()
    sampler = Sampler(policy.model, policy.tokenizer, data, PromptStyle(), 48, ledger, engine=engine)
    result = sampler.evaluate("test", data.test[:8], 4, 1.0, 1.0, seed=5, greedy=True)
    out = engine.generate(sampler.prompts(data.test[:8]), **DRAW)
    right = [data.verifier(text, data.test[row // 4].answer) for row, text in enumerate(out.texts)]
    assert list(result.passes.values()) == [sum(right[i : i + 4]) for i in range(0, 32, 4)]
    assert ledger.cost("evaluate").completions == 32 + 8
    assert ledger.cost("evaluate").generated_tokens > out.generated_tokens


class Fixed(Selector):
    """Chooses the same questions every step and trains some of them with the probe's completions."""

    def __init__(self, chosen: list[int], reused: list[int]) -> None:
        self._chosen, self._reused = chosen, reused

    def choose(self, n: int) -> list[int]:
        return list(self._chosen)

    def reused(self) -> list[int]:
        return list(self._reused)


@pytest.mark.parametrize("reused", [[], [9, 3], [5, 9, 11, 3]])
def test_a_step_trains_on_vllms_completions_and_says_how_far_apart_the_two_are(
    engine: VLLMEngine, policy: Policy, data: TaskData, tmp_path: Path, reused: list[int]
) -> None:
    out = engine.generate([data.train[index].question for index in reused], **DRAW)
    assert out.logps is not None
    groups = {index: slice(4 * place, 4 * place + 4) for place, index in enumerate(reused)}
    ledger = Ledger()
    policy.model.train()
    trainer = SelectiveGRPOTrainer(
        model=policy.model,
        tokenizer=policy.tokenizer,
        problems=data.train,
        prompts=[problem.question for problem in data.train],
        verifier=data.verifier,
        selector=Fixed([5, 9, 11, 3], reused),
        train=TRAIN,
        args=grpo_config(TRAIN, TRAIN.steps, 0, tmp_path, save_every=2),
        ledger=ledger,
        seed=0,
        on_step=lambda record: None,
        kept={index: out.token_ids[rows] for index, rows in groups.items()},
        kept_logps={index: out.logps[rows] for index, rows in groups.items()},
        engine=engine,
    )
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    policy.model.eval()
    assert "sampling_per_token_logps" not in output and "importance_sampling_ratio" not in output
    made = [
        ids[mask.bool()].tolist() for ids, mask in zip(output["completion_ids"], output["completion_mask"], strict=True)
    ]
    for row, tokens in enumerate(made):
        expected = policy_logps(policy, data.train[[5, 9, 11, 3][row // 4]].question, tokens, 1.0)
        found = output["old_per_token_logps"][row][: len(tokens)].numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert trainer._record is not None
    metrics = trainer._record.metrics
    assert 0 < metrics["rollout/logp_difference_mean"] <= metrics["rollout/logp_difference_max"] < 1e-3
    assert metrics["rollout/ratio_mean"] == pytest.approx(1, abs=1e-3)
    new = [tokens for row, tokens in enumerate(made) if [5, 9, 11, 3][row // 4] not in reused]
    assert ledger.cost("rollout").completions == len(new) == 16 - 4 * len(reused)
    assert ledger.cost("rollout").generated_tokens == sum(map(len, new))


def test_labels_are_made_by_a_vllm_of_the_other_policy_beside_this_one(
    engine: VLLMEngine, data: TaskData, tmp_path: Path
) -> None:
    tiny = TinyModel(width=64, layers=1, heads=2, warm_start=WarmStart(updates=20, batch_size=16))
    spec = PredictorSpec(policies=[ModelSpec(tiny=tiny)], questions=32, samples=4, max_completion_tokens=16)
    dataset, cache = DatasetSpec(arithmetic=Arithmetic()), Cache(tmp_path)
    before = engine.generate(prompts(data), **DRAW)
    ours, cost = make_labels(spec, dataset, cache, lambda message: None, engine.spec)
    theirs, _ = make_labels(spec, dataset, cache, lambda message: None)
    assert cost.completions == 4 * len(ours.ids) and ours.ids == theirs.ids
    assert len(list((tmp_path / "labels").glob("[!.]*"))) == 2  # each engine's are cached apart
    assert engine.generate(prompts(data), **DRAW).token_ids == before.token_ids


def test_the_process_is_not_taken_for_a_distributed_one(started: VLLMEngine) -> None:
    assert "LOCAL_RANK" not in os.environ and "WORLD_SIZE" not in os.environ
