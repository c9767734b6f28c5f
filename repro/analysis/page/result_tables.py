"""The tables that every report has: accuracy, start policy, groups, what was kept, cost, all panels together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from repro.analysis.arms import CLOCKS, UNPAID, bounds
from repro.analysis.axes import CLOCK_NAMES
from repro.analysis.comparable import (
    Unfit,
    at_end_beside_baseline,
    points_or_not,
    said,
)
from repro.analysis.main_series import Asked
from repro.analysis.measures import Measures
from repro.analysis.page.pairs_won import WON, pairs_won
from repro.analysis.page.question_mix import LIKE_THE_POOL, POOL_LIKE
from repro.analysis.statistics import rank_correlation
from repro.analysis.style import PHASE_NAMES
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, amount, names, number, points, seconds, spread
from repro.spec.schema import BENCHMARKS_MEAN
from repro.tracking.series import SPEND
from repro.words import plural

QUANTITIES = {
    "completions": "completions",
    "prompt_tokens": "prompt tokens",
    "generated_tokens": "generated tokens",
    "scored_tokens": "scored tokens",
    "trained_tokens": "trained tokens",
    "flops": "FLOPs",
    "seconds": "seconds",
    "cpu_seconds": "CPU seconds",
}
"""Ledger amount -> column header."""

BY_STEPS = "mean over training, by steps, %"


def emphasised(measures: Measures) -> frozenset[int]:
    """Row indices of the series that others are compared with, in the panel's order."""
    references = {series.label for series in measures.panel.references}
    return frozenset(i for i, series in enumerate(measures.panel.series) if series.label in references)


def compared_with(measures: Measures) -> str:
    """Column header of differences."""
    labels = [series.label for series in measures.panel.references]
    return f"vs `{labels[0]}`" if len(labels) == 1 else "vs baseline"


