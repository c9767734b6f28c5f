"""UFO-RL (arXiv 2505.12457): its tables from our runs, beside the few published numbers that could be read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_table
from analysis.runs import SPEND, Series
from analysis.tables import Table, numbers
from analysis.text import NOTHING, amount, number, points, seconds, spread

STRATEGIES = {
    "full": "full data",
    "random": "random subset",
    "confidence middle": "middle of the confidence (UFO)",
    "confidence high": "highest confidence",
    "confidence low": "lowest confidence",
    "pass_rate middle": "middle of the pass rate",
    "pass_rate high": "easiest by pass rate",
    "pass_rate low": "hardest by pass rate",
}
"""Selection strategies of the paper's Table 5, and how they are called here."""

SCORING = ("score", "probe")


def strategy(selection: Mapping[str, Any], replay: object = None) -> str | None:
    """Which strategy of Table 5 a selection is; None for online selection and replay, which the paper has not."""
    if replay:
        return None
    method = selection["method"]
    if method == "uniform":
        return "full"
    if method == "random":
        return "random"
    if method not in ("confidence", "pass_rate"):
        return None
    band = selection.get("band") or {"center": "mean"}
    if "center" in band:
        centre = band["center"]
        if centre in ("mean", "median"):
            return f"{method} middle"
        return f"{method} {'high' if centre > 0.75 else 'low' if centre < 0.25 else 'middle'}"
    if band["low"] <= 0 and band["high"] < 1:
        return f"{method} low"
    if band["high"] >= 1 and band["low"] > 0:
        return f"{method} high"
    return f"{method} middle"


