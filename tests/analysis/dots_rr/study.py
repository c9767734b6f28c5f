"""A synthetic study of DOTS + RR: the four headline arms on six combinations, variants on the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from repro.analysis.measures import Measures
from tests.analysis.behaviour import Behaviour, learning
from tests.analysis.synthetic import Store, make_study

JITTER = (-0.02, 0.0, 0.02)
ONE = {"models": ["tiny-96x2"], "datasets": ["arithmetic"]}
SHIFTS = {"shuffle": 0.05, "variables": -0.06, "tiny-64x2": -0.05}

DOTS: dict[str, Any] = {"selection": {"method": "difficulty", "references": 4, "every": 2}}
REPLAY: dict[str, Any] = {"replay": {"fresh": 0.5, "capacity": 8}}


def halved(curve: tuple[float, ...]) -> tuple[float, ...]:
    """The same line with an evaluation at every step in place of every second, from the start policy's 0.3."""
    return tuple(np.interp(range(1, 9), (0, 2, 4, 6, 8), (0.3, *curve)))


def combinations(questions: int) -> dict[str, Any]:
    """Two models and three datasets: fields of a spec."""
    sizes = {"pool": 64, "test": questions}
    return {
        "model": [{"tiny": {}}, {"tiny": {"width": 64, "layers": 2, "heads": 2}}],
        "dataset": [{"arithmetic": sizes}, {"shuffle": sizes}, {"variables": sizes}],
    }


def behaviour(final: float, points: int, speed: float = 2.0, **more: Any) -> Behaviour:
    """Ends at `final` plus the jitter of the seed."""
    return Behaviour(learning(final, points=points, speed=speed), JITTER, shifts=SHIFTS, **more)


def headline(points: int) -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """Names say nothing of what the arms do: parts must be found by fields."""
    replays: dict[str, Any] = {"replays": 0.5, "warm_up": 3, "topped_up": {5: 1}}
    return {
        "alpha": ({}, behaviour(0.60, points)),
        "beta": (DOTS, behaviour(0.66, points, 3.0, zero=0.3, predicts=True)),
        "gamma": (REPLAY, behaviour(0.58, points, **replays)),
        "delta": (DOTS | REPLAY, behaviour(0.65, points, 2.8, zero=0.3, predicts=True, **replays)),
    }


def variant(section: str, **fields: Any) -> dict[str, Any]:
    """DOTS+RR with fields of one section changed."""
    base: dict[str, Any] = DOTS | REPLAY
    return ONE | base | {section: {**base.get(section, {}), **fields}}


def variants(points: int) -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """One field changed each, and methods of their own; `points` evaluations, half as many again in the long runs."""
    longer, steps = points + points // 2, points * 2
    long: dict[str, Any] = {"train": {"steps": steps + 2 * (points // 2)}}
    quick = behaviour(0.63, points, 3.0, predicts=True)
    both = behaviour(0.62, points, 2.5, predicts=True, replays=0.5, warm_up=3)
    pass_rate = {"method": "pass_rate", "band": {"low": 0.2, "high": 0.8}}
    return {
        "k_small": (ONE | {"selection": {**DOTS["selection"], "references": 2}}, quick),
        "k_large": (ONE | {"selection": {**DOTS["selection"], "references": 8}}, quick),
        "oracle": (ONE | {"selection": {"method": "difficulty", "every": 2, "predictor": "oracle"}}, quick),
        "fixed": (ONE | {"selection": {"method": "curriculum", "by": "pass_rate"}}, behaviour(0.59, points)),
        "filter": (ONE | {"selection": pass_rate}, behaviour(0.58, points)),
        "resample": (ONE | {"selection": {"method": "dynamic"}}, behaviour(0.63, points)),
        "a_low": (variant("selection", target=0.25), both),
        "corrected": (variant("replay", correction="proximal"), both),
        "two_fields": (variant("selection", target=0.25, temperature=0.1), both),
        "plain_long": (ONE | long, behaviour(0.63, longer)),
        "delta_long": (ONE | DOTS | REPLAY | long, behaviour(0.7, longer, 3.0, replays=0.5, warm_up=3)),
    }


def dots_study(folder: Path, points: int = 4, questions: int = 50, further: bool = True, **more: Any) -> Store:
    """The study on disk: `points` evaluations, one every two steps; `further` adds the variants."""
    arms = headline(points) | (variants(points) if further else {})
    fields = {**combinations(questions), "report": {"baseline": "alpha"}, **more.pop("fields", {})}
    return make_study(folder, None, arms, steps=2 * points, questions=questions, fields=fields, **more)


def dots_panels(store: Store) -> list[Measures]:
    """All panels, in the order of the spec."""
    return [Measures(panel) for panel in store.read().panels]
