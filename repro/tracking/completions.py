"""The completions that a run kept for people to read, as a table in MLflow's own format."""

from __future__ import annotations

import json
from pathlib import Path

from repro.files import dump_json, read_jsonl

RECORDED = "completions.jsonl"
"""In a run directory: {"step", "completions": [{"question", "completion", "reward", "advantage"}], "time"}."""
TABLE = "completions.json"
"""The artifact: what `MlflowClient.log_table` would write, and `load_table` reads."""
COLUMNS = ("question", "completion", "reward", "advantage", "step")
TABLE_TAG = ("mlflow.loggedArtifacts", json.dumps([{"path": TABLE, "type": "table"}]))
"""The tag by which MLflow's pages find a table."""


def completions_table(run_dir: Path) -> bytes:
    """The table of a run's completions, evaluation by evaluation."""
    data = [
        [{**one, "step": row["step"]}[column] for column in COLUMNS]
        for row in read_jsonl(run_dir / RECORDED)
        for one in row["completions"]
    ]
    return dump_json({"columns": COLUMNS, "data": data}, indent=None)
