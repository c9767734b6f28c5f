"""UFO-RL, Table 1: pass rates of the start policy over the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.statistics import cluster_interval
from analysis.style import NARROW, PALETTE, WIDE, percent_axis, shared_legend
from analysis.tables import Table, numbers
from analysis.text import number, spread
from analysis.ufo_rl.arms import pool_rates
from analysis.ufo_rl.bins import UNPUBLISHED

MOST_LEVELS = 10
"""Up to so many samples every pass rate is a column of its own; beyond, there are ten equal bins."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """The columns that pass rates over K samples fall into."""

    samples: int

    @property
    def count(self) -> int:
        return self.samples + 1 if self.samples <= MOST_LEVELS else MOST_LEVELS

    @property
    def names(self) -> list[str]:
        if self.samples <= MOST_LEVELS:
            return [f"{i / self.samples:.3g}" for i in range(self.count)]
        return [f"{i / self.count:.1f}–{(i + 1) / self.count:.1f}" for i in range(self.count)]

    @property
    def centres(self) -> Array:
        shift = 0.0 if self.samples <= MOST_LEVELS else 0.5
        return np.asarray((np.arange(self.count) + shift) / (self.count - 1 + 2 * shift), float)

    def of(self, rates: Array) -> NDArray[np.int64]:
        """Column of each pass rate; with bins the last one includes 1."""
        if self.samples <= MOST_LEVELS:
            return np.rint(rates * self.samples).astype(np.int64)
        return np.minimum((rates * self.count + 1e-9).astype(np.int64), self.count - 1)


@dataclass(frozen=True)
class Pool:
    """Pass rates of the start policy over (a part of) one panel's pool."""

    title: str
    rates: Mapping[str, float]
    samples: int
    whole: int  # questions of the pool

    @property
    def values(self) -> Array:
        return np.array(list(self.rates.values()), float)

    @property
    def shares(self) -> Array:
        """Share of questions in each of the columns."""
        levels = Levels(self.samples)
        return np.bincount(levels.of(self.values), minlength=levels.count) / len(self.rates)

    @property
    def mixed(self) -> float:
        """Share of questions strictly between never and always solved."""
        return float(np.mean((self.values > 0) & (self.values < 1)))


def pools_of(panels: Sequence[Measures]) -> list[tuple[Measures, Pool]]:
    found = [(measures, Pool(measures.panel.title, *pool_rates(measures))) for measures in panels]
    return [(measures, pool) for measures, pool in found if pool.rates]


# ---------------------------------------------------------------- Table 1


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
        f"between 0 and 1 grows with K: compare it at one K only. {UNPUBLISHED}"
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
            axis.axvline(mean, color=PALETTE[1], linewidth=1.4, linestyle=(0, (5, 1.6)))
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


# ---------------------------------------------------------------- layout


def facets(titles: Sequence[str], narrow: bool, legend: int = 1) -> tuple[Figure, list[Axes]]:
    """One panel per model and dataset on one scale: three beside each other on a page, two in a column.

    `legend` is how many entries the legend above them has: in a column they stand below each other.
    """
    columns = min(len(titles), 2 if narrow else 3)
    rows = -(-len(titles) // columns)
    size = (
        NARROW if narrow else WIDE,
        (2.1 if columns > 1 else 2.3) * rows + 0.25 + 0.17 * (legend if narrow else -(-legend // 3)),
    )
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel().tolist()
    for spare in axes[len(titles) :]:
        spare.set_axis_off()
    for axis, title in zip(axes, titles, strict=False):
        model, _, dataset = title.partition(" on ")
        axis.set_title(f"{model}\non {dataset}" if columns > 1 and narrow and dataset else title, fontsize=8)
    return figure, axes[: len(titles)]


def outer(axis: Axes, xlabel: str, ylabel: str) -> None:
    axis.set_xlabel(xlabel)
    place = axis.get_subplotspec()
    if place is not None and place.is_first_col():
        axis.set_ylabel(ylabel)
