"""Arms of a study of UFO-RL on several models and datasets, for synthetic stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.analysis.behaviour import Behaviour, learning

SEEDS = (-0.02, 0.0, 0.02)
ONE = {"models": ["tiny-96x2"], "datasets": ["arithmetic"]}
SIX: dict[str, Any] = {
    "model": [{"tiny": {}}, {"tiny": {"width": 64, "layers": 2, "heads": 2}}, {"tiny": {"layers": 3, "heads": 3}}],
    "dataset": [{"arithmetic": {"pool": 64, "test": 100}}, {"shuffle": {"pool": 64, "test": 100}}],
}
"""Three models and two datasets: fields of a spec."""


def behaviour(final: float, kept: float = 0.25, jitter: tuple[float, ...] = SEEDS, **more: Any) -> Behaviour:
    """Ends at `final` plus the jitter of the seed."""
    shifts = {"shuffle": 0.05}
    return Behaviour(learning(final), jitter, zero=more.pop("zero", 0.5), kept=kept, shifts=shifts, **more)


def selection(method: str, **more: Any) -> dict[str, Any]:
    return {"selection": {"method": method, "fraction": 0.25, **more}}


def headline_arms() -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """The seven strategies: UFO a point below full data, three points above the random subset."""
    return {
        "full": ({}, behaviour(0.60, kept=1.0)),
        "random": (selection("random"), behaviour(0.56)),
        "ufo": (selection("confidence"), behaviour(0.59, zero=0.4, agreement=0.9)),
        "high_confidence": (selection("high_confidence"), behaviour(0.50)),
        "low_confidence": (selection("low_confidence"), behaviour(0.52)),
        "pass_rate_mid": (selection("pass_rate", band={"center": 0.5}), behaviour(0.60, zero=0.3)),
        "hardest": (selection("hardest"), behaviour(0.45, zero=0.8)),
    }


def further_arms() -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """Five bins and three arms matched by epochs, on one model and dataset."""
    arms: dict[str, tuple[dict[str, Any], Behaviour]] = {}
    for index in range(5):
        band = {"low": round(0.2 * index, 1), "high": round(0.2 * index + 0.2, 1), "scale": "quantile"}
        own = {"selection": {"method": "pass_rate", "band": band}}
        arms[f"bin_{index}"] = (ONE | own, behaviour(0.5 + 0.01 * index, kept=0.2))
    epoch: dict[str, Any] = ONE | {"budget": {"epochs": 1}}
    arms["full_epoch"] = (epoch, behaviour(0.60, kept=1.0))
    arms["random_epoch"] = (epoch | selection("random"), behaviour(0.4))
    arms["ufo_epoch"] = (epoch | selection("confidence"), behaviour(0.4))
    return arms


def changed(arms: dict[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    """The same arms with one behaviour changed."""
    config, before = arms[name]
    return arms | {name: (config, replace(before, **fields))}
