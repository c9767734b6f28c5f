"""A job files nothing of an input that changed: no marker, no cached item, no checkpoint, no part of a score."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from repro.cli import main
from repro.errors import UserError
from repro.study.expand import ExpandedCell, expand_study
from repro.study.load import load_spec
from repro.tracking.journal import Journal
from repro.training import job as job_module
from repro.training.job import GRPOJob, run_job
from tests.training.own_study import write_study


@pytest.fixture
def planned(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> ExpandedCell:
    """The first cell of a study in the working directory."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "coin_of_mine", raising=False)
    return expand_study(load_spec(write_study(tmp_path)).spec)[0]


def train(planned: ExpandedCell, runs: Path) -> Path:
    run_job(planned.cell, planned.identity, runs / planned.identity, runs)
    return runs / planned.identity


def cached(runs: Path) -> list[Path]:
    return list(runs.glob("cache/*/*/.complete"))


def edited(path: Path) -> Callable[[], None]:
    """Edits a file; what is returned puts the old content back."""
    before = path.read_bytes()
    weights = path.suffix == ".safetensors"
    path.write_bytes(before[:-2] + b"\1\2" if weights else before.replace(b'"answer": "', b'"answer": "9') + b"\n")
    return lambda: (path.write_bytes(before), None)[1]


def test_a_file_that_changed_before_the_job_began_is_not_trained_on(planned: ExpandedCell, tmp_path: Path) -> None:
    edited(tmp_path / "rows.jsonl")
    with pytest.raises(UserError, match=r"when v3-\w+ was planned, one of: dataset.path .*rows.jsonl"):
        train(planned, tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("*/*.json*")) and not cached(tmp_path / "runs")


READERS = {
    "load_dataset": ("rows.jsonl", "dataset.path"),
    "load_policy": ("policy/model.safetensors", "model.path"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("back", [False, True])
def test_a_file_that_changed_around_its_loading_leaves_nothing_in_the_cache(
    planned: ExpandedCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, back: bool
) -> None:
    """The other way round too: loaded as it should not be, and put back before anybody looks."""
    file, field = READERS[reader]
    load = getattr(job_module, reader)

    def changing(*arguments: Any) -> Any:
        restore = edited(tmp_path / file) if back else lambda: None
        try:
            return load(*arguments)
        finally:
            restore()
            if not back:
                edited(tmp_path / file)

    monkeypatch.setattr(job_module, reader, changing)
    with pytest.raises(UserError, match=rf"^{field}: .*(has changed|was written anew)"):
        train(planned, tmp_path / "runs")
    assert not cached(tmp_path / "runs")
    assert not (tmp_path / "runs" / planned.identity / "done.json").exists()


def test_a_file_that_changes_while_it_trains_is_found_before_the_checkpoint_and_the_run_goes_on_when_it_is_back(
    planned: ExpandedCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(planned, tmp_path / "whole")
    evaluate = GRPOJob.evaluate

    def late(self: GRPOJob, step: int, last: bool) -> None:
        if step == 2:
            back.append(edited(tmp_path / "coin_of_mine.py"))
        evaluate(self, step, last)

    back: list[Callable[[], None]] = []
    monkeypatch.setattr(GRPOJob, "evaluate", late)
    with pytest.raises(UserError, match=r"^reward: coin_of_mine:coin: .*coin_of_mine.py has changed"):
        train(planned, tmp_path / "runs")
    run_dir = tmp_path / "runs" / planned.identity
    assert not (run_dir / "done.json").exists()
    assert [folder.name for folder in run_dir.glob("checkpoints/*")] == ["checkpoint-2"], "that of step 1"
    monkeypatch.setattr(GRPOJob, "evaluate", evaluate)
    back[0]()
    train(planned, tmp_path / "runs")
    one, other = (load_file(folder / "policy/model.safetensors") for folder in (whole, run_dir))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert {one["field"] for one in Journal(run_dir).read_json("inputs.json")["files"]} == {
        "dataset.path",
        "model.path",
        "reward: coin_of_mine:coin",
    }


def test_the_marker_is_the_last_thing_that_a_changed_file_keeps_away(
    planned: ExpandedCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def saved(*_: Any) -> None:
        edited(tmp_path / "rows.jsonl")

    monkeypatch.setattr(job_module, "save_policy", saved)
    with pytest.raises(UserError, match=r"^dataset.path: .*rows.jsonl has changed"):
        train(planned, tmp_path / "runs")
    assert not (tmp_path / "runs" / planned.identity / "done.json").exists()


def test_score_keeps_no_score_of_a_model_that_changed_before_it_was_loaded(
    planned: ExpandedCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import repro.commands.score.policy as policy_module

    opening, weights = policy_module.open_policy, tmp_path / "policy/model.safetensors"

    def late(*arguments: Any) -> Any:
        edited(weights)
        return opening(*arguments)

    monkeypatch.setattr(policy_module, "open_policy", late)
    words = ["score", "--model", "policy", "--dataset", "rows.jsonl", "--runs", "runs", "--out", "s.csv"]
    assert main(words) == 2
    assert "policy/model.safetensors has changed (sha256" in capsys.readouterr().err
    assert not (tmp_path / "s.csv").exists() and not cached(tmp_path / "runs")
    assert not list((tmp_path / "runs/cache/scores/.parts").rglob("*.npy")), "no part either, which a later call takes"
