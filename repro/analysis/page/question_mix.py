"""Says how held-out questions and the pool differ in difficulty, where the task knows it."""

from __future__ import annotations

import math

from repro.analysis.measures import Measures
from repro.analysis.text import number

POOL_LIKE = "pool_like"
"""The further set of a made task whose questions are mixed like the pool."""

LIKE_THE_POOL = f"`{POOL_LIKE}`: accuracy on held-out questions that are mixed like the pool, at the last evaluation."


def question_mix(measures: Measures) -> str:
    """`Held-out questions have 1 to 6 steps, the pool 1 to 10: 35 % of it has 7 to 10.`; "" where it is not known."""
    for series in measures.panel.series:
        for run in series.runs:
            datasets = run.json("data.json").get("datasets") or []
            held_out = [one.get("source") or {} for one in datasets if one.get("context") == "evaluation"]
            most = held_out[0].get("max_steps") if held_out else None
            true = list((run.json("selection.json").get("steps_true") or {}).values())
            if isinstance(most, int) and true and not any(value is None or math.isnan(value) for value in true):
                return _said(most, true)
    return ""


def _said(most: int, true: list[float]) -> str:
    longest = max(true)
    longer = [value for value in true if value > most]
    text = f"Held-out questions take 1 to {most} steps to solve, those of the pool {min(true):g} to {longest:g}"
    if not longer:
        return f"{text}."
    span = f"{min(longer):g} to {longest:g}" if min(longer) < longest else f"{longest:g}"
    return f"{text}: {number(100 * len(longer) / len(true), 0)} % of the pool takes {span}."
