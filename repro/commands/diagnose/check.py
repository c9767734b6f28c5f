"""`repro diagnose --check`: predictions made before training against the finished runs of studies."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from repro.analysis.diagnose.check import Checked, Predicted, checked
from repro.analysis.diagnose.check_page import sentences, shares, write_check
from repro.analysis.page.folder import check as check_folder
from repro.analysis.study import load_study
from repro.commands import options as shared
from repro.commands.diagnose.command import FOLDER, asked, findings_of, prepare
from repro.commands.diagnose.options import check_options
from repro.commands.score.screen import say
from repro.commands.score.sources import Sources
from repro.study.load import load_spec
from repro.tracking.command import command_line


def check(options: argparse.Namespace) -> int:
    """Diagnose every pair of policy and task of the studies, compare, write the page; 0. Raises UserError."""
    check_options(options)
    prepare(options)
    out = options.out or FOLDER / "check"
    check_folder(out)
    predictions = [one for path in options.check for one in _predicted(path, options)]
    found = checked(predictions)
    page = write_check(found, out, command_line() or "")
    shared.say(_screen(found))
    shared.say(f"page: {page}")
    return 0


def _predicted(path: Path, options: argparse.Namespace) -> list[Predicted]:
    """The pairs of a study that have finished runs, each with its diagnosis."""
    console = Console(stderr=True)
    spec = load_spec(path).spec
    study = load_study(spec, options.store, options.runs / "cache" / "artifacts")
    models, datasets = {one.label: one for one in spec.model}, {one.label: one for one in spec.dataset}
    predictions = []
    for panel in study.panels:
        say(console, f"{path}: {panel.title}")
        pair = asked(Sources(models[panel.model], datasets[panel.dataset], spec), options, console)
        predictions.append(Predicted(study, panel, findings_of(pair, options, console)))
    return predictions


def _screen(found: Checked) -> str:
    lines = [text.replace("**", "").replace("`", "") for text in sentences(found)]
    for row in shares(found).rows:
        pair, arm, predicted, measured, difference, *_ = row
        lines.append(f"  {pair} {arm.strip('`')}: predicted {predicted}, measured {measured}, {difference} points")
    return "\n".join(lines)
