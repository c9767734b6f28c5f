"""UFO-RL (arXiv 2505.12457): Tables 4 to 6 from our runs, beside the published numbers that are at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from repro.analysis.arms import CLOCKS, CLOCKS_NOTE, SCORING, chosen_questions, find, matched_by, matching
from repro.analysis.comparable import said
from repro.analysis.effects import Effect, difference, finals
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_table
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, amount, brackets, joined, number, seconds, spread
from repro.analysis.ufo_rl.effects import time_ratio
from repro.analysis.ufo_rl.gain_figure import gain_figure
from repro.analysis.ufo_rl.scoring_cost import scoring_cost
from repro.analysis.ufo_rl.strategies import STRATEGIES, counterpart, headline, how, samples, strategy_of
from repro.tracking.series import SPEND

ENGINE = {"sampling": "HF generate", "pass": "HF forward"}
"""What the numbers of Table 4 were measured with."""


def table_5(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Accuracy by selection strategy, for the arms that stop where full data stops and keep as much as UFO."""
    arms = headline(panels)
    published = published_table("ufo_rl", "table_5")
    ours = {"full data": "full", "UFO 10%": "confidence middle"}
    theirs = {ours[str(row.arm)]: row for row in published.itertuples() if str(row.arm) in ours}
    place = joined(list(dict.fromkeys(f"{row.model}, {row.dataset}" for row in published.itertuples())))
    header = ["strategy", "arm", "questions", "vs full data, points", f"published: {place}, %"]
    header += [f"{measures.panel.title}, %" for measures in panels]
    starts = [measures.start.sampled for measures in panels]
    rows = [["start policy", NOTHING, NOTHING, NOTHING, NOTHING, *(spread(start, 100) for start in starts)]]
    data: list[dict[str, object]] = [
        {"model_data": measures.panel.title, "strategy": "start", **numbers("accuracy", start)}
        for measures, start in zip(panels, starts, strict=True)
    ]
    effects: list[Effect] = []
    for name, label in arms.items():
        found = {measures.panel.title: find(measures, label) for measures in panels}
        sizes = sorted({len(chosen_questions(series)) for series in found.values() if series is not None})
        questions = NOTHING if sizes[0] == 0 else " to ".join(f"{n:,}" for n in dict.fromkeys((sizes[0], sizes[-1])))
        pooled = difference(panels, label, arms.get("full"), finals) if name != "full" else None
        effects += [pooled] if pooled else []
        cells = []
        for measures in panels:
            series = found[measures.panel.title]
            if series is None:
                cells.append(NOTHING)
                continue
            accuracy, own = measures.final(label).accuracy, pooled and pooled.panels.get(measures.panel.title)
            cells.append(spread(accuracy, 100))
            record = {
                "model_data": measures.panel.title,
                "strategy": name,
                "arm": label,
                "questions": len(chosen_questions(series)),
            }
            data.append(record | numbers("accuracy", accuracy) | numbers("difference", own))
        row = [STRATEGIES[name], f"`{label}`", questions, NOTHING if pooled is None else pooled.cell]
        rows.append([*row, number(float(theirs[name].value), 2) if name in theirs else NOTHING, *cells])
        if pooled:
            data.append({"model_data": "all", "strategy": name, "arm": label, **numbers("difference", pooled.pooled)})
    for name, one in theirs.items():
        place = f"{one.model}, {one.dataset} (published)"
        data.append({"model_data": place, "strategy": name, "accuracy": float(one.value) / 100})
    unused = [text for name, text in STRATEGIES.items() if name not in arms]
    stop, apart = _stops(panels, arms), said(why for effect in effects for why in effect.unfit.values())
    caption = (
        f"Ours: all arms stop after {stop}; mean and 95 % t-interval over seeds, for the start policy over questions. "
        "The difference is paired by seed and averaged over models and datasets. The paper seems to train each arm "
        "for the same number of epochs, which gives a tenth of the data a tenth of the updates. Its +0.15 points are 2 "
        "of 1,319 items (binomial standard error about 0.75): they support 'matches', not 'beats'."
        + apart
        + (f" Not run here: {', '.join(unused)}." if unused else "")
    )
    emphasis = frozenset(i + 1 for i, name in enumerate(arms) if name == "full")
    title = "UFO-RL, Table 5: accuracy by selection strategy"
    note = (
        f"All arms stop after {stop}; mean and 95 % t-interval over seeds, for the start policy over questions. The "
        "difference is paired by seed and averaged over models and datasets. The paper seems to train each arm for "
        f"the same number of epochs.{apart}"
    )
    paper = [header[0], *header[2:]]
    table = Table("ufo_rl.table_5", title, header, rows, pd.DataFrame(data), caption, 2, emphasis, paper, note=note)
    figure = gain_figure(panels)
    return [table, *([figure] if figure else [])]


