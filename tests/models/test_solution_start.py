"""A supervised start on a dataset's solutions: what it imitates, that it repeats, and what names its result."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from repro.cache import Cache
from repro.errors import UserError
from repro.models import solution_start
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_embedder, load_policy, policy_digest, policy_is_built, save_policy
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.arithmetic import Arithmetic
from tests.models.conftest import DATASET

START = {"updates": 12, "batch_size": 4, "learning_rate": 3e-3}


def spec(start=START, **fields) -> ModelSpec:
    return ModelSpec.model_validate({"hub": "a/llama", "stand_in": True, "warm_start": start, **fields})


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def started(own_cache):
    return load_policy(spec(), DATASET, None, own_cache)


@pytest.fixture
def seen(monkeypatch):
    """The rows of every start, in the order of training; nothing is trained."""
    rows: list[dict[str, list[int]]] = []

    def only_look(model, tokenizer, given, *rest, **options):
        rows.extend(given)
        return {"loss": [], "cost": {"tokens": 0, "flops": 0.0, "seconds": 0.0}}

    monkeypatch.setattr(solution_start, "imitate", only_look)
    return rows


def test_it_learns_and_its_cost_is_that_of_the_tokens(started):
    record = json.loads((started.directory / "warm_start.json").read_text())
    assert record == started.base
    assert record["loss"][-1] < 0.8 * record["loss"][0]
    assert record["examples"] == 12 * 4
    assert record["cost"]["tokens"] > 12 * 4 * 20
    looked_up = started.model.get_input_embeddings().weight.numel()
    assert record["cost"]["flops"] > 6 * (record["parameters"] - looked_up) * record["cost"]["tokens"]
    assert started.warm_start_cost["tokens"] == record["cost"]["tokens"]
    assert started.label == "llama"
    assert started.model.config._name_or_path == str(started.directory)  # the reference of the KL term


def test_the_prompt_is_that_of_rollouts_and_the_loss_is_on_the_completion_with_its_end(seen, own_cache, tmp_path):
    shots = [{"question": "1+1?", "answer": "1+1=2#2"}]
    asked = {"system_prompt": "Count.", "examples": shots}
    policy = load_policy(spec(**asked), DATASET, None, Cache(tmp_path))
    tokenizer, data = policy.tokenizer, load_dataset(DATASET)
    wanted = {
        policy.style.prompt(p.question, tokenizer, data.answer_format.question_suffix): data.answer_format.completion(p)
        for p in data.train
    }
    assert len(seen) == 48
    for row in seen:
        answered = [label for label in row["labels"] if label != -100]
        prompt = row["input_ids"][: -len(answered)]
        assert row["labels"] == [-100] * len(prompt) + answered
        assert row["input_ids"][-len(answered) :] == answered
        text = tokenizer.decode(prompt)
        assert tokenizer.decode(answered) == wanted[text] + tokenizer.eos_token
        assert text.startswith("<system>Count.\n<user>1+1?\n<assistant>1+1=2#2\n<user>")


def test_train_questions_alone_are_imitated_and_as_many_as_are_asked_for(seen, tmp_path):
    dataset = DatasetSpec(arithmetic=Arithmetic(pool=32, test=16, validation=8), limits={"train": 20})
    policy = load_policy(spec({**START, "examples": 5, "seed": 3}), dataset, None, Cache(tmp_path))
    data = load_dataset(dataset)
    texts = {policy.tokenizer.decode(row["input_ids"]) for row in seen}
    asked = {p.question for p in data.train if any(p.question in text for text in texts)}
    assert len(texts) == 5 == len(asked)
    held_out = [p.question for p in (*data.validation, *data.test)]
    assert not [q for q in held_out if any(f">{q}\n" in text for text in texts)]
    counts = [sum(row == other for other in seen) for row in seen]
    assert max(counts) - min(counts) <= 1  # 48 rows of 5 questions: pass after pass


def test_an_example_of_the_prompt_is_not_imitated(seen, tmp_path):
    first = load_dataset(DATASET).train[0]
    shots = [{"question": first.question, "answer": "is shown"}]
    policy = load_policy(spec(examples=shots), DATASET, None, Cache(tmp_path))
    assert not [row for row in seen if policy.tokenizer.decode(row["input_ids"]).count(first.question) > 1]


def test_the_same_fields_give_the_same_weights_and_leave_the_generators_alone(started, tmp_path):
    random.seed(11)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    again = load_policy(spec(), DATASET, None, Cache(tmp_path))
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])
    a, b = (load_file(policy.directory / "model.safetensors") for policy in (started, again))
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_only_the_weights_differ_from_the_model_that_was_started(started, own_cache):
    base = load_policy(spec(None), DATASET, None, own_cache)
    for name in ("generation_config.json", "tokenizer.json", "tokenizer_config.json", "config.json"):
        ours, theirs = (json.loads((one.directory / name).read_text()) for one in (started, base))
        for field in ("is_local", "local_files_only"):  # how it was read
            ours.pop(field, None), theirs.pop(field, None)
        assert ours == theirs, name
    assert not torch.equal(next(started.model.parameters()), next(base.model.parameters()))
    assert base.warm_start_cost["tokens"] == 0


def test_it_trains_in_float32_and_is_rounded_to_the_type_of_the_weights(started, own_cache):
    half = load_policy(spec(dtype="bfloat16"), DATASET, None, own_cache)
    assert half.model.dtype == torch.bfloat16
    for ours, theirs in zip(half.model.parameters(), started.model.parameters(), strict=True):
        assert torch.equal(ours, theirs.bfloat16())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_beside_adapters_it_trains_adapters_and_merges_them(started, own_cache, dtype, tmp_path):
    adapted = load_policy(spec(dtype=dtype, lora={"rank": 2}), DATASET, None, own_cache)
    base = load_policy(spec(None, dtype=dtype), DATASET, None, own_cache)
    start = load_policy(ModelSpec(path=str(adapted.directory), dtype=dtype), DATASET, None, own_cache)
    frozen, merged = (dict(one.model.named_parameters()) for one in (base, start))
    changed = {name.rsplit(".", 2)[1] for name in frozen if not torch.equal(frozen[name], merged[name])}
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    fresh = {name: value for name, value in adapted.model.named_parameters() if "lora_B" in name}
    assert fresh and not any(value.any() for value in fresh.values())
    assert adapted.parameters["trained"] < adapted.parameters["total"] / 10
    assert adapted.base["loss"][-1] < adapted.base["loss"][0]
    save_policy(adapted, tmp_path / "adapters")
    held = json.loads((tmp_path / "adapters" / "adapter_config.json").read_text())
    assert held["base_model_name_or_path"] == str(adapted.directory)


def test_the_digest_names_all_that_decides_the_weights():
    other = DatasetSpec(arithmetic=Arithmetic(pool=32, test=16, validation=8, seed=1))
    found = [
        policy_digest(spec(None), DATASET),
        policy_digest(spec(), DATASET),
        policy_digest(spec(), other),
        policy_digest(spec(lora={"rank": 2}), DATASET),
        policy_digest(spec(lora={"rank": 3}), DATASET),
        policy_digest(spec(dtype="bfloat16"), DATASET),
        policy_digest(spec(system_prompt="Count."), DATASET),
        *(
            policy_digest(spec({**START, name: value}), DATASET)
            for name, value in {
                "updates": 13,
                "batch_size": 5,
                "learning_rate": 1e-3,
                "seed": 1,
                "examples": 9,
            }.items()
        ),
    ]
    assert len(set(found)) == len(found)
    assert policy_digest(spec(name="a label"), DATASET) == found[1]
    assert policy_digest(spec(None), other) == found[0]
    assert policy_digest(spec(None, lora={"rank": 2}), DATASET) == found[0]


def test_whether_it_is_there_is_known_and_an_embedder_has_it_too(started, own_cache, tmp_path):
    assert policy_is_built(spec(), DATASET, own_cache)
    assert not policy_is_built(spec(), DATASET, Cache(tmp_path))
    assert policy_is_built(spec(None), DATASET, Cache(tmp_path))
    model, _ = load_embedder(spec(), DATASET, None, own_cache)
    assert torch.equal(model.embed_tokens.weight, started.model.model.embed_tokens.weight)


def rows_file(path, solution: str):
    rows = [{"question": f"Ann has {i} apples?", "answer": f"{solution}#### {i}"} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DatasetSpec(path=str(path), decontaminate="off")


def test_a_dataset_without_solutions_is_refused(tmp_path):
    dataset = rows_file(tmp_path / "bare.jsonl", "")
    with pytest.raises(UserError, match=r"model\.warm_start: .*'bare' have answers and no solutions to imitate"):
        load_policy(spec(), dataset, None, Cache(tmp_path))
    assert not list(tmp_path.glob("warm_start/*.json"))


def test_solutions_that_are_too_long_are_left_out_and_refused_where_nothing_is_left(tmp_path, seen, monkeypatch):
    dataset = rows_file(tmp_path / "long.jsonl", "so it goes on and on")
    monkeypatch.setattr(solution_start, "LONGEST", 20)
    with pytest.raises(UserError, match="no solution of dataset 'long' fits: expected one of at most 20 tokens"):
        load_policy(spec(), dataset, None, Cache(tmp_path))


def test_the_embedded_policy_keeps_its_own():
    with pytest.raises(ValueError, match=r"got warm_start beside tiny, expected tiny\.warm_start"):
        ModelSpec.model_validate({"tiny": {}, "warm_start": {}})


def test_nothing_stays_where_it_fails(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("killed")

    monkeypatch.setattr(solution_start, "imitate", fail)
    with pytest.raises(RuntimeError, match="killed"):
        load_policy(spec(), DATASET, None, Cache(tmp_path))
    assert not policy_is_built(spec(), DATASET, Cache(tmp_path))
