"""vLLM rolls out a pretrained language model: SmolLM2, whose embeddings are tied and whose prompts are turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("vllm", reason="vLLM is not installed here; make test-vllm has an environment with it")

from repro.cache import Cache
from repro.models.gguf_convert import known_conversion
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_policy
from repro.models.rollout_spec import RolloutSpec
from repro.models.sources import file_of
from repro.models.vllm_engine import VLLMEngine
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset

CACHE = Cache(Path(__file__).parents[2] / "runs/cache")
FILE = file_of("smollm2")
KNOWN = None if FILE is None else known_conversion(FILE, "float32", CACHE)


@pytest.mark.skipif(KNOWN is None, reason="the model is not here; make smollm2 fetches it")
def test_smollm2_is_rolled_out_with_the_policys_log_probs_before_and_after_an_update() -> None:
    dataset = DatasetSpec.model_validate("arithmetic")
    data = load_dataset(dataset)
    policy = load_policy(ModelSpec.model_validate("smollm2"), dataset, data, CACHE)
    asked = policy.style.prompts([f"What is {problem.question}" for problem in data.test[:4]], policy.tokenizer, "")
    fixed = policy.tokenizer(asked, add_special_tokens=False)["input_ids"]
    engine = VLLMEngine(policy.model, policy.tokenizer, RolloutSpec(engine="vllm", context=256), fixed)
    try:
        for update in range(2):
            if update:
                with torch.no_grad():
                    for weight in policy.model.parameters():
                        weight.mul_(1.01)
                engine.policy_changed()
            out = engine.generate(asked, samples=2, temperature=1.0, top_p=1.0, max_new_tokens=16, seed=update)
            assert out.logps is not None
            assert engine.syncs == update + 1
            assert len({*out.texts}) > len(asked)  # a group's completions differ
            for row, (tokens, logps) in enumerate(zip(out.token_ids, out.logps, strict=True)):
                assert out.prompt_counts[row] == len(fixed[row // 2])
                with torch.no_grad():
                    logits = policy.model(torch.tensor([fixed[row // 2] + tokens])).logits[0, -len(tokens) - 1 : -1]
                expected = logits.log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0].numpy()  # (T,)
                np.testing.assert_allclose(logps, expected, rtol=0, atol=1e-3)
    finally:
        engine.close()
