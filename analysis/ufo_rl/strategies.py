"""Which selection strategy of the UFO-RL paper an arm is, and the one arm that stands for each strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.measures import Measures
from analysis.runs import SPEND, Series
from analysis.text import plural

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

SCORING = ("score", "probe")
"""Ledger phases that find out what to train on."""


def strategy(selection: Mapping[str, Any], replay: object = None) -> str | None:
    """Which strategy of Table 5 a selection is; None for what the paper has not: online selection, replay, curricula
    and scores of the question alone."""
    if replay:
        return None
    method = selection["method"]
    if method == "uniform":
        return "full"
    if method == "random":
        return "random"
    if method not in ("confidence", "pass_rate"):
        return None
    return f"{method} {_place(selection.get('band') or {'center': 'mean'})}"


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


def fraction(selection: Mapping[str, Any]) -> float | None:
    """Share of the pool that a selection is set to keep; None where only the scores decide."""
    if selection["method"] == "uniform":
        return 1.0
    band = selection.get("band") or {}
    if band.get("scale") == "quantile":
        return float(band["high"] - band["low"])
    found = selection.get("fraction")
    return None if found is None else float(found)


def matching(series: Series) -> tuple[str, float]:
    """(steps, tokens, seconds or epochs; how many): where an arm stops, and so what it is matched by."""
    budget = series.cell.get("budget") or {}
    found = [(name, float(value)) for name, value in budget.items() if value is not None]
    return found[0] if found else ("steps", float((series.cell.get("train") or {}).get("steps") or 0))


def matched_by(series: Series) -> str:
    """`30 steps`, `1 epoch`, `100,000 tokens`."""
    name, value = matching(series)
    return plural(int(value), name[:-1]) if value == int(value) else f"{value:g} {name}"


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
        name = strategy(found[label][0].selection, found[label][0].replay)
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
            fraction(found[label][0].selection)
            for name in ("confidence middle", "random", *kinds)
            for label in kinds.get(name, [])
            if stops(label) and name != "full"
        ),
        None,
    )
    chosen = {}
    for name in STRATEGIES:
        for label in kinds.get(name, []):
            own = fraction(found[label][0].selection)
            alike = name == "full" or own == size or (own is not None and size is not None and abs(own - size) < 1e-6)
            if stops(label) and alike:
                chosen[name] = label
                break
    return chosen


def find(measures: Measures, label: str | None) -> Series | None:
    """The series of that label, None where the panel has no finished run of it."""
    return next((series for series in measures.panel.series if series.label == label), None)


def counterpart(measures: Measures, series: Series, name: str) -> Series | None:
    """The first arm of strategy `name` on the same panel that stops where `series` stops."""
    for other in measures.panel.series:
        if strategy(other.selection, other.replay) == name and matching(other) == matching(series):
            return other
    return None


def clock(series: Series) -> str:
    """The ledger's clock that tells what an arm costs: wall seconds on a GPU, CPU seconds where all runs were on a CPU.

    Cells that run side by side contend for a CPU, so there wall time tells how busy the machine was.
    """
    on_gpu = any(run.json("environment.json").get("accelerator") for run in series.runs)
    return "seconds" if on_gpu else "cpu_seconds"


CLOCKS = (
    "Seconds are CPU seconds of the process where no GPU was used, because cells that run side by side contend for the "
    "CPU, and wall seconds on a GPU."
)


def seconds_by_seed(series: Series, scoring: bool) -> dict[int, float]:
    """Seconds (see `clock`) of each run by its seed, evaluation and warm start left out, with or without scoring."""
    phases = [phase for phase in SPEND if scoring or phase not in SCORING]
    return {run.place.seed: run.cost(clock(series), phases) for run in series.runs}


def kept(series: Series) -> int:
    """Questions that the arm trains on, 0 where the store does not say."""
    return len(series.runs[0].json("selection.json").get("kept") or ())


def how(selection: Mapping[str, Any]) -> str:
    """In a few words, how a selection finds out what to train on."""
    method, by = selection["method"], selection.get("by")
    band = selection.get("band") or {}
    if method == "confidence" or by == "confidence":
        text = f"single pass, {selection.get('target', 'final_answer').replace('_', ' ')}"
        return f"{text}; {band['questions']} × {band['samples']} samples calibrate" if "pass_rate" in band else text
    if method == "pass_rate" or by == "pass_rate":
        return f"{selection.get('samples')} samples per question"
    if method in ("prompt_perplexity", "prompt_entropy"):
        return f"single pass, {method.removeprefix('prompt_')} of the question"
    if method == "difficulty":
        return f"{selection['references']} references every {selection['every']} steps"
    return str(method)


def samples(selection: Mapping[str, Any]) -> int | None:
    """K of a K-sample pass rate over the whole pool, None for any other selection."""
    return selection.get("samples") if "pass_rate" in (selection["method"], selection.get("by")) else None
