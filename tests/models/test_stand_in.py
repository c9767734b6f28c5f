"""Stand-ins of hub models: the same architecture, small, from nothing but the id."""

from __future__ import annotations

import json
import socket

import pytest
import torch

from repro.models import stand_in
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_embedder, load_policy, policy_digest
from repro.models.sampling import sample
from repro.models.stand_in import FAMILIES, Family, describe_stand_in, family_of
from repro.tasks.prompts import PromptStyle
from tests.models.conftest import DATASET

IDS = {
    "Qwen/Qwen2.5-Math-1.5B": "qwen2",
    "Qwen/Qwen3-8B": "qwen3",
    "meta-llama/Llama-3.1-8B-Instruct": "llama",
    "mistralai/Mistral-7B-Instruct-v0.3": "mistral",
    "mistralai/Mathstral-7B-v0.1": "mistral",
    "google/gemma-3-1b-it": "gemma3_text",
    "google/gemma-2-2b-it": "gemma2",
    "google/gemma-7b": "gemma",
    "microsoft/Phi-3.5-mini-instruct": "phi3",
    "allenai/OLMo-2-1124-7B": "olmo2",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": "qwen2",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": "llama",
    "agentica-org/DeepScaleR-1.5B-Preview": "qwen2",
    "PRIME-RL/Eurus-2-7B-PRIME": "qwen2",
}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a stand-in asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_families_are_told_from_ids():
    assert {hub: family_of(hub).model_type for hub in IDS} == IDS
    assert all(family_of(hub).known for hub in IDS)
    assert {kind for _, kind in FAMILIES} == set(IDS.values())


@pytest.mark.parametrize("hub", {kind: hub for hub, kind in reversed(IDS.items())}.values())
def test_a_stand_in_of_every_family_loads_generates_and_embeds(hub, cache, data, no_network):
    spec = ModelSpec(hub=hub, stand_in=True, dtype="bfloat16", system_prompt="Think.")
    policy = load_policy(spec, DATASET, data, cache)
    assert policy.model.config.model_type == IDS[hub]
    assert policy.model.dtype == torch.bfloat16
    assert policy.parameters["total"] < 200_000
    text = "Was ist 12 + 3×4?  \\boxed{24}\n"
    assert policy.tokenizer.decode(policy.tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    prompt = PromptStyle(spec.system_prompt).prompt(text, policy.tokenizer, "")
    assert prompt == f"<system>Think.\n<user>{text}\n<assistant>"
    out = sample(
        policy.model, policy.tokenizer, [prompt], samples=2, temperature=1.0, top_p=1.0, max_new_tokens=8, seed=0
    )
    assert len(set(map(tuple, out.token_ids))) == 2
    model, _ = load_embedder(spec, DATASET, data, cache)
    assert model.get_output_embeddings() is None
    assert model.config.model_type == IDS[hub]


def test_other_ids_have_other_weights_and_the_same_id_the_same(cache, data, tmp_path):
    def weights(hub, where=cache):
        policy = load_policy(ModelSpec(hub=hub, stand_in=True), DATASET, data, where)
        return policy.identity, torch.cat([p.detach().flatten() for p in policy.model.parameters()])

    from repro.cache import Cache

    one, other, again = weights("Qwen/a"), weights("Qwen/b"), weights("Qwen/a", Cache(tmp_path))
    assert one[0] == again[0] != other[0]
    assert torch.equal(one[1], again[1]) and not torch.equal(one[1], other[1])
    assert policy_digest(ModelSpec(hub="Qwen/a"), DATASET) != one[0]


def test_an_id_that_tells_nothing_is_looked_up_in_the_local_cache_else_guessed_aloud(tmp_path, monkeypatch):
    assert family_of("someone/thing") == Family("qwen2", False)
    assert "which architecture someone/thing has is not known here" in describe_stand_in("someone/thing")
    assert "not known" not in describe_stand_in("Qwen/Qwen3-8B")
    config = tmp_path / "config.json"
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: str(config))
    for kind, expected in (("gemma2", Family("gemma2", True)), ("mamba", Family("qwen2", False))):
        config.write_text(json.dumps({"model_type": kind}))
        assert stand_in.family_of("someone/thing") == expected
