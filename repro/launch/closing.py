"""The closing lines of `repro run`: which cells failed or were stopped, and what the MLflow store has."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from repro.launch.cells import Ended, name_of
from repro.launch.protocol import Outcome
from repro.tracking.address import public_address, resolve_store
from repro.tracking.failure import blamed_field
from repro.words import listed


def print_failures(outcomes: Sequence[Outcome], console: Console) -> None:
    """Each cell that failed with its reason, and whether the same command can help; how many were not trained."""
    failed = [outcome for outcome in outcomes if outcome.end == "failed"]
    lasting = [outcome for outcome in failed if outcome.lasting]
    again = [outcome for outcome in failed if outcome.again and not outcome.lasting]
    others = [outcome for outcome in failed if not (outcome.lasting or outcome.again)]
    _print_failed(lasting, f"failed; the same command fails the same way until {_cure(lasting)}", console)
    _print_failed(again, "failed as before; the same command tries them again, but is not likely to help", console)
    _print_failed(others, "failed; the same command tries them again", console)
    submitted = sum(outcome.end == "submitted" for outcome in outcomes)
    if submitted:
        console.print(f"{submitted} submitted; the same command follows them and delivers the results", highlight=False)
    stopped = sum(outcome.end == "stopped" and bool(outcome.reason) for outcome in outcomes)
    if stopped:
        text = f"{stopped} stopped by another program; the same command goes on from their last checkpoints"
        console.print(text, style="red", highlight=False)
    left = sum(outcome.end == "not run" for outcome in outcomes)
    if left:
        console.print(f"{left} not started", highlight=False)


def _print_failed(failed: Sequence[Outcome], what: str, console: Console) -> None:
    if failed:
        console.print(escape(f"{len(failed)} {what}:"), style="red", highlight=False, soft_wrap=True)
    for outcome in failed:
        console.print(escape(f"  {name_of(outcome.task.cell)}: {outcome.reason}"), highlight=False, soft_wrap=True)
        if outcome.error is not None:
            console.print(escape(f"    {_short(outcome.error)}"), highlight=False, soft_wrap=True)


def _cure(lasting: Sequence[Outcome]) -> str:
    """What has to change before the same command can do better: the field at fault where a run's health names it."""
    blamed = [blamed_field(outcome.task.run_dir) for outcome in lasting]
    fields = list(dict.fromkeys(field for field in blamed if field is not None))
    if not fields:
        return "what each line names is changed"
    rest = ", and what the other lines name, are changed" if None in blamed else " is changed"
    return f"{listed(fields)}{rest}"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def print_store(ended: Ended, experiment: str, store_uri: str | None, console: Console) -> None:
    """Where to look at the experiment, or what the store lacks of it."""
    uri = resolve_store(store_uri)
    if ended.incomplete:
        console.print(escape(lacking_words(ended, uri)), style="yellow", highlight=False, soft_wrap=True)
    elif uri.startswith("sqlite:"):
        text = f"MLflow experiment {experiment!r}: {shlex.join(['mlflow', 'ui', '--backend-store-uri', uri])}"
        console.print(escape(text), highlight=False, soft_wrap=True)
    else:
        console.print(escape(f"MLflow experiment {experiment!r} on {public_address(uri)}"), highlight=False)


def lacking_words(ended: Ended, uri: str) -> str:
    """What the store lacks and how it gets it."""
    store = public_address(uri)
    if not ended.undelivered:
        return f"the figures over seeds are not in {store}; the same command delivers them"
    count, names = len(ended.undelivered), [run_dir.name for run_dir in ended.undelivered]
    over = "finished" if all((run_dir / "done.json").exists() for run_dir in ended.undelivered) else "over"
    shown = ", ".join(names[:3]) + (f" and {count - 3} more" if count > 3 else "")
    subject, whose = ("runs are", "their") if count > 1 else ("run is", "its")
    return (
        f"{count} {subject} {over} but {whose} metrics are not in the MLflow store {store}: {shown}; "
        "the same command delivers them"
    )
