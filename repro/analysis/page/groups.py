"""What came of the rolled-out groups over training: with a gradient, too hard or too easy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from repro.analysis.axes import STEP
from repro.analysis.lettering import fitted
from repro.analysis.measures import Measures
from repro.analysis.page.lit import faint_lines, handles, lit, of_all, panel_looks, shown
from repro.analysis.pictures import Picture
from repro.analysis.rewards import all_by_accuracy
from repro.analysis.runs import Series
from repro.analysis.style import NARROW, REST, WIDE, WINDOW, canvas, cut, percent_axis, shared_legend, thousands, titled
from repro.analysis.text import joined, number
from repro.files import parse_json
from repro.tracking.series import ZERO_VARIANCE
from repro.words import plural

BINS = 10
"""Columns of a picture over training."""

FAINT = 2
"""With more arms than this no single seeds are drawn step by step."""

LOOKS = (("#8A929E", "////"), ("#D9EAF7", ""), ("#F4F5F7", "...."), ("#C3C9D2", "\\\\\\\\"))
"""Colour and hatch of each outcome of a group: none is the colour of a way of choosing."""

OF_ACCURACY = ("all wrong", "mixed: trains", "too alike", "all right")
OF_REWARDS = ("all 0", "differ: trains", "too alike", "all 1")
"""What came of a group: rewards of 0 and 1 are never too alike without being equal."""

GRADIENT_OF_ACCURACY = "only mixed groups have a gradient"
GRADIENT = "only groups whose rewards differ by more than train.min_spread have a gradient"


@dataclass(frozen=True)
class Fresh:
    """Freshly rolled-out questions of one series, one entry per question and step."""

    step: np.ndarray
    seed: np.ndarray
    rate: np.ndarray  # measured mean reward, 0..1
    predicted: np.ndarray  # predicted pass rate, NaN without a predictor
    true: np.ndarray  # true difficulty, NaN where the task does not know it
    trains: np.ndarray  # 1 where the group has a gradient, else 0


def fresh_questions(series: Series) -> Fresh:
    """What `steps.jsonl` says of every question that was rolled out."""
    parts = []
    for run in series.runs:
        with run.reading("steps.jsonl"):
            lines = (run.record.content("steps.jsonl") or b"").split(b"\n")[:-1]
            rows = parse_json(b"[" + b",".join(map(_without_ids, lines)) + b"]")
            if rows:
                parts.append(_fresh(run.place.seed, rows))
    return Fresh(*(np.concatenate(parts, axis=1) if parts else np.empty((6, 0))))


_CHOSEN, _FRESH, _REPLAYED, _PREDICTED = b', "chosen": [', b'], "fresh": [', b'], "replayed": [', b'], "predicted": '


def _without_ids(line: bytes) -> bytes:
    """A row of `steps.jsonl` without the ids of its questions, most of the text, where they are not needed."""
    # A quote in an id is escaped, so that none of these texts can be part of one.
    chosen = line.find(_CHOSEN)
    fresh = line.find(_FRESH, chosen)
    replayed = line.find(_REPLAYED, fresh)
    predicted = line.find(_PREDICTED, replayed)
    if min(chosen, fresh, replayed, predicted) < 0:
        return line
    if not line.startswith(b"null", predicted + len(_PREDICTED)):
        ids = line[chosen + len(_CHOSEN) : fresh]
        each = ids[1:-1].split(b'", "')
        if ids != line[fresh + len(_FRESH) : replayed] or len(set(each)) < len(each):
            return line
    return line[:chosen] + line[predicted + 1 :]


def _fresh(seed: int, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """The fields of `Fresh` for the steps of one run [6, questions of all steps]."""
    sizes = [len(row["pass_rate"]) for row in rows]
    table = np.empty((6, sum(sizes)))
    table[0] = np.repeat([row["step"] for row in rows], sizes)
    table[1] = seed
    table[2] = _joined([row["pass_rate"] for row in rows], sizes)
    table[3] = _joined([_predicted(row) for row in rows], sizes)
    table[4] = _joined([row["steps_true"] for row in rows], sizes)
    trains = _joined([row.get("trains") for row in rows], sizes)
    table[5] = np.where(np.isnan(trains), (table[2] > 0) & (table[2] < 1), trains)
    return table


def _predicted(row: Mapping[str, Any]) -> Sequence[float] | None:
    """Of each fresh question; the ids are there where what is chosen is not what is rolled out anew."""
    if row["predicted"] is None or "chosen" not in row:
        return row["predicted"]
    by_id = dict(zip(row["chosen"], row["predicted"], strict=True))
    return [by_id.get(question, np.nan) for question in row["fresh"]]


def _joined(parts: Sequence[Sequence[float] | None], sizes: Sequence[int]) -> np.ndarray:
    """One after the other, NaN for each number of a missing part. ValueError where a part has another size."""
    filled = [part or [np.nan] * size for part, size in zip(parts, sizes, strict=True)]
    if [len(part) for part in filled] != list(sizes):
        raise ValueError("a step has more or fewer numbers than questions")
    return np.array(list(itertools.chain.from_iterable(filled)), float)


def zero_variance_curves(measures: Measures, prefix: str = "") -> Picture | None:
    """Share of groups without gradient at each step."""
    frames = {s.label: measures.step_metric(s, ZERO_VARIANCE) for s in measures.panel.series}
    if all(frame.empty for frame in frames.values()):
        return None
    styles, bright = panel_looks(measures), lit(measures)

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=2.4)
        for label, frame in frames.items():
            look, smooth = styles[label], frame.mean(axis=1).rolling(WINDOW, center=True, min_periods=1).mean()
            if label not in bright:
                axis.plot(smooth.index, smooth, color=REST, linewidth=0.9, zorder=1)
                continue
            if len(bright) <= FAINT:
                faint_lines(axis, seeds_of(frame), look, 0.6, 0.22)
            axis.plot(smooth.index, smooth, **look.line())
        axis.set_ylim(bottom=0)
        percent_axis(axis.yaxis)
        axis.set_ylabel("zero-variance groups, %")
        axis.set_xlabel(STEP)
        thousands(axis.xaxis, whole=True)
        shared_legend(figure, *handles(measures, bright, len(frames) - len(bright)), narrow)
        return figure

    data = pd.concat([_long(frame, label) for label, frame in frames.items()], ignore_index=True)
    means = ", ".join(f"{s.series.label} {number(100 * s.mean.value)} %" for s in measures.zero_variance)
    return Picture(
        f"{prefix}zero_variance",
        "Groups without gradient over training",
        f"Share of freshly rolled-out groups whose rewards are all equal, mean over seeds and {WINDOW} steps.",
        f"Zero-variance share by step, one line per arm; averages over training: {means}.",
        data,
        draw,
    )


def seeds_of(frame: pd.DataFrame) -> list[np.ndarray]:
    """The lines of a frame [steps x seeds], each [steps, step and value]."""
    steps = frame.index.to_numpy(float)
    return [np.column_stack([steps, values]) for values in frame.to_numpy(float).T]


def _long(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    out = frame.rename_axis(index="step", columns="seed").stack().rename("zero_variance").reset_index()
    out.insert(0, "arm", label)
    return out


def outcomes(measures: Measures, fresh: dict[str, Fresh], prefix: str = "") -> Picture | None:
    """Why groups had no gradient: too hard or too easy, or rewards too alike."""
    rows = []
    binary = all_by_accuracy([measures])
    names = [name for name in (OF_ACCURACY if binary else OF_REWARDS) if not (binary and name == "too alike")]
    looks = [look for look, name in zip(LOOKS, OF_ACCURACY, strict=True) if not (binary and name == "too alike")]
    for label, questions in fresh.items():
        for column, centre in step_columns(questions.step):
            rates, trains = questions.rate[column], questions.trains[column] == 1
            lowest, highest = ~trains & (rates == 0), ~trains & (rates == 1)
            between = [] if binary else [~(trains | lowest | highest)]
            for name, found in zip(names, (lowest, trains, *between, highest), strict=True):
                share = found.mean()
                rows.append({"arm": label, "step": centre, "outcome": name, "share": float(share)})
    if not rows:
        return None
    data = pd.DataFrame(rows)
    labels = [label for label in shown(measures) if label in set(data["arm"])]

    def draw(narrow: bool) -> Figure:
        figure, axes = small_multiples(labels, narrow)
        for index, (axis, label) in enumerate(axes):
            part = data[data["arm"] == label].pivot(index="step", columns="outcome", values="share")
            layers = [part[name] for name in names]
            drawn = axis.stackplot(part.index, *layers, colors=[color for color, _ in looks])
            for area, (_, hatch) in zip(drawn, looks, strict=True):
                area.set(hatch=hatch, edgecolor="#3A3F47", linewidth=0.4)
            axis.set(ylim=(0, 1), xlim=(part.index.min(), max(part.index.max(), part.index.min() + 1e-6)))
            axis.grid(visible=False)
            percent_axis(axis.yaxis)
            outer_labels(axis, index, narrow, "groups, %")
        patches = [Patch(facecolor=c, hatch=h, edgecolor="#3A3F47", linewidth=0.4) for c, h in looks]
        shared_legend(figure, patches, names, narrow)
        return figure

    return Picture(
        f"{prefix}outcomes",
        f"What came of the groups{of_all(measures, len(labels)) if len(labels) < len(fresh) else ''}",
        f"Freshly rolled-out groups by outcome, seeds pooled: {GRADIENT_OF_ACCURACY if binary else GRADIENT}.",
        f"Stacked shares of groups that were {joined(names)} over training, for {plural(len(fresh), 'arm')}.",
        data,
        draw,
    )


# ---------------------------------------------------------------- layout


def step_columns(steps: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """(mask, centre) of at most `BINS` equal spans of steps."""
    if not len(steps):
        return
    first, last = int(steps.min()), int(steps.max())
    count = min(BINS, last - first + 1)
    edges = np.linspace(first - 0.5, last + 0.5, count + 1)
    for low, high in itertools.pairwise(edges):
        inside = (steps > low) & (steps <= high)
        if inside.any():
            yield inside, (low + high) / 2


def small_multiples(names: Sequence[str], narrow: bool) -> tuple[Figure, list[tuple[Axes, str]]]:
    """A titled panel for each name on one scale: two beside each other in a column, up to six on a page."""
    columns = 2 if narrow else len(names) if len(names) <= 4 else _columns(names)
    rows = -(-len(names) // columns)
    size = (NARROW if narrow else WIDE, (1.45 if narrow else 1.75) * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel().tolist()
    for spare in axes[len(names) :]:
        spare.set_axis_off()
    for axis, name in zip(axes, names, strict=False):
        titled(axis, name, columns, narrow)
    return figure, list(zip(axes, names, strict=False))


def _columns(names: Sequence[str]) -> int:
    """Panels beside each other on a page: few places stay empty, and titles that are cut can be told apart."""
    able = [
        n
        for n in ((6,) if len(names) == 6 else (5, 4, 3))
        if len({cut(name, n, False) for name in names}) == len(names)
    ]
    return min(able or [3], key=lambda n: (-len(names) % n, -n))


def outer_labels(axis: Axes, index: int, narrow: bool, ylabel: str, below: bool = True) -> None:
    first = axis.get_subplotspec()
    if first is not None and first.is_first_col():
        axis.set_ylabel(fitted(ylabel, 0.85, 8, lines=2))
    if below:
        axis.set_xlabel(STEP)
        thousands(axis.xaxis, whole=True)
