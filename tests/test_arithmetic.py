"""What of the environment reaches the arithmetic is set or cleared, and everything else is left alone."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest

from repro.arithmetic import FIXED, changes, settled, thread_suffix

REACHES = [
    "ACCELERATE_MIXED_PRECISION",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS",
    "ACCELERATE_DYNAMO_BACKEND",
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "KMP_BLOCKTIME",
    "MKL_CBWR",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "FLASHINFER_USE_CUDA_NORM",
    "FLASH_ATTENTION_TRITON_AMD_ENABLE",
    "HIPBLASLT_ALLOW_TF32",
    "PYTORCH_JIT",
    "TORCH_DISABLE_NATIVE_JIT",
    "TRANSFORMERS_SDPA_FORCE_GQA",
    "TRITON_F32_DEFAULT",
    "TRITON_INTERPRET",
    "VLLM_BATCH_INVARIANT",
    "VLLM_CPU_KVCACHE_SPACE",
    "VLLM_FLASH_ATTN_VERSION",
    "XLA_USE_BF16",
]
OF_RANKS = ["ACCELERATE_USE_FSDP", "FSDP_SHARDING_STRATEGY", "LOCAL_RANK", "MASTER_ADDR", "RANK", "WORLD_SIZE"]
OTHERS = [
    "CUDA_VISIBLE_DEVICES",
    "HF_HOME",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
    "RANKING",
    "REPRO_DATA",
    "TORCH_HOME",
    "VLLM_CACHE_ROOT",
]


READ = re.compile(r"""(?:environ(?:\.get)?[\[(]|getenv\()\s*f?["']([A-Z][A-Z0-9_]+)["']""")
HARMLESS = re.compile(
    "(?:CI|COMET|DATABRICKS|DISABLE_(?:KUBEFLOW|MLFLOW)|CLEARML|ECS|HF|KUBEFLOW|MLFLOW|NETWORK|PYTEST|RAY|SM|SWANLAB"
    "|TENSORBOARD|TRAINING_JOB|WANDB)_|CI|LD_PRELOAD|LD_LIBRARY_PATH|TORCH_NATIVE_SKIP_VERSION_CHECK|BRANCH|CUDA_(?:HOME|PATH)|NCCL_GRAPH_MIXING_SUPPORT"
)
"""Trackers, notebooks, paths and tests: where something goes, not what is computed."""
OTHER_DEVICES = {"ASCEND_LAUNCH_BLOCKING", "NPU_FA2_SPARSE_MODE", "PT_HPU_LAZY_MODE"}
SET_LATER = {"TOKENIZERS_PARALLELISM"}
"""A job sets it itself."""
DEBUGGING = {"TORCH_PYTHON_NATIVE_USER_GRAPH_ORDER_FN", "TRL_EXPERIMENTAL_SILENCE", "TQDM_DISABLE"}
PARTS = [
    "transformers/integrations",
    "transformers/generation",
    "transformers/trainer.py",
    "torch/_native",
    "trl/trainer",
]


def test_every_variable_that_the_kernels_and_the_trainer_read_is_cleared_or_known_to_be_harmless() -> None:
    found = set()
    for part in PARTS:
        package, _, inside = part.partition("/")
        spec = importlib.util.find_spec(package)
        assert spec is not None
        place = Path(str(spec.origin)).parent / inside
        for file in [place] if place.is_file() else place.rglob("*.py"):
            found |= set(READ.findall(file.read_text(encoding="utf-8")))
    assert {"TRANSFORMERS_SDPA_FORCE_GQA", "TORCH_DISABLE_NATIVE_JIT"} <= found  # the scan sees them
    kept = {name for name in found if name not in FIXED and name not in changes({name: "1"})}
    assert {name for name in kept if not HARMLESS.match(name)} <= OTHER_DEVICES | DEBUGGING | SET_LATER


def test_what_reaches_the_arithmetic_goes_and_the_rest_stays() -> None:
    wanted = changes(dict.fromkeys([*REACHES, *OF_RANKS, *OTHERS], "1"))
    assert {name for name, value in wanted.items() if value is None} == {*REACHES, *OF_RANKS}
    assert {name: value for name, value in wanted.items() if value is not None} == FIXED


def test_a_rank_keeps_what_makes_it_one_of_several_and_no_wish_of_the_shell() -> None:
    wanted = changes({**FIXED, **dict.fromkeys([*REACHES, *OF_RANKS], "1")}, rank=True)
    assert wanted == dict.fromkeys(REACHES)


def test_an_environment_that_is_right_is_left_alone() -> None:
    assert changes(FIXED) == {}


def test_processes_started_in_the_block_have_it_and_then_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    before = dict(os.environ)
    with settled():
        assert changes(os.environ) == {} and "MKL_CBWR" not in os.environ
    assert dict(os.environ) == before


def test_results_of_one_thread_have_no_suffix() -> None:
    assert (thread_suffix(1), thread_suffix(4)) == ("", "-4-threads")
