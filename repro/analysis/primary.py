"""The primary claims of a study: which arm is more accurate at equal cost, judged together by Holm's procedure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from repro.analysis.axes import metric_of
from repro.analysis.comparable import Unfit, unfit
from repro.analysis.comparison import Comparison, compare
from repro.analysis.effects import TASKS
from repro.analysis.equal_cost import Saving, saving
from repro.analysis.estimates import Estimate, over_tasks, over_these
from repro.analysis.families import holm
from repro.analysis.power import Spread, pooled, seeds_needed, smallest_seen
from repro.analysis.runs import Panel
from repro.analysis.study import headline_arms
from repro.analysis.unfinished import FAILED, NOT_RUN, together
from repro.spec.report_spec import ClaimSpec
from repro.spec.schema import Spec

By = Literal["tokens", "steps", "seconds"]

AXIS: Mapping[By, str] = {"tokens": "generated tokens", "steps": "steps", "seconds": "seconds"}
"""Word of the spec -> one of `axes.AXES`."""

ALPHA = 0.05
"""The chance of any false primary claim that a study accepts."""

Verdict = Literal[
    "higher", "lower", "undecided", "one seed", "not comparable", "failed", "not finished", "not run", "not paired"
]


@dataclass(frozen=True)
class Question:
    """Whether one series is more accurate over training than another at equal cost; both by their labels."""

    arm: str
    against: str
    by: By


def questions(spec: Spec, panels: Sequence[Panel]) -> tuple[Question, ...]:
    """What a study is to decide: its `report.claims`, else every arm that runs everywhere against the baseline.

    An arm of several axis points is asked about at each of them, against the other arm at the same point where that has
    it too.
    """
    return _asked(spec, spec.report.claims, panels) if spec.report.claims else against_baseline(spec, panels)


def against_baseline(spec: Spec, panels: Sequence[Panel]) -> tuple[Question, ...]:
    """Every arm that runs everywhere against the baseline at equal generated tokens, whatever the study claims."""
    baseline = spec.report.baseline or next(iter(spec.arms))
    return _asked(spec, [ClaimSpec(arm=arm) for arm in headline_arms(spec) if arm != baseline], panels)


def _asked(spec: Spec, claims: Sequence[ClaimSpec], panels: Sequence[Panel]) -> tuple[Question, ...]:
    baseline = spec.report.baseline or next(iter(spec.arms))
    series = {one.label: one for panel in panels for one in panel.series}
    found = []
    for claim in claims:
        others = [one for one in series.values() if one.arm == (claim.against or baseline)]
        for one in series.values():
            if one.arm == claim.arm and others:
                other = max(
                    others, key=lambda other: sum(one.axis.get(key) == value for key, value in other.axis.items())
                )
                found.append(Question(one.label, other.label, claim.by))
        if not others or all(one.arm != claim.arm for one in series.values()):
            found.append(Question(claim.arm, claim.against or baseline, claim.by))
    return tuple(found)


@dataclass(frozen=True)
class Lacking:
    """Why two arms cannot be compared on a pair of model and task: `arm` has no finished run there, or no shared seed.

    `state`: `failed (NaN)`, `not run` and the like, see `repro.analysis.unfinished`; empty where both have finished
    runs.
    """

    arm: str
    state: str


@dataclass(frozen=True)
class Judged:
    """What the finished runs say to a question.

    `difference` is mean accuracy over training, arm minus the other, averaged over the pairs of model and task that
    were run: this is what is judged. `other_tasks` is the same with tasks as units, None for fewer than three. `share`
    is the difference as a share of the other arm's gain, over the pairs on which that is not weak
    (`repro.analysis.comparison`), NaN without one. `unfit` has the pairs, by title, where selection left one arm hardly
    any training (`repro.analysis.comparable`), `lacking` those without runs to compare: they are in none of these
    numbers. `p` is Holm's over all primary claims.
    """

    question: Question
    pairs: tuple[Comparison, ...]
    difference: Estimate
    share: Estimate
    other_tasks: Estimate | None
    unfit: Mapping[str, Unfit]
    lacking: Mapping[str, Lacking]
    p: float
    claims: int = 1
    """How many are judged together."""

    @property
    def weak(self) -> tuple[str, ...]:
        """Titles of the pairs that are in no share, because the other arm did not clearly gain there."""
        return tuple(one.panel.title for one in self.pairs if one.weak)

    @property
    def verdict(self) -> Verdict:
        """`higher` or `lower` where Holm's p-value is at most 0.05."""
        if not self.pairs:
            return "not comparable" if self.unfit else self._without
        if not self.difference.known:
            return "one seed" if min(one.difference.n for one in self.pairs) < 2 else "undecided"
        if not self.p <= ALPHA:
            return "undecided"
        return "higher" if self.difference.value > 0 else "lower"

    @property
    def _without(self) -> Verdict:
        """Of an arm that is compared nowhere: what became of its own runs, else that none has a partner."""
        states = [one.state for one in self.lacking.values() if one.arm == self.question.arm and one.state]
        if any(state.startswith(FAILED) for state in states):
            return "failed"
        if len(states) < len(self.lacking):
            return "not paired"
        return "not finished" if any(state != NOT_RUN for state in states) else "not run"

    @property
    def state(self) -> str:
        """What tables and figures say where there is no difference: `failed (NaN)`, `not run`; empty where there is."""
        if self.pairs or self.unfit:
            return "" if self.pairs else self.verdict
        own = [one.state for one in self.lacking.values() if one.arm == self.question.arm and one.state]
        told = together(own)
        return self.verdict if told == NOT_RUN else told

    @cached_property
    def saving(self) -> Saving:
        """How many times less the arm needs for the same accuracy, over all pairs."""
        return saving([one.pair for one in self.pairs])

    @property
    def spread(self) -> Spread | None:
        """Variances of the difference of one pair, averaged over pairs."""
        return pooled([one.spread for one in self.pairs if one.spread is not None])

    @property
    def smallest_seen(self) -> float:
        """The smallest difference that is told apart with a chance of 80 %, as a share of 1.

        Infinite for one seed, and where it would be larger than any difference of two accuracies.
        """
        spread = self.spread
        if spread is None:
            return math.inf
        seeds = min(one.difference.n for one in self.pairs)
        seen = smallest_seen(spread, seeds, self.claims, len(self.pairs))
        return seen if seen <= 1 else math.inf

    def seeds_needed(self, difference: float) -> int | None:
        """Seeds a pair to tell such a difference apart with a chance of 80 %; None where more questions are needed."""
        spread = self.spread
        if spread is None:
            return None
        return seeds_needed(spread, difference, self.claims, len(self.pairs))


