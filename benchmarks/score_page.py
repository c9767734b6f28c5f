"""The page of `score.py`: what was measured, in tables, and whether the two targets are met."""

from __future__ import annotations

import statistics
from typing import Any

NAMES = {
    "ours": "this scorer",
    "a": "(a) one item at a time",
    "b": "(b) the release's way of working",
    "c": "(c) bare forward passes of our batches",
    "d": "(d) K-sample pass rate",
}
FASTER, SHARE = 5.0, 0.85  # the targets: times (b), share of the limit (c)


def page(record: dict[str, Any]) -> str:
    """Markdown of a record that `score.py` wrote."""
    settings, policy, environment = record["settings"], record["policy"], record["environment"]
    machine = environment["accelerator"] if policy["device"] == "cuda" else environment["processor"]
    packages = environment["packages"]
    load = f", load average {record['load'][0]:.1f}" if record["load"] else ""
    lines = [
        "# The single-pass scorer: speed, memory, exactness",
        "",
        f"`python benchmarks/score.py`: {settings['dataset']}, target final_answer, policy {policy['label']} "
        f"({policy['parameters']:,} parameters, {settings['dtype']}) on {machine}, torch threads "
        f"{record['threads']['torch']}, tokenizer threads {record['threads']['tokenizer']}, {environment['cpus']} "
        f"processors{load}; torch {packages['torch']}, transformers {packages['transformers']}. "
        f"{settings['repeats']} rounds; every round times all ways, starting with another one. Ratios are geometric "
        "means over rounds with 95 % intervals; those of processor time are free of what else the machine did.",
    ]
    for style, told in record["prompts"].items():
        lines += ["", f"## Prompt: {style}", "", *_speed(told), "", *_targets(told), "", *_exactness(told)]
    return "\n".join(lines) + "\n"


def _speed(told: dict[str, Any]) -> list[str]:
    lines = [
        f"{told['items']:,} questions, {told['tokens']:,} tokens (longest {told['longest']}), "
        f"{told['target_tokens']:,} of them scored. All texts share their first {told['shared_tokens']} tokens; "
        f"{told['computed_tokens']:,} had to be computed; padding {told['padding']:.1%}.",
        "",
        "| way | seconds | questions/s | time / ours, wall | time / ours, processor | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in told["seconds"].items():
        wall = statistics.median(row[0] for row in rows)
        count = told["sampling"]["questions"] if name == "d" else told["items"]
        ratios = [_ratio(told["ratios"][name][clock]) if name != "ours" else "1" for clock in ("wall", "processor")]
        memory = f"{told['memory'][name] / 2**20:,.0f} MiB" if name in told["memory"] else "-"
        lines.append(f"| {NAMES[name]} | {wall:.2f} | {count / wall:,.1f} | {' | '.join(ratios)} | {memory} |")
    lines += [
        "",
        "Seconds are medians. Peak memory is above what a fresh process holds once model and texts are loaded.",
    ]
    if "sampling" in told:
        it = told["sampling"]
        lines.append(
            f"(d) is timed on {it['questions']} questions and its ratio is per question: K = {it['samples']}, "
            f"{it['engine']}, {it['generated_tokens']:,} tokens generated (at most {it['max_new_tokens']} each) after "
            f"{it['prompt_tokens']:,} of prompts."
        )
    apart = told["apart"]
    lines.append(f"Confidences of (a) and (b) differ from ours by {apart['a']:.1e} and {apart['b']:.1e} at most.")
    return lines


def _targets(told: dict[str, Any]) -> list[str]:
    lines = []
    for clock in ("wall", "processor"):
        faster, limit = told["ratios"]["b"][clock], told["ratios"]["c"][clock]
        lines.append(
            f"- {clock} time: {faster[0]:.1f} times as fast as (b), target {FASTER:g}: {_met(faster, FASTER)}; "
            f"{limit[0]:.0%} of the limit (c), target {SHARE:.0%}: {_met(limit, SHARE)}"
        )
    return lines


def _exactness(told: dict[str, Any]) -> list[str]:
    if "exactness" not in told:
        return ["Random weights: nothing to compare with float64."]
    it = told["exactness"]
    otherwise = it["kept_otherwise"]
    lines = [
        f"Against the definition in float64, item by item, over {it['items']:,} questions ({it['tokens']:,} tokens, "
        f"padding {it['padding']:.1%}, {it['shared_tokens']} tokens shared): s has mean {it['mean']:.4f} and standard "
        f"deviation {it['deviation']:.4f}; confidence differs by {it['confidence_error']:.1e} at most, s by "
        f"{it['s_error']:.1e}. Of the {it['kept']} kept, "
        + ("all are the same questions" if not otherwise else f"these are not the same: {', '.join(otherwise)}")
        + f"; at the cut, |s - mean| jumps by {it['gap_at_the_cut']:.1e}."
    ]
    if it["near_ties"]:
        lines += ["", "Questions so near the cut that this error could move them over it:", ""]
        lines += ["| id | distance | kept |", "|---|---|---|"]
        for tie in it["near_ties"]:
            lines.append(f"| {tie['id']} | {tie['distance']:.9f} | {'yes' if tie['kept'] else 'no'} |")
    else:
        lines.append("No question is so near the cut that this error could move it over.")
    return lines


def _ratio(values: list[float]) -> str:
    middle, low, high = values
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def _met(values: list[float], target: float) -> str:
    middle, low, high = values
    if middle < target:
        return "missed" if high < target else "missed, though the interval reaches it"
    return "met" if low >= target else "met, though the interval reaches below"
