"""What the hours of a plan rest on, and what comes on top of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from repro.canonical import canonical
from repro.models.sizes import size_of
from repro.spec.schema import Cell
from repro.study.estimate import PROMPT_TOKENS, Estimate
from repro.study.throughput import Throughput, Work, nearest


def hours_notes(costs: Sequence[Estimate], unit: str) -> list[str]:
    """The assumptions behind the hours, empty where there are none. `unit`: GPU-hours or job-hours."""
    bases = [cost.basis for cost in costs if cost.basis is not None]
    if not bases:
        return []
    sized = all(cost.evaluation is not None for cost in costs)
    notes = [
        f"{unit} are of one device and of all seeds of a line together, evaluation "
        f"{'included' if sized else 'included where its size is known'}."
    ]
    rates = list(dict.fromkeys(basis.throughput for basis in bases if basis.throughput is not None))
    if len([basis for basis in bases if basis.throughput is None]):
        notes.append("Where a policy has finished runs of its dataset, it is as fast as they were.")
    if rates:
        notes.append(
            f"Throughputs assume that every row is in every update, and prompts of {PROMPT_TOKENS} tokens where no "
            "finished run tells their length."
        )
    notes += [f"Throughput: {rate.note()}" for rate in rates]
    if any(basis.extrapolated for basis in bases):
        notes.append("* extrapolated from the throughput of another size by FLOPs per token, 2 x parameters.")
    sizes = [basis.size for basis in bases if basis.throughput is not None and basis.size is not None]
    named = sorted({size.parameters for size in sizes if size.source == "name"})
    if named:
        notes.append(f"Parameters read from the name of a model: {', '.join(f'{size / 1e9:g}B' for size in named)}.")
    if rates and any(cost.seconds is None and cost.tokens is not None for cost in costs):
        notes.append("? hours: nothing tells how many parameters the policy has; give --tokens-per-second for it.")
    return notes


WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def reference_notes(cells: Sequence[Cell]) -> list[str]:
    """The memory that the reference of the KL term takes; none where no cell has one, or adapters alone are trained:
    without them the policy is its own reference."""
    held: dict[str, str] = {}
    for cell in cells:
        if cell.train.kl > 0 and cell.model.lora is None:
            size = size_of(cell.model)
            held[cell.model.label] = "of a size that nothing tells"
            if size is not None:
                mebibytes = size.parameters * WEIGHT_BYTES[cell.model.dtype] / 2**20
                held[cell.model.label] = f"{mebibytes / 1024:.1f} GiB" if mebibytes > 100 else f"{mebibytes:.1f} MiB"
    if not held:
        return []
    each = ", ".join(f"{label} {amount}" for label, amount in held.items())
    return [f"The KL term keeps the start policy in memory beside the trained one: {each} more in each process."]


def oracle_notes(cells: Sequence[Cell]) -> list[str]:
    """That an oracle's probes take time and count for nothing; none without an oracle."""
    arms = dict.fromkeys(cell.arm for cell in cells if cell.selection.costs(1, 1).unpaid)
    if not arms:
        return []
    return [f"Probes of {', '.join(arms)} are in no tokens and no budget: not paid for, so a bound and no method."]


def refill_notes(cells: Sequence[Cell]) -> list[str]:
    """Which arms may roll out more than a plan tells; none where no arm rolls out until a batch is full."""
    found = {cell.arm: cell.selection.costs(1, cell.train.group_size).refill for cell in cells}
    more = [f"{arm} {times:.3g} times as many" for arm, times in found.items() if times > 1]
    if not more:
        return []
    return [f"Rollouts are the least where an arm rolls out until a batch is full; at most {', '.join(more)} a step."]


class Labels(NamedTuple):
    """What the labels of trained predictors take: completions by `pairs` of policy and dataset, and their seconds."""

    completions: int
    pairs: int
    seconds: float | None


