"""The page of `gpu.py`: every part in a table with its rounds and intervals, and what failed or was left out."""

from __future__ import annotations

import statistics
from typing import Any

from gpu_parts import SMALL, Scale

from repro.tracking.series import SPEND

Record = dict[str, Any]
ARMS = {"grpo": "GRPO", "dots_rr": "DOTS + RR"}


def _command(record: Record) -> str:
    asked = tuple(record["scale"]["policies"])
    usual = (SMALL if record["small"] else Scale()).policies
    chosen = "" if asked == usual else f" --policies {' '.join(asked)}"
    return f"python benchmarks/gpu.py{' --small' if record['small'] else ''}{chosen} --minutes {record['minutes']:g}"


def page(record: Record) -> str:
    """Markdown of a record that `gpu.py` wrote (parsed from its JSON: unknown bounds are None)."""
    environment, scale, device = record["environment"], record["scale"], record["device"]
    packages = environment["packages"]
    machine = environment["accelerator"] if device["kind"] == "cuda" else environment["processor"]
    memory = f", {device['memory_bytes'] / 2**30:.0f} GiB" if device["memory_bytes"] else ""
    cuda = f", CUDA {device['cuda']}" if device["kind"] == "cuda" else ""
    versions = ", ".join(
        f"{name} {packages[name]}" for name in ("torch", "transformers", "trl", "vllm") if name in packages
    )
    lines = [
        "# Selection and replay on one device",
        "",
        *(["**Small mode: the path was run, the numbers mean nothing.**", ""] if record["small"] else []),
        f"`{_command(record)}` on {machine}{memory}{cuda}; {versions}; Python {environment['python']}, commit "
        f"{environment['commit']}. {record['seconds']:.0f} s.",
        "",
        f"Policies have random weights in {scale['dtype']} and words for tokens: "
        + ", ".join(f"{name} ({it['parameters']:,} parameters)" for name, it in record["policies"].items())
        + f". No token ends a completion, so all have as many tokens as were asked for. Prompts have about "
        f"{scale['prompt_tokens']} tokens. Ways alternate within every round; ratios are geometric means over rounds "
        "with 95 % intervals (Student's t over logarithms), seconds are medians.",
    ]
    lines += _table(
        record,
        ("sampling", "vllm"),
        "(a) One pass against K completions",
        "| policy | engine | rounds | score, questions/s | K | completion tokens | questions/s | K samples / score |",
        _sampling,
    )
    lines += [
        "",
        "Per question: sampling is timed on some of the questions, in one batch. UFO-RL reports up to 185; the ratio "
        "grows with K and with the length of completions, and depends on the engine.",
    ]
    lines += _table(
        record,
        ("forward",),
        "(b) The scorer against the bare forward pass",
        "| policy | rounds | questions | tokens | padding | scorer, tokens/s | scorer / bare pass |",
        _forward,
    )
    lines += _table(
        record,
        ("idle_rows",),
        "(c) A GRPO step with and without groups that have no advantage",
        "| policy | rounds | rows x completion tokens | groups without | step with, s | step without, s "
        "| updates, with / without | step, with / without |",
        _idle_rows,
    )
    lines += _table(
        record,
        ("dots_rr_steps",),
        "(d) Seconds of a step by phase, the buffer filled",
        "| policy | arm | rounds | probe | rollout | train | step | generated tokens | GRPO / DOTS + RR |",
        _steps,
    )
    lines += [
        "",
        f"Rollouts by transformers generate, {scale['questions_per_step']} questions x {scale['group_size']} "
        f"completions x {scale['step_completion']} tokens, 4 updates a step. DOTS + RR: half a batch is replayed, and "
        "half as many references as questions are rolled out at every second step; raw embeddings predict, computed "
        "once before the first step and not in these seconds.",
        "",
        "## (d) To a target accuracy, on the embedded policy and task",
        "",
        *_target(record["parts"]["to_target"]),
    ]
    lines += ["", "## Not measured", "", *_gaps(record["parts"])]
    lines += ["", "## Throughput", "", *_throughput(record["throughput"])]
    return "\n".join(lines) + "\n"


def _table(record: Record, kinds: tuple[str, ...], title: str, header: str, rows: Any) -> list[str]:
    lines = ["", f"## {title}", "", header, "|---" * (header.count("|") - 1) + "|"]
    for name, part in record["parts"].items():
        policy, _, kind = name.rpartition("/")
        if kind in kinds and _measured(part):
            lines += rows(policy, part)
    return lines


def _sampling(policy: str, part: Record) -> list[str]:
    score = part["scored_questions"] / statistics.median(part["seconds"]["score"])
    head = f"| {policy} | {part['engine']} | {part['rounds']} | {score:,.0f}"
    rates = {way: part["sampled_questions"] / statistics.median(walls) for way, walls in part["seconds"].items()}
    return [
        f"{head} | {way[1:]} | {part['completion_tokens_each']} | {rates[way]:,.1f} | {_ratio(values)} |"
        for way, values in part["per_question_over_score"].items()
    ]


