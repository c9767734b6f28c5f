"""Values and files that make no valid trial: told before anything is written, or as that trial alone."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from repro.errors import UserError
from repro.launch.launchers.local import Local
from repro.models.model_spec import ModelSpec
from repro.spec.sweep_spec import Choice
from repro.study.load import LoadedSpec
from repro.sweep.attempt import Attempt
from repro.sweep.run import run_sweep
from repro.sweep.sampling import trial_values
from repro.sweep.search import Search
from repro.tasks.dataset_spec import DatasetSpec
from repro.tracking.client import open_client
from tests.sweep import jobs
from tests.sweep.search import AWAY, result, sweep, sweep_spec

# each value is fine beside the arm's own; 512 questions a step out of a tenth of 1,024 are not
CLASHING = "{train.questions_per_step: {choice: [32, 512]}, selection.fraction: {choice: [0.1, 0.5]}}"
CLASH = {"train.questions_per_step": 512, "selection.fraction": 0.1}


def first_trial(loaded: LoadedSpec) -> dict[str, Any]:
    assert loaded.spec.sweep is not None
    return trial_values(loaded.spec.sweep, 0, [])


def clashing_sweep(folder: Path, first_is_valid: bool, **fields: Any) -> LoadedSpec:
    found = (sweep_spec(folder, CLASHING, seeds=[1000], sampler_seed=seed, **fields) for seed in range(100))
    return next(loaded for loaded in found if (first_trial(loaded) != CLASH) == first_is_valid)


def test_a_later_trial_whose_values_make_no_valid_cell_fails_with_the_reason(tmp_path: Path, uri: str) -> None:
    runs = tmp_path / "runs"
    code, text = sweep(clashing_sweep(tmp_path, first_is_valid=True, trials=10), runs, uri)
    assert code == 1, "not all trials that were asked for are done"
    trials = result(runs)["trials"]
    wrong = [trial for trial in trials if trial["params"] == CLASH]
    assert 0 < len(wrong) < len(trials)
    assert all(trial["state"] == "fail" for trial in wrong)
    assert all("sweep.space.selection.fraction" in trial["reason"] for trial in wrong)
    assert all("102 of 1024" in trial["reason"] for trial in wrong)
    assert all(trial["state"] != "fail" for trial in trials if trial not in wrong)
    assert f"trial-{wrong[0]['number']:03d} failed" in text
    experiment = open_client(uri).get_experiment_by_name("search.sweep")
    shown = open_client(uri).search_runs([experiment.experiment_id], "tags.`repro.trial_state` = 'fail'")
    assert len(shown) == len(wrong) and all("102 of 1024" in run.data.tags["repro.trial_reason"] for run in shown)
    assert all(run.info.status == "FAILED" for run in shown)
    assert len(list(runs.glob("*/trained"))) == 3, "a combination that comes again is not trained again"


def test_a_mistake_that_the_first_trial_shows_leaves_nothing_on_disk(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(UserError, match=r"sweep\.space\.selection\.fraction: got 0\.1, which keeps 102") as error:
        sweep(clashing_sweep(tmp_path, first_is_valid=False), runs, AWAY)
    assert "first trial" in str(error.value) and "512" in str(error.value)
    assert not runs.exists()


def test_a_file_that_is_missing_is_found_before_anything_is_written(tmp_path: Path) -> None:
    loaded = sweep_spec(tmp_path)
    (model,) = loaded.spec.model
    gone = ModelSpec(path=str(tmp_path / "gone"))
    missing = replace(loaded, spec=loaded.spec.model_copy(update={"model": [model, gone]}))
    with pytest.raises(UserError, match="gone"):
        sweep(missing, tmp_path / "runs", AWAY)
    assert not (tmp_path / "runs").exists()


def test_a_smoke_space_whose_ends_are_wrong_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    loaded = sweep_spec(tmp_path)
    assert loaded.spec.sweep is not None
    space = {"selection.fraction": Choice(choice=[0.5, 0.001])}
    changed = loaded.spec.model_copy(update={"sweep": loaded.spec.sweep.model_copy(update={"space": space})})
    with pytest.raises(UserError, match=r"sweep\.space\.selection\.fraction: got 0\.001"):
        sweep(replace(loaded, spec=changed), tmp_path / "runs", AWAY)
    assert not (tmp_path / "runs").exists()


def test_a_sampled_value_that_cannot_be_split_over_the_processes_fails_its_trial_only(tmp_path: Path) -> None:
    space = "{train.questions_per_step: {choice: [32, 33]}}"
    loaded = next(
        found
        for seed in range(100)
        if first_trial(found := sweep_spec(tmp_path, space, seeds=[1000], sampler_seed=seed))
        == {"train.questions_per_step": 32}
    )
    runs, where = tmp_path / "runs", Local(jobs=2, processes=2)
    code = run_sweep(loaded, runs, where, store_uri=AWAY, console=Console(file=io.StringIO()), target=jobs.job)
    trials = result(runs)["trials"]
    states = {trial["params"]["train.questions_per_step"]: trial["state"] for trial in trials}
    assert code == 1 and states == {32: "complete", 33: "fail"}


def test_a_sweep_ends_where_a_file_that_it_reads_changes_and_goes_on_when_it_is_back(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": f"{i}+1=?", "answer": str(i + 1)}) + "\n" for i in range(400)))
    loaded = sweep_spec(tmp_path, trials=4)
    data = DatasetSpec(path=str(rows), test_split=None)
    loaded = replace(loaded, spec=loaded.spec.model_copy(update={"dataset": [data]}))
    before, record_end = rows.read_text(), Search._record_end

    def edited(self: Search, attempt: Attempt) -> None:
        record_end(self, attempt)
        rows.write_text(before + before[:40])

    monkeypatch.setattr(Search, "_record_end", edited)
    with pytest.raises(UserError, match=f"^dataset.path: {rows} has changed"):
        sweep(loaded, tmp_path / "runs", uri)
    assert len(list((tmp_path / "runs").glob("*/trained"))) == 4, "two trials of two seeds, and no more"
    rows.write_text(before)
    monkeypatch.setattr(Search, "_record_end", record_end)
    assert sweep(loaded, tmp_path / "runs", uri)[0] == 0
    assert [trial["number"] for trial in result(tmp_path / "runs")["trials"]] == [0, 1, 2, 3]
