"""A made-up leaderboard: many arms on several policies and tasks, one that failed and one that lacks a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.analysis.synthetic import Behaviour, Store, learning, make_study

DOTS: dict[str, Any] = {"method": "difficulty", "references": 4, "every": 2}
WAYS: Sequence[dict[str, Any]] = (
    {"selection": DOTS},
    {"selection": {"method": "random", "fraction": 0.25}},
    {"selection": {"method": "dynamic"}},
    {"selection": {"method": "confidence", "fraction": 0.25}},
    {"selection": DOTS, "replay": {"fresh": 0.5, "capacity": 8}},
    {"selection": {"method": "curriculum", "by": "pass_rate"}},
    {"selection": {"method": "pass_rate", "band": {"low": 0.2, "high": 0.8}}},
    {"replay": {"fresh": 0.5, "capacity": 8}},
)
NAMES = (
    *("dots", "random", "dynamic", "ufo", "dots_rr", "curriculum", "band", "replay"),
    *("mopps", "bots", "greso", "adarft", "sec", "dump", "prompt_replay", "pools", "speed", "cdas", "hardest_first"),
)


def arms(count: int, seeds: int, points: int) -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """`uniform` and `count` others, from clearly better to clearly worse; the last but one failed, the last but two
    lacks a task, the second failed on one."""
    draw = np.random.default_rng(3)

    def jitter() -> tuple[float, ...]:
        return tuple(0.012 * draw.normal(size=seeds))

    found = {"uniform": ({}, Behaviour(learning(0.6, points=points), jitter()))}
    for place in range(count):
        config = dict(WAYS[place % len(WAYS)]) | {"train": {"learning_rate": 1e-4 * (1 + place)}}
        final = 0.72 - 0.2 * place / max(1, count - 1)
        more: dict[str, Any] = {
            "zero": 0.3 + 0.3 * place / max(1, count - 1),
            "difficulty": (2 + place % 5, 3 + place % 7),
        }
        if "difficulty" in str(config.get("selection")):
            more |= {"probe_tokens": 40, "predicts": True}
        if "replay" in config:
            more |= {"replays": 0.5}
        if count > 3 and place == count - 2:
            more |= {"status": "failed"}
        if count > 3 and place == count - 3:
            more |= {"absent": ("shuffle",)}
        if count > 3 and place == 1:
            more |= {"fails": ("variables",)}
        shifts = {"shuffle": 0.06 * draw.normal(), "variables": 0.06 * draw.normal(), "tiny-64x2": 0.03 * draw.normal()}
        found[NAMES[place]] = (config, Behaviour(learning(final, points=points), jitter(), shifts=shifts, **more))
    return found


def leaderboard(
    folder: Path,
    uri: str | None = None,
    *,
    count: int = 6,
    seeds: int = 2,
    points: int = 4,
    questions: int = 40,
    policies: int = 2,
    tasks: int = 3,
    **report: Any,
) -> Store:
    """The study on disk: `points` evaluations, one every step."""
    sizes = {"pool": 64, "test": questions}
    fields = {
        "model": [{"tiny": {}}, {"tiny": {"width": 64, "layers": 2, "heads": 2}}][:policies],
        "dataset": [{"arithmetic": sizes}, {"shuffle": sizes}, {"variables": sizes}][:tasks],
        "report": {"baseline": "uniform", **report},
    }
    return make_study(
        folder, uri, arms(count, seeds, points), name="board", seeds=seeds, steps=points,
        every=1, questions=questions,
        exact=False, fields=fields,
    )  # fmt: skip
