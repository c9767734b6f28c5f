"""A sweep with a known objective, and how the tests run it."""

from __future__ import annotations

import io
import json
import textwrap
from pathlib import Path
from typing import Any

from rich.console import Console

from repro.launch.launchers.local import Local
from repro.study.load import LoadedSpec, load_spec
from repro.sweep.run import run_sweep
from tests.launch.jobs import PRELOAD
from tests.sweep import jobs

AWAY = "http://127.0.0.1:9"  # nobody listens: a sweep does not need its store
SPACE = "{train.learning_rate: {float: [1.0e-5, 0.1], log: true}}"


def sweep_spec(folder: Path, space: str = SPACE, **fields: Any) -> LoadedSpec:
    settings = {"arm": "half", "trials": 8, "batch": 2, "seeds": [1000, 1001], **fields}
    text = f"""
        name: search
        model: tiny
        dataset: arithmetic
        arms: {{half: {{selection: {{method: random, fraction: 0.5}}}}, full: {{}}}}
        seeds: [0]
        sweep: {json.dumps(settings)[:-1]}, "space": {space}}}
    """
    path = folder / "search.yaml"
    path.write_text(textwrap.dedent(text))
    return load_spec(path)


def sweep(loaded: LoadedSpec, runs: Path, store: str, jobs_at_once: int = 2) -> tuple[int, str]:
    out = io.StringIO()
    console = Console(file=out, width=110)
    where = Local(jobs=jobs_at_once, preload=PRELOAD)
    code = run_sweep(loaded, runs, where, store_uri=store, console=console, target=jobs.job)
    return code, out.getvalue()


def result(runs: Path) -> dict[str, Any]:
    (entry,) = json.loads((runs / "sweeps" / "search.json").read_text()).values()
    return entry
