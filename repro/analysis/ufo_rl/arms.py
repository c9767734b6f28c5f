"""What the UFO-RL artefacts ask of arms: which may be compared, what they kept, and how they differ from full data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from repro.analysis.arms import budget, chosen_questions, pool_rates, pool_rates_of
from repro.analysis.comparable import Unfit, unfit_at_end
from repro.analysis.measures import Measures
from repro.analysis.rewards import terms_of
from repro.analysis.runs import Series
from repro.analysis.selections import CONFIDENCE, PASS_RATE
from repro.analysis.statistics import Interval, paired_difference
from repro.analysis.text import NOTHING, number
from repro.canonical import canonical
from repro.tasks.reward_spec import describe_reward
from repro.tracking.series import SPEND

NOT_IN_PAPER = "A comparison of ours: nothing published stands beside it."
HOW = (
    "Accuracy: mean and 95 % t-interval over seeds; difference to full data: 95 % interval over seeds and held-out "
    "questions, paired (over seeds alone where full data is not the study's baseline)."
)
HOW_NOTE = "Brackets: 95 % t-intervals over seeds, of a difference over seeds and held-out questions."
"""The same for the note of a table in a paper."""

Group = list[Series]

TARGETS = {
    "final_answer": "final answer",
    "solution": "full solution",
    "greedy_response": "greedy response",
}


def conditions(series: Series, with_budget: bool = True) -> str:
    """What two arms must share to differ in their selection alone: budget, replay, reward, axes other than
    selection's."""
    axes = {path: value for path, value in series.axis.items() if "selection" not in path}
    rewarded = describe_reward(terms_of(series))
    return canonical([budget(series) if with_budget else {}, bool(series.replay), rewarded, axes])


def comparable(measures: Measures) -> list[Series]:
    """The arms that run under the conditions of the baseline (of the first arm where it has no runs)."""
    panel = measures.panel
    first = next(iter(panel.references or panel.series))
    return [series for series in panel.series if conditions(series) == conditions(first)]


def full_of(measures: Measures, series: Series) -> Series | None:
    """Uniform training on the whole pool under the conditions of `series`; None where there is none."""
    same = [one for one in measures.panel.series if conditions(one) == conditions(series)]
    found = [one for one in same if one.chosen.plain]
    reference = measures.panel.baseline_of(series)
    return reference if reference in found else next(iter(found), None)


def difference_to_full(measures: Measures, series: Series) -> Interval | Unfit | None:
    """Accuracy minus that of full data: seeds x problems where full is the baseline, else pairs of seeds; None for
    full itself and where there is nothing to compare with. Unfit where they stop at as many tokens or seconds and
    the selection of one costs too much."""
    full = full_of(measures, series)
    if full is None or full.label == series.label:
        return None
    if why := unfit_at_end(series, full):
        return why
    if full == measures.panel.baseline_of(series):
        return measures.final(series.label).difference
    return paired(measures, series, full)


def mean_difference_to_full(measures: Measures, several: Sequence[Series]) -> Interval | Unfit | None:
    """The same of several arms averaged, over pairs of seeds where there are more than one."""
    full = full_of(measures, several[0])
    if len(several) == 1 or full is None:
        return difference_to_full(measures, several[0])
    if why := next((why for one in several if (why := unfit_at_end(one, full))), None):
        return why
    each = [dict(zip(one.seeds, measures.final(one.label).per_seed, strict=True)) for one in (full, *several)]
    shared = [seed for seed in full.seeds if all(seed in one for one in each)]
    if not shared:
        return None
    means = [float(np.mean([one[seed] for one in each[1:]])) for seed in shared]
    return paired_difference(means, [each[0][seed] for seed in shared])


def paired(measures: Measures, a: Series, b: Series) -> Interval | Unfit | None:
    """Accuracy of `a` minus `b` with a t-interval over the seeds they share; None without any, Unfit as above."""
    if why := unfit_at_end(a, b):
        return why
    scores = [dict(zip(one.seeds, measures.final(one.label).per_seed, strict=True)) for one in (a, b)]
    shared = [seed for seed in a.seeds if seed in scores[1]]
    if not shared:
        return None
    return paired_difference([scores[0][seed] for seed in shared], [scores[1][seed] for seed in shared])


# ---------------------------------------------------------------- selections


