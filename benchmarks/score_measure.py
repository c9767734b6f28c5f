"""Times, agreement and memory of the ways in `score_ways.py`, as plain numbers."""

from __future__ import annotations

import argparse
import copy
import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from racing import alternate, ratio
from score_ways import Work, as_released, bare_pass, in_float64, item_by_item, ours, sampled

from repro.scoring.confidence import score_confidence
from repro.selection.bands import center_of, nearest_to
from repro.selection.pool import subset_size

WAYS = ("ours", "a", "b", "c", "d")


def ways(given: argparse.Namespace, work: Work) -> dict[str, Callable[[], Any]]:
    """What is timed."""
    made: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(work),
        "a": lambda: item_by_item(work),
        "b": lambda: as_released(work),
        "c": bare_pass(work),
        "d": lambda: sampled(work, given.sampled, given.samples, given.max_new_tokens),
    }
    if not given.samples:
        made.pop("d")
    return made


def race(given: argparse.Namespace, work: Work) -> dict[str, Any]:
    """Times of all ways in alternating order, and how far their confidences are apart."""
    made = ways(given, work)
    names = list(made)
    results = {name: run() for name, run in made.items()}  # warm-up, and what the ways say
    found = alternate(made, given.repeats)
    times = {name: [[it.wall, it.processor] for it in rows] for name, rows in found.items()}
    cost = score_confidence(work.model, work.tokenizer, work.contexts, work.targets).cost
    told = {
        "items": len(work.contexts),
        "tokens": sum(cost.lengths),
        "longest": max(cost.lengths),
        "target_tokens": cost.scored_tokens,
        "shared_tokens": cost.shared_tokens,
        "computed_tokens": cost.computed_tokens,
        "padding": cost.waste,
        "seconds": times,
        "apart": {name: float(np.abs(results[name] - results["ours"]).max()) for name in ("a", "b")},
    }
    scale = dict.fromkeys(names, 1.0)
    if "d" in made:
        out = results["d"]
        told["sampling"] = {
            "engine": "transformers generate, batches of 256",
            "questions": min(given.sampled, len(work.prompts)),
            "samples": given.samples,
            "max_new_tokens": given.max_new_tokens,
            "prompt_tokens": out.prompt_tokens,
            "generated_tokens": out.generated_tokens,
        }
        scale["d"] = len(work.contexts) / told["sampling"]["questions"]  # seconds for as many questions as the others
    told["ratios"] = {
        name: {
            clock: ratio([scale[name] * row[i] for row in times[name]], [row[i] for row in times["ours"]])
            for i, clock in enumerate(("wall", "processor"))
        }
        for name in names
        if name != "ours"
    }
    return told


def exactness(given: argparse.Namespace, work: Work) -> dict[str, Any]:
    """Confidence and kept tenth against the definition in float64."""
    scored = score_confidence(work.model, work.tokenizer, work.contexts, work.targets)
    oracle = np.exp(in_float64(replace(work, model=copy.deepcopy(work.model).double())))
    count = subset_size(0.1, len(oracle))
    places = np.arange(len(oracle))
    kept, expected = (nearest_to(s, "mean", count, places) for s in (scored.s, oracle))
    distance = np.abs(oracle - center_of(oracle, "mean"))  # (N,)
    order = np.argsort(distance, kind="stable")
    last, first = distance[order[count - 1]], distance[order[min(count, len(order) - 1)]]
    error = float(np.abs(scored.s - oracle).max())
    near = [i for i in order if abs(distance[i] - (last + first) / 2) <= 2 * error]
    return {
        "items": len(oracle),
        "mean": float(oracle.mean()),
        "deviation": float(oracle.std()),
        "confidence_error": float(np.abs(np.log(scored.s) - np.log(oracle)).max()),
        "s_error": error,
        "kept": count,
        "kept_otherwise": [work.names[i] for i in sorted(set(kept) ^ set(expected))],
        "gap_at_the_cut": float(first - last),
        "near_ties": [
            {"id": work.names[i], "distance": float(distance[i]), "kept": bool(i in set(expected))} for i in near
        ],
        "padding": scored.cost.waste,
        "shared_tokens": scored.cost.shared_tokens,
        "tokens": sum(scored.cost.lengths),
    }


def peak_bytes() -> int:
    """The most memory this process has held since `forget_peak`."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """Count peaks from here; where the system does not let us, they count from the start of the process."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")
