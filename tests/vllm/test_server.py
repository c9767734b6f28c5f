"""A vLLM server on the CPU: completions and scores by HTTP. Its weights stay: NCCL carries them, between GPUs only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

pytest.importorskip("vllm", reason="vLLM is not installed here; make test-vllm has an environment with it")

from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.generation.vllm_client import VLLMClient
from trl.generation.vllm_generation import VLLMGeneration

from repro.errors import UserError
from repro.models import vllm_connection
from repro.models.policy import SHIPPED
from repro.models.rollout_spec import RolloutSpec
from repro.models.vllm_connection import SETTINGS
from repro.models.vllm_engine import VLLMEngine

pytestmark = pytest.mark.slow

PROMPTS = ["7*5-9?", "3+4?", "2*3*4-5?"]
DRAW = {"samples": 4, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 48, "seed": 5}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the shipped policy."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "server.log"
    program = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]  # `vllm serve` wants a package named vllm
    options = ["--dtype", "float32", "--enforce-eager", "--logprobs-mode", "processed_logprobs", "--max-num-seqs", "32"]
    settings = SETTINGS | {"VLLM_ENABLE_V1_MULTIPROCESSING": "1", "VLLM_SERVER_DEV_MODE": "1"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*program, "--model", str(SHIPPED), "--host", "127.0.0.1", "--port", str(port), *options],
            env=os.environ | settings | {"TORCHDYNAMO_DISABLE": "1"},
            stdout=stream,
            stderr=stream,
        )
    try:
        deadline = time.monotonic() + 1200
        while True:
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[VLLMEngine]:
    model = AutoModelForCausalLM.from_pretrained(SHIPPED, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED)
    fixed = tokenizer(["7*5-9?7*5=35;35-9=26#26", "3+4?3+4=7#7"], add_special_tokens=False)["input_ids"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VLLMClient, "init_communicator", lambda self, device: None)
        patch.setattr(VLLMGeneration, "sync_weights", lambda self: None)
        yield VLLMEngine(model, tokenizer, RolloutSpec(engine="vllm", mode="server", server=url), fixed)


def test_a_servers_completions_are_seeded_per_row_and_have_the_policys_log_probs(engine: VLLMEngine) -> None:
    out = engine.generate(PROMPTS, **DRAW)
    assert engine.syncs == 1  # verified by what the server scores
    assert engine.generate(PROMPTS, **DRAW).token_ids == out.token_ids
    assert len({tuple(row) for row in out.token_ids[8:]}) > 1
    assert out.logps is not None
    for row, (tokens, logps) in enumerate(zip(out.token_ids, out.logps, strict=True)):
        ids = engine.tokenizer(PROMPTS[row // 4], add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            scores = engine.model(torch.tensor([ids + tokens])).logits[0, len(ids) - 1 : -1].log_softmax(-1)
        expected = scores.gather(1, torch.tensor(tokens)[:, None])[:, 0].numpy()  # (T,)
        np.testing.assert_allclose(logps, expected, rtol=0, atol=1e-3)
        assert len(tokens) == 48 or tokens[-1] == engine.tokenizer.eos_token_id


def test_a_server_whose_weights_stayed_behind_is_noticed(engine: VLLMEngine) -> None:
    weights = {name: value.clone() for name, value in engine.model.state_dict().items()}
    with torch.no_grad():
        for weight in engine.model.parameters():
            weight.mul_(1.05)
    engine.policy_changed()
    with pytest.raises(RuntimeError, match="vLLM's weights are not the policy's"):
        engine.generate(PROMPTS, **DRAW)
    engine.model.load_state_dict(weights)


def test_a_server_that_is_not_there_is_a_mistake_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(SHIPPED), AutoTokenizer.from_pretrained(SHIPPED)
    monkeypatch.setattr(vllm_connection, "SERVER_SECONDS", 0.0)
    spec = RolloutSpec(engine="vllm", mode="server", server=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UserError, match=r"train\.rollout\.server: The vLLM server can't be reached"):
        VLLMEngine(model, tokenizer, spec, [[2, 3]])