def accuracy_table(measures: Measures, prefix: str = "") -> Table:
    """Final accuracy per arm with every comparison that belongs beside it."""
    start, others = measures.start, sorted({name for final in measures.finals for name in final.other_sets})
    decoded = not all(math.isnan(value) for value in (start.greedy, *(f.greedy.value for f in measures.finals)))
    told = [start.pass_at, *(final.pass_at for final in measures.finals)]
    ks = sorted(set.intersection(*map(set, told)))[-1:]
    header = ["arm", "seeds", "accuracy, %", *(f"pass@{k}, %" for k in ks), *["greedy, %"] * decoded]
    header += ["entropy, nats", "gain over start, points"]
    header += [f"{compared_with(measures)}, points", "pairs won", BY_STEPS]
    header += [f"{_set_name(measures, name)}, %" for name in others]
    first = ["start policy", NOTHING, spread(start.sampled, 100)]
    first += [*(number(100 * start.pass_at[k]) for k in ks), *[number(100 * start.greedy)] * decoded]
    first.append(number(start.entropy, 3))
    rows = [first + [NOTHING] * (len(header) - len(first))]
    data: list[dict[str, object]] = [
        {"arm": "start policy", **numbers("accuracy", start.sampled), "greedy": start.greedy}
    ]
    data[0] |= {"entropy": start.entropy, **_asked(start.asked)}
    data[0] |= {f"pass_at_{k}": value for k, value in start.pass_at.items()}
    apart: list[Unfit | None] = []
    for final in measures.finals:
        row = [f"`{final.series.label}`", str(len(final.per_seed)), spread(final.accuracy, 100)]
        row += [*(spread(final.pass_at[k], 100) for k in ks), *[spread(final.greedy, 100)] * decoded]
        row += [spread(final.entropy, 1, 3), points(final.gain)]
        why = at_end_beside_baseline(measures.panel, final.series)
        apart.append(why)
        row.append(points_or_not(why or final.difference))
        row.append(NOTHING if why else pairs_won([(measures, final)]))
        row.append(spread(final.mean_over_training, 100))
        row += [spread(final.other_sets[name], 100) if name in final.other_sets else NOTHING for name in others]
        rows.append(row)
        record = {"arm": final.series.label, "seeds": len(final.per_seed), **_asked(final.asked)}
        record |= {"step": final.step.value, **numbers("accuracy", final.accuracy)}
        record |= {f"accuracy_seed_{s}": v for s, v in zip(final.series.seeds, final.per_seed, strict=True)}
        for k, found in final.pass_at.items():
            record |= numbers(f"pass_at_{k}", found)
        record |= {**numbers("greedy", final.greedy), **numbers("entropy", final.entropy)}
        record |= {**numbers("tokens", final.tokens), **numbers("gain", final.gain)}
        record |= {**numbers("difference", None if why else final.difference)}
        record |= {**numbers("difference_by_seed", None if why else final.difference_by_seed)}
        record |= {"not_comparable": why.reason} if why else {"probability_of_improvement": final.improvement}
        record |= numbers("mean_over_training", final.mean_over_training)
        for name in others:
            record |= numbers(name, final.other_sets.get(name))
        data.append(record)
    final = measures.finals[0]
    caption = (
        f"Last evaluation; {final.asked.avg} on {final.asked.held_out} "
        f"(`{measures.panel.main}`), sampling temperature {start.asked.temperature}. In brackets: 95 % intervals, over "
        "seeds (t); for the start policy over questions; for gain and difference over seeds and questions together."
    )
    notes = ["pass@k: chance that one of k samples is right."] if ks else []
    notes += [WON, "Mean over training, by steps: the area under the accuracy curve over steps, not at equal cost."]
    notes += [LIKE_THE_POOL] if POOL_LIKE in others else []
    notes += list(filter(None, [said(apart).strip()]))
    note = (
        f"{final.asked.avg} on {final.asked.held_out}, sampling temperature {start.asked.temperature}. Brackets: 95 % "
        "intervals over seeds; for the start policy over questions; for gain and difference over seeds and questions."
        f"{said(apart)}"
    )
    versus = f"{compared_with(measures)}, points"
    paper = ("arm", "accuracy, %", "gain over start, points", versus, BY_STEPS)
    reference, title = frozenset(i + 1 for i in emphasised(measures)), "Final accuracy"
    name, data_of = f"{prefix}accuracy", pd.DataFrame(data)
    return Table(name, title, header, rows, data_of, caption, 1, reference, paper, note=note, notes=notes)


def _asked(asked: Asked) -> dict[str, object]:
    """CSV columns: questions and samples of each."""
    return {"questions": asked.questions, "samples": asked.samples[0] if len(asked.samples) == 1 else asked.avg}


def _set_name(measures: Measures, name: str) -> str:
    """Header of the accuracy on a further set, or on the mean over the benchmarks."""
    return replace(measures.panel.main_series, name=name).title if name == BENCHMARKS_MEAN else f"`{name}`"


def start_table(measures: Measures, prefix: str = "") -> Table:
    """The start policy under every way of decoding that was measured: what sharpening alone would give."""
    start = measures.start
    rows = [[f"sampled, temperature {start.asked.temperature}", spread(start.sampled, 100)]]
    data: list[dict[str, object]] = [{"decoding": "sampled", "temperature": start.asked.temperature}]
    data[0] |= numbers("accuracy", start.sampled)
    for temperature, value in sorted(start.temperatures.items(), reverse=True):
        rows.append([f"sampled, temperature {temperature:g}", number(100 * value)])
        data.append({"decoding": "sampled", "temperature": temperature, "accuracy": value})
    if not math.isnan(start.greedy):
        rows.append(["greedy", number(100 * start.greedy)])
        data.append({"decoding": "greedy", "temperature": 0.0, "accuracy": start.greedy})
    caption = f"{start.asked.avg} on {start.asked.held_out}; 95 % interval over questions."
    if len(rows) > 1:
        caption += " What the lower rows have more than the first comes from sharper decoding, without training."
    header = ["start policy, before any GRPO", "accuracy, %"]
    return Table(f"{prefix}start_policy", "The start policy", header, rows, pd.DataFrame(data), caption)


