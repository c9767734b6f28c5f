"""`repro score`: single-pass confidences of a dataset in one table, resumable and never half written."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console

from repro.arithmetic import settle, thread_suffix, use_threads
from repro.cache import Cache
from repro.commands.export import check_export, export
from repro.commands.score.options import SETTINGS, check_options
from repro.commands.score.output import Output, read_table
from repro.commands.score.request import Request, differences, make_request
from repro.commands.score.screen import say, showing_on
from repro.commands.score.sources import Sources, loading, resolve
from repro.commands.score.summary import describe, select, statistics
from repro.errors import UserError, options_for
from repro.scoring.progress import duration
from repro.scoring.store import Stored, find, writing


def score(options: argparse.Namespace) -> int:
    """Score, select again, or find that nothing is to be done; prints what the table holds. Raises UserError."""
    check_options(options)
    output = Output(options.out)
    check_export(options, [output.table, output.summary, options.spec, options.dataset, options.examples])
    settle()
    if options.device == "cpu" and "torch" not in sys.modules:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the policy is not to be loaded onto a GPU first
    console = Console(stderr=True)
    with options_for(SETTINGS) if options.spec is None else nullcontext():
        sources = resolve(options)
        with output.locked():
            output.recover()
            request = _run(options, sources, output, console)
            if options.export is not None:
                print(_exported(options, request, output))  # noqa: T201
    return 0


def _exported(options: argparse.Namespace, request: Request, output: Output) -> str:
    """Write the questions of the table for another trainer; what to say of it."""
    columns, asked = read_table(output.table), request.asked
    assert tuple(columns["id"]) == tuple(asked.ids), f"{output.table}: rows belong to other questions"
    measures = {name: columns[name].tolist() for name in ("s", "score")}
    selected = columns["selected"].tolist()
    return export(options, request.model, request.dataset, asked.problems, asked.answer_format, measures, selected)


def _run(options: argparse.Namespace, sources: Sources, output: Output, console: Console) -> Request:
    """Put the table in place; what it holds."""
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
        return request
    _publish(options, sources, request, output, console)
    if foreign is not None or finished is not None:
        say(console, f"replaced {output.table}, as --force asks")
    return request


def _again(request: Request, output: Output, finished: dict[str, Any]) -> None:
    """The scores are there: leave them as they are, or select anew from them."""
    if finished["selection"] == request.selection:
        _print(f"already scored: {output.table}", finished)
        return
    columns = read_table(output.table)
    table, selection = select(columns, request)
    output.publish(table, finished | selection)
    _print(f"selected anew, without a pass: {output.table}", finished | selection)


def _publish(options: argparse.Namespace, sources: Sources, request: Request, output: Output, console: Console) -> None:
    """Put table and summary in place, from the store where it has the scores."""
    started = time.perf_counter()
    inputs, suffix = request.inputs, thread_suffix(request.threads)
    cache, asked = Cache(options.runs / "cache", suffix=suffix, check=inputs.check), request.asked
    stored = None if options.force else find(cache, asked)
    how = f"taken from {options.runs / 'cache'}, without a pass"
    if stored is None:
        stored, how = _measure(options, sources, request, cache, console), "scored"
    measured = {"id": np.array(asked.ids), **stored.columns}
    table, selection = select(measured, request)
    summary = describe(request, stored) | selection | statistics(measured)
    inputs.check()
    summary["seconds"]["call"] = time.perf_counter() - started
    output.publish(table, summary)
    _print(f"{how}: {output.table}", summary)


def _measure(options: argparse.Namespace, sources: Sources, request: Request, cache: Cache, console: Console) -> Stored:
    """Score, into the store."""
    say(console, f"{len(request.asked.ids):,} questions; loading {request.fields['model']}")
    from repro.commands.score.policy import memory, open_policy
    from repro.scoring.scorer import Scorer
    from repro.training.ranks import Ranks

    use_threads(request.threads)
    tell = partial(say, console)
    with loading(options.model, "--model", sources.study is None and request.model.hub is not None):
        opened = open_policy(request, cache, options.device, tell)
    scorer = Scorer(cache, Ranks(), say=tell, showing=showing_on(console), batch_tokens=options.batch_tokens)
    with memory(), writing(cache.root):
        return scorer.stored(request.asked, lambda: opened, anew=options.force)


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
