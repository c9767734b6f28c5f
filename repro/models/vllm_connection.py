"""Starts vLLM in this process, or connects to a server, through TRL's `VLLMGeneration`."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from repro.errors import UserError
from repro.models.rollout_spec import RolloutSpec

SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the weights have to be within reach
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; by default a share of the machine's memory
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # or all jobs would share the first cores
}
"""What every process that starts vLLM has, whatever its shell says."""
SERVER_SECONDS = 240.0
"""How long a server may take to answer for the first time."""

LAUNCH_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def check_installed() -> None:
    """UserError where vLLM cannot be imported."""
    if importlib.util.find_spec("vllm") is None:
        raise UserError(
            "train.rollout.engine: 'vllm' is not installed here; expected hf, or install it: pip install -e '.[vllm]' "
            "on a machine with a GPU, make test-vllm's environment (.venv-vllm) without one"
        )


def connect(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: RolloutSpec,
    dtype: torch.dtype,
    revision: str | None,
    trust_remote_code: bool,
) -> Any:
    """TRL's `VLLMGeneration`, with the arguments of vLLM that TRL has no name for.

    Environment and torch's global generators are left as they were, `SETTINGS` apart. UserError where a server does not
    answer or cannot take weights over.
    """
    os.environ.update(SETTINGS)
    from trl.generation import vllm_generation

    on_cpu = model.device.type == "cpu"
    if on_cpu:
        import torch._dynamo

        torch._dynamo.config.disable = True  # there compiling takes minutes and saves little
    extra = {
        "dtype": str(dtype).removeprefix("torch."),  # TRL leaves it to vLLM, which makes 16 bits of a float32 policy
        "revision": revision,
        "skip_tokenizer_init": True,  # prompts are token ids
        "enforce_eager": on_cpu,
    }
    start = vllm_generation.LLM
    vllm_generation.LLM = partial(start, **extra)
    try:
        with _launch_variables_kept(), torch.random.fork_rng():
            return vllm_generation.VLLMGeneration(
                model,
                Accelerator(cpu=on_cpu),
                tokenizer,
                mode=spec.mode,
                server_base_url=spec.server,
                server_timeout=SERVER_SECONDS,
                gpu_memory_utilization=spec.memory,
                max_model_length=spec.context,
                max_num_seqs=spec.sequences,
                trust_remote_code=trust_remote_code,
            )
    except (OSError, NotImplementedError, RuntimeError) as error:
        if spec.mode == "server":
            raise UserError(f"train.rollout.server: {error}") from error
        raise
    finally:
        vllm_generation.LLM = start


@contextmanager
def _launch_variables_kept() -> Iterator[None]:
    """TRL describes this process to vLLM in variables that would make accelerate take it for a distributed one."""
    before = {name: os.environ.get(name) for name in LAUNCH_VARIABLES}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
