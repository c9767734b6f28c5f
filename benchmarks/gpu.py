"""What selection and replay cost and save on one GPU, in minutes and without a hub.

    python benchmarks/gpu.py                     on a CUDA machine: reports/gpu/gpu.json and gpu.md within 8 minutes
    python benchmarks/gpu.py --minutes 20        more rounds, narrower intervals
    python benchmarks/gpu.py --policies 100m     one policy only, in as many more rounds
    python benchmarks/gpu.py --small             the same code on a CPU in a minute; its numbers mean nothing

On policies with random weights (30 M and 100 M parameters and Qwen2.5-1.5B's shape, bfloat16): (a) the single-pass
score against K = 8 and K = 16 completions, (b) the scorer against the bare forward pass, (c) a GRPO step with and
without the groups that have no advantage, (d) a step of DOTS + RR against one of GRPO; and on the embedded policy and
task, which really learn, both to a target accuracy. Ways alternate within one run. Time that runs short costs rounds,
never a part without a word: a part that fails or finds no time left is listed as such.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # with more of them transformers would spread a step over all

import psutil
import torch
from gpu_page import page
from gpu_parts import SMALL, Scale, dots_rr_steps, forward, idle_rows, sampling, vllm_sampling, work_of
from gpu_target import to_target
from random_policies import SHAPES, random_policy, words_task

from repro.cache import Cache
from repro.models.model_spec import ModelSpec
from repro.models.policy import Policy, load_policy
from repro.study.throughput import rates_of
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tracking.environment import describe_environment

WEIGHTS = {"sampling": 4, "vllm": 2, "forward": 1, "idle_rows": 3, "dots_rr_steps": 4, "to_target": 25}
"""How the time that is left is shared among the parts to come; a policy's parts count by their shape, too."""
SHARE = 0.92
"""Share of the time after which no part begins: every part makes one round, however late it is."""
REPORTS = Path(__file__).parents[1] / "reports"


class Parts:
    """Runs the parts one after the other, each with its share of the time, and keeps what they say."""

    def __init__(self, names: list[str], minutes: float) -> None:
        self.found: dict[str, Any] = {}
        self.took: dict[str, float] = {}
        self._names = names
        self._began = time.monotonic() - (time.time() - psutil.Process().create_time())
        self._end = self._began + SHARE * 60 * minutes

    def run(self, name: str, body: Callable[[float], dict[str, Any]]) -> None:
        """One part; `body` is given the moment (of `time.monotonic`) at which its share ends."""
        left = self._names[self._names.index(name) :]
        began = time.monotonic()
        share = _weight(name) / sum(map(_weight, left))
        print(f"{name}: {self._end - began:.0f} s are left, {share * (self._end - began):.0f} of them for this")
        if began > self._end:
            self.found[name] = {"left_out": "the time was spent before this part; raise --minutes"}
            return
        try:
            self.found[name] = body(began + share * (self._end - began))
        except Exception as error:  # whatever goes wrong in one part, the others are still worth measuring
            self.fail(name, error)
        self.took[name] = time.monotonic() - began
        gc.collect()
        torch.cuda.empty_cache()

    def fail(self, name: str, error: Exception) -> None:
        """Note why a part was not measured."""
        first = (str(error).strip() or "no message").splitlines()[0]
        self.found[name] = {"failed": f"{type(error).__name__}: {first}"}
        print(f"{name} failed: {first}", file=sys.stderr)

    @property
    def seconds(self) -> float:
        """Since the process began."""
        return time.monotonic() - self._began


def _weight(name: str) -> float:
    policy, _, part = name.rpartition("/")
    size = SHAPES[policy].layers * SHAPES[policy].width if policy else 0
    return WEIGHTS[part] * (1.0 + size / 10_000)


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--minutes", type=float, default=8.0, help="how long it may take; less time, fewer rounds (default: 8)")
    add("--policies", nargs="+", choices=Scale().policies, help="which of the policies (default: all)")
    add("--small", action="store_true", help="the whole path on a CPU in a minute; its numbers mean nothing")
    add("--out", type=Path, help="where gpu.json and gpu.md go (default: reports/gpu, small: runs/gpu_small)")
    given = parser.parse_args()
    if given.out is None:
        given.out = Path("runs/gpu_small") if given.small else REPORTS / "gpu"
    if given.small and given.out.resolve().is_relative_to(REPORTS):
        parser.error("--small measures nothing and writes nothing under reports/")
    if not given.small and not torch.cuda.is_available():
        parser.error("no CUDA device here; --small runs the same code on a CPU")
    return given