def table_5(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Accuracy by selection strategy, arms matched on steps."""
    header = ["model, data", "strategy", "arm", "accuracy, %", "vs full data, points", "questions"]
    rows, data = [], []
    missing: set[str] = set(STRATEGIES)
    for measures in panels:
        title = measures.panel.title
        rows.append([title, "start policy", NOTHING, spread(measures.start.sampled, 100), NOTHING, NOTHING])
        data.append({"model_data": title, "strategy": "start", **numbers("accuracy", measures.start.sampled)})
        for name in STRATEGIES:
            for series in measures.panel.series:
                if strategy(series.selection, series.replay) != name:
                    continue
                missing.discard(name)
                final, kept = measures.final(series.label), _kept(series)
                full = measures.panel.baseline_of(series)
                fair = full is not None and strategy(full.selection, full.replay) == "full"
                difference = final.difference if fair else None
                cells = [spread(final.accuracy, 100), points(difference) if difference else NOTHING]
                rows.append([title, STRATEGIES[name], f"`{series.label}`", *cells, f"{kept:,}" if kept else NOTHING])
                data.append({"model_data": title, "strategy": name, "arm": series.label, "questions": kept})
                data[-1] |= {**numbers("accuracy", final.accuracy), **numbers("difference", difference)}
    ours = len(rows)
    for row in published_table("ufo_rl", "table_5").itertuples():
        place = f"{row.model}, {row.dataset} (published)"
        rows.append([place, str(row.arm), NOTHING, number(float(row.value), 2), NOTHING, NOTHING])
        data.append({"model_data": place, "strategy": str(row.arm), "accuracy": float(row.value) / 100})
    unused = (
        f" Not run here: {', '.join(STRATEGIES[name] for name in STRATEGIES if name in missing)}." if missing else ""
    )
    caption = (
        "Ours: all arms make the same number of steps, and of updates, on their questions; mean and 95 % t-interval "
        "over seeds. The paper trains each arm for the same number of epochs, which gives a subset of a tenth a tenth "
        "of the updates. Its +0.15 points are 2 of 1,319 items (binomial standard error about 0.75): they support "
        f"'matches', not 'beats'.{unused}"
    )
    title, emphasis = "UFO-RL, Table 5: accuracy by selection strategy", frozenset(range(ours))
    return [Table("ufo_rl.table_5", title, header, rows, pd.DataFrame(data), caption, 3, emphasis)]


def table_4(panels: Sequence[Measures]) -> list[Table | Picture]:
    """What it costs to find out which questions to train on."""
    header = [
        "model, data",
        "arm",
        "how",
        "scored tokens",
        "generated tokens",
        "FLOPs",
        "seconds",
        "of training time, %",
    ]
    rows, data = [], []
    for measures in panels:
        for series in measures.panel.series:
            spent = {
                q: _scoring(measures, series, q) for q in ("scored_tokens", "generated_tokens", "flops", "seconds")
            }
            if not any(spent.values()):
                continue
            total = sum(measures.cost(series.label, phase, "seconds") for phase in SPEND)
            share = spent["seconds"] / total if total else math.nan
            rows.append([measures.panel.title, f"`{series.label}`", _how(series.selection)])
            rows[-1] += [*(amount(spent[q]) for q in list(spent)[:3]), seconds(spent["seconds"]), number(100 * share)]
            data.append({"model_data": measures.panel.title, "arm": series.label, **spent, "share_of_seconds": share})
    ours = len(rows)
    for row in published_table("ufo_rl", "table_4").itertuples():
        if row.metric == "scoring_seconds":
            place = f"{row.model}, {row.dataset} (published)"
            rows.append([place, NOTHING, str(row.arm), NOTHING, NOTHING, NOTHING, seconds(float(row.value)), NOTHING])
            data.append({"model_data": place, "arm": str(row.arm), "seconds": float(row.value)})
    caption = (
        "Mean per run. A single pass scores the whole pool once before training; references of an online predictor are "
        "rolled out all through training. Ratios between sampling and a single pass grow with the number of samples "
        "and the length of a response, and hang on the engine: the published 39-fold is not a constant."
    )
    title, emphasis = "UFO-RL, Table 4: cost of knowing what to train on", frozenset(range(ours))
    return [Table("ufo_rl.table_4", title, header, rows, pd.DataFrame(data), caption, 3, emphasis)]


def table_6(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Training time of a subset against the full pool, with and without scoring."""
    header = ["model, data", "arm", "steps", "training, s", "with scoring, s", "full ÷ subset", "with scoring"]
    header += ["completion tokens at the end"]
    rows, data = [], []
    for measures in panels:
        for series in measures.panel.series:
            if strategy(series.selection, series.replay) is None:
                continue
            reference = measures.panel.baseline_of(series)
            scoring, whole = _scoring(measures, series, "seconds"), _seconds(measures, series)
            ratios = (math.nan, math.nan)
            if reference is not None:
                theirs = _seconds(measures, reference)
                ratios = (_ratio(theirs, whole - scoring), _ratio(theirs, whole))
            final = measures.final(series.label)
            rows.append([measures.panel.title, f"`{series.label}`", number(final.step.value, 0)])
            rows[-1] += [seconds(whole - scoring), seconds(whole), *(_times(r) for r in ratios), spread(final.tokens)]
            data.append({"model_data": measures.panel.title, "arm": series.label, "steps": final.step.value})
            data[-1] |= {"training_seconds": whole - scoring, "with_scoring_seconds": whole}
            data[-1] |= {"ratio": ratios[0], "ratio_with_scoring": ratios[1]}
    ours = len(rows)
    table = published_table("ufo_rl", "table_6")
    for (model, dataset), part in table.groupby(["model", "dataset"], sort=False):
        published = dict(zip(part["arm"], part["value"], strict=True))
        place = f"{model}, {dataset} (published)"
        for arm, value in published.items():
            ratio = published["full data"] / value
            shown = NOTHING if arm == "full data" else _times(ratio)
            rows.append([place, str(arm), NOTHING, seconds(value), NOTHING, shown, NOTHING, NOTHING])
            data.append({"model_data": place, "arm": str(arm), "training_seconds": value, "ratio": ratio})
    caption = (
        "Ours at equal steps, where a subset saves nothing by being small: the published ratios come from equal "
        "epochs, at which any random tenth saves about tenfold. Compare a subset with a random one of its size, and "
        "read a ratio beyond the subset's share against the completion length."
    )
    title, emphasis = "UFO-RL, Table 6: training time of a subset", frozenset(range(ours))
    return [Table("ufo_rl.table_6", title, header, rows, pd.DataFrame(data), caption, 2, emphasis)]


def _kept(series: Series) -> int:
    """Questions that the arm trains on, 0 where the store does not say."""
    return len(series.runs[0].json("selection.json").get("kept") or ())


def _how(selection: Mapping[str, Any]) -> str:
    method = selection["method"]
    if method == "confidence":
        return f"single pass, {selection.get('target', 'final_answer').replace('_', ' ')}"
    if method == "pass_rate":
        return f"{selection.get('samples')} samples per question"
    if method == "difficulty":
        return f"{selection['references']} references every {selection['every']} steps"
    return str(method)


def _scoring(measures: Measures, series: Series, quantity: str) -> float:
    return sum(measures.cost(series.label, phase, quantity) for phase in SCORING)


def _seconds(measures: Measures, series: Series) -> float:
    return sum(measures.cost(series.label, phase, "seconds") for phase in SPEND)


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan


def _times(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{number(value, 2)}×"
