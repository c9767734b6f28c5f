"""UFO-RL, Table 3: the whole pool in order of a score, beside training on one quantile of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from repro.analysis.arms import chosen_questions, seeds_said
from repro.analysis.comparable import points_or_not, said
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.analysis.selections import CONFIDENCE, PASS_RATE, words
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, spread
from repro.analysis.ufo_rl.arms import (
    HOW,
    HOW_NOTE,
    comparable,
    difference_to_full,
    matched_on,
    quantile_band,
    target_name,
)
from repro.analysis.ufo_rl.bins import WIDEST


def table_3(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Curricula by pass rate and by confidence, beside training on one quantile and on the full pool."""
    header = ["model, data", "training", "arm", "questions", "accuracy, %", "vs full pool, points"]
    header += ["mean over training, by steps, %", "zero-variance groups, %"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    emphasis, used, stages = set(), [], set()
    apart: list[object] = []
    for measures in panels:
        arms = comparable(measures)
        if not any(series.chosen.staged for series in arms):
            continue
        named = [(name, series) for series in arms if (name := _training(series)) is not None]
        for name, series in sorted(named, key=lambda pair: _rank(pair[1])):
            if series.chosen.staged:
                stages.add(int(series.selection.get("stages", 0)))
            if series.chosen.plain:
                emphasis.add(len(rows))
            final, zero = measures.final(series.label), measures.zero(series.label).mean
            difference, count = difference_to_full(measures, series), len(chosen_questions(series))
            rows.append([measures.panel.title, name, f"`{series.label}`", f"{count:,}" if count else NOTHING])
            rows[-1] += [spread(final.accuracy, 100), points_or_not(difference)]
            rows[-1] += [spread(final.mean_over_training, 100), spread(zero, 100)]
            data.append({"model_data": measures.panel.title, "training": name, "arm": series.label, "questions": count})
            data[-1] |= numbers("accuracy", final.accuracy) | numbers("difference", difference)
            data[-1] |= numbers("mean_over_training", final.mean_over_training) | numbers("zero_variance", zero)
            used.append(series)
            apart.append(difference)
    if not rows:
        return []
    caption = (
        f"A curriculum goes through the whole pool in {' or '.join(map(str, sorted(stages)))} stages of equal length, "
        f"ordered once by the start policy's score. Arms matched on {matched_on(used)}; {seeds_said(used)}. "
        f"{HOW}{said(apart)} Mean over training: area under the accuracy curve. Where a curriculum ends "
        "enters its final accuracy as much as its order does: read it beside the mean over training."
    )
    title = "UFO-RL, Table 3: curricula and single quantiles"
    note = (
        "A curriculum goes through the whole pool in stages of equal length, ordered once by the start policy's score. "
        f"Arms matched on {matched_on(used)}; {seeds_said(used)}. {HOW_NOTE}{said(apart)}"
    )
    paper, bold = [*header[:2], *header[4:]], frozenset(emphasis)
    return [Table("ufo_rl.table_3", title, header, rows, pd.DataFrame(data), caption, 3, bold, paper, note=note)]


def _training(series: Series) -> str | None:
    """What a row of Table 3 trains on, None for an arm that does not belong in it."""
    selection, chosen = series.selection, series.chosen
    if chosen.plain:
        return "full pool, shuffled"
    if chosen.subset_without_score:
        return chosen.title
    if chosen.staged and chosen.score is not None:
        by = words(chosen.score)
        if chosen.score == CONFIDENCE and selection.get("target", "final_answer") != "final_answer":
            by += f" ({target_name(series)})"
        return f"{words(selection['order'])} by {by}"
    for score in (CONFIDENCE, PASS_RATE):
        place = quantile_band(series, score, WIDEST)
        if place is not None:
            return f"percentiles {100 * place[0]:g} to {100 * place[1]:g} of the {words(score)}"
    return None


def _rank(series: Series) -> tuple[int, str, tuple[float, float]]:
    """Order of rows: full, random, curricula, quantiles."""
    chosen = series.chosen
    if chosen.plain or chosen.score is None:
        return int(not chosen.plain), "", (float(series.selection.get("fraction") or 0), 0.0)
    if chosen.staged:
        return 2, chosen.score, (0.0, 0.0)
    return 3, chosen.score, quantile_band(series, chosen.score) or (0.0, 0.0)
