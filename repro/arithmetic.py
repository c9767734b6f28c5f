"""What of a process's environment reaches its arithmetic: set or cleared in one place, for all that compute.

A result is to depend on its cell alone, not on the shell that started it, the number of cores or what else runs. So
launchers clear the environment of the processes that they start, and a job, `repro score`, `repro predictor` and
`repro warm-start` that of their own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Each is 1: a sum that is split over threads has other last digits. `use_threads` gives torch more."""

FIXED = {**dict.fromkeys(THREADS, "1"), "PYTHONHASHSEED": "0"}

CLEARED = (
    # which kernels a CPU computes with, and in what order they add
    *("ATEN_", "BLIS_", "DNNL_", "GOMP_", "GOTO_", "KMP_", "MKL_", "NPY_", "OMP_", "ONEDNN_", "OPENBLAS_"),
    *("GLIBC_TUNABLES", "TORCH_MKLDNN_", "TORCH_LINEAR_FLATTEN_3D"),
    # number formats and algorithms of a GPU
    *(
        "CUBLAS_",
        "CUBLASLT_",
        "CUDNN_",
        "DISABLE_ADDMM_CUDA_LT",
        "FLASH_ATTENTION_",
        "NVIDIA_TF32_OVERRIDE",
    ),
    *("PYTORCH_TUNABLEOP_", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "TORCH_BLAS_PREFER_", "TORCH_CUDNN_"),
    *("FLASHINFER_USE_", "NCCL_ALGO", "NCCL_PROTO", "TRITON_F32_DEFAULT", "TRITON_INTERPRET", "VLLM_"),
    *("HIPBLASLT_", "MIOPEN_", "ROCBLAS_", "TRANSFORMERS_DISABLE_DEEPGEMM_LINEAR", "TRANSFORMERS_SDPA_"),
    *("TORCH_LINALG_PREFER_", "TORCH_ROCM_FA_", "XLA_DOWNCAST_BF16", "XLA_USE_BF16"),
    # compiled or exchanged kernels
    *("DISABLE_KERNEL_MAPPING", "PYTORCH_JIT", "PYTORCH_TENSOREXPR", "PYTORCH_TENSOREXPR_", "TORCH_COMPILE_DISABLE"),
    *("TORCHDYNAMO_", "TORCHINDUCTOR_", "TORCH_DISABLE_NATIVE_JIT", "USE_HUB_KERNELS"),
    # what accelerate takes for the wishes of a user
    *("ACCELERATE_DOWNCAST_BF16", "ACCELERATE_DYNAMO_", "ACCELERATE_FP8_", "ACCELERATE_GRADIENT_"),
    "ACCELERATE_MIXED_PRECISION",
)
"""Variables that every process lacks; a name that ends in `_` stands for all that begin so."""

KEPT = {
    *("VLLM_API_KEY", "VLLM_ASSETS_CACHE", "VLLM_CACHE_ROOT", "VLLM_CONFIG_ROOT", "VLLM_HOST_IP", "VLLM_LOGGING_LEVEL"),
    *("VLLM_NCCL_SO_PATH", "VLLM_PORT", "VLLM_RPC_BASE_PATH"),
}
"""Variables that begin like cleared ones and say where something is."""

DISTRIBUTION = (
    *("ACCELERATE_", "DEEPSPEED_", "FORK_LAUNCHED", "FSDP_", "MEGATRON_LM_", "PARALLELISM_CONFIG_", "TORCHELASTIC_"),
    *("CROSS_RANK", "CROSS_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR"),
    *("MASTER_PORT", "NODE_RANK", "RANK", "ROLE_NAME", "ROLE_RANK", "ROLE_WORLD_SIZE", "WORLD_SIZE"),
    *("MV2_COMM_WORLD_", "OMPI_COMM_WORLD_", "PMI_RANK", "PMI_SIZE", "SMDATAPARALLEL_"),
)
"""Variables that make a process one of several; only the ranks of a distributed launcher keep them."""


def changes(environment: Mapping[str, str], *, rank: bool = False) -> dict[str, str | None]:
    """Variable -> the value that it must have, None where it must not be there; those that are right are left out.

    Args:
        rank: the process is one of several that a distributed launcher has told so by its variables.
    """
    gone = CLEARED if rank else CLEARED + DISTRIBUTION
    begins = tuple(name for name in gone if name.endswith("_"))
    found: dict[str, str | None] = {
        name: None
        for name in environment
        if (name in gone or name.startswith(begins)) and name not in FIXED and name not in KEPT
    }
    return found | {name: value for name, value in FIXED.items() if environment.get(name) != value}


def settle(*, rank: bool = False) -> None:
    """Set and clear the variables of this process. Call it before torch is imported: some are read only once."""
    _apply(changes(os.environ, rank=rank))


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Set and clear the variables for processes that are started inside the block; then they are put back."""
    wanted = changes(os.environ)
    before = {name: os.environ.get(name) for name in wanted}
    _apply(wanted)
    try:
        yield
    finally:
        _apply(before)


def use_threads(count: int) -> None:
    """Let torch compute on the CPU with so many threads."""
    import torch

    torch.set_num_threads(count)


def threads() -> int:
    """CPU threads of this process's arithmetic: torch's, 1 where nobody has imported it."""
    torch = sys.modules.get("torch")
    return 1 if torch is None else int(torch.get_num_threads())


def cpu_capability() -> str | None:
    """The vector instructions that torch's CPU kernels use, e.g. `AVX512`; None where nobody has imported it."""
    torch = sys.modules.get("torch")
    return None if torch is None else str(torch.backends.cpu.get_cpu_capability())


def thread_suffix(count: int) -> str:
    """What sets cached results of `count` threads apart: nothing for one thread."""
    return "" if count == 1 else f"-{count}-threads"


def _apply(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
