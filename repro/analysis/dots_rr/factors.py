"""DOTS + RR: selection and replay as two factors, mean accuracy over training at equal tokens for each of four arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from repro.analysis.comparable import NOT_COMPARABLE, unfit
from repro.analysis.dots_rr.area import areas, common_end
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, HEADLINE, RR, Arms, find, part_looks
from repro.analysis.facets import facets, outer
from repro.analysis.marks import single_dots
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.analysis.statistics import share_interval
from repro.analysis.style import percent_axis, shared_legend
from repro.analysis.tables import Table, numbers
from repro.analysis.text import between, number
from repro.analysis.unfinished import NOT_RUN
from repro.tracking.series import GENERATED_TOKENS

PLACES = {GRPO: 0.0, RR: 0.42, DOTS: 1.1, DOTS_RR: 1.52}
"""Where the bars stand: by how questions are chosen, without and with replay beside each other."""


def factors(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Bars on every pair that ran at least one arm of each way to choose and one that replays; else nothing."""
    arms, found = Arms(panels), list[tuple[Measures, dict[str, dict[int, float]]]]()
    ends: dict[str, float] = {}  # tokens by title of the panel
    for measures in panels:
        series = {part: one for part in HEADLINE if (one := find(measures, arms.headline(part))) is not None}
        if {DOTS, GRPO} <= set(series) and {RR, DOTS_RR} & set(series):
            ends[measures.panel.title], heights = _heights(measures, series)
            found.append((measures, heights))
    if not found:
        return []
    rows: list[dict[str, Any]] = []
    for measures, heights in found:
        for part, by_seed in heights.items():
            rows.append({"model_data": measures.panel.title, "part": part})
            rows[-1] |= numbers("mean_accuracy", share_interval([*by_seed.values()]))
            rows[-1] |= {f"seed_{seed}": value for seed, value in by_seed.items()}
            rows[-1]["tokens_end"] = ends[measures.panel.title]
    names = [part for part in PLACES if any(part in heights for _, heights in found)]

    def draw(narrow: bool) -> Figure:
        figure, axes = facets([measures.panel.title for measures, _ in found], narrow)
        for axis, (measures, heights) in zip(axes, found, strict=True):
            _bars(axis, heights, {part: _without(measures, arms, part) for part in PLACES})
            outer(axis, "", "mean accuracy, %")
        looks = part_looks([])
        shared_legend(figure, [Patch(facecolor=looks[part].color, alpha=0.75) for part in names], names, narrow)
        return figure

    told = [", ".join(f"{part} {number(100 * share_interval([*by_seed.values()]).value)} %"
                      for part, by_seed in heights.items()) for _, heights in found]  # fmt: skip
    said = "; ".join(f"{measures.panel.title}: {one}" for (measures, _), one in zip(found, told, strict=True))
    return [
        Picture(
            "dots_rr.factors",
            "DOTS + RR, selection and replay as two factors",
            f"Mean accuracy over training up to the tokens that all four arms spent ({between(ends.values())}), with "
            "95 % t-intervals over seeds, which are dots.",
            f"Bars of mean accuracy over training. {said}.",
            pd.DataFrame(rows),
            draw,
        )
    ]


def _heights(measures: Measures, series: dict[str, Series]) -> tuple[float, dict[str, dict[int, float]]]:
    """The common end in tokens, and part -> seed -> mean accuracy up to it, without arms that had hardly trained."""
    out = set(unfit([*series.values()], GENERATED_TOKENS))
    kept = {part: one for part, one in series.items() if one.label not in out}
    end = common_end(measures, [*kept.values()], GENERATED_TOKENS)
    return end, {part: areas(measures, one, GENERATED_TOKENS, end) for part, one in kept.items()}


def _without(measures: Measures, arms: Arms, part: str) -> str:
    """Why a part has no bar: it cannot be compared, or what became of its runs."""
    arm = arms.headline(part)
    if find(measures, arm) is not None:
        return NOT_COMPARABLE
    return "no runs" if arm is None else measures.panel.unfinished.get(arm.label, NOT_RUN)


def _bars(axis: Axes, heights: dict[str, dict[int, float]], without: dict[str, str]) -> None:
    """One panel; `without` says of parts that have no height why."""
    looks = part_looks([])
    for part, by_seed in heights.items():
        x, mean = PLACES[part], share_interval([*by_seed.values()])
        axis.bar(x, mean.value, 0.4, color=looks[part].color, alpha=0.75)
        if mean.known:
            axis.vlines(x, mean.low, mean.high, color="#1B1F24", linewidth=1.1)
        single_dots(axis, [x + 0.11], [[*by_seed.values()]], "#1B1F24", upright=True)
    for part in PLACES:
        if part not in heights:
            axis.annotate(without[part], (PLACES[part], 0), (0, 3), textcoords="offset points", ha="center", fontsize=7,
                          rotation=90)  # fmt: skip
    axis.set_xticks([0.21, 1.31], ["uniform", "DOTS"])
    axis.set_xlim(-0.35, 1.87)
    axis.grid(axis="x", visible=False)
    percent_axis(axis.yaxis)
