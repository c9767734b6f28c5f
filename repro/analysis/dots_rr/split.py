"""How much of what DOTS + RR saves comes from selection and how much from replay: by steps, tokens and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from repro.analysis.arms import CLOCKS, CLOCKS_NOTE, find
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, RR, Arms
from repro.analysis.dots_rr.effects import AXES, per_step, speedup, weighted_area
from repro.analysis.effects import Effect, effect_of
from repro.analysis.measures import Measures
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, points, spread

Kind = Literal["accuracy", "target", "step"]

WHAT: Mapping[Kind, str] = {
    "target": "times less to GRPO's final accuracy",
    "accuracy": "mean accuracy over training, points",
    "step": "times less per step",
}

WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "whole": {DOTS_RR: 1.0, GRPO: -1.0},
    "selection": {DOTS: 0.5, GRPO: -0.5, DOTS_RR: 0.5, RR: -0.5},
    "replay": {RR: 0.5, GRPO: -0.5, DOTS_RR: 0.5, DOTS: -0.5},
    "beyond": {DOTS_RR: 1.0, GRPO: 1.0, DOTS: -1.0, RR: -1.0},
}
"""Weights of the four arms in each share. Selection is the mean of what it adds to GRPO and to RR, replay that of what
it adds to GRPO and to DOTS, so the two make the whole; `beyond` is what both gain beyond each alone."""

IN_ORDER: Mapping[str, Mapping[str, float]] = {
    "whole": WEIGHTS["whole"],
    "selection": {DOTS: 1.0, GRPO: -1.0},
    "replay": {DOTS_RR: 1.0, DOTS: -1.0},
    "beyond": WEIGHTS["beyond"],
}
"""The same for times to a target, which replay alone may never reach: selection first, then what replay adds to it."""

NAMES = {"beyond": "beyond the sum"}


@dataclass(frozen=True)
class Split:
    """What DOTS+RR gains over GRPO by one measure, and its shares by the names of `WEIGHTS`; factors for ratios."""

    kind: Kind
    axis: str
    effects: Mapping[str, Effect]


def split(panels: Sequence[Measures]) -> list[Split]:
    """Every measure for which some panel has all four headline arms (for `target` also a time of each)."""
    arms = Arms(panels)
    heads = {part: arm.label for part in (GRPO, DOTS, RR, DOTS_RR) if (arm := arms.headline(part)) is not None}
    if len(heads) < 4:
        return []
    there = [m for m in panels if all(find(m, label) for label in heads.values())]
    out = []
    for kind in WHAT:
        for axis in AXES:
            if kind == "step" and axis == "steps":
                continue
            found = {share: _effect(there, heads, kind, axis, share) for share in WEIGHTS}
            effects = {share: effect for share, effect in found.items() if effect is not None and effect.comparable}
            if {"whole", "selection", "replay"} <= set(effects):
                out.append(Split(kind, axis, effects))
    return out


def _effect(panels: Sequence[Measures], heads: Mapping[str, str], kind: Kind, axis: str, share: str) -> Effect | None:
    name = f"{NAMES.get(share, share)}, {axis}"
    if kind == "accuracy":
        # All four over the same range, or the shares would not make the whole.
        every = dict.fromkeys(heads.values(), 0.0) | {heads[part]: weight for part, weight in WEIGHTS[share].items()}
        return weighted_area(panels, every, axis, name)
    weights = IN_ORDER[share] if kind == "target" else WEIGHTS[share]
    logs = _speedups(panels, heads, axis) if kind == "target" else _savings_per_step(panels, heads, axis)
    found = {
        title: np.array([sum(weight * one[part] for part, weight in weights.items()) for one in rows])
        for title, rows in logs.items()
        if all(set(weights) <= set(one) for one in rows)
    }
    return effect_of(panels, name, "ratio", found)


def _speedups(panels: Sequence[Measures], heads: Mapping[str, str], axis: str) -> dict[str, list[dict[str, float]]]:
    """Panel -> one row with the logarithm of each part's speedup over GRPO; parts that never get there not in."""
    found = {part: speedup(panels, heads[part], axis) for part in (DOTS, RR, DOTS_RR)}
    out = {}
    for measures in panels:
        title = measures.panel.title
        values = {p: one.panels[title].value for p, one in found.items() if one is not None and title in one.panels}
        known = {part: float(np.log(value)) for part, value in values.items() if np.isfinite(value) and value > 0}
        # Without both of these nothing can be divided; RR is asked for by one share alone.
        if {DOTS, DOTS_RR} <= set(known):
            out[title] = [{GRPO: 0.0, **known}]
    return out


def _savings_per_step(
    panels: Sequence[Measures], heads: Mapping[str, str], axis: str
) -> dict[str, list[dict[str, float]]]:
    """Panel -> by shared seed, the logarithm of what each part saves per step; of no meaning but in differences."""
    out = {}
    for measures in panels:
        series = {part: measures.panel.get(label) for part, label in heads.items()}
        amounts = per_step("generated_tokens" if axis == "tokens" else None)
        by_part = {part: amounts(measures, one) for part, one in series.items()}
        shared = sorted(set.intersection(*(set(one) for one in by_part.values())))
        rows = [{part: by_part[part][seed] for part in by_part} for seed in shared]
        rows = [row for row in rows if min(row.values()) > 0]
        out[measures.panel.title] = [{part: -float(np.log(value)) for part, value in row.items()} for row in rows]
    return out


def split_table(panels: Sequence[Measures]) -> list[Table]:
    """One row per measure; no table where no panel has all four arms."""
    header = ["measure", "by", "DOTS+RR against GRPO", "from selection", "from replay", "beyond the sum of both"]
    header += ["models × data", "n"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for one in split(panels):
        effects = one.effects
        cells = [_cell(effects[share]) if share in effects else NOTHING for share in WEIGHTS]
        whole = effects["whole"]
        rows.append([WHAT[one.kind], one.axis, *cells, str(len(whole.panels)), str(whole.pooled.n)])
        data.append({"measure": one.kind, "by": one.axis, "unit": whole.unit, "panels": len(whole.panels)})
        for share, effect in effects.items():
            data[-1] |= numbers(share, effect.pooled)
        data[-1]["n"] = whole.pooled.n
    if not rows:
        return []
    caption = (
        "From selection: the mean of what it adds to GRPO and to RR; from replay: the mean of what it adds to GRPO and "
        "to DOTS. For times to GRPO's accuracy, which replay alone may never reach: what DOTS saves, and what replay "
        "saves beside DOTS, over the pairs on which both get there. The two make the whole, "
        "as a sum of points or a product of factors. Beyond the sum (product): above 0 points or 1× where selection "
        "and replay help each other. Mean accuracy: up to where the shortest of the four runs ends. 95 % intervals, "
        "over these pairs; n counts runs, for times pairs. The paper has no replay without selection, so "
        f"nothing published stands beside it. {CLOCKS}"
    )
    title = "DOTS + RR: what comes from selection and what from replay"
    note = (
        "Selection: the mean of what it adds to GRPO and to RR; replay: the mean of what it adds to GRPO and to DOTS. "
        "Beyond the sum (product): above 0 points or 1× where the two help each other. Mean accuracy: up to where the "
        f"shortest of the four runs ends. Brackets: 95 % intervals. {CLOCKS_NOTE}"
    )
    return [Table("dots_rr.split", title, header, rows, pd.DataFrame(data), caption, 2, paper=header[:6], note=note)]


def _cell(effect: Effect) -> str:
    return points(effect.pooled) if effect.unit == "points" else spread(effect.pooled, digits=2)
