"""Ablations of DOTS + RR: a table per swept field, one figure of all of them, and the single alternatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from repro.analysis.comparable import NOT_COMPARABLE, Unfit, said, unfit
from repro.analysis.dots_rr.ablation_grid import SHAPES, Point, ablation_grid
from repro.analysis.dots_rr.area import HOW, areas, common_end
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, HEADLINE, STEPS, SYMBOLS, Arm, Arms, find
from repro.analysis.dots_rr.effects import metric_of
from repro.analysis.effects import effective, exponential, finals, log_ratios
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval, share_interval, t_interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, amount, points, spread
from repro.tracking.series import GENERATED_TOKENS

SWEPT = {
    "selection.target": ("alpha", "target of the difficulty"),
    "selection.temperature": ("tau", "temperature of the selection"),
    "selection.every": ("mu", "steps between refreshes"),
    "selection.references": ("k", "references per refresh"),
    "replay.fresh": ("delta", "share that is rolled out anew"),
    "replay.capacity": ("capacity", "groups in the buffer"),
}
"""Swept field -> (end of the artefact's name, what it is)."""

COLUMNS = {
    "accuracy": ("final accuracy, %", "vs headline, points"),
    "by_steps": ("mean accuracy by steps, %", "vs headline, points"),
    "by_tokens": ("mean accuracy by tokens, %", "vs headline, points"),
    "effective": ("groups with a gradient, %", "vs headline, points"),
    "completions": ("completions", "÷ headline's"),
}
"""What is measured of every arm -> its header, and that of the comparison."""

UP_TO = "up to tokens"
"""Header of the tokens to which accuracy is averaged, behind those of the mean."""

ASIDE = ("headline arm", "final accuracy vs GRPO, points")
"""Headers that a paper does without."""

NOTE = (
    "Mean accuracy: up to where the shortest of the runs compared ends; tokens include those of selection. Differences "
    "are paired by seed with the headline arm, the one in the usual setting. Brackets: 95 % t-intervals over seeds."
)
"""What a paper says below these tables."""

CAPTION = (
    f"{HOW} Groups with a gradient: of those rolled out anew, mean over training. Completions: of a whole run, those "
    "of probes and of selection among them. Means with 95 % t-intervals over seeds; differences, and the ratio of "
    "completions as a geometric mean, are paired by seed with the headline arm."
)


@dataclass(frozen=True)
class Row:
    """One arm on one model and dataset, compared with `against`; None for what others are compared with."""

    measures: Measures
    series: Series
    against: Series | None
    together: Sequence[Series]  # areas reach to where the shortest run of these ends
    words: tuple[str, ...]  # model and data first

    def values(self, series: Series) -> dict[str, Mapping[int, float]]:
        """{name in `COLUMNS`: {seed: number}} of a series, areas up to the end of this row."""
        measures = self.measures
        out: dict[str, Mapping[int, float]] = {"accuracy": finals(measures, series)}
        for axis in ("steps", "tokens"):
            metric = metric_of(axis, series)
            out[f"by_{axis}"] = areas(measures, series, metric, common_end(measures, self.together, metric))
        out["effective"] = effective(measures, series)
        out["completions"] = {run.place.seed: run.cost("completions") for run in series.runs}
        return out

    @property
    def unfit(self) -> Unfit | None:
        """Why the arm and the other cannot be compared at equal tokens, where they cannot."""
        found = unfit(self.together, GENERATED_TOKENS)
        return next((found[one.label] for one in (self.series, self.against) if one and one.label in found), None)

    def measured(self) -> tuple[dict[str, Interval], dict[str, Interval]]:
        """(own, compared) by the names of `COLUMNS`; nothing is compared where there is no other arm."""
        own = self.values(self.series)
        means = {name: share_interval(list(values.values())) for name, values in own.items() if name != "completions"}
        means["completions"] = t_interval(list(own["completions"].values()))
        compared: dict[str, Interval] = {}
        if self.against is not None:
            other = self.values(self.against)
            for name, values in own.items():
                if name == "by_tokens" and self.unfit:
                    continue
                if name == "completions":
                    compared[name] = exponential(t_interval(log_ratios(values, other[name])))
                else:
                    compared[name] = t_interval([values[s] - other[name][s] for s in values if s in other[name]])
        return means, compared


def ablations(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Every sweep of which some panel has two values or more; then the alternatives that are none of a sweep."""
    arms = Arms(panels)
    sweeps = {path: _sweep(panels, arms, path) for path in SWEPT}
    made: list[Table | Picture | None] = [ablation_grid(_points(sweeps))]
    made += [_sweep_table(path, *SWEPT[path], found) for path, found in sweeps.items()]
    made.append(_alternatives(panels, arms))
    return [one for one in made if one is not None]


# ---------------------------------------------------------------- sweeps

Sweep = list[tuple[str, float, Row]]
"""(part, value, row) by panel and part, values in order."""


def _sweep(panels: Sequence[Measures], arms: Arms, path: str) -> Sweep:
    found: Sweep = []
    for measures in panels:
        for part in HEADLINE:
            head = find(measures, arms.headline(part))
            others = [(arm, one) for arm in arms.variants(part, path) if (one := find(measures, arm)) is not None]
            if head is None or not others:
                continue
            together = [head, *(series for _, series in others)]
            usual = float(others[0][0].changes[path].headline)
            values: list[tuple[float, Series, Series | None]] = [(usual, head, None)]
            values += [(float(arm.changes[path].own), series, head) for arm, series in others]
            for value, series, against in sorted(values, key=lambda one: one[0]):
                words = (measures.panel.title, part, f"{value:g}", f"`{series.label}`")
                found.append((part, value, Row(measures, series, against, together, words)))
    return found


def _sweep_table(path: str, item: str, what: str, found: Sweep) -> Table | None:
    symbol = SYMBOLS[path]
    title = f"DOTS + RR, ablation: {what} {symbol}"
    caption = f"{CAPTION} The headline arm is in bold."
    bold = frozenset(index for index, (_, _, row) in enumerate(found) if row.against is None)
    extra = [{"part": part, "value": value} for part, value, _ in found]
    rows = [row for _, _, row in found]
    return _table(f"ablation_{item}", title, ("model, data", "part", symbol, "arm"), rows, extra, caption, bold)


def _points(sweeps: Mapping[str, Sweep]) -> list[Point]:
    """Every value of a field but the usual one, as a difference to that."""
    points_of = []
    for path, found in sweeps.items():
        for part, value, row in found:
            if row.against is None:
                continue
            usual = next(v for p, v, one in found if p == part and one.series is row.against)
            _, compared = row.measured()
            differences: dict[str, Interval] = {name: compared[name] for name in SHAPES if name in compared}
            symbol = f"{SWEPT[path][1]} {SYMBOLS[path]}"
            place = row.measures.panel.title
            points_of.append(Point(place, part, symbol, value, usual, differences, row.series.label))
    return points_of


# ---------------------------------------------------------------- alternatives


def _alternatives(panels: Sequence[Measures], arms: Arms) -> Table | None:
    rows: list[Row] = []
    extra: list[dict[str, Any]] = []
    for measures in panels:
        for series in measures.panel.series:
            arm = arms.of(series.label)
            head = find(measures, arms.headline(_compared_with(arm)))
            if _shown_elsewhere(arm) or head is None:
                continue
            plain = find(measures, arms.reference(arm.label))
            difference = _against_grpo(measures, series, plain)
            gained = points(difference) if difference is not None else NOTHING
            words = (measures.panel.title, arm.name, f"`{series.label}`", f"`{head.label}`", gained)
            rows.append(Row(measures, series, head, (series, head), words))
            extra.append({"what": arm.name, "headline": head.label, **numbers("accuracy_vs_grpo", difference)})
    header = ("model, data", "what it is", "arm", "headline arm", "final accuracy vs GRPO, points")
    caption = (
        f"{CAPTION} Arms named by what sets them apart; other methods of selection are compared with DOTS. GRPO trains "
        "as the arm does where such an arm ran (e.g. with advantages divided by the group's deviation). The paper has "
        "the curriculum alone of these."
    )
    return _table("alternatives", "DOTS + RR: single alternatives", header, rows, extra, caption, frozenset(), 4)


def _compared_with(arm: Arm) -> str:
    """The part whose headline arm an alternative stands beside."""
    if arm.role in HEADLINE:
        return arm.role
    return DOTS_RR if any(path.startswith("replay.") for path in arm.fields) else DOTS


def _shown_elsewhere(arm: Arm) -> bool:
    """Whether another table shows the arm, as those of headline arms, of sweeps and of longer runs do."""
    return (arm.role in HEADLINE and not arm.changes) or STEPS in arm.changes or any(map(arm.differs_in, SWEPT))


def _against_grpo(measures: Measures, series: Series, plain: Series | None) -> Interval | None:
    if plain is None:
        return None
    ours, theirs = finals(measures, series), finals(measures, plain)
    return t_interval([ours[seed] - theirs[seed] for seed in ours if seed in theirs])


# ---------------------------------------------------------------- one row per arm


def _table(
    item: str,
    title: str,
    words: Sequence[str],
    rows: Sequence[Row],
    extra: Sequence[Mapping[str, Any]],
    caption: str,
    emphasis: frozenset[int],
    left: int | None = None,
) -> Table | None:
    """A table of what `COLUMNS` names, behind the words of each row; None without rows."""
    if not rows:
        return None
    places = list(dict.fromkeys(row.words[0] for row in rows))
    skipped = int(len(places) == 1)  # a column that says the same in every row
    caption = f"{places[0]}. {caption}" if skipped else caption
    cells: list[list[str]] = []
    data: list[dict[str, Any]] = []
    apart: list[Unfit] = []
    for row, more in zip(rows, extra, strict=True):
        own, compared = row.measured()
        cells.append(list(row.words[skipped:]))
        data.append({"model_data": row.measures.panel.title, "arm": row.series.label, **more})
        why = row.unfit if row.against is not None else None
        if why is not None:
            apart.append(why)
            data[-1]["not_comparable"] = why.reason
        for name in COLUMNS:
            show = _SHOWN.get(name, (_share, points))
            missing = NOT_COMPARABLE if why is not None and name == "by_tokens" else NOTHING
            cells[-1] += [show[0](own[name]), show[1](compared[name]) if name in compared else missing]
            if name == "by_tokens":
                end = common_end(row.measures, row.together, GENERATED_TOKENS)
                cells[-1].append(amount(end))
                data[-1]["tokens_end"] = end
            data[-1] |= numbers(name, own[name]) | numbers(f"{name}_vs_headline", compared.get(name))
        cells[-1].append(str(len(row.series.runs)))
        data[-1]["n"] = len(row.series.runs)
    measured = {name: [*pair, *[UP_TO] * (name == "by_tokens")] for name, pair in COLUMNS.items()}
    header = [*words[skipped:], *(one for several in measured.values() for one in several), "n"]
    first = [name for name in words[skipped:] if name not in ASIDE]
    return Table(
        f"dots_rr.{item}",
        title,
        header,
        cells,
        pd.DataFrame(data),
        caption + said(apart),
        (left or len(words)) - skipped,
        emphasis,
        paper=(*first, *COLUMNS["accuracy"], *COLUMNS["by_tokens"]),
        about=places[0] if skipped else "",
        note=NOTE + said(apart),
    )


def _share(interval: Interval) -> str:
    return spread(interval, 100)


def _completions(interval: Interval) -> str:
    """`7.68 k`, with its interval where seeds differ."""
    if not interval.known or np.isclose(interval.low, interval.high):
        return amount(interval.value)
    return f"{amount(interval.value)} [{amount(interval.low)}, {amount(interval.high)}]"


def _times(interval: Interval) -> str:
    return spread(interval, digits=2)


_SHOWN: dict[str, tuple[Callable[[Interval], str], Callable[[Interval], str]]] = {"completions": (_completions, _times)}