def groups_table(measures: Measures, prefix: str = "") -> Table:
    """How much of what was rolled out could train."""
    header = [
        "arm",
        "seeds",
        "zero-variance groups, %",
        f"{compared_with(measures)}, points",
        "groups with a gradient, %",
    ]
    rows, data = [], []
    for share in measures.zero_variance:
        useful = 1 - share.mean.value
        row = [f"`{share.series.label}`", str(share.mean.n), spread(share.mean, 100)]
        row += [points(share.difference) if share.difference else NOTHING, number(100 * useful)]
        rows.append(row)
        data.append(
            {"arm": share.series.label, "seeds": share.mean.n, **numbers("zero_variance", share.mean)}
            | numbers("difference", share.difference)
        )
    caption = (
        "Share of freshly rolled-out groups whose rewards are all equal, averaged over training steps; 95 % "
        "t-intervals over seeds, differences paired by seed."
    )
    title, reference, paper = "Groups without gradient", emphasised(measures), (header[0], *header[2:])
    return Table(f"{prefix}zero_variance", title, header, rows, pd.DataFrame(data), caption, 1, reference, paper)


def kept_table(measures: Measures, prefix: str = "") -> Table | None:
    """What offline selections kept, by the start policy's pass rates, and whether their score follows these."""
    pools = (run.json("base.json").get("pool") for series in measures.panel.series for run in series.runs)
    base: dict[str, Any] = next(filter(None, pools), {})
    rates: dict[str, float] = base.get("pass_rates") or {}
    header = ["arm", "kept by a seed", "of the pool, %", "mean pass rate, %", "strictly between 0 and 1, %"]
    header.append("score against pass rate, rho")
    rows, data = [], []
    if not rates:
        return None
    samples, size = int(base["samples"]), int(base.get("questions") or len(rates))
    for name, ids, kept, scores, pool in [("whole pool", list(rates), size, {}, size), *_kept(measures)]:
        known = [rates[q] for q in ids if q in rates]
        mean = float(np.mean(known)) if known else math.nan
        # A single sample is right or wrong: it cannot tell which questions lie between.
        mixed = float(np.mean([0 < rate < 1 for rate in known])) if known and samples > 1 else math.nan
        pairs = [(scores[q], rate) for q, rate in rates.items() if q in scores]
        rho = rank_correlation([score for score, _ in pairs], [rate for _, rate in pairs]) if pairs else None
        row = [name, number(kept, 0), number(100 * kept / pool), number(100 * mean), number(100 * mixed)]
        rows.append([*row, spread(rho, digits=2) if rho else NOTHING])
        record = {"arm": name, "kept": kept, "pool": pool, "mean_pass_rate": mean, "mixed": mixed}
        data.append(record | numbers("rho", rho))
    if len(rows) == 1:
        return None
    caption = (
        f"Pass rates of the start policy, {plural(samples, 'sample')} a question, on {plural(len(rates), 'question')}; "
        "kept sets of all seeds pooled. Rho: Spearman's correlation, over the pool, of the score an arm selects by, "
        "mean over seeds, with the pass rate, 95 % Fisher-z interval over questions. A rho near zero selects as a "
        "random draw would."
    )
    title, paper = "What offline selections kept", (header[0], *header[2:])
    return Table(f"{prefix}kept", title, header, rows, pd.DataFrame(data), caption, 1, frozenset({0}), paper)


