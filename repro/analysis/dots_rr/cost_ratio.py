"""What a rollout costs in updates: the one number by which theory says how much to replay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from repro.analysis.arms import CLOCKS, CLOCKS_NOTE
from repro.analysis.measures import Measures
from repro.analysis.run import Run
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval, t_interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import number, spread
from repro.tracking.series import KEPT_ROWS


def cost_ratio(series: Series) -> Interval:
    """μ, the time of a completion that is rolled out ÷ that of one that is trained on, by the report's clock.

    Geometric mean over seeds with a t-interval; NaN where the ledger or the rows that trained were not recorded.
    """
    logs = [math.log(rollout / trained) for rollout, trained in map(_parts(series), series.runs) if rollout and trained]
    found = t_interval(logs)
    return Interval(math.exp(found.value), math.exp(found.low), math.exp(found.high), found.n)


def _parts(series: Series) -> Any:
    """Of a run: seconds of a completion that it rolled out, and of one that it trained on; 0 where unknown."""

    def parts(run: Run) -> tuple[float, float]:
        made, trained = run.cost("completions", ["rollout"]), float(run.metric(KEPT_ROWS).sum())
        return (
            run.cost(series.clock, ["rollout"]) / made if made else 0.0,
            run.cost(series.clock, ["train"]) / trained if trained else 0.0,
        )

    return parts


def cost_ratios(panels: Sequence[Measures]) -> list[Table]:
    """One row for each arm that replays; [] where there is none, or none that recorded it."""
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for measures in panels:
        for series in measures.panel.series:
            ratio = cost_ratio(series)
            if series.replay is None or math.isnan(ratio.value):
                continue
            parts = [both for both in map(_parts(series), series.runs) if all(both)]
            rollout, trained = (float(np.mean(each)) for each in zip(*parts, strict=True))
            rows.append(
                [measures.panel.title, f"`{series.label}`", number(1000 * rollout, 2), number(1000 * trained, 2)]
            )
            rows[-1] += [spread(ratio, 1, 2), number(float(series.replay["fresh"]), 2), str(ratio.n)]
            data.append({"model_data": measures.panel.title, "arm": series.label, **numbers("cost_ratio", ratio)})
            data[-1] |= {"rollout_seconds": rollout, "update_seconds": trained, "n": ratio.n}
    if not rows:
        return []
    header = ["model, data", "arm", "rollout of a completion, ms", "update by one, ms", "μ", "δ", "n"]
    counted = "those that updates leave out, for want of a gradient, do not count"
    note = (
        f"μ: time of a completion that is rolled out ÷ time of one that is trained on ({counted}). Geometric mean over "
        f"seeds with a 95 % t-interval. {CLOCKS_NOTE}"
    )
    caption = (
        "μ: time of a completion that is rolled out ÷ time of one that is trained on, in the arms that replay; "
        f"{counted}. Both are whole phases: log-probs of replayed rows count as updates. Geometric mean over seeds "
        "with a 95 % t-interval; the two times are means. The dearer a rollout, the more is worth replaying; "
        "it is the one measured number in the theory of replay of arXiv 2604.08706, which reports 5.3 to 6.8 (read at "
        f"second hand). It is not the refresh period μ of DOTS. {CLOCKS}"
    )
    title = "DOTS + RR: what a rollout costs in updates"
    paper = header[:5]
    return [Table("dots_rr.cost_ratio", title, header, rows, pd.DataFrame(data), caption, 2, paper=paper, note=note)]
