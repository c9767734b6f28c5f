"""What can be said of the vLLM engine without vLLM: seeds of rows, the mismatch of log-probs, and its absence."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import pytest
import torch

from repro.errors import UserError
from repro.models.rollout_spec import RolloutSpec
from repro.models.vllm_engine import VLLMEngine, mismatch, row_seeds


def test_seeds_are_distinct_and_depend_on_the_row_not_on_the_batch() -> None:
    seeds = row_seeds(7, range(4096))
    assert len(set(seeds)) == 4096 and 0 <= min(seeds) <= max(seeds) < 2**63
    assert row_seeds(7, [17, 3]) == [seeds[17], seeds[3]]
    assert row_seeds(8, range(8)) != seeds[:8]


def test_the_mismatch_is_that_of_the_tokens_that_both_know() -> None:
    trainer = torch.tensor([[-1.0, -2.0, -9.0], [-0.5, -3.0, -1.0]])
    engine = torch.tensor([[-1.2, -1.9, 0.0], [-0.5, math.nan, -1.0]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 0]])
    found = mismatch(trainer, engine, mask)  # of the differences 0.2, -0.1 and 0
    expected = {
        "logp_difference_mean": 0.1,
        "logp_difference_max": 0.2,
        "ratio_mean": (math.exp(0.2) + math.exp(-0.1) + 1) / 3,
        "ratio_max": math.exp(0.2),
    }
    assert found == pytest.approx(expected, abs=1e-6)
    assert mismatch(trainer, torch.full_like(trainer, math.nan), mask) == {}


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_asking_for_vllm_where_there_is_none_says_how_to_install_it(start_policy: Any, tokenizer: Any) -> None:
    with pytest.raises(
        UserError, match=r"train\.rollout\.engine: 'vllm' is not installed here.*pip install -e '\.\[vl"
    ):
        VLLMEngine(start_policy, tokenizer, RolloutSpec(engine="vllm"), [[1, 2]])