def _stops(panels: Sequence[Measures], arms: dict[str, str]) -> str:
    series = (find(measures, label) for label in arms.values() for measures in panels)
    return next((matched_by(one) for one in series if one is not None), "the same number of steps")


def table_4(panels: Sequence[Measures]) -> list[Table | Picture]:
    """What it costs to find out which questions to train on, once per way of finding out."""
    header = ["model, data", "how", "arm", "engine", "K", "seconds", "K samples ÷ this", "of training time, %"]
    header += ["scored tokens", "generated tokens", "FLOPs"]
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    for measures in panels:
        ways: dict[str, list[Series]] = {}
        for series in measures.panel.series:
            if _scoring(measures, series, "seconds") or _scoring(measures, series, "flops"):
                ways.setdefault(how(series), []).append(series)
        sampled = next((found[0] for found in ways.values() if samples(found[0])), None)
        by_samples = _scoring(measures, sampled, sampled.clock) if sampled is not None else math.nan
        for way, found in ways.items():
            series = found[0]
            quantities = ("scored_tokens", "generated_tokens", "flops")
            spent = {q: _scoring(measures, series, q) for q in quantities}
            spent["seconds"], total = _scoring(measures, series, series.clock), _seconds(measures, series)
            share, k = spent["seconds"] / total if total else math.nan, samples(series)
            ratio = math.nan if k else _ratio(by_samples, spent["seconds"])
            engine = " and ".join(
                ENGINE[e] for e, q in (("pass", "scored_tokens"), ("sampling", "generated_tokens")) if spent[q]
            )
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            rows.append([measures.panel.title, way, f"`{series.label}`{more}", engine or NOTHING, str(k or NOTHING)])
            rows[-1] += [seconds(spent["seconds"]), _times(ratio), number(100 * share)]
            rows[-1] += [amount(spent[q]) for q in quantities]
            data.append({"model_data": measures.panel.title, "how": way, "arm": series.label, "engine": engine, "K": k})
            data[-1] |= {**spent, "share_of_seconds": share, "ratio_of_seconds": ratio}
    ours = len(rows)
    table = published_table("ufo_rl", "table_4")
    slowest = table[table["metric"] == "scoring_seconds"]["value"].max()
    for row in table.itertuples():
        timed, value = row.metric == "scoring_seconds", float(row.value)
        place = f"{row.model}, {row.dataset} (published)" if timed else "largest (published)"
        ratio = (math.nan if value == slowest else slowest / value) if timed else value
        told = [seconds(value) if timed else NOTHING, _times(ratio)]
        rows.append([place, str(row.arm), NOTHING, NOTHING, NOTHING, *told, *[NOTHING] * 4])
        data.append({"model_data": place, "arm": str(row.arm), "ratio_of_seconds": ratio})
        data[-1] |= {"seconds": value} if timed else {}
    caption = (
        "Mean per run; arms that share a way of scoring share its measurement, and each is charged in full. A single "
        "pass scores the whole pool once before training; references of an online predictor are rolled out all through "
        "training. The ratio of sampling to a single pass grows with the number of samples K and the length of a "
        "response, and hangs on the engine (ours: Hugging Face Transformers, in one process): the published 39-fold "
        f"and 185-fold are not constants, and nothing at hand states their K and engine. {CLOCKS}"
    )
    title, emphasis = "UFO-RL, Table 4: cost of knowing what to train on", frozenset(range(ours))
    note = (
        "Mean per run. A single pass scores the whole pool once before training; references of an online predictor "
        "are rolled out all through training. The ratio grows with K and the length of a response, and hangs on the "
        f"engine. {CLOCKS_NOTE}"
    )
    paper = [*header[:2], *header[4:8]]
    table = Table("ufo_rl.table_4", title, header, rows, pd.DataFrame(data), caption, 4, emphasis, paper, note=note)
    figure = scoring_cost(panels)
    return [table, *([figure] if figure else [])]


