"""Which selection strategy of the UFO-RL paper an arm is, and the one arm that stands for each strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro.analysis.arms import matching
from repro.analysis.measures import Measures
from repro.analysis.runs import Series
from repro.analysis.selections import CONFIDENCE, PASS_RATE, Chosen, words

STRATEGIES = {
    "full": "full data",
    "random": "random subset",
    "confidence middle": "middle of the confidence (UFO)",
    "confidence high": "highest confidence",
    "confidence low": "lowest confidence",
    "pass_rate middle": "middle of the pass rate",
    "pass_rate high": "easiest by pass rate",
    "pass_rate low": "hardest by pass rate",
}
"""Selection strategies of the paper's Table 5, and how they are called here."""


def strategy(chosen: Chosen, replays: bool) -> str | None:
    """Which strategy of Table 5 a selection is; None for what the paper does not have.

    These are online selection, replay, curricula, scores of the question alone, and methods of the user's own.
    """
    if replays:
        return None
    if chosen.plain:
        return "full"
    if chosen.subset_without_score:
        return "random"
    if chosen.staged or chosen.score is None:
        return None
    name = f"{chosen.score} {_place(chosen.fields['band'])}"
    return name if name in STRATEGIES else None


def strategy_of(series: Series) -> str | None:
    """The same of an arm."""
    return strategy(series.chosen, series.replay is not None)


def _place(band: Mapping[str, Any]) -> str:
    """Which part of its score a band keeps: high, low or middle."""
    if "end" in band:
        return "high" if band["end"] == "highest" else "low"
    if "low" in band:
        if band["low"] <= 0 and band["high"] < 1:
            return "low"
        return "high" if band["high"] >= 1 and band["low"] > 0 else "middle"
    centre = band.get("pass_rate", band.get("center"))
    if not isinstance(centre, int | float):
        return "middle"
    return "high" if centre > 0.75 else "low" if centre < 0.25 else "middle"


def fraction(series: Series) -> float | None:
    """Share of the pool that an arm is set to keep; None where only the scores decide."""
    if series.chosen.plain:
        return 1.0
    band = series.selection.get("band") or {}
    if band.get("scale") == "quantile":
        return float(band["high"] - band["low"])
    found = series.selection.get("fraction")
    return None if found is None else float(found)


def headline(panels: Sequence[Measures]) -> dict[str, str]:
    """Strategy -> label of the arm that stands for it, in the order of `STRATEGIES`.

    The arms stop where full data stops and keep as much as the first arm that is UFO (else the first random one).
    Where several arms are the same strategy, the one on the most panels is taken, then the first of the spec.
    """
    found: dict[str, list[Series]] = {}
    for measures in panels:
        for series in measures.panel.series:
            found.setdefault(series.label, []).append(series)
    kinds: dict[str, list[str]] = {}
    order = {label: index for index, label in enumerate(panels[0].panel.known or found)} if panels else {}
    ranked = sorted(found, key=lambda label: (-len(found[label]), order.get(label, len(order))))
    for label in ranked:
        name = strategy_of(found[label][0])
        if name is not None:
            kinds.setdefault(name, []).append(label)
    lead = next((kinds[name][0] for name in ("full", "confidence middle", "random", *kinds) if name in kinds), None)
    if lead is None:
        return {}
    stop = matching(found[lead][0])

    def stops(label: str) -> bool:
        return matching(found[label][0]) == stop

    size = next(
        (
            fraction(found[label][0])
            for name in ("confidence middle", "random", *kinds)
            for label in kinds.get(name, [])
            if stops(label) and name != "full"
        ),
        None,
    )
    chosen = {}
    for name in STRATEGIES:
        for label in kinds.get(name, []):
            own = fraction(found[label][0])
            alike = name == "full" or own == size or (own is not None and size is not None and abs(own - size) < 1e-6)
            if stops(label) and alike:
                chosen[name] = label
                break
    return chosen


def counterpart(measures: Measures, series: Series, name: str) -> Series | None:
    """The first arm of strategy `name` on the same panel that stops where `series` stops."""
    for other in measures.panel.series:
        if strategy_of(other) == name and matching(other) == matching(series):
            return other
    return None


def how(series: Series) -> str:
    """In a few words, how an arm's selection finds out what to train on."""
    fields, score = series.selection, series.chosen.score
    band = fields.get("band") or {}
    if score == CONFIDENCE:
        text = f"single pass, {words(fields.get('target', 'final_answer'))}"
        return f"{text}; {band['questions']} × {band['samples']} samples calibrate" if "pass_rate" in band else text
    if score == PASS_RATE:
        return f"{fields.get('samples')} samples per question"
    if score is not None and series.chosen.of_question_alone:
        return f"single pass, {score.removeprefix('prompt_')} of the question"
    if "references" in fields and "every" in fields:
        return f"{fields['references']} references every {fields['every']} steps"
    return series.chosen.title


def samples(series: Series) -> int | None:
    """K of a K-sample pass rate over the whole pool, None for any other selection."""
    return series.selection.get("samples") if series.chosen.score == PASS_RATE else None