def measure(scale: Scale, minutes: float, device: str) -> dict[str, Any]:
    """Every part on every policy; the embedded world before the largest policy, which may take all the time."""
    kinds = ("sampling", "vllm", "forward", "idle_rows", "dots_rr_steps")
    order = [f"{policy}/{kind}" for policy in scale.policies for kind in kinds]
    order.insert(len(order) - len(kinds), "to_target")
    parts, policies, rates = Parts(order, minutes), {}, []
    for number, name in enumerate(scale.policies):
        if number == len(scale.policies) - 1:
            parts.run("to_target", lambda deadline: to_target(*_embedded(), scale, deadline))
        try:
            policy = random_policy(name, getattr(torch, scale.dtype), device)
        except torch.OutOfMemoryError as error:
            for kind in kinds:
                parts.fail(f"{name}/{kind}", error)
            continue
        data = words_task(name, max(scale.scored, scale.pool), scale.prompt_tokens, scale.idle)
        pool = words_task(name, scale.pool, scale.prompt_tokens, scale.idle)
        work = work_of(policy, data, scale)
        parameters = sum(p.numel() for p in policy.model.parameters())
        policies[name] = {"parameters": parameters, "dtype": scale.dtype, "shape": asdict(SHAPES[name])}
        parts.run(f"{name}/sampling", lambda end, work=work: sampling(work, scale, end))
        parts.run(f"{name}/vllm", lambda end, it=(policy, work): vllm_sampling(*it, scale, end))
        parts.run(f"{name}/forward", lambda end, work=work: forward(work, scale, end))
        parts.run(f"{name}/idle_rows", lambda end, it=(policy, pool): idle_rows(*it, scale, end))
        parts.run(f"{name}/dots_rr_steps", lambda end, it=(policy, pool): dots_rr_steps(*it, scale, end))
        rates += throughput(name, parameters, parts.found)
    return {
        "policies": policies,
        "parts": parts.found,
        "part_seconds": parts.took,
        "seconds": parts.seconds,
        "throughput": rates,
    }


def throughput(name: str, parameters: int, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Tokens per second of a policy, one entry per engine, as `python -m repro plan --throughput` reads them.

    Generated: the largest K of (a). Trained: the updates of (c) over all rows. Scored: the scorer of (b).
    """
    steps = found[f"{name}/idle_rows"].get("ledgers", {}).get("all")
    passes = found[f"{name}/forward"]
    gpu = torch.cuda.is_available()
    entries = []
    for kind, engine in (("sampling", "hf"), ("vllm", "vllm")):
        told = found[f"{name}/{kind}"]
        if "seconds" not in told:
            continue
        best = max(tokens / min(told["seconds"][way]) for way, tokens in told["generated_tokens"].items())
        entries.append(
            {
                "policy": name,
                "parameters": parameters,
                "device": torch.cuda.get_device_name() if gpu else describe_environment()["processor"],
                "gpu": gpu,
                "engine": engine,
                "generated_tokens_per_second": best,
                "trained_tokens_per_second": rates_of(steps[-1])["trained"] if steps else None,
                "scored_tokens_per_second": passes["tokens"] / min(passes["seconds"]["scorer"])
                if "seconds" in passes
                else None,
            }
        )
    return entries


def _embedded() -> tuple[Policy, Any]:
    """The policy that ships with the package, and its task."""
    model, dataset = ModelSpec.model_validate("tiny"), DatasetSpec.model_validate("arithmetic")
    data = load_dataset(dataset)
    return load_policy(model, dataset, data, Cache(Path(tempfile.mkdtemp()))), data


def plain(value: Any) -> Any:
    """The same with None for what JSON has no number for: bounds that are not known, infinite ratios."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> int:
    """Measure, write, print; 1 where a part failed."""
    given = options()
    warnings.filterwarnings("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    if given.small:
        torch.set_num_threads(1)
    scale = SMALL if given.small else Scale()
    if given.policies:
        scale = replace(scale, policies=tuple(given.policies))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    memory = torch.cuda.get_device_properties(0).total_memory if device == "cuda" else None
    record = {
        "small": given.small,
        "minutes": given.minutes,
        "scale": asdict(scale),
        "environment": describe_environment(),
        "device": {"kind": device, "memory_bytes": memory, "cuda": torch.version.cuda},
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        **measure(scale, given.minutes, device),
    }
    record = plain(record)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "gpu.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    (given.out / "gpu.md").write_text(page(record))
    print(page(record))
    return int(any("failed" in part for part in record["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
