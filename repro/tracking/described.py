"""What a run's page in MLflow says of it: a short description, and tags with the commit and the command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repro.tracking.labels import Labels, short


def description(cell: Mapping[str, Any], labels: Labels, run_dir: Path | None) -> str:
    """A few lines of Markdown on one run, or on an arm where `run_dir` is None. `cell` as `cell.json` has it."""
    axis = "".join(f", {path} {short(value)}" for path, value in sorted(labels.axis.items()))
    lines = [f"GRPO of `{labels.model}` on `{labels.dataset}`, arm `{labels.arm}`{axis}."]
    method = (cell.get("selection") or {}).get("method", "uniform")
    replay = "with replay" if cell.get("replay") else "no replay"
    lines.append(f"Questions are chosen by `{method}`, {replay}; {_length(cell)}.")
    if run_dir is None:
        lines.append("One run for each seed lies below; the figures over them are the metrics `seeds/...`.")
    else:
        lines.append(f"Seed {labels.seed}. Everything it recorded: `{run_dir.parent.name}/{run_dir.name}`.")
    return "\n\n".join(lines)


def _length(cell: Mapping[str, Any]) -> str:
    budget = {name: value for name, value in (cell.get("budget") or {}).items() if value is not None}
    if budget:
        return "a budget of " + ", ".join(f"{value:,} {name}" for name, value in budget.items())
    return f"{(cell.get('train') or {}).get('steps')} steps"


def environment_tags(environment: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a run gets of its `environment.json`, {} where it has none."""
    tags: dict[str, str] = {}
    if "threads" in environment:
        tags["repro.threads"] = str(environment["threads"])
    if commit := environment.get("commit"):
        tags["mlflow.source.git.commit"] = commit.removesuffix("-dirty")
        tags["mlflow.source.git.dirty"] = str(commit.endswith("-dirty")).lower()
    if command := environment.get("command"):
        tags["repro.command"] = command
    return tags