def _kept(measures: Measures) -> list[tuple[str, list[str], float, dict[str, float], int]]:
    """(label, kept ids of all seeds, how many a seed keeps, mean score by id, size of the pool) of each arm that keeps
    a part of the pool."""
    found = []
    for series in measures.panel.series:
        records = [run.json("selection.json") for run in series.runs]
        each = [record.get("kept") or [] for record in records]
        pool = max((int(record.get("pool") or 0) for record in records), default=0)
        ids = [question for kept in each for question in kept]
        if ids and max(map(len, each)) < pool:
            scores: dict[str, list[float]] = {}
            for record in records:
                for question, score in (record.get("scores") or {}).items():
                    scores.setdefault(question, []).append(score)
            means = {question: float(np.mean(values)) for question, values in scores.items()}
            found.append((f"`{series.label}`", ids, len(ids) / len(each), means, pool))
    return found


def cost_table(measures: Measures, prefix: str = "") -> Table:
    """What each arm spent, selection included, and how much of it was selection."""
    clock = measures.panel.clock
    header = ["arm", "generated tokens", "of it selection, %", "all tokens", "FLOPs", CLOCK_NAMES[clock]]
    header += [f"selection, {CLOCK_NAMES[clock]}", "redone tokens"]
    rows, data = [], []
    for series in measures.panel.series:
        total = {q: sum(measures.cost(series.label, phase, q) for phase in SPEND) for q in QUANTITIES}
        selecting = {q: sum(measures.cost(series.label, phase, q) for phase in SPEND[:2]) for q in QUANTITIES}
        everything = sum(total[q] for q in QUANTITIES if q.endswith("_tokens"))
        generated = total["generated_tokens"]
        share = 100 * selecting["generated_tokens"] / generated if generated else math.nan
        redone = measures.redone(series)
        row = [f"`{series.label}`", amount(generated), number(share), amount(everything), amount(total["flops"])]
        row += [seconds(total[clock]), seconds(selecting[clock]), amount(redone)]
        rows.append(row)
        record: dict[str, object] = {"arm": series.label, "all_tokens": everything, **total, "redone_tokens": redone}
        data.append(record | {f"selection_{q}": value for q, value in selecting.items()})
    caption = (
        "Mean per run over seeds, to the end of training: scoring, probes, rollouts and updates; evaluation and warm "
        f"start left out. {CLOCKS} The data file has both. Redone: generated again after a kill, summed over seeds, "
        "not part of the other columns."
    )
    if known := bounds(measures.panel.series):
        caption += f" Nor are the probes of {names(known)} counted; {UNPAID}."
    note = "Mean per run over seeds: scoring, probes, rollouts and updates, without evaluation and warm start."
    title, reference = "Cost by arm", emphasised(measures)
    paper = ("arm", "generated tokens", "of it selection, %", "FLOPs", CLOCK_NAMES[clock])
    return Table(f"{prefix}cost", title, header, rows, pd.DataFrame(data), caption, 1, reference, paper, note=note)


def phase_table(measures: Measures, prefix: str = "") -> Table:
    """Every ledger amount by arm and phase."""
    rows, data = [], []
    shown = {
        name: words for name, words in QUANTITIES.items() if name not in CLOCK_NAMES or name == measures.panel.clock
    }
    for series in measures.panel.series:
        for phase in PHASE_NAMES:
            amounts = {q: measures.cost(series.label, phase, q) for q in QUANTITIES}
            if any(amounts.values()):
                cells = [_amount(name, value) for name, value in amounts.items() if name in shown]
                rows.append([f"`{series.label}`", PHASE_NAMES[phase], *cells])
                data.append({"arm": series.label, "phase": phase, **amounts})
    header = ["arm", "phase", *shown.values()]
    caption = f"Mean per run over seeds. {CLOCKS}"
    paper = ("arm", "phase", "generated tokens", "trained tokens", "FLOPs", CLOCK_NAMES[measures.panel.clock])
    return Table(f"{prefix}cost_phases", "Cost by phase", header, rows, pd.DataFrame(data), caption, 2, paper=paper)


def _amount(name: str, value: float) -> str:
    if not value:
        return NOTHING
    return seconds(value) if name.endswith("seconds") else amount(value)
