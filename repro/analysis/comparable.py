"""Which arms cannot be compared at equal tokens or seconds: those whose selection costs too much for it.

An arm that labels, probes or scores pays for that before or beside its training. Where this costs more than the whole
run of the other arm, or has left hardly any training by its end, a difference says how large the pool is in proportion
to the run, not how well the arm chooses. At equal steps every pair can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from repro.analysis.arms import SCORING, budget
from repro.analysis.run import Run
from repro.analysis.runs import Panel, Series
from repro.analysis.statistics import Interval
from repro.analysis.text import NOTHING, between, joined, number, points
from repro.tracking.series import COST, FRESH, GENERATED_TOKENS, SECONDS, SPEND, cost_of

HARDLY = 0.2
"""Below this share of the other arm's training an arm has hardly begun."""

MOSTLY = 0.5
"""Above this share of the budget selection has taken most of it."""

RULE = (
    "Two arms are not comparable at equal tokens or seconds where the selection of one (labelling, probing, scoring) "
    f"costs more than the whole run of the other, or has taken more than {100 * MOSTLY:.0f} % of the budget and left "
    f"less than {100 * HARDLY:.0f} % of the other's training"
)
"""How it is decided, for captions."""

NOT_COMPARABLE = "not comparable"

UNITS = {GENERATED_TOKENS: "generated tokens", SECONDS: "s", cost_of("cpu_seconds"): "CPU s"}


@dataclass(frozen=True)
class Unfit:
    """An arm whose selection costs too much to compare it with another. Costs and steps are means over the runs."""

    arm: str
    other: str
    metric: str
    selection: float  # what the arm's selection costs in its whole run, without probes that trained
    whole: float  # what the whole run of the other costs
    steps: float  # that the arm has made where the other ends
    of: float  # that the other has made there

    @property
    def reason(self) -> str:
        """Both costs, and what they left of the training."""
        return _reason([self])


def _reason(alike: Sequence[Unfit]) -> str:
    """The reason of the same two arms on several models and datasets, from the smallest to the largest numbers."""
    one = alike[0]
    made = between((int(each.steps + 1e-6) for each in alike), lambda value: number(value, 0))
    return (
        f"selection of `{one.arm}` takes {between(each.selection for each in alike)} "
        f"{UNITS.get(one.metric, one.metric)}, the whole run of `{one.other}` "
        f"{between(each.whole for each in alike)}; where that ends, `{one.arm}` has made {made} "
        f"{'step' if made == '1' else 'steps'}, `{one.other}` "
        f"{between((each.of for each in alike), lambda value: number(value, 0))}"
    )


def unfit(several: Sequence[Series], metric: str) -> Mapping[str, Unfit]:
    """{label: why} of the arms that cannot be compared with the one that ends first in cost `metric`.

    An arm is unfit where, on average over its runs, its selection costs more than the whole run of that other, for as
    much training (steps x questions x completions) where its own run is longer. It is unfit as well where both hold at
    the cost at which the first run of all ends: its training so far is below `HARDLY` of that of the arm which ends
    there, and what it has spent on anything but that training is above `MOSTLY` of it all. Nothing is unfit by steps.
    """
    if not metric.startswith(COST) or len(several) < 2:
        return {}
    ends = {one.label: _ends(one, metric) for one in several}
    other = min(several, key=lambda one: float(np.mean(ends[one.label])))
    end = min(min(found) for found in ends.values())
    theirs = float(np.mean([_steps(run, metric, end) for run in other.runs]))
    whole, quantity = float(np.mean(ends[other.label])), metric.removeprefix(COST)
    found = {}
    for one in several:
        if one is other:
            continue
        made = float(np.mean([_steps(run, metric, end) for run in one.runs]))
        selection = float(np.mean([run.cost(quantity) - _training(one, run, quantity) for run in one.runs]))
        longer = max(1.0, _trained(one) / max(1.0, _trained(other)))
        hardly = made * _rows(one) < HARDLY * theirs * _rows(other) and _selecting(one, metric, end) > MOSTLY
        if hardly or selection > whole * longer:
            found[one.label] = Unfit(one.label, other.label, metric, selection, whole, made, theirs)
    return found


