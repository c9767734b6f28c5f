"""What of UFO-RL holds in these runs: each claim, the effect measured for it, and a verdict read off the interval.

A verdict is never written down: `verdict` compares the interval of every effect of a claim with one bar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import pandas as pd

from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_table
from analysis.runs import Series
from analysis.statistics import (
    Interval,
    deviation_ratio,
    fixed_mean,
    pooled_correlation,
    pooled_mean,
    rank_correlation,
    t_interval,
)
from analysis.tables import Table, numbers
from analysis.text import NOTHING, brackets, joined, number, plural, sentence, spread
from analysis.ufo_strategies import counterpart, find, fraction, headline, matching, seconds_by_seed, strategy

MARGIN = 0.02
"""Equivalence margin of "matches", as a share: an arm may end up to two points lower."""

TRACKS = 0.3
"""Least rank correlation that counts as tracking (a medium effect by Cohen's convention)."""

Unit = Literal["points", "ratio", "correlation"]
VERDICTS = ("holds", "does not hold", "undecided", "not run")
UNREAD = "no number could be read"

Values = Callable[[Measures, Series], Mapping[int, float]]


@dataclass(frozen=True)
class Effect:
    """One comparison over all panels. Points are shares in 0..1.

    `panels` holds the same by title of the panel, `datasets` by dataset (its models fixed, seeds the replicates).
    """

    name: str
    unit: Unit
    pooled: Interval
    panels: Mapping[str, Interval]
    datasets: Mapping[str, Interval]

    def text(self, interval: Interval | None = None) -> str:
        """`+1.2 points [0.3, 2.1]`, of the pooled effect or of another interval of the same unit."""
        of = self.pooled if interval is None else interval
        if self.unit == "points":
            return f"{number(100 * of.value, sign=True)} points {brackets(of, 100, sign=True)}"
        if self.unit == "ratio":
            return f"{number(of.value, 2)}× {brackets(of, digits=2)}"
        return spread(of, digits=2)

    @property
    def apart(self) -> str:
        """`arithmetic −1.0 points [−2.0, 0.0], shuffle ...`; empty where there is one dataset."""
        if len(self.datasets) < 2:
            return ""
        return ", ".join(f"{name} {self.text(interval)}" for name, interval in self.datasets.items())


@dataclass(frozen=True)
class Claim:
    """It holds where every effect lies above `bar` and not where one lies below it. `beside` is shown, not judged."""

    key: str
    short: str
    published: str
    bar: float
    effects: tuple[Effect, ...]
    beside: tuple[Effect, ...] = ()

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        return verdict([effect.pooled for effect in self.effects], self.bar)

    @property
    def in_favour(self) -> tuple[int, int]:
        """(panels on which every effect is clear of the bar, panels that have all effects)."""
        if not self.effects:
            return 0, 0
        shared = set.intersection(*(set(effect.panels) for effect in self.effects))
        clear = [t for t in shared if all(effect.panels[t].clear_of(self.bar) > 0 for effect in self.effects)]
        return len(clear), len(shared)


def verdict(intervals: Sequence[Interval], bar: float) -> str:
    """`holds` where all intervals lie above the bar, `does not hold` where one lies below it, else `undecided`."""
    if not intervals:
        return "not run"
    signs = [interval.clear_of(bar) for interval in intervals]
    return "does not hold" if min(signs) < 0 else "holds" if min(signs) > 0 else "undecided"


# ---------------------------------------------------------------- effects


def finals(measures: Measures, series: Series) -> Mapping[int, float]:
    """Accuracy at the last evaluation by seed."""
    return dict(zip(series.seeds, measures.final(series.label).per_seed, strict=True))


def zeros(measures: Measures, series: Series) -> Mapping[int, float]:
    """Zero-variance share of groups, averaged over training, by seed."""
    return dict(zip(series.seeds, measures.zero(series.label).per_seed, strict=True))


def difference(panels: Sequence[Measures], ours: str | None, theirs: str | None, values: Values) -> Effect | None:
    """ours - theirs on the same seed, pooled over the panels that have both (see `statistics.pooled_mean`)."""
    found: dict[str, np.ndarray] = {}
    for measures in panels:
        one, other = find(measures, ours), find(measures, theirs)
        if one is not None and other is not None:
            a, b = values(measures, one), values(measures, other)
            pairs = [a[seed] - b[seed] for seed in a if seed in b]
            if pairs and not all(map(math.isnan, pairs)):
                found[measures.panel.title] = np.array(pairs)
    if not found:
        return None
    own = {title: t_interval(pairs) for title, pairs in found.items()}
    apart = _apart(panels, found, fixed_mean)
    return Effect(f"`{ours}` − `{theirs}`", "points", pooled_mean(list(found.values())), own, apart)


T = TypeVar("T")


def _apart(
    panels: Sequence[Measures], found: Mapping[str, T], pool: Callable[[list[T]], Interval]
) -> dict[str, Interval]:
    """What was found by title of panel, pooled inside each dataset."""
    by_dataset: dict[str, list[T]] = {}
    for measures in panels:
        if measures.panel.title in found:
            by_dataset.setdefault(measures.panel.dataset, []).append(found[measures.panel.title])
    return {dataset: pool(values) for dataset, values in by_dataset.items()}


def _time_saved(panels: Sequence[Measures], name: str, budget: str, size: float | None) -> Effect | None:
    """Full data ÷ the arm of strategy `name`, seconds (see `clock`) with scoring, paired by seed, as a geometric
    mean."""
    found: dict[str, np.ndarray] = {}
    label = reference = ""
    for measures in panels:
        for series in measures.panel.series:
            own = strategy(series.selection, series.replay) == name and matching(series)[0] == budget
            full = counterpart(measures, series, "full") if own and fraction(series.selection) == size else None
            if full is None:
                continue
            label, reference = series.label, full.label
            ours, theirs = seconds_by_seed(series, True), seconds_by_seed(full, True)
            logs = [math.log(theirs[s] / ours[s]) for s in ours if s in theirs and ours[s] > 0 and theirs[s] > 0]
            if logs:
                found[measures.panel.title] = np.array(logs)
            break
    if not found:
        return None
    own_panels = {title: _exp(t_interval(logs)) for title, logs in found.items()}
    apart = {name: _exp(logs) for name, logs in _apart(panels, found, fixed_mean).items()}
    return Effect(f"`{reference}` ÷ `{label}`", "ratio", _exp(pooled_mean(list(found.values()))), own_panels, apart)


def _exp(interval: Interval) -> Interval:
    return Interval(math.exp(interval.value), math.exp(interval.low), math.exp(interval.high), interval.n)


def _tracks(panels: Sequence[Measures], label: str | None) -> Effect | None:
    """Spearman's correlation of the confidence with the start policy's pass rate over the pool, panel by panel."""
    found = {}
    for measures in panels:
        series = find(measures, label)
        if series is None:
            continue
        rates = _first((run.json("base.json").get("pool") or {}).get("pass_rates") for run in series.runs)
        scores = _first(run.json("selection.json").get("scores") for run in series.runs)
        shared = [q for q in rates if q in scores]
        rho = rank_correlation([scores[q] for q in shared], [rates[q] for q in shared])
        if not math.isnan(rho.value):
            found[measures.panel.title] = rho
    if not found:
        return None
    pooled = pooled_correlation(list(found.values()))
    return Effect("Spearman's rho", "correlation", pooled, found, _apart(panels, found, pooled_correlation))


def _first(found: Iterable[Mapping[str, float] | None]) -> Mapping[str, float]:
    return next(filter(None, found), {})


def _steadier(panels: Sequence[Measures], full: str | None, ufo: str | None) -> Effect | None:
    """Standard deviation over seeds of full data ÷ that of UFO."""
    a: list[Sequence[float]] = []
    b: list[Sequence[float]] = []
    own = {}
    for measures in panels:
        one, other = find(measures, full), find(measures, ufo)
        if one is not None and other is not None:
            a.append(measures.final(one.label).per_seed)
            b.append(measures.final(other.label).per_seed)
            own[measures.panel.title] = deviation_ratio(a[-1:], b[-1:])
    return Effect(f"SD `{full}` ÷ SD `{ufo}`", "ratio", deviation_ratio(a, b), own, {}) if own else None


# ---------------------------------------------------------------- claims


def claims(panels: Sequence[Measures]) -> tuple[Claim, ...]:
    """Every claim with what these runs say of it."""
    arms = headline(panels)
    full, random, ufo = arms.get("full"), arms.get("random"), arms.get("confidence middle")
    high, low = arms.get("confidence high"), arms.get("confidence low")
    middle, hardest = arms.get("pass_rate middle"), arms.get("pass_rate low")
    series = next((s for m in panels if (s := find(m, ufo)) is not None), None)
    size = fraction(series.selection) if series is not None else None

    def against(ours: str | None, others: Iterable[str | None], values: Values = finals) -> tuple[Effect, ...]:
        return _known(difference(panels, ours, other, values) for other in others if ours and other)

    def saved(budget: str) -> tuple[tuple[Effect, ...], tuple[Effect, ...]]:
        kinds = ("confidence middle", "random")
        ours, control = (_known([_time_saved(panels, name, budget, size)]) for name in kinds)
        return ours, control if ours else ()

    fewer = against(full, [ufo], zeros)

    def panels_of(label: str | None) -> int:
        return sum(find(measures, label) is not None for measures in panels)

    rivals = [arms[name] for name in arms if name not in ("full", "pass_rate low")]
    rivals = [label for label in rivals if panels_of(label) >= panels_of(hardest)]
    epochs, steps = saved("epochs"), saved("steps")
    control = against(random, [full])
    table = published_table("ufo_rl", "table_5").set_index("arm")["value"]
    gained = float(table["UFO 10%"]) - float(table["full data"])
    most = published_table("ufo_rl", "abstract")["value"].iloc[0]
    match = f"{number(gained, 2, sign=True)} points (2 of 1,319 items)"
    hard = "best of its subsets (arXiv 2508.14094)"
    ends, tracking = _both(against(ufo, [high, low])), _known([_tracks(panels, ufo)])
    steadier = _known([_steadier(panels, full, ufo)])
    return (
        Claim("matches_full", "UFO matches full data", match, -MARGIN, against(ufo, [full]), control),
        Claim("beats_random", "UFO beats a random subset of its size", UNREAD, 0.0, against(ufo, [random])),
        Claim("middle_best", "the middle of the confidence beats both ends", UNREAD, 0.0, ends),
        Claim("matches_pass_rate", "one pass matches the pass-rate middle", UNREAD, -MARGIN, against(ufo, [middle])),
        Claim("tracks_pass_rate", "confidence tracks the pass rate", UNREAD, TRACKS, tracking),
        Claim("hardest_best", "the hardest questions are the best subset", hard, 0.0, against(hardest, rivals)),
        Claim("time_epochs", "UFO saves time at equal epochs", f"up to {number(float(most), 0)}×", 1.0, *epochs),
        Claim("time_steps", "UFO saves time at equal steps", "not compared", 1.0, *steps),
        Claim("fewer_zero", "UFO has fewer groups without gradient than full data", UNREAD, 0.0, fewer),
        Claim("steadier", "UFO varies less over seeds than full data", UNREAD, 1.0, steadier),
    )


def _known(effects: Iterable[Effect | None]) -> tuple[Effect, ...]:
    return tuple(effect for effect in effects if effect is not None)


def _both(effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """A claim about two ends is not judged by one of them."""
    return effects if len(effects) == 2 else ()


def table(panels: Sequence[Measures]) -> list[Table | Picture]:
    """One row per claim."""
    header = ["claim", "verdict", "measured here", "in favour", "holds if", "published"]
    rows, data = [], []
    for claim in claims(panels):
        clear, all_panels = claim.in_favour
        told = [f"{effect.name}: {effect.text()}" for effect in claim.effects]
        told += [f"for comparison {effect.name}: {effect.text()}" for effect in claim.beside]
        favour = f"{clear} of {all_panels}" if all_panels else NOTHING
        row = [sentence(claim.short)[:-1], f"**{claim.verdict}**", "; ".join(told) or NOTHING, favour]
        rows.append([*row, _rule(claim), claim.published])
        for effect, judged in [*((e, True) for e in claim.effects), *((e, False) for e in claim.beside)]:
            record = {"claim": claim.key, "verdict": claim.verdict, "effect": effect.name, "judged": judged}
            record |= {"unit": effect.unit, "bar": claim.bar, **numbers("value", effect.pooled), "n": effect.pooled.n}
            data.append(record | {"in_favour": clear, "panels": all_panels})
        if not claim.effects:
            data.append({"claim": claim.key, "verdict": claim.verdict, "in_favour": 0, "panels": 0})
    caption = (
        "A claim holds where the 95 % interval of each of its effects lies above the bar, does not hold where one lies "
        "below it, and is undecided otherwise. 'Matches' means at most "
        f"{number(100 * MARGIN, 0)} points lower; 'tracks' means Spearman's rho of {TRACKS:g} or more (averaged as "
        "Fisher's z). Differences and ratios are paired by seed and averaged inside each model and dataset. Over three "
        "of these or more the interval is a t-interval over their means, so that it speaks of other models and data "
        "too; over fewer, and by dataset, they are fixed and only seeds vary (Welch and Satterthwaite; rho: over the "
        "models), so a dataset can be clear where the whole is "
        "not. The held-out questions are the same for all arms. Times include scoring. In favour: models and "
        "datasets whose own interval lies above the bar. Claims are judged one by one, with no correction for their "
        "number."
    )
    return [Table("ufo_rl.claims", "UFO-RL: what holds here", header, rows, pd.DataFrame(data), caption, 6)]


def _rule(claim: Claim) -> str:
    unit = claim.effects[0].unit if claim.effects else "ratio" if claim.bar == 1 else "points"
    if unit == "points":
        return f"above {number(100 * claim.bar, 0)} points"
    return f"above {claim.bar:g}" + ("×" if unit == "ratio" else "")


# ---------------------------------------------------------------- in words


def answer(panels: Sequence[Measures]) -> tuple[str, ...]:
    """The study's answer in a few sentences, the first of which is the verdict; () where no claim could be checked."""
    found = [claim for claim in claims(panels) if claim.verdict != "not run"]
    if not found:
        return ()
    groups = {name: [claim for claim in found if claim.verdict == name] for name in VERDICTS}
    counts = [f"{len(groups[name])} {_verb(name, len(groups[name]))}" for name in VERDICTS[:3] if groups[name]]
    titles = {title for claim in found for effect in claim.effects for title in effect.panels}
    said = [f"**Of {plural(len(found), 'claim')} about UFO-RL checked here, {joined(counts)}.**"]
    if groups["holds"]:
        said.append(f"What holds: {_told(groups['holds'])}.")
    if groups["does not hold"]:
        said.append(f"What does not hold: {_told(groups['does not hold'])}.")
    if groups["undecided"]:
        said.append(f"Left open by their intervals: {_told(groups['undecided'])}.")
    apart = _disagreeing(found)
    if apart:
        said.append(f"The tasks disagree: {apart}.")
    said += _control({claim.key: claim for claim in found})
    seeds = sorted({len(series.runs) for measures in panels for series in measures.panel.series})
    runs = plural(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    said.append(
        f"This is over {plural(len(titles), 'pair of model and dataset', 'pairs of model and dataset')}, {runs} each."
    )
    return tuple(said)


def _verb(name: str, count: int) -> str:
    return {"holds": "hold" if count != 1 else "holds", "does not hold": "do not" if count != 1 else "does not"}.get(
        name, "are undecided" if count != 1 else "is undecided"
    )


def _told(found: Sequence[Claim]) -> str:
    return "; ".join(f"{claim.short} ({', '.join(_short(claim))})" for claim in found)


def _short(claim: Claim) -> list[str]:
    """The effects of a claim; of more than two the one that stands most against it."""
    effects = list(claim.effects)
    if len(effects) > 2:
        effects = [min(effects, key=lambda effect: effect.pooled.value)]
    named = len(claim.effects) > 1
    return [f"{effect.name} {effect.text()}" if named else effect.text() for effect in effects]


def _disagreeing(found: Sequence[Claim]) -> str:
    """Claims on which one dataset alone would say something else than another, with each dataset's effect."""
    told = []
    for claim in found:
        for effect in claim.effects:
            verdicts = {verdict([interval], claim.bar) for interval in effect.datasets.values()}
            if len(verdicts) > 1:
                told.append(f"{claim.short} ({effect.name}: {effect.apart})")
    return "; ".join(told)


def _control(found: Mapping[str, Claim]) -> list[str]:
    """Whether a random subset explains what UFO shows."""
    said = []
    matches, random = found.get("matches_full"), found.get("beats_random")
    if matches is not None and matches.beside:
        control = matches.beside[0]
        text = f"A random subset of the same size ended at {control.text()} against full data"
        if matches.verdict == "holds" and control.pooled.clear_of(matches.bar) > 0 and random is not None:
            text += (
                ", so it matches as well, and UFO adds to it"
                if random.verdict == "holds"
                else ", so a match with full data says nothing for the score"
            )
        said.append(f"{text}.")
    time = found.get("time_epochs")
    if time is not None and time.beside:
        said.append(
            f"At equal epochs UFO took {time.effects[0].text()} less time, a random subset {time.beside[0].text()}."
        )
    return said
