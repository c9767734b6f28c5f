"""A study whose dataset is edited while a cell waits: the cell fails, names the file, and trains when it is back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from repro.files import read_json
from tests.launch.test_same_bits import recorded
from tests.training.own_study import write_study

ROOT = Path(__file__).parents[2]


def run(folder: Path, runs: str, *words: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    command = [sys.executable, "-m", "repro", "run", "study.yaml", "--jobs", "1", "--runs", runs, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_dataset_that_is_edited_while_a_cell_waits_fails_that_cell_alone(tmp_path: Path, empty_store: Path) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    write_study(tmp_path)
    rows = tmp_path / "rows.jsonl"
    before = rows.read_text()

    def edit() -> None:
        while not list((tmp_path / "runs").glob("*/done.json")):
            time.sleep(0.01)
        rows.write_text(before.replace('"answer": "', '"answer": "9'))

    editor = threading.Thread(target=edit, daemon=True)
    editor.start()
    code, text = run(tmp_path, "runs")
    editor.join()
    assert code == 1 and "full seed 1: FAILED after" in text, text
    assert f" s: dataset.path: {rows} has changed (sha256 " in text, text
    (failed,) = [path.parent for path in (tmp_path / "runs").glob("*/error.txt")]
    assert sorted(path.name for path in failed.iterdir()) == ["error.txt", "inputs.json", "job.log", "run.lock"]
    assert [one["field"] for one in read_json(failed / "inputs.json")["files"]].count("dataset.path") == 1
    rows.write_text(before)
    code, text = run(tmp_path, "runs")
    assert code == 0 and "1 finished before" in text, text
    assert run(tmp_path, "undisturbed", "-S", "seeds=[1]")[0] == 0
    assert recorded(failed) == recorded(tmp_path / "undisturbed" / failed.name)
