"""The three figures of a diagnosis: pass rates, confidence against pass rate, what each method would choose."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from repro.analysis.diagnose.advice import named
from repro.analysis.diagnose.findings import Findings
from repro.analysis.marks import interval_marks
from repro.analysis.pictures import Picture
from repro.analysis.style import COLOURS, GREY, NARROW, REST, WIDE, canvas, percent_axis, shared_legend
from repro.analysis.text import number, percent, spread
from repro.diagnose.choice import METHODS
from repro.diagnose.signal import silent

SIGNAL, SILENT, KEPT = "#009E73", "#BFC4CB", "#0072B2"
WAYS = {
    "uniform": "uniform",
    "random": "random",
    "ufo": "confidence",
    "dots": "difficulty",
    "oracle": "pass_rate",
}
"""Method -> the way of choosing whose colour it has in all reports; the others are grey."""


def pictures(found: Findings) -> tuple[Picture, Picture, Picture]:
    """All of them, in the order of the page."""
    return pass_rates(found), confidence(found), chosen(found)


def pass_rates(found: Findings) -> Picture:
    """How many questions have which measured pass rate, and which of their groups would have no signal."""
    drawn, train = found.measured.drawn, found.measured.design.train
    group = min(train.group_size, found.samples)
    quiet = silent(drawn.rewards, group, train.min_spread)  # (n,)
    bins = min(found.samples, 16)
    place = np.minimum((drawn.rates * bins + 0.5).astype(int), bins)  # 0 .. bins: centred on i / bins
    count = np.bincount(place, minlength=bins + 1)
    without = np.bincount(place, weights=quiet, minlength=bins + 1)
    at = np.arange(bins + 1) / bins
    whole = len(drawn)

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=2.6)
        width = 0.84 / bins
        axis.bar(at, without / whole, width, color=SILENT, edgecolor="white", linewidth=0.5, hatch="////")
        axis.bar(at, (count - without) / whole, width, bottom=without / whole, color=SIGNAL, linewidth=0)
        axis.axvline(float(drawn.rates.mean()), color=GREY, linewidth=1, linestyle=(0, (1, 2)))
        axis.set(xlabel=f"pass rate of a question, {found.samples} samples", ylabel="questions, %")
        axis.set_ylim(0, 1.08 * count.max() / whole)
        percent_axis(axis.yaxis)
        patches: list[Artist] = [Patch(facecolor=SIGNAL), Patch(facecolor=SILENT, hatch="////", edgecolor="white")]
        patches.append(Line2D([], [], color=GREY, linewidth=1, linestyle=(0, (1, 2))))
        shared_legend(figure, patches, ["groups with a signal", "without", "mean pass rate"], narrow)
        return figure

    share = found.silent[train.group_size]
    return Picture(
        "pass_rates",
        "Pass rates, and how many groups would have no signal",
        f"{whole:,} questions drawn uniformly. The hatched part of a bar: groups of {group} completions that would all "
        f"have the same reward. Over all questions that is {percent(share)} of groups of {train.group_size}.",
        f"Bars of questions by pass rate; {percent(share)} of groups of {train.group_size} have no signal.",
        pd.DataFrame({"pass_rate": at, "questions": count, "without_signal": without}),
        draw,
    )


def confidence(found: Findings) -> Picture:
    """Every drawn question by s and pass rate, with the questions that the band keeps."""
    made, track = found.measured, found.tracking
    place = made.place(made.drawn.indices)
    s, kept = made.scored.s[place], made.kept[place]
    rates = made.drawn.rates
    shake = np.random.default_rng(0).uniform(-0.35, 0.35, len(rates)) / found.samples
    low, high = float(made.scored.s[made.kept].min()), float(made.scored.s[made.kept].max())

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=2.9)
        axis.axvspan(low, high, color=KEPT, alpha=0.13, linewidth=0)
        axis.scatter(s[~kept], (rates + shake)[~kept], s=7, color=GREY, alpha=0.45, linewidths=0)
        axis.scatter(s[kept], (rates + shake)[kept], s=11, color=KEPT, alpha=0.8, linewidths=0, marker="D")
        means = [one.s for one in track.bins]
        middle = np.array([one.rate.value for one in track.bins])
        bars = [[m - one.rate.low, one.rate.high - m] for m, one in zip(middle, track.bins, strict=True)]
        axis.errorbar(means, middle, np.nan_to_num(np.array(bars).T), color="#D55E00", marker="o", capsize=2)
        axis.set(xlabel="confidence s of one forward pass", ylabel="pass rate, %", ylim=(-0.05, 1.05))
        percent_axis(axis.yaxis)
        marks = [
            Line2D([], [], linestyle="", marker="D", color=KEPT),
            Line2D([], [], linestyle="", marker="o", color=GREY, markersize=3),
            Line2D([], [], color="#D55E00", marker="o"),
        ]
        shared_legend(figure, marks, ["kept by UFO-RL's band", "other questions", "mean of a tenth"], narrow)
        return figure

    return Picture(
        "confidence",
        "Confidence against pass rate, and what UFO-RL's band keeps",
        f"A dot the kept questions. Spearman's rho "
        f"{spread(track.rho, digits=2)}, corrected for the noise of {found.samples} samples "
        f"{spread(track.corrected, digits=2)}; of s with the length of its target {spread(track.length, digits=2)}.",
        f"Pass rate against confidence s; rank correlation {spread(track.rho, digits=2)}; kept: s from "
        f"{number(low, 3)} to {number(high, 3)}.",
        pd.DataFrame(
            {"s": s, "pass_rate": rates, "target_tokens": made.scored.target_tokens[place], "kept": kept.astype(int)}
        ),
        draw,
    )


def chosen(found: Findings) -> Picture:
    """What share of each method's groups has a signal, and what choosing generates."""
    methods = [name for name in METHODS if name in found.choices.shares]
    shares = [found.choices.shares[name] for name in methods]
    spent = [found.costs[name].generated / found.whole.generated for name in methods]
    labels = [named(name, found) for name in methods]

    def draw(narrow: bool) -> Figure:
        height = 0.7 + 0.3 * len(methods)
        figure = Figure(figsize=(NARROW if narrow else WIDE, height * (1.9 if narrow else 1)), layout="constrained")
        axes = figure.subplots(2, 1) if narrow else figure.subplots(1, 2, width_ratios=(1.5, 1))
        colours, places = (
            [COLOURS[WAYS[name]] if name in WAYS else REST for name in methods],
            [-index for index in range(len(methods))],
        )
        interval_marks(axes[0], places, shares, colours)
        axes[1].barh(places, spent, 0.6, color=colours)
        for place, share in zip(places, spent, strict=True):
            axes[1].annotate(f" {number(100 * share)} %" if share else " none", (share, place), va="center")
        axes[0].axvline(shares[0].value, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)))
        axes[0].set(xlim=(0, 1.02), xlabel=f"groups of {found.group_size} with a signal, %")
        axes[1].set(xlim=(0, 1.3 * max(0.01, *spent)), xlabel="tokens to choose, % of rollouts")
        for axis in axes:
            axis.set_ylim(-len(methods) + 0.4, 0.6)
            axis.grid(axis="y", visible=False)
            axis.tick_params(axis="y", length=0)
            percent_axis(axis.xaxis)
        axes[0].set_yticks(places, labels)
        axes[1].set_yticks(places, labels if narrow else [""] * len(methods))
        return figure

    said = ", ".join(f"{label} {percent(share)}" for label, share in zip(labels, shares, strict=True))
    return Picture(
        "chosen",
        "What each method would train on at the start, and what choosing costs",
        f"Bars are 95 % intervals over questions. Where a method goes by samples, {found.choices.choosing} of a "
        f"question's samples choose it and {found.choices.judging} others judge it. Right: completion tokens that "
        f"choosing generates, as a share of the rollouts of {found.measured.design.train.steps} steps.",
        f"Share of groups with a signal: {said}.",
        pd.DataFrame(
            {
                "method": methods,
                "informative": [one.value for one in shares],
                "informative_low": [one.low for one in shares],
                "informative_high": [one.high for one in shares],
                "generated_to_choose": [found.costs[name].generated for name in methods],
                "prefill_to_choose": [found.costs[name].prefill for name in methods],
            }
        ),
        draw,
    )
