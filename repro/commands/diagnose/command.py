"""`repro diagnose` of one policy and its questions: measure, conclude, print, write the page."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from repro.analysis.diagnose.findings import Findings, find
from repro.analysis.diagnose.page import write_page
from repro.analysis.diagnose.screen import screen
from repro.analysis.page.folder import check as check_folder
from repro.arithmetic import settle
from repro.commands import options as shared
from repro.commands.diagnose.asked import Pair, pair_of
from repro.commands.diagnose.options import check_options
from repro.commands.export import export
from repro.commands.score.options import SETTINGS
from repro.commands.score.screen import say
from repro.commands.score.sources import Sources, loading, resolve
from repro.diagnose.rows import question_rows
from repro.errors import UserError, options_for
from repro.tracking.command import command_line

FOLDER = Path("reports") / "diagnose"


def diagnose(options: argparse.Namespace) -> int:
    """Answer for one policy on one dataset; 0. Raises UserError."""
    check_options(options)
    prepare(options)
    console = Console(stderr=True)
    with options_for(SETTINGS) if options.spec is None else nullcontext():
        sources = resolve(options)
        pair = asked(sources, options, console)
        out = options.out or FOLDER / _name(options.name or pair.name)
        check_folder(out)
        found = findings_of(pair, options, console)
    rows = question_rows(pair.data.train, found.measured)
    page = write_page(found, rows, out, command_line() or "")
    shared.say(screen(found))
    shared.say(f"page: {page}")
    if options.export is not None:
        shared.say(_exported(options, pair, rows))
    return 0


def _exported(options: argparse.Namespace, pair: Pair, rows: list[dict[str, Any]]) -> str:
    """Write the questions of the band for another trainer; what to say of it."""
    by_id = {problem.id: problem for problem in pair.data.train}
    problems = [by_id[row["id"]] for row in rows]
    measures = {name: [row[name] for row in rows] for name in ("s", "score", "pass_rate")}
    selected = [row["in_band"] for row in rows]
    return export(options, pair.model, pair.dataset, problems, pair.data.answer_format, measures, selected)


def prepare(options: argparse.Namespace) -> None:
    """Settle the process's arithmetic before torch is imported."""
    settle()
    if options.device == "cpu" and "torch" not in sys.modules:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def asked(sources: Sources, options: argparse.Namespace, console: Console) -> Pair:
    """The pair, with what reading its questions warned of."""
    study = sources.study is not None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        with loading(options.dataset, "--dataset", not study and sources.dataset.hub is not None):
            pair = pair_of(sources, options)
    for message in caught:
        say(console, f"warning: {message.message}")
    return pair


def findings_of(pair: Pair, options: argparse.Namespace, console: Console) -> Findings:
    """Measure and conclude."""
    from repro.commands.diagnose.measuring import measured_of

    say(console, f"{len(pair.data.train):,} questions of {pair.dataset.label}, asked of {pair.model.label}")
    with loading(options.model, "--model", options.spec is None and pair.model.hub is not None):
        measured = measured_of(pair, options, partial(say, console))
    return find(pair.name, measured, options.seed, options.gain / 100)


def _name(name: str) -> str:
    if name != Path(name).name or name.startswith("."):
        raise UserError(f"--name: got {name!r}, expected the name of a folder in {FOLDER}, or --out DIR")
    return name
