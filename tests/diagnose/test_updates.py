"""The speed of an update is measured without an update: no weight changes, and it is measured once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from repro.cache import Cache
from repro.diagnose import updates
from repro.diagnose.updates import update_speed


def test_the_policy_is_as_before_and_the_second_call_asks_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "SHORTEST", 0.01)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=20, num_key_value_heads=2, **sizes))
    before = [one.detach().clone() for one in model.parameters()]
    found = update_speed(Cache(tmp_path), {"policy": "p"}, lambda: model, 5, 7)
    assert found.tokens_per_second > 0 and found.optimizer_seconds > 0
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(one.grad is None for one in model.parameters())

    def never() -> Qwen2ForCausalLM:
        raise AssertionError("it was measured before")

    assert update_speed(Cache(tmp_path), {"policy": "p"}, never, 5, 7) == found
