"""A synthetic UFO-RL study: what `tests.analysis.synthetic` writes, plus the scores and subsets that jobs record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repro.analysis.measures import Measures
from tests.analysis.behaviour import POOL, Behaviour, learning
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store, edit, make_study

SAMPLES = 8


def arm(final: float, zero: float = 0.5, **selection: Any) -> tuple[dict[str, Any], Behaviour]:
    """An arm that ends at `final`, with a little noise between seeds."""
    config = {"selection": selection} if selection else {}
    return config, Behaviour(learning(final, points=2), (-0.05, 0.05), zero)


def bins(count: int = 4, peak: float = 0.55) -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """One arm per quantile of the pass rate, best in the middle."""
    out = {}
    for i in range(count):
        edges = {"low": i / count, "high": (i + 1) / count, "scale": "quantile"}
        best = peak - 0.15 * abs(2 * (i + 0.5) / count - 1)
        out[f"bin_{i}"] = arm(best, 0.9, method="pass_rate", samples=SAMPLES, band=edges)
    return out


def ufo_study(folder: Path, arms: Mapping[str, Any], lengths: bool = True, **more: Any) -> Store:
    """The study on disk; s rises with the pass rate, and target lengths alternate where `lengths`."""
    small = {"seeds": 2, "steps": 4, "every": 2}  # every run is forced to disk: that is what takes the time
    store = make_study(folder, None, {"full": arm(0.6), **arms}, **{**small, **more})
    for path in sorted(store.runs_dir.glob("*/selection.json")):
        cell = json.loads((path.parent / "cell.json").read_text())["cell"]
        rates = json.loads((path.parent / "base.json").read_text())["pool"]["pass_rates"]
        about = json.loads(path.read_text())
        about |= _selected(cell["selection"], rates, lengths)
        edit(path, json.dumps(about))
    return store


def ufo_measures(folder: Path, arms: Mapping[str, Any], lengths: bool = True, **more: Any) -> Measures:
    return measure(ufo_study(folder, arms, lengths, **more))


def _selected(selection: Mapping[str, Any], rates: Mapping[str, float], lengths: bool) -> dict[str, Any]:
    ids, values = list(rates), np.array(list(rates.values()))
    noise = np.random.default_rng(5).normal(0, 0.05, POOL)
    method = selection["method"]
    known = {
        "confidence": 0.2 + 0.6 * values + noise,
        "pass_rate": values,
        "prompt_perplexity": 0.5 + 4 * noise,
        "prompt_entropy": 0.4 - noise,
        "curriculum": values if selection.get("by") == "pass_rate" else 0.2 + 0.6 * values + noise,
    }.get(method)
    out: dict[str, Any] = {"scores": None, "centre": None, "target_tokens": None}
    if known is None:
        return out
    out["scores"] = dict(zip(ids, map(float, known), strict=True))
    if method == "confidence" and lengths:
        out["target_tokens"] = {question: 1 + i % 3 for i, question in enumerate(ids)}
    band, order = selection.get("band") or {}, np.argsort(known, kind="stable")
    if band.get("scale") == "quantile":
        kept = order[round(band["low"] * POOL) : round(band["high"] * POOL)]
    elif band.get("scale") == "value":
        kept = np.flatnonzero((values >= band["low"]) & (values <= band["high"]))
    elif selection.get("fraction"):
        centre = float(np.median(known)) if band.get("center") == "median" else float(known.mean())
        out["centre"] = centre
        kept = np.argsort(np.abs(known - centre), kind="stable")[: max(1, int(selection["fraction"] * POOL))]
    else:
        kept = order
    return {**out, "kept": [ids[i] for i in sorted(kept)]}
