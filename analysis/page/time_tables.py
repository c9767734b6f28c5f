"""The tables of time to target: by steps, generated tokens and seconds, and at easier targets."""

from __future__ import annotations

import pandas as pd

from analysis.comparable import NOT_COMPARABLE, Unfit, beside_baseline, said
from analysis.measures import AXES, Measures
from analysis.page.result_tables import compared_with, emphasised
from analysis.tables import Table
from analysis.text import NOTHING, number, ratio, time_bounds


def time_table(measures: Measures, prefix: str = "") -> Table:
    """Time to the main target by steps, generated tokens and seconds, with speedups."""
    header = ["arm", "target, %", "reached"]
    for axis in AXES:
        header += [axis, f"{compared_with(measures)}, by {axis}"]
    rows, data = [], []
    apart: list[Unfit | None] = []
    for series in measures.panel.series:
        times = [measures.time(series.label, axis) for axis in AXES]
        reached = len(series.runs) - times[0].censored
        own = measures.own_target and series in measures.panel.references
        row = [f"`{series.label}`", number(100 * times[0].target)]
        row.append("its own final mean" if own else f"{reached} of {len(series.runs)}")
        record: dict[str, object] = {"arm": series.label, "target": times[0].target, "seeds": len(series.runs)}
        record["reached"] = reached
        for time in times:
            why = beside_baseline(measures.panel, series, AXES[time.axis])
            apart.append(why)
            row += [
                time_bounds(time.median),
                NOT_COMPARABLE if why else ratio(time.speedup) if time.speedup else NOTHING,
            ]
            record |= {f"{time.axis.replace(' ', '_')}_not_comparable": why.reason} if why else {}
            key = time.axis.replace(" ", "_")
            record |= {f"{key}_median_low": time.median.low, f"{key}_median_high": time.median.high}
            if time.speedup and not why:
                record |= {f"{key}_speedup_low_bound": time.speedup.point.low}
                record |= {f"{key}_speedup_high_bound": time.speedup.point.high}
                record |= {f"{key}_speedup_low": time.speedup.low, f"{key}_speedup_high": time.speedup.high}
            for run, value in zip(series.runs, time.times, strict=True):
                record[f"{key}_seed_{run.place.seed}"] = value
        rows.append(row)
        data.append(record)
    caption = (
        "Median over seeds of the first evaluation from which accuracy holds the target twice in a row. Speedup: ratio "
        "of medians, 95 % bootstrap interval over seeds; above 1 the arm needed less. `>` and `<` mark what runs "
        "that never got there leave open: they took longer than their budget. Selection cost is included, evaluation "
        f"is not.{said(apart)}"
    )
    note = (
        "Times fewer: ratio of medians over seeds, with 95 % bootstrap intervals; above 1 the arm needed less. `<` and "
        f"`>`: some runs never held the target. Selection cost is included, evaluation is not.{said(apart)}"
    )
    paper = ("arm", "target, %", "reached", *(name for name in header if name.startswith("vs ")))
    name, title, reference = f"{prefix}time_to_target", "Time to target", emphasised(measures)
    return Table(name, title, header, rows, pd.DataFrame(data), caption, 1, reference, paper, note=note)


def robustness_table(measures: Measures, axis: str = "generated tokens", prefix: str = "") -> Table:
    """Speedup by one axis at easier targets: whether the verdict hangs on where the bar is put."""
    by_share = measures.times_at_shares(axis)
    header, data = ["arm"], []
    cells: dict[str, list[str]] = {s.label: [] for s in measures.panel.series if measures.panel.baseline_of(s)}
    for share, times in by_share.items():
        header.append(f"{100 * share:.0f} % of the gain")
        for time in times:
            if time.series.label in cells:
                why = beside_baseline(measures.panel, time.series, AXES[axis])
                told = ratio(time.speedup) if time.speedup else NOTHING
                cells[time.series.label].append(NOT_COMPARABLE if why else told)
                record: dict[str, object] = {
                    "arm": time.series.label,
                    "share_of_gain": share,
                    "target": time.target,
                    "axis": axis,
                }
                if time.speedup and not why:
                    record |= {"speedup_low_bound": time.speedup.point.low, "speedup_low": time.speedup.low}
                    record |= {"speedup_high_bound": time.speedup.point.high, "speedup_high": time.speedup.high}
                data.append(record)
    rows = [[f"`{label}`", *row] for label, row in cells.items() if len(row) == len(by_share)]
    caption = f"Speedup by {axis} to reach a share of the baseline's gain over the start policy; read as above."
    note = (
        f"Ratio of medians over seeds of the {axis} to reach a share of the baseline's gain over the start policy, "
        "with 95 % bootstrap intervals; above 1 the arm needed less. `<` and `>`: some runs never got there."
    )
    name, title = f"{prefix}speedup_by_target", "Speedup at easier targets"
    return Table(name, title, header, rows, pd.DataFrame(data), caption, note=note)
