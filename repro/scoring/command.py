"""`repro score`: single-pass confidences of a dataset in one table, resumable and never half written."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from repro.canonical import digest
from repro.errors import UserError
from repro.scoring.options import as_options, check_options
from repro.scoring.output import Output, read_table
from repro.scoring.progress import duration, say
from repro.scoring.request import Request, differences, make_request
from repro.scoring.sources import Sources, loading, resolve
from repro.scoring.summary import describe, machine, select, statistics


def score(options: argparse.Namespace) -> int:
    """Score, select again, or find that nothing is to be done; prints what the table holds. Raises UserError."""
    check_options(options)
    if options.device == "cpu" and "torch" not in sys.modules:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the policy is not to be loaded onto a GPU first
    console = Console(stderr=True)
    output = Output(options.out)
    try:
        sources = resolve(options)
        with output.locked():
            output.recover()
            _run(options, sources, output, console)
    except UserError as error:
        raise error if options.spec is not None else UserError(as_options(str(error))) from error
    return 0


def _run(options: argparse.Namespace, sources: Sources, output: Output, console: Console) -> None:
    foreign: UserError | None = None
    try:
        finished = output.finished()
    except UserError as error:
        if not options.force:
            raise
        finished, foreign = None, error
    with loading(options.dataset, "--dataset", sources.study is None and sources.dataset.hub is not None):
        request = make_request(options, sources, lambda text: say(console, f"warning: {text}"))
    if finished is not None and not options.force:
        if finished["key"] != request.key:
            how = differences(finished["request"], request.fields)
            raise UserError(
                f"--out: {output.table} holds other scores ({how}); expected another name, or --force to replace it"
            )
        _again(request, output, finished)
        return
    _measure(options, sources, request, output, console)
    if foreign is not None or finished is not None:
        say(console, f"replaced {output.table}, as --force asks")


def _again(request: Request, output: Output, finished: dict[str, Any]) -> None:
    """The scores are there: leave them as they are, or select anew from them."""
    if finished["selection"] == request.selection:
        _print(f"already scored: {output.table}", finished)
        return
    columns = read_table(output.table)
    table, selection = select(columns, request)
    output.publish(table, finished | selection)
    _print(f"selected anew, without a pass: {output.table}", finished | selection)


def _measure(options: argparse.Namespace, sources: Sources, request: Request, output: Output, console: Console) -> None:
    started = time.perf_counter()
    say(console, f"{len(request.problems):,} questions; loading {request.fields['model']}")
    import torch

    from repro.cache import Cache
    from repro.scoring.measure import commit_of, measure, open_policy
    from repro.scoring.parts import Parts

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    with loading(options.model, "--model", sources.study is None and request.model.hub is not None):
        policy = open_policy(request, Cache(options.runs / "cache"), options.device, lambda text: say(console, text))
    # Scores may come from any device; the parts of one pass come from one device and one state of a hub's branch.
    fields = {**request.fields, "device": policy.model.device.type, "commit": commit_of(policy)}
    key = digest([request.key, fields["device"], fields["commit"]])
    parts = Parts(output.work, key, fields, len(request.problems))
    _tell_about(parts, output.work, fields, console)
    try:
        measured = measure(request, policy, parts, console, options.batch_tokens)
    except KeyboardInterrupt:
        replies = f" and {len(parts.replies):,} responses" if parts.replies else ""
        say(console, f"stopped: {int(parts.scored.sum()):,} scores{replies} are kept in {output.work}")
        raise
    table, selection = select(measured.columns, request)
    summary = describe(request) | selection | statistics(measured.columns)
    summary["prompt"]["example"] = vars(measured.example)
    summary["model"] |= {"commit": fields["commit"], "parameters": policy.model.num_parameters()}
    tokens = {"prompt": int(table["prompt_tokens"].sum()), "target": int(table["target_tokens"].sum())}
    summary |= {
        "tokens": {
            **tokens,
            "generated": parts.reply_tokens,
            "shared": measured.shared_tokens,
            "padding_share": measured.padding_share,
        },
        "seconds": {"pass": parts.seconds, "decoding": parts.reply_seconds, "call": time.perf_counter() - started},
        "tokens_per_second": sum(tokens.values()) / max(parts.seconds, 1e-9),
        "taken_over": parts.taken_over,
        "machine": machine(policy.model.device),
    }
    output.publish(table, summary)
    _print(f"scored: {output.table}", summary)


def _tell_about(parts: Any, work: Path, fields: Mapping[str, Any], console: Console) -> None:
    """What an earlier call left, and why it is not used where it is not."""
    if parts.taken_over or parts.replies:
        replies = f" and {len(parts.replies):,} responses" if parts.replies else ""
        left = len(parts.confidence) - parts.taken_over
        say(console, f"goes on: {parts.taken_over:,} scores{replies} taken over from {work}, {left:,} left")
    for other in parts.others:
        say(console, f"what lies in {work} was scored otherwise ({differences(other, fields)}) and is not used")


def _print(heading: str, record: Mapping[str, Any]) -> None:
    s, tokens, seconds = record["s"], record["tokens"], record["seconds"]
    by_length = record["correlation_of_s_with_target_tokens"]["spearman"]
    lines = [
        heading,
        f"  {record['questions']:,} questions, {record['selected']:,} selected: {_band(record)}",
        f"  s: mean {s['mean']:.4f}, standard deviation {s['std']:.4f}, 5 to 95 % "
        f"{s['quantiles']['0.05']:.4f} to {s['quantiles']['0.95']:.4f}",
        f"  s and the length of the target: Spearman {'not defined' if by_length is None else f'{by_length:+.2f}'}",
        f"  {tokens['prompt'] + tokens['target']:,} tokens in {duration(seconds['pass'])}, "
        f"{record['tokens_per_second']:,.0f} tokens/s"
        + ("" if tokens["padding_share"] is None else f", padding {tokens['padding_share']:.1%}"),
    ]
    if tokens["generated"]:
        lines.append(f"  {tokens['generated']:,} tokens of responses decoded in {duration(seconds['decoding'])}")
    print("\n".join(lines))  # noqa: T201


def _band(record: Mapping[str, Any]) -> str:
    band = record["selection"]["band"]
    if "end" in band:
        return f"the {band['end']} s"
    if "low" in band:
        return f"s between {band['low']:g} and {band['high']:g}" + (" by rank" if band["scale"] == "quantile" else "")
    name = f"the {band['center']} of s, " if isinstance(band["center"], str) else "s = "
    return f"nearest {name}{record['center']:.4f}"