def exploratory(spec: Spec, panels: Sequence[Panel]) -> tuple[Judged, ...]:
    """Every arm that runs everywhere against the baseline where the spec names other claims; each judged alone."""
    if not spec.report.claims:
        return ()
    named = {(one.arm, one.against) for one in questions(spec, panels)}
    others = [replace(one, by=spec.report.claims[0].by) for one in against_baseline(spec, panels)]
    return tuple(judge([one], panels)[0] for one in others if (one.arm, one.against) not in named)


def at_costs(one: Judged, panels: Sequence[Panel]) -> Mapping[By, Judged]:
    """The same two arms at equal tokens, steps and seconds, each judged alone but for the cost of the claim itself."""
    return {by: one if by == one.question.by else judge([replace(one.question, by=by)], panels)[0] for by in AXIS}


def judge(questions: Sequence[Question], panels: Sequence[Panel]) -> tuple[Judged, ...]:
    """Answer all questions from the finished runs, together."""
    answered = [_answered(question, panels) for question in questions]
    adjusted = holm([one.difference.p() for one in answered])
    return tuple(replace(one, p=p, claims=len(answered)) for one, p in zip(answered, adjusted, strict=True))


def _answered(question: Question, panels: Sequence[Panel]) -> Judged:
    found, apart, lacking = list[Comparison](), dict[str, Unfit](), dict[str, Lacking]()
    for panel in panels:
        series = {one.label: one for one in panel.series}
        without = [label for label in (question.arm, question.against) if label not in series]
        if without:
            lacking[panel.title] = Lacking(without[0], panel.unfinished.get(without[0], NOT_RUN))
        else:
            both = series[question.arm], series[question.against]
            why = unfit(both, metric_of(AXIS[question.by], both[0].clock))
            if why:
                apart[panel.title] = next(iter(why.values()))
            elif (one := compare(panel, *both, AXIS[question.by])) is not None:
                found.append(one)
            else:
                lacking[panel.title] = Lacking(question.arm, "")
    by_task: dict[str, list[Estimate]] = {}
    for one in found:
        by_task.setdefault(one.panel.dataset, []).append(one.difference)
    return Judged(
        question=question,
        pairs=tuple(found),
        difference=over_these([one.difference for one in found]),
        share=over_these([one.share for one in found if not one.weak]),
        other_tasks=over_tasks(list(by_task.values())) if len(by_task) >= TASKS else None,
        unfit=apart,
        lacking=lacking,
        p=math.nan,
    )
