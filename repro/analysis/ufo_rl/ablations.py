"""Ablations that UFO-RL leaves out: centre, fraction, target, scores without a label, and what arms are matched on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from repro.analysis.arms import CLOCKS, CLOCKS_NOTE, budget, chosen_questions, seeds_said
from repro.analysis.comparable import points_or_not, said
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.analysis.selections import PASS_RATE, words
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, amount, number, score_value, seconds, spread
from repro.analysis.ufo_rl.arms import (
    HOW,
    HOW_NOTE,
    NOT_IN_PAPER,
    Group,
    amount_of,
    centre_name,
    centre_value,
    comparable,
    conditions,
    confidences,
    difference_to_full,
    fraction,
    full_of,
    groups,
    matched_on,
    percent_of,
    rates_of,
    sized,
    target_name,
)
from repro.analysis.ufo_rl.fraction import fraction_picture, fraction_table


def ablations(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Every ablation for which some panel has two arms or more that differ in nothing else."""
    made: list[Table | Picture | None] = [
        _centres(panels),
        fraction_table(panels),
        fraction_picture(panels),
        _targets(panels),
        _label_free(panels),
        _matching(panels),
    ]
    return [one for one in made if one is not None]


# ---------------------------------------------------------------- one row per arm


def _table(
    name: str, title: str, setting: str, found: Sequence[tuple[Measures, Sequence[tuple[str, Series]]]], caption: str
) -> Table | None:
    """A table of (what the arm's setting is, arm) rows; None without any."""
    header = ["model, data", setting, "arm", "fraction, %", "questions", "centre of score", "base pass rate"]
    header += ["accuracy, %", "vs full data, points", "zero-variance groups, %", "n"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    used: list[Series] = []
    apart: list[object] = []
    for measures, arms in found:
        for value, series in arms:
            final, difference = measures.final(series.label), difference_to_full(measures, series)
            kept, rates, centre = len(chosen_questions(series)), rates_of(measures, series), centre_value(series)
            rate, zero = float(rates.mean()) if len(rates) else math.nan, measures.zero(series.label).mean
            rows.append([measures.panel.title, value, f"`{series.label}`", percent_of(fraction(series))])
            rows[-1] += [f"{kept:,}" if kept else NOTHING, score_value(centre), number(rate, 2)]
            rows[-1] += [spread(final.accuracy, 100), points_or_not(difference)]
            rows[-1] += [spread(zero, 100), str(final.accuracy.n)]
            data.append({"model_data": measures.panel.title, "setting": value, "arm": series.label})
            data[-1] |= {"fraction": fraction(series), "questions": kept, "centre": centre, "base_pass_rate": rate}
            data[-1] |= numbers("accuracy", final.accuracy) | numbers("difference", difference)
            data[-1] |= numbers("zero_variance", zero) | {"n": final.accuracy.n}
            used.append(series)
            apart.append(difference)
    if not rows:
        return None
    caption = f"{caption} Arms matched on {matched_on(used)}; {seeds_said(used)}. {HOW}{said(apart)} {NOT_IN_PAPER}"
    note = f"Arms matched on {matched_on(used)}; {seeds_said(used)}. {HOW_NOTE}{said(apart)}"
    paper, name = [*header[:2], "fraction, %", *header[7:10]], f"ufo_rl.ablation_{name}"
    return Table(name, title, header, rows, pd.DataFrame(data), caption, 3, paper=paper, note=note)


def _centres(panels: Sequence[Measures]) -> Table | None:
    found = []
    for measures in panels:
        same = groups(confidences(measures), lambda s: [target_name(s), fraction(s)], centre_name)
        found.append((measures, [(f"{centre_name(s)}, {target_name(s)}", s) for group in same for s in group]))
    return _table(
        "centre",
        "Ablation: where the middle of the confidence is",
        "centre",
        found,
        "Confidence arms of one target and size whose band lies around the mean of s, its median, a fixed value, or "
        "the score at which rollouts of a few questions show the wanted pass rate. `base pass rate` is the mean over "
        "what was kept, by the samples of the start policy.",
    )


def _targets(panels: Sequence[Measures]) -> Table | None:
    found = []
    for measures in panels:
        same = groups(confidences(measures), lambda s: [centre_name(s), fraction(s)], target_name)
        found.append((measures, [(target_name(s), s) for group in same for s in group]))
    return _table(
        "target",
        "Ablation: whose probability the confidence is",
        "target",
        found,
        "Confidence arms of one centre and size. The final answer and the solution need a label; the greedy response "
        "needs none, but has to be decoded first.",
    )


def _label_free(panels: Sequence[Measures]) -> Table | None:
    found = []
    for measures in panels:
        rows: list[tuple[str, Series]] = []
        free = [s for s in comparable(measures) if s.chosen.of_question_alone]
        for size in sorted({fraction(s) for s in free if not math.isnan(fraction(s))}):
            alike = [s for s in free if math.isclose(fraction(s), size)]
            rows += [(words(str(s.chosen.score)), s) for s in alike]
            centres = {centre_name(s) for s in alike}
            beside = [s for s in confidences(measures) if math.isclose(fraction(s), size) and centre_name(s) in centres]
            rows += [(f"confidence in the {target_name(s)}", s) for s in beside]
            rows += [("middle of the pass rate", s) for s in sized(measures, PASS_RATE, size)]
            rows += [("random subset", s) for s in sized(measures, None, size)]
        found.append((measures, rows if len(rows) > 1 else []))
    return _table(
        "label_free",
        "Ablation: single-pass scores that need no answer",
        "score",
        found,
        "Middle of prompt perplexity and of prompt entropy, which see the question alone, beside arms of the same size "
        "that see its answer, rollouts, or nothing.",
    )


# ---------------------------------------------------------------- matching


def matched_groups(measures: Measures) -> dict[str, Group]:
    """{what the arms stop at: arms}: those selections that run under two budgets or more, steps among them."""
    arms = [series for series in measures.panel.series if not series.replay]
    same = groups(arms, lambda s: [s.selection, conditions(s, with_budget=False)], lambda s: sorted(budget(s).items()))
    members = {series.label for group in same for series in group}
    out: dict[str, Group] = {}
    for series in arms:
        if series.label in members:
            out.setdefault(matching(series), []).append(series)
    return dict(sorted(out.items(), key=lambda item: not item[0].startswith("steps")))


def matching(series: Series) -> str:
    """`steps: 30`, `epochs: 1`, `generated tokens: 100 k`."""
    for kind, value in budget(series).items():
        words = {"epochs": "epochs", "tokens": "generated tokens", "seconds": "seconds"}
        return f"{words[kind]}: {amount(float(value))}"
    return f"steps: {(series.cell.get('train') or {}).get('steps', NOTHING)}"


def _matching(panels: Sequence[Measures]) -> Table | None:
    header = ["model, data", "matched on", "arm", "accuracy, %", "vs full data, points", "steps", "generated tokens"]
    header += ["seconds", "full ÷ arm, tokens", "full ÷ arm, seconds", "n"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    emphasis, used = set(), []
    apart: list[object] = []
    for measures in panels:
        for name, arms in matched_groups(measures).items():
            for series in arms:
                final, full = measures.final(series.label), full_of(measures, series)
                difference = difference_to_full(measures, series)
                clocks = {"generated_tokens": "generated_tokens", "seconds": series.clock}
                spent = {q: amount_of(measures, series, name) for q, name in clocks.items()}
                ratios = {
                    q: _ratio(amount_of(measures, full, clocks[q]), spent[q]) if full else math.nan for q in spent
                }
                if full is not None and full.label == series.label:
                    emphasis.add(len(rows))
                    ratios = dict.fromkeys(spent, math.nan)
                rows.append([measures.panel.title, name, f"`{series.label}`", spread(final.accuracy, 100)])
                rows[-1] += [points_or_not(difference), number(final.step.value, 0)]
                rows[-1] += [amount(spent["generated_tokens"]), seconds(spent["seconds"])]
                rows[-1] += [_times(ratio) for ratio in ratios.values()] + [str(final.accuracy.n)]
                data.append({"model_data": measures.panel.title, "matched_on": name, "arm": series.label})
                data[-1] |= numbers("accuracy", final.accuracy) | numbers("difference", difference)
                data[-1] |= {"steps": final.step.value, **spent, "n": final.accuracy.n}
                data[-1] |= {f"{q}_ratio": ratio for q, ratio in ratios.items()}
                used.append(series)
                apart.append(difference)
    if not rows:
        return None
    caption = (
        "The same selections under different matching; each row is compared with full data that stops at the same "
        "thing. At equal epochs a tenth of the data gets a tenth of the updates, so any tenth saves about tenfold: "
        "that part of a ratio is not owed to the choice of questions. Tokens and seconds are means per run, with what "
        f"selection cost and without evaluation; {seeds_said(used)}. Accuracy: mean and 95 % t-interval over seeds. "
        "Difference: for arms whose full data is the study's baseline 95 % interval over seeds and held-out questions, "
        f"otherwise t-interval over paired seeds.{said(apart)} {CLOCKS} {NOT_IN_PAPER}"
    )
    title = "Ablation: matched by steps, epochs and tokens"
    note = (
        "Each row is compared with full data that stops at the same thing; ratios take in what selection cost; "
        f"{seeds_said(used)}. {HOW_NOTE}{said(apart)} {CLOCKS_NOTE}"
    )
    paper = [*header[:5], "full ÷ arm, tokens", "full ÷ arm, seconds"]
    name, records, bold = "ufo_rl.ablation_matching", pd.DataFrame(data), frozenset(emphasis)
    return Table(name, title, header, rows, records, caption, 3, bold, paper, note=note)


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan


def _times(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{number(value, 2)}×"
