"""`repro diagnose --check` from a store of finished runs to the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repro.cli import main
from tests.analysis.synthetic import QUICKSTART, make_study


def test_every_pair_of_a_study_is_diagnosed_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    arms = {name: QUICKSTART[name] for name in ("full", "dots")}
    store = make_study(tmp_path / "study", uri, arms, seeds=2)
    words = ["--store", uri, "--runs", str(tmp_path / "runs"), "--samples", "8", "--device", "cpu"]
    assert main(["diagnose", "--check", str(store.loaded.path), *words]) == 0
    out = capsys.readouterr().out
    assert "of 1 pair of policy and task" in out and "full: predicted" in out
    record = json.loads((tmp_path / "reports" / "diagnose" / "check" / "check.json").read_text())
    assert [row["arm"] for row in record["shares"]] == ["full", "dots"]
    assert record["shares"][0]["groups"] == 2 * 2 * 8  # seeds, steps, questions of a step
    assert [row["arm"] for row in record["savings"]] == ["dots"]


def test_a_study_without_finished_runs_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store = make_study(tmp_path / "study", None, {"full": QUICKSTART["full"]}, seeds=1)
    assert main(["diagnose", "--check", str(store.loaded.path), "--device", "cpu"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "mlflow.db" in shown.err and "Traceback" not in shown.err