def table_6(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Training time of a subset against the full pool that stops where it stops, with and without scoring."""
    header = ["model, data", "arm", "matched by", "steps", "training, s", "with scoring, s", "full ÷ subset"]
    header += ["with scoring", "tokens per completion"]
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    chosen = set(headline(panels).values())
    for measures in panels:
        for series in measures.panel.series:
            named = strategy_of(series)
            if named is None or (series.label not in chosen and matching(series)[0] == "steps"):
                continue
            reference = counterpart(measures, series, "full")
            scoring, whole = _scoring(measures, series, series.clock), _seconds(measures, series)
            against = reference if reference is not series else None
            bare, scored = (time_ratio(against, series, also) if against else None for also in (False, True))
            steps, length = measures.final(series.label).step, _length(measures, series)
            rows.append([measures.panel.title, f"`{series.label}`", matched_by(series), number(steps.value, 0)])
            rows[-1] += [seconds(whole - scoring), seconds(whole), _saved(bare), _saved(scored), number(length)]
            data.append({"model_data": measures.panel.title, "arm": series.label, "matched_by": matched_by(series)})
            data[-1] |= {"steps": steps.value, "training_seconds": whole - scoring, "with_scoring_seconds": whole}
            data[-1] |= numbers("ratio", bare) | numbers("ratio_with_scoring", scored)
            data[-1]["completion_tokens"] = length
    ours = len(rows)
    for (model, dataset), part in published_table("ufo_rl", "table_6").groupby(["model", "dataset"], sort=False):
        published = dict(zip(part["arm"], part["value"], strict=True))
        place = f"{model}, {dataset} (published)"
        for arm, value in published.items():
            ratio = math.nan if arm == "full data" else published["full data"] / value
            rows.append([place, str(arm), "epochs", NOTHING, seconds(value), NOTHING, _times(ratio), NOTHING, NOTHING])
            data.append({"model_data": place, "arm": str(arm), "training_seconds": value, "ratio": ratio})
    caption = (
        "Mean per run, evaluation and warm start left out; ratios are geometric means over paired seeds with 95 % "
        "t-intervals. Each subset is compared with full data matched by the same: "
        "at equal steps, or equal tokens, a subset saves nothing by being small; at equal epochs any random tenth "
        "saves about tenfold, from which it is inferred that the published rows are matched so. Compare a subset with "
        "a random one of its size, and read a ratio beyond the "
        f"subset's share against the tokens per completion (over all rollouts of training). {CLOCKS}"
    )
    title, emphasis = "UFO-RL, Table 6: training time of a subset", frozenset(range(ours))
    note = (
        "Mean per run, evaluation and warm start left out; ratios are geometric means over paired seeds with 95 % "
        f"t-intervals, against full data that stops at the same thing. {CLOCKS_NOTE}"
    )
    paper = [*header[:3], "training, s", "full ÷ subset", "with scoring"]
    return [Table("ufo_rl.table_6", title, header, rows, pd.DataFrame(data), caption, 3, emphasis, paper, note=note)]


def _scoring(measures: Measures, series: Series, quantity: str) -> float:
    return sum(measures.cost(series.label, phase, quantity) for phase in SCORING)


def _seconds(measures: Measures, series: Series) -> float:
    return sum(measures.cost(series.label, phase, series.clock) for phase in SPEND)


def _length(measures: Measures, series: Series) -> float:
    """Mean tokens of a rolled-out completion over the whole of training."""
    made, count = (measures.cost(series.label, "rollout", quantity) for quantity in ("generated_tokens", "completions"))
    return _ratio(made, count)


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan


def _saved(ratio: Interval | None) -> str:
    """`8.33× [7.10, 9.80]`."""
    return NOTHING if ratio is None or math.isnan(ratio.value) else f"{_times(ratio.value)} {brackets(ratio, digits=2)}"


def _times(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{number(value, 2)}×"