def labels_of(costs: Sequence[tuple[Cell, Estimate]], rates: Sequence[Throughput]) -> Labels:
    """Labels are rolled out once per policy and dataset, beside the cells."""
    found: dict[str, tuple[int, float | None]] = {}  # who rolls out and what -> completions, seconds
    for cell, cost in costs:
        if not cell.selection.wants_predictor or cell.predictor is None:
            continue
        asked = cell.predictor.model_dump(include={"samples", "questions", "temperature", "top_p"})
        for policy in cell.predictor.policies:
            key = canonical([policy.model_dump(mode="json"), cell.dataset.model_dump(mode="json"), asked])
            completions = cell.predictor.questions * cell.predictor.samples
            size = size_of(policy)
            parameters = None if size is None else size.parameters
            rate = nearest(rates, parameters, cell.train.rollout.engine)
            length = cost.mean_tokens if cost.measured else cell.predictor.max_completion_tokens / 2
            work = Work(completions * min(length, cell.predictor.max_completion_tokens))
            found[key] = completions, None if rate is None else rate.seconds(work, parameters)
    known = [seconds for _, seconds in found.values() if seconds is not None]
    total = sum(completions for completions, _ in found.values())
    return Labels(total, len(found), sum(known) if len(known) == len(found) else None)


def label_notes(costs: Sequence[tuple[Cell, Estimate]], rates: Sequence[Throughput], unit: str) -> list[str]:
    """The same in a sentence; none where no arm has a trained predictor."""
    labels = labels_of(costs, rates)
    if not labels.pairs:
        return []
    hours = "" if labels.seconds is None else f", about {short_amount(labels.seconds / 3600)} {unit}"
    return [
        f"Labels of the difficulty predictor: at most {labels.completions:,} completions by {labels.pairs} pairs of "
        f"policy and dataset{hours}, rolled out once for all runs, and not at all where the package or the cache has "
        "that predictor; not in the numbers above."
    ]


def start_notes(costs: Sequence[tuple[Cell, Estimate]], rates: Sequence[Throughput], unit: str) -> list[str]:
    """What supervised starts (`model.warm_start`) train before any cell, in a sentence; none where no policy of a cell
    or of a predictor has one. The embedded policy's own start is left out: the package brings its result."""
    found: dict[str, tuple[int, float | None]] = {}  # policy and dataset -> tokens, seconds
    for cell, cost in costs:
        predicts = cell.selection.wants_predictor and cell.predictor is not None
        labelled = cell.predictor.policies if predicts and cell.predictor is not None else ()
        for policy in (cell.model, *labelled):
            if policy.warm_start is None:
                continue
            key = canonical([policy.model_dump(mode="json"), cell.dataset.model_dump(mode="json")])
            tokens = round(
                policy.warm_start.updates * policy.warm_start.batch_size * (PROMPT_TOKENS + cost.mean_tokens)
            )
            size = size_of(policy)
            parameters = None if size is None else size.parameters
            rate = nearest(rates, parameters, cell.train.rollout.engine)
            known = rate is not None and rate.trained is not None
            found[key] = tokens, rate.seconds(Work(0, tokens), parameters) if rate is not None and known else None
    if not found:
        return []
    seconds = [each for _, each in found.values() if each is not None]
    hours = f", about {short_amount(sum(seconds) / 3600)} {unit}" if len(seconds) == len(found) else ""
    pairs = "1 pair" if len(found) == 1 else f"{len(found)} pairs"
    return [
        f"Supervised starts, trained once for all runs: {pairs} of policy and dataset, about "
        f"{short_count(sum(tokens for tokens, _ in found.values()))} tokens, with prompts of {PROMPT_TOKENS}{hours}; "
        "not in the numbers above."
    ]


def short_count(count: float) -> str:
    """A count with three digits and its unit."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"


def short_amount(hours: float) -> str:
    """A number of hours with two digits, or whole from 100 on."""
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"
