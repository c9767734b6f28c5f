"""What of the environment reaches the arithmetic is set or cleared, and everything else is left alone."""

from __future__ import annotations

import os

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
    "PYTORCH_JIT",
    "TRITON_F32_DEFAULT",
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
