"""What both papers' artefacts ask of arms: which series it is, what it stops at, what it took, what it trained on."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.measures import Measures
from repro.analysis.runs import Series
from repro.tracking.series import ORACLE, SPEND
from repro.words import plural

SCORING = ("score", "probe")
"""Ledger phases that find out what to train on."""

CLOCKS = (
    "Seconds are CPU seconds of the process where no run of the study used a GPU, because runs side by side contend "
    "for the processors; else wall seconds."
)
"""The rule of `study`, for captions."""
CLOCKS_NOTE = "Seconds: of the CPU without a GPU, of the wall clock with one."
"""The same for the note of a table in a paper."""


UNPAID = "its knowledge is not paid for: a bound, no method"
"""What is said of an arm that probes and does not pay."""


def bounds(several: Sequence[Series]) -> list[str]:
    """Labels of the arms with probes that no cost counts."""
    return [series.label for series in several if any(run.cost("completions", [ORACLE]) for run in series.runs)]


def find(measures: Measures, label: str | None) -> Series | None:
    """The series of that label, None where the panel has no finished run of it."""
    return next((series for series in measures.panel.series if series.label == label), None)


def seconds_by_seed(series: Series, scoring: bool) -> dict[int, float]:
    """Seconds of each run by its seed, by the report's clock, without evaluation and warm start."""
    phases = [phase for phase in SPEND if scoring or phase not in SCORING]
    return {run.place.seed: run.cost(series.clock, phases) for run in series.runs}


def budget(series: Series) -> dict[str, float]:
    """Where an arm stops in place of `train.steps`, e.g. {"epochs": 1}; {} where it runs its steps."""
    found = series.cell.get("budget") or {}
    return {kind: value for kind, value in found.items() if value is not None}


def matching(series: Series) -> tuple[str, float]:
    """(steps, tokens, seconds or epochs; how many): where an arm stops, and so what it is matched by."""
    found = list(budget(series).items())
    if found:
        return found[0][0], float(found[0][1])
    return "steps", float((series.cell.get("train") or {}).get("steps") or 0)


def matched_by(series: Series) -> str:
    """`30 steps`, `1 epoch`, `100,000 tokens`."""
    name, value = matching(series)
    return plural(int(value), name[:-1]) if value == int(value) else f"{value:g} {name}"


def chosen_questions(series: Series) -> list[str]:
    """Ids of the questions that the arm trains on (first seed), [] where the store does not say."""
    return list(series.runs[0].json("selection.json").get("kept") or ())


def pool_rates(measures: Measures) -> tuple[dict[str, float], int, int]:
    """({id: pass rate of the start policy}, samples per question, questions of the whole pool); ({}, 0, 0) without."""
    found = (pool_rates_of(series) for series in measures.panel.series)
    return next((pool for pool in found if pool[0]), ({}, 0, 0))


def pool_rates_of(series: Series) -> tuple[dict[str, float], int, int]:
    """The same from the arm's own runs, whose reward may differ from that of other arms."""
    for run in series.runs:
        pool = run.json("base.json").get("pool") or {}
        if pool.get("pass_rates"):
            rates = dict(pool["pass_rates"])
            return rates, int(pool["samples"]), int(pool.get("questions") or len(rates))
    return {}, 0, 0


def seeds_said(series: Sequence[Series]) -> str:
    """`n = 3 seeds`, or `n = 2 to 3 seeds` where arms differ."""
    counts = sorted({len(one.runs) for one in series})
    if not counts:
        return "n = 0 seeds"
    said = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"n = {said} seed{'' if said == '1' else 's'}"