def beside_baseline(panel: Panel, series: Series, metric: str) -> Unfit | None:
    """Why an arm and its baseline cannot be compared at equal cost; None where they can, or without a baseline."""
    reference = panel.baseline_of(series)
    return None if reference is None else next(iter(unfit((series, reference), metric).values()), None)


def unfit_at_end(one: Series, other: Series) -> Unfit | None:
    """Why the accuracies at the end of two arms that stop at as many tokens or seconds cannot be compared."""
    kinds = {kind for series in (one, other) for kind in budget(series)}
    metric = {"tokens": GENERATED_TOKENS, "seconds": cost_of(one.clock)}.get(
        next(iter(kinds)) if len(kinds) == 1 else ""
    )
    both = budget(one) and budget(other)
    return next(iter(unfit((one, other), metric).values()), None) if metric and both else None


def points_or_not(difference: Interval | Unfit | None) -> str:
    """A cell: the difference in points, `not comparable`, or a dash where there is nothing to compare with."""
    if isinstance(difference, Unfit):
        return NOT_COMPARABLE
    return NOTHING if difference is None else points(difference)


def at_end_beside_baseline(panel: Panel, series: Series) -> Unfit | None:
    """The same of an arm and its baseline."""
    reference = panel.baseline_of(series)
    return None if reference is None else unfit_at_end(series, reference)


def said(found: Iterable[object]) -> str:
    """The rule and each reason once, for a caption, of the differences that are `Unfit`; empty without any."""
    alike: dict[tuple[str, str, str], list[Unfit]] = {}
    for one in found:
        if isinstance(one, Unfit):
            alike.setdefault((one.arm, one.other, one.metric), []).append(one)
    reasons = "; ".join(map(_reason, alike.values()))
    return f" {RULE}. Here {reasons}." if reasons else ""


def _ends(series: Series, metric: str) -> list[float]:
    return [float(values[-1]) if len(values := run.points(metric)[1]) else 0.0 for run in series.runs]


def _steps(run: Run, metric: str, end: float) -> float:
    """Steps that a run has made by the time it has spent `end`, the last one in part."""
    steps, values = run.points(metric)
    if not len(steps) or steps[0] > 0:
        steps, values = np.concatenate([[0.0], steps]), np.concatenate([[0.0], values])
    return float(np.interp(end, values, steps))


def _rows(series: Series) -> int:
    """Completions that a step trains on."""
    train = series.cell["train"]
    return int(train["questions_per_step"] * train["group_size"])


def _trained(series: Series) -> float:
    """Completions that a whole run trains on, on average."""
    steps = [float(run.points(GENERATED_TOKENS)[0].max(initial=0)) for run in series.runs]
    return float(np.mean(steps)) * _rows(series)


def _selecting(series: Series, metric: str, end: float) -> float:
    """Share of `end` that a series has not spent on the steps it has made by then."""
    shares = []
    for run in series.runs:
        whole = max(1.0, float(run.points(metric)[0].max(initial=0)))
        spent = _training(series, run, metric.removeprefix(COST)) * _steps(run, metric, end) / whole
        shares.append(1 - spent / end if end > 0 else 0.0)
    return float(np.mean(shares))


def _training(series: Series, run: Run, quantity: str) -> float:
    """What a whole run spent on training: rollouts, updates, and the probes whose completions it trained on."""
    probed, rolled = run.cost("completions", ["probe"]), run.cost("completions", ["rollout"])
    steps = float(run.points(GENERATED_TOKENS)[0].max(initial=0))
    train, groups = series.cell["train"], run.metric(FRESH)
    fresh = float(groups.sum()) if len(groups) else steps * train["questions_per_step"]
    trained = fresh * train["group_size"] - rolled  # completions of these groups that selection had made
    share = min(1.0, max(0.0, trained / probed)) if probed else 0.0
    return run.cost(quantity, [phase for phase in SPEND if phase not in SCORING]) + share * run.cost(
        quantity, ["probe"]
    )


def titles_said(found: Mapping[str, Unfit]) -> str:
    """`not comparable on A (reason) and on B (reason)`."""
    return f"{NOT_COMPARABLE} {joined([f'on {title} ({one.reason})' for title, one in found.items()])}"