def scores(series: Series) -> dict[str, float]:
    """{id: score} of an offline selection, {} where the store has none."""
    return dict(series.runs[0].json("selection.json").get("scores") or {})


def centre_value(series: Series) -> float:
    """The score around which the arm kept its questions, NaN where the store does not say."""
    found = series.runs[0].json("selection.json").get("centre")
    return float(found) if isinstance(found, int | float) else math.nan


def rates_of(measures: Measures, series: Series) -> np.ndarray:
    """Pass rates of what an arm kept, as far as known: its own measurement where it selects by one, else the pool's."""
    own = scores(series) if series.chosen.score == PASS_RATE and not series.chosen.staged else {}
    rates: Mapping[str, float] = own or pool_rates_of(series)[0] or pool_rates(measures)[0]
    return np.array([rates[question] for question in chosen_questions(series) if question in rates], float)


def band(series: Series) -> dict[str, Any]:
    return dict(series.selection.get("band") or {"center": "mean"})


def fraction(series: Series) -> float:
    """Share of the pool that is kept, NaN where the selection has no such setting."""
    found = series.selection.get("fraction")
    return float(found) if found is not None else math.nan


def centre_name(series: Series) -> str | None:
    """How an arm sets the centre of its band, None for a band without one."""
    found = band(series)
    if "pass_rate" in found:
        return f"where the pass rate is {number(float(found['pass_rate']), 2)}"
    if "center" not in found:
        return None
    return str(found["center"]) if isinstance(found["center"], str) else f"{found['center']:g}"


def target_name(series: Series) -> str:
    """What the confidence is in, with the prompt where it is not the rollouts'."""
    selection = series.selection
    name = TARGETS.get(selection.get("target", "final_answer"), str(selection.get("target")))
    return f"{name}, {selection['prompt']} prompt" if selection.get("prompt") else name


def quantile_band(series: Series, score: str, widest: float = 1.0) -> tuple[float, float] | None:
    """(low, high) of a band by quantiles of `score`, None for anything else or a wider band."""
    return _range_band(series, score, widest, "quantile")


def value_band(series: Series, score: str, widest: float = 1.0) -> tuple[float, float] | None:
    """(low, high) of a band by values of `score`, None for anything else or a wider band."""
    return _range_band(series, score, widest, "value")


def _range_band(series: Series, score: str, widest: float, scale: str) -> tuple[float, float] | None:
    found = band(series)
    if series.chosen.score != score or found.get("scale") != scale:
        return None
    low, high = float(found["low"]), float(found["high"])
    return (low, high) if high - low <= widest + 1e-9 else None


def amount_of(measures: Measures, series: Series, quantity: str) -> float:
    """Mean of one amount per run over everything but evaluation."""
    return sum(measures.cost(series.label, phase, quantity) for phase in SPEND)


def matched_on(series: Iterable[Series]) -> str:
    """What the compared arms have in common: `steps`, or the kind of budget they stop at."""
    kinds = sorted({kind for one in series for kind in budget(one)})
    return " and ".join(kinds) or "steps"


# ---------------------------------------------------------------- groups of arms


def groups(arms: Sequence[Series], same: Callable[[Series], object], varies: Callable[[Series], object]) -> list[Group]:
    """Arms that agree in `same` and take two or more values of `varies`, in the order of the spec."""
    found: dict[str, Group] = {}
    for series in arms:
        found.setdefault(canonical(same(series)), []).append(series)
    return [group for group in found.values() if len({str(varies(series)) for series in group}) > 1]


def confidences(measures: Measures) -> Group:
    """Arms around a centre of the confidence, under the conditions of the baseline."""
    return [s for s in comparable(measures) if _banded(s, CONFIDENCE) and centre_name(s) is not None]


def sized(measures: Measures, score: str | None, size: float) -> Group:
    """Arms around a centre of one score that keep the same share of the pool; None: random subsets of that share."""
    found = [s for s in comparable(measures) if math.isclose(fraction(s), size, rel_tol=1e-9)]
    if score is None:
        return [s for s in found if s.chosen.subset_without_score]
    return [s for s in found if _banded(s, score) and centre_name(s) is not None]


def _banded(series: Series, score: str) -> bool:
    return series.chosen.score == score and not series.chosen.staged


def percent_of(share: float) -> str:
    return NOTHING if math.isnan(share) else f"{100 * share:g}"
