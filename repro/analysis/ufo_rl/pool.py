"""UFO-RL, Table 1: pass rates of the start policy over the pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from repro.analysis.facets import facets, outer
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.pool import Levels, Pool, pools_of
from repro.analysis.statistics import cluster_interval
from repro.analysis.style import BASELINE, percent_axis, shared_legend
from repro.analysis.tables import Table, numbers
from repro.analysis.text import number, spread


def table_1(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Distribution of the start policy's multi-sample accuracy: a table per number of samples, and histograms."""
    pools = [pool for _, pool in pools_of(panels)]
    if not pools:
        return []
    every = sorted({pool.samples for pool in pools})
    tables = [_distribution([p for p in pools if p.samples == k], k, len(every) > 1) for k in every]
    return [*tables, _histograms(pools)]


def _distribution(pools: Sequence[Pool], samples: int, several: bool) -> Table:
    levels = Levels(samples)
    header = ["model, data", "questions", *levels.names, "mean pass rate, %", "strictly between 0 and 1"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for pool in pools:
        mean = cluster_interval(pool.values)
        rows.append([pool.title, _counted(pool), *(f"{100 * share:.1f}" for share in pool.shares)])
        rows[-1] += [spread(mean, 100), f"{number(100 * pool.mixed)} %"]
        data.append({"model_data": pool.title, "samples": samples, "questions": len(pool.rates), "pool": pool.whole})
        data[-1] |= {f"share_{name}": share for name, share in zip(levels.names, pool.shares, strict=True)}
        data[-1] |= {**numbers("mean", mean), "mixed": pool.mixed}
    caption = (
        f"Share of the pool in % by the start policy's pass rate over K = {samples} samples per question, at the "
        "temperature of training. The interval of the mean is a 95 % t-interval over questions. The share strictly "
        f"between 0 and 1 grows with K: compare it at one K only."
    )
    name = f"ufo_rl.table_1_k{samples}" if several else "ufo_rl.table_1"
    return Table(name, "UFO-RL, Table 1: multi-sample accuracy of the start policy", header, rows, pd.DataFrame(data),
                 caption, 1)  # fmt: skip


def _counted(pool: Pool) -> str:
    n = len(pool.rates)
    return f"{n:,}" if n == pool.whole else f"{n:,} of {pool.whole:,}"


def _histograms(pools: Sequence[Pool]) -> Picture:
    rows = [
        {"model_data": pool.title, "samples": pool.samples, "pass_rate": centre, "share": share}
        for pool in pools
        for centre, share in zip(Levels(pool.samples).centres, pool.shares, strict=True)
    ]
    top = 1.12 * max(float(pool.shares.max()) for pool in pools)

    def draw(narrow: bool) -> Figure:
        figure, axes = facets([pool.title for pool in pools], narrow)
        for axis, pool in zip(axes, pools, strict=True):
            levels = Levels(pool.samples)
            step = float(levels.centres[1] - levels.centres[0]) if levels.count > 1 else 1.0
            axis.bar(levels.centres, pool.shares, 0.82 * step, color="#C9CED6", edgecolor="#6B7280", linewidth=0.6)
            mean = float(pool.values.mean())
            axis.axvline(mean, color=BASELINE, linewidth=1.4, linestyle=(0, (5, 1.6)))
            axis.set(ylim=(0, top), xlim=(-0.5 * step, 1 + 0.5 * step))
            axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axis.grid(axis="x", visible=False)
            percent_axis(axis.yaxis)
            outer(axis, "pass rate", "questions, %")
        shared_legend(figure, [axes[0].lines[0]], ["mean pass rate"], narrow)
        return figure

    said = "; ".join(f"{p.title}: mean {number(100 * p.values.mean())} %, {number(100 * p.mixed)} % strictly between 0 "
                     "and 1" for p in pools)  # fmt: skip
    return Picture(
        "ufo_rl.table_1_histograms",
        "UFO-RL, Table 1 as histograms: multi-sample accuracy of the start policy",
        f"Share of questions by pass rate over K = {' or '.join(str(k) for k in sorted({p.samples for p in pools}))} "
        "samples of the start policy; the dashed line is the mean.",
        f"Histograms of base pass rates. {said}.",
        pd.DataFrame(rows),
        draw,
    )