def _forward(policy: str, part: Record) -> list[str]:
    rate = part["tokens"] / statistics.median(part["seconds"]["scorer"])
    return [
        f"| {policy} | {part['rounds']} | {part['questions']:,} | {part['tokens']:,} | {part['padding']:.1%} | "
        f"{rate:,.0f} | {_ratio(part['scorer_over_bare'])} |"
    ]


def _idle_rows(policy: str, part: Record) -> list[str]:
    rows = part["questions_per_step"] * part["group_size"]
    seconds = {name: statistics.median(values) / part["steps_a_run"] for name, values in part["step_seconds"].items()}
    return [
        f"| {policy} | {part['rounds']} | {rows} x {part['max_completion_tokens']} | "
        f"{part['groups_without_advantage']:.0%} | {seconds['all']:.2f} | {seconds['left_out']:.2f} | "
        f"{_ratio(part['updates_all_over_left_out'])} | {_ratio(part['step_all_over_left_out'])} |"
    ]


def _steps(policy: str, part: Record) -> list[str]:
    lines = []
    for arm, runs in part["step_seconds_by_phase"].items():
        phases = {phase: statistics.median(run[phase] for run in runs) for phase in SPEND}
        tokens = part["generated_tokens_a_step"][arm]
        ratio = _ratio(part["grpo_over_dots_rr"]) if arm == "dots_rr" else ""
        cells = " | ".join(f"{phases[phase]:.2f}" for phase in SPEND[1:])
        lines.append(
            f"| {policy} | {ARMS[arm]} | {part['rounds']} | {cells} | {sum(phases.values()):.2f} | {tokens:,.0f} | "
            f"{ratio} |"
        )
    return lines


def _speedup(axis: str, it: Record, seeds: int) -> str:
    name = f"- {axis.replace('_', ' ')}, GRPO / DOTS + RR"
    if it["ratio"] is None:
        return f"{name}: not known, a run has not reached the target"
    if seeds < 2:
        return f"{name}: {it['ratio']:.2f} (no interval from one seed)"
    return f"{name}: {it['ratio']:.2f} (95 % {it['low']:.2f} to {it['high']:.2f})"


def _target(part: Record) -> list[str]:
    if not _measured(part):
        return ["Not measured, see below."]
    lines = [
        f"Target {part['target']:.0%}, where the line between evaluations reaches it, on "
        f"{part['evaluated_questions']} held-out "
        f"questions x 2 samples; at most {part['most_steps']} steps; {part['seeds']} seeds. Seconds and generated "
        "tokens are those of selection, rollouts and updates.",
        "",
        "| arm | seed | steps | seconds | generated tokens | accuracy at the end |",
        "|---|---|---|---|---|---|",
    ]
    for arm, found in part["reached"].items():
        for seed, (at, series) in enumerate(zip(found, part["series"][arm], strict=True)):
            spent = at or series[-1]
            more, how = ("", "") if at else ("> ", " (not reached: censored)")
            lines.append(
                f"| {ARMS[arm]} | {seed} | {more}{spent['step']} | {more}{spent['seconds']:.1f} | "
                f"{more}{spent['generated_tokens']:,} | {series[-1]['accuracy']:.1%}{how} |"
            )
    lines.append("")
    return [*lines, *(_speedup(axis, it, part["seeds"]) for axis, it in part["grpo_over_dots_rr"].items())]


def _gaps(parts: Record) -> list[str]:
    lines = [f"- {name}: failed, {part['failed']}" for name, part in parts.items() if "failed" in part]
    lines += [f"- {name}: left out, {part['left_out']}" for name, part in parts.items() if "left_out" in part]
    return lines or ["Nothing: every part ran."]


def _throughput(entries: list[Record]) -> list[str]:
    lines = [
        "For `python -m repro plan --throughput gpu.json`. Real completions are longer, which makes a token dearer.",
        "",
        "| policy | engine | generated tokens/s | trained tokens/s | scored tokens/s |",
        "|---|---|---|---|---|",
    ]
    for it in entries:
        rates = [it[f"{name}_tokens_per_second"] for name in ("generated", "trained", "scored")]
        cells = " | ".join("-" if rate is None else f"{rate:,.0f}" for rate in rates)
        lines.append(f"| {it['policy']} | {it['engine']} | {cells} |")
    return lines


def _measured(part: Record) -> bool:
    return "failed" not in part and "left_out" not in part


def _ratio(values: list[float | None]) -> str:
    middle, low, high = values
    return f"{middle:.3g} (one round)" if low is None else f"{middle:.3g} ({low:.3g} to {high:.3g})"
