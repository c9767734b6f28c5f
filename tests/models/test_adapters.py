"""Adapters beside a policy and as a directory: the same function until trained, and found again from what is saved."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from repro.errors import UserError
from repro.models.adapters import adapter_base
from repro.models.model_spec import LoraSpec, ModelSpec
from repro.models.policy import Policy, load_policy, load_policy_weights, policy_digest, save_policy
from repro.models.sampling import sample
from tests.models.conftest import DATASET, SMALL

LORA = LoraSpec(rank=4, alpha=8, targets=("q_proj", "v_proj"))
GREEDY = {"samples": 1, "temperature": 0.0, "top_p": 1.0, "max_new_tokens": 16, "seed": 0}


@pytest.fixture(scope="module")
def adapted(cache, data, small):
    return load_policy(ModelSpec(tiny=SMALL, lora=LORA), DATASET, data, cache)


@pytest.fixture(scope="module")
def trained(adapted, tmp_path_factory) -> Path:
    """A saved adapter whose halves are both away from zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in adapted.model.named_parameters():
            if "lora_B" in name:
                value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    directory = tmp_path_factory.mktemp("adapter")
    save_policy(adapted, directory)
    return directory


def greedy(policy: Policy, prompts: list[str]) -> list[list[int]]:
    """The most likely completions; their log-probs differ in the last bits between merged and separate adapters."""
    return sample(policy.model, policy.tokenizer, prompts, **GREEDY).token_ids


def test_new_adapters_change_neither_the_policy_nor_its_digest(cache, data, small):
    fresh = load_policy(ModelSpec(tiny=SMALL, lora=LORA), DATASET, data, cache)
    prompts = [p.question for p in data.test]
    assert greedy(fresh, prompts) == greedy(small, prompts)
    assert fresh.identity == small.identity
    assert small.parameters["total"] == small.parameters["trained"] == small.model.num_parameters()
    width, rank = SMALL.width, LORA.rank
    assert fresh.parameters["trained"] == 2 * rank * 2 * width  # two square layers of the one block
    assert fresh.parameters["total"] == small.parameters["total"] + fresh.parameters["trained"]
    again = load_policy(ModelSpec(tiny=SMALL, lora=LORA), DATASET, data, cache)
    for (name, a), (_, b) in zip(fresh.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_a_saved_adapter_loads_as_a_policy_and_its_digest_is_its_content(
    adapted, trained, tmp_path, cache, data, small
):
    assert {p.name for p in trained.iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
    assert not (trained / "model.safetensors").exists()
    loaded = load_policy(ModelSpec(path=str(trained)), DATASET, data, cache)
    prompts = [p.question for p in data.test]
    expected = greedy(adapted, prompts)
    assert greedy(loaded, prompts) == expected != greedy(small, prompts)
    assert loaded.parameters == small.parameters  # merged: a policy like any other, which may train as a whole
    copy = tmp_path / "elsewhere"
    shutil.copytree(trained, copy)
    base = tmp_path / "base"
    shutil.copytree(adapter_base(trained), base)
    config = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(base)}))
    digest = policy_digest(ModelSpec(path=str(trained)), DATASET)
    assert policy_digest(ModelSpec(path=str(copy)), DATASET) == digest == loaded.identity
    (copy / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": str(base), "lora_alpha": 1})
    )
    assert policy_digest(ModelSpec(path=str(copy)), DATASET) != digest
    settings = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(settings | {"rms_norm_eps": 1e-5}))
    (copy / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(base)}))
    assert policy_digest(ModelSpec(path=str(copy)), DATASET) != digest


def test_a_checkpoint_of_adapters_goes_back_into_a_policy(adapted, trained, cache, data):
    fresh = load_policy(ModelSpec(tiny=SMALL, lora=LORA), DATASET, data, cache)
    load_policy_weights(fresh, trained)
    for (name, a), (_, b) in zip(fresh.model.named_parameters(), adapted.model.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_an_adapter_without_its_base_is_a_user_error_and_nothing_is_downloaded(trained, tmp_path):
    copy = tmp_path / "moved"
    shutil.copytree(trained, copy)
    config = json.loads((copy / "adapter_config.json").read_text())
    for base in ("/no/such/place", "Qwen/Qwen2.5-0.5B-Instruct"):
        (copy / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": base}))
        with pytest.raises(UserError, match=rf"model\.path: .* holds adapters of '{base}', which is neither"):
            policy_digest(ModelSpec(path=str(copy)), DATASET)


def test_adapters_of_half_precision_weights_are_kept_in_float32(cache, data):
    policy = load_policy(ModelSpec(tiny=SMALL, lora=LORA, dtype="bfloat16"), DATASET, data, cache)
    types = {("lora_" in name, value.dtype) for name, value in policy.model.named_parameters()}
    assert types == {(True, torch.float32), (False, torch.bfloat16)}


def test_a_target_that_is_no_layer_is_named_with_those_that_are(cache, data):
    lora = LoraSpec(targets=("q_proj", "query"))
    with pytest.raises(UserError, match=r"model\.lora\.targets: got 'query', expected .*down_proj.*q_proj"):
        load_policy(ModelSpec(tiny=SMALL, lora=lora), DATASET, data, cache)


def test_without_peft_the_line_that_installs_it_is_told(cache, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"model\.lora: .* pip install -c constraints\.txt peft"):
        load_policy(ModelSpec(tiny=SMALL, lora=LORA), DATASET, data, cache)
