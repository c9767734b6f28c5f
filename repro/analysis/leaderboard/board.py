"""The leaderboard of a study: which arms are compared with which baseline, on which pairs, and how far apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np

from repro.analysis.comparison import LEAST_GAIN, Comparison
from repro.analysis.leaderboard.ranks import Ranks, Scores, ranks
from repro.analysis.measures import Measures
from repro.analysis.primary import By, Judged, Question, judge, questions
from repro.analysis.study import Study
from repro.analysis.style import LIT, Look, looks
from repro.analysis.sweep.search import Search
from repro.analysis.text import joined, points
from repro.analysis.unfinished import together
from repro.words import plural

NAMED = 3
"""Weak pairs that a caption names; of more it tells how many."""

SEED = 0
"""Of the generator behind the intervals of ranks: the same store gives the same report."""


class Board:
    """All arms of a study beside their baseline, each number computed once.

    Args:
        panels: one per pair of policy and task.
        claimed: names of the arms that the study's own claims are about.
        claims: how many primary claims the study has whose arms ran, 0 where that is not known.
        absent: arms of the spec without a finished run -> what became of them.
        searches: of the study's sweep.
    """

    def __init__(
        self,
        panels: Sequence[Measures],
        claimed: Collection[str] = (),
        claims: int = 0,
        absent: Mapping[str, str] | None = None,
        searches: Sequence[Search] = (),
    ) -> None:
        self.panels = tuple(panels)
        self.claimed, self.claims = frozenset(claimed), claims
        self.absent, self.searches = dict(absent or {}), tuple(searches)

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """Labels of what others are compared with."""
        return tuple(dict.fromkeys(label for one in self.panels for label in one.panel.baselines.values()))

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Labels of all others that ran somewhere, in the order of the study."""
        ran = {series.label for one in self.panels for series in one.panel.series}
        known = dict.fromkeys(label for one in self.panels for label in one.panel.known)
        return tuple(label for label in dict.fromkeys([*known, *ran]) if label in ran and label not in self.baselines)

    @cached_property
    def against(self) -> Mapping[str, str]:
        """The baseline of each arm that ran beside one."""
        return {
            label: other
            for one in reversed(self.panels)
            for label, other in one.panel.baselines.items()
            if label in self.arms
        }

    @cached_property
    def weak(self) -> Mapping[str, Sequence[Comparison]]:
        """Title of a pair on which the baseline did not clearly gain -> its comparisons that are in no share."""
        found: dict[str, list[Comparison]] = {}
        for one in self._by_tokens.values():
            for pair in one.pairs:
                if pair.weak:
                    found.setdefault(pair.panel.title, []).append(pair)
        return {one.panel.title: found[one.panel.title] for one in self.panels if one.panel.title in found}

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Of all panels."""
        return tuple(dict.fromkeys(one.panel.dataset for one in self.panels))

    def judged(self, by: By) -> Mapping[str, Judged]:
        """Every arm against its baseline at equal cost, judged together, in the order of the study."""
        return {"tokens": self._by_tokens, "steps": self._by_steps, "seconds": self._by_seconds}[by]

    @cached_property
    def _by_tokens(self) -> Mapping[str, Judged]:
        return self._judged("tokens")

    @cached_property
    def _by_steps(self) -> Mapping[str, Judged]:
        return self._judged("steps")

    @cached_property
    def _by_seconds(self) -> Mapping[str, Judged]:
        return self._judged("seconds")

    def _judged(self, by: By) -> Mapping[str, Judged]:
        asked = [Question(label, self.against[label], by) for label in self.arms if label in self.against]
        found = judge(asked, [one.panel for one in self.panels])
        return {question.arm: one for question, one in zip(asked, found, strict=True)}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Baselines and compared arms, the best first: by the mean difference at equal tokens, a baseline's is 0."""
        values = {label: one.difference.value for label, one in self._by_tokens.items() if one.pairs}
        values |= dict.fromkeys(self.baselines, 0.0)
        return tuple(sorted(values, key=lambda label: -values[label]))

    @cached_property
    def uncompared(self) -> tuple[str, ...]:
        """Arms that ran, but nowhere beside their baseline in a way that can be compared."""
        return tuple(label for label in self.arms if label not in self.order)

    @cached_property
    def scores(self) -> Scores:
        """Differences to the baseline of each seed, of the arms in `order`."""
        titles = [one.panel.title for one in self.panels]
        seeds = sorted({seed for one in self.panels for series in one.panel.series for seed in series.seeds})
        values = np.full((len(self.order), len(titles), len(seeds)), np.nan)
        for row, label in enumerate(self.order):
            if label in self.baselines:
                for place, one in enumerate(self.panels):
                    own = next((series for series in one.panel.series if series.label == label), None)
                    values[row, place, [seeds.index(seed) for seed in (own.seeds if own else ())]] = 0.0
                continue
            for pair in self._by_tokens[label].pairs:
                columns = [seeds.index(seed) for seed in shared_seeds(pair)]
                values[row, titles.index(pair.panel.title), columns] = by_seed(pair)
        tasks = tuple(one.panel.dataset for one in self.panels)
        return Scores(self.order, tasks, values, tuple(map(self._questions, self.panels)))

    def _questions(self, measures: Measures) -> tuple[np.ndarray, ...]:
        """Means over seeds of each question's difference on one pair, for each set [arms in `order`, questions]."""
        found = [np.zeros((len(self.order), len(ids))) for ids in measures.panel.problems]
        for row, label in enumerate(self.order):
            pairs = self._by_tokens[label].pairs if label in self._by_tokens else ()
            for pair in pairs:
                if pair.panel.title == measures.panel.title:
                    for place, part in enumerate(pair.pair.differences()):
                        found[place][row] = part.mean(axis=0)
        return tuple(found)

    @cached_property
    def ranks(self) -> Ranks:
        """Ranks of the arms in `order` with their intervals."""
        return ranks(self.scores, np.random.default_rng(SEED))

    @cached_property
    def highlighted(self) -> tuple[str, ...]:
        """The series in colour: a baseline, the best arm, those of the study's claims, then those furthest ahead."""
        arms = {series.label: series.arm for one in self.panels for series in one.panel.series}
        best = [label for label in self.order if label not in self.baselines]
        claims = [label for label in best if arms[label] in self.claimed]
        wanted = dict.fromkeys([*self.baselines[:1], *best[:1], *claims, *best])
        return tuple(wanted)[:LIT]

    @cached_property
    def looks(self) -> Mapping[str, Look]:
        """One look for each series, the same as in every other figure of the study."""
        own = {series.label: series.way for one in self.panels for series in one.panel.series}
        known = next((one.panel.known for one in self.panels if one.panel.known), own)
        return looks(known, next((one.panel.known_baselines for one in self.panels), ()) or self.baselines)

    # ------------------------------------------------------------ words

    @property
    def baseline_said(self) -> str:
        """`` `full` ``, or the names of several."""
        return joined([f"`{label}`" for label in self.baselines]) or "the baseline"

    @property
    def weak_said(self) -> str:
        """Which pairs are in no share, for a caption; empty where all are."""
        if not self.weak:
            return ""
        where = f"{len(self.weak)} of {plural(len(self.panels), 'pair')}"
        if len(self.weak) <= NAMED:
            gains = {title: points(pairs[0].gained.interval()) for title, pairs in self.weak.items()}
            where = joined([f"{title} ({gain} points)" for title, gain in gains.items()])
        return (
            f" % of gain leaves out pairs on which the baseline gained less than {100 * LEAST_GAIN:.0f} point over "
            f"training, or not clearly: {where}."
        )

    @property
    def units_said(self) -> str:
        """What can be said of other tasks, for a caption."""
        count = len(self.tasks)
        if count == 1:
            return " One task: no claim about other tasks."
        if count == 2:
            return " Two tasks: no claim about other tasks."
        return ""


def board_of(panels: Sequence[Measures], study: Study | None) -> Board:
    """The leaderboard of a study; without one, of its panels alone."""
    if study is None:
        return Board(panels)
    ran = {series.arm for one in panels for series in one.panel.series}
    absent = {}
    for arm in study.spec.arms:
        if arm not in ran:
            absent[arm] = together(one.panel.unfinished[arm] for one in panels if arm in one.panel.unfinished)
    claimed = {claim.arm for claim in study.spec.report.claims}
    labels = {series.label for one in panels for series in one.panel.series}
    claims = sum({one.arm, one.against} <= labels for one in questions(study.spec, study.panels))
    return Board(panels, claimed, claims, absent, study.searches)


def shared_seeds(pair: Comparison) -> list[int]:
    """The seeds that both arms have, in the order of the rows of their differences."""
    return [seed for seed in pair.arm.seeds if seed in pair.other.seeds]


def by_seed(pair: Comparison) -> np.ndarray:
    """(seeds,) mean over questions of the difference."""
    return np.asarray(np.mean([part.mean(axis=1) for part in pair.pair.differences()], axis=0))
