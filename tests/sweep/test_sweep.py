"""Sweeps with a known objective: the same trials however they run, are stopped or fail."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from rich.console import Console

from repro.errors import UserError
from repro.files import DamagedError
from repro.launch.launchers.local import Local
from repro.launch.launchers.local import pool as pool_module
from repro.models.model_spec import ModelSpec
from repro.spec.sweep_spec import Choice
from repro.study.load import LoadedSpec, load_spec
from repro.sweep.objective import objective
from repro.sweep.run import run_sweep
from repro.sweep.sampling import trial_values
from repro.sweep.search import Attempt, Search
from repro.tasks.dataset_spec import DatasetSpec
from repro.tracking.client import open_client
from repro.tracking.journal import Journal
from repro.tracking.read import read_runs
from tests.launch.jobs import PRELOAD
from tests.sweep import jobs

AWAY = "http://127.0.0.1:9"  # nobody listens: a sweep does not need its store
SPACE = "{train.learning_rate: {float: [1.0e-5, 0.1], log: true}}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "TICK", 0.05)


def sweep_spec(folder: Path, space: str = SPACE, **fields: Any) -> LoadedSpec:
    settings = {"arm": "half", "trials": 8, "batch": 2, "seeds": [1000, 1001], **fields}
    text = f"""
        name: search
        model: tiny
        dataset: arithmetic
        arms: {{half: {{selection: {{method: random, fraction: 0.5}}}}}}
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


def test_trials_are_runs_of_mlflow_and_the_best_and_the_importance_are_shown(tmp_path: Path, uri: str) -> None:
    runs = tmp_path / "runs"
    code, text = sweep(sweep_spec(tmp_path), runs, uri)
    assert code == 0
    found = result(runs)
    assert [trial["number"] for trial in found["trials"]] == list(range(8))
    finished = [trial for trial in found["trials"] if trial["state"] == "complete"]
    for trial in finished:
        rate = trial["params"]["train.learning_rate"]
        assert trial["seeds"] == pytest.approx({str(s): jobs.known(rate, s) for s in (1000, 1001)})
        assert trial["value"] == pytest.approx(sum(trial["seeds"].values()) / 2), "the mean over seeds"
    best = max(finished, key=lambda trial: trial["value"])
    assert found["best"]["trial"] == best["number"]
    assert f"best: trial-{best['number']:03d}, validation_accuracy {best['value']:.4f} over 2 seeds" in text
    assert f"-S arms.half.train.learning_rate={best['params']['train.learning_rate']}" in text.replace("\n", "")
    if len(finished) >= 8:
        assert "importance" in text

    experiment = open_client(uri).get_experiment_by_name("search.sweep")
    parents = open_client(uri).search_runs([experiment.experiment_id], "tags.`repro.kind` = 'trial'")
    shown = {int(run.data.tags["repro.trial"]): run for run in parents}
    assert sorted(shown) == list(range(8))
    for trial in finished:
        run = shown[trial["number"]]
        assert run.data.metrics["sweep/value"] == pytest.approx(trial["value"])
        assert float(run.data.params["train.learning_rate"]) == trial["params"]["train.learning_rate"]
        assert run.data.tags["repro.trial_state"] == "complete"
    children = read_runs("search.sweep", uri)
    assert {child.parent_id for child in children} == {run.info.run_id for run in parents}
    assert {child.seed for child in children} == {1000, 1001}

    code, text = sweep(sweep_spec(tmp_path), runs, uri)
    assert code == 0 and "8 of 8 trials done" in text and "started" not in text
    assert result(runs) == found


def test_a_bad_trial_is_stopped_after_its_first_seed_once_there_is_a_median(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    sweep(sweep_spec(tmp_path, trials=12), runs, AWAY)
    trials = result(runs)["trials"]
    assert all(trial["state"] == "complete" for trial in trials[:5]), "nothing is stopped before there is a median"
    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    assert pruned, "twelve random-like trials have some below the median"
    for trial in pruned:
        assert list(trial["seeds"]) == ["1000"] and "below the median" in trial["reason"]
    trained = len(list(runs.glob("*/trained")))
    assert trained == 2 * (12 - len(pruned)) + len(pruned), "the second seed of a stopped trial is never trained"


def test_wilcoxons_test_stops_a_trial_that_is_worse_than_the_best_on_every_seed(tmp_path: Path) -> None:
    space, seeds = "{train.learning_rate: {choice: [1.0e-3, 1.0e-5]}}", [1000, 1001, 1002, 1003, 1004]
    loaded = sweep_spec(tmp_path, space, sampler="grid", pruner="wilcoxon", seeds=seeds, batch=1, trials=9)
    sweep(loaded, tmp_path / "runs", AWAY)
    first, second = result(tmp_path / "runs")["trials"]
    assert first["state"] == "complete" and len(first["seeds"]) == 5
    assert second["state"] == "pruned" and list(second["seeds"]) == ["1000", "1001", "1002", "1003"]
    assert second["reason"].endswith("worse than trial-000 on the same seeds by Wilcoxon's test (p < 0.1)")


def test_two_metrics_give_the_trials_that_no_other_beats_in_both(tmp_path: Path, uri: str) -> None:
    metrics = [{"validation_accuracy": "maximize"}, {"generated_tokens": "minimize"}]
    loaded = sweep_spec(tmp_path, metric=metrics, sampler="random", trials=6, batch=6, seeds=[1000])
    code, text = sweep(loaded, tmp_path / "runs", uri)
    assert code == 0
    found = result(tmp_path / "runs")
    points = {
        t["number"]: (t["values"]["validation_accuracy"], t["values"]["generated_tokens"]) for t in found["trials"]
    }
    for trial in found["trials"]:
        rate = trial["params"]["train.learning_rate"]
        assert points[trial["number"]] == pytest.approx((jobs.known(rate, 1000), 1e6 * rate + 32))
    beaten = {n for n, (a, b) in points.items() for c, d in points.values() if c >= a and d <= b and (c, d) != (a, b)}
    front = [one["trial"] for one in found["front"]]
    assert set(front) == set(points) - beaten and 1 < len(front) < 6
    assert front[0] == found["best"]["trial"] == max(points, key=lambda n: points[n])
    assert f"{len(front)} trials that no other beats in both metrics" in text
    assert f"best by validation_accuracy: trial-{front[0]:03d}" in text
    experiment = open_client(uri).get_experiment_by_name("search.sweep")
    for run in open_client(uri).search_runs([experiment.experiment_id], "tags.`repro.kind` = 'trial'"):
        value, tokens = points[int(run.data.tags["repro.trial"])]
        shown = run.data.metrics
        assert shown["sweep/value"] == shown["sweep/validation_accuracy"] == pytest.approx(value)
        assert shown["sweep/generated_tokens"] == pytest.approx(tokens)


def test_the_outcome_does_not_depend_on_how_many_jobs_run_at_once(tmp_path: Path) -> None:
    loaded = sweep_spec(tmp_path, trials=7, batch=3)
    sweep(loaded, tmp_path / "one", AWAY, jobs_at_once=1)
    sweep(loaded, tmp_path / "three", AWAY, jobs_at_once=3)
    assert result(tmp_path / "one") == result(tmp_path / "three")


def test_a_finished_sweep_delivers_what_its_store_missed(tmp_path: Path, uri: str) -> None:
    loaded, runs = sweep_spec(tmp_path, trials=2, seeds=[1000]), tmp_path / "runs"
    code, text = sweep(loaded, runs, AWAY)
    assert code == 1 and "2 runs are finished but their metrics are not in the MLflow store" in text
    code, text = sweep(loaded, runs, uri)
    assert code == 0 and "2 of 2 trials done" in text and "started" not in text
    assert [record.status for record in read_runs("search.sweep", uri)] == ["finished", "finished"]


def test_kill_9_inside_a_batch_changes_nothing_of_the_outcome(tmp_path: Path) -> None:
    loaded, runs = sweep_spec(tmp_path, trials=7, batch=3), tmp_path / "killed"
    runs.mkdir()
    (runs / "hold").touch()  # five runs finish, then the jobs wait: the kill falls into the first batch
    code = """
        import sys
        from pathlib import Path
        from repro.launch.launchers.local import Local
        from repro.study.load import load_spec
        from repro.sweep.run import run_sweep
        from tests.launch.jobs import PRELOAD
        from tests.sweep import jobs
        if __name__ == "__main__":
            spec, runs, store = sys.argv[1:]
            run_sweep(load_spec(spec), Path(runs), Local(jobs=2, preload=PRELOAD), store_uri=store, target=jobs.job)
    """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(code))
    command = [sys.executable, str(script), str(loaded.path), str(runs), AWAY]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 180
    while len(list(runs.glob("*/trained"))) < 6 or len(list(runs.glob("*/done.json"))) < 5:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (runs / "hold").unlink()
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/done.json")}
    assert len(before) == 5

    code, text = sweep(loaded, runs, AWAY)
    assert code == 1 and "0 of 7 trials done" in text
    assert "runs are finished but their metrics are not in the MLflow store http://127.0.0.1:9" in text
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items()), "finished seeds stay"
    sweep(loaded, tmp_path / "whole", AWAY)
    assert result(runs) == result(tmp_path / "whole")


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


def test_a_trial_whose_job_failed_is_shown_as_failed_and_replaced_by_the_next_call(tmp_path: Path, uri: str) -> None:
    loaded, runs = sweep_spec(tmp_path, trials=4, seeds=[1000]), tmp_path / "runs"
    runs.mkdir()
    (runs / "fail").touch()
    code, text = sweep(loaded, runs, uri)
    failed = [trial for trial in result(runs)["trials"] if trial["state"] == "fail"]
    assert code == 1 and 0 < len(failed) < 4
    assert all(trial["params"]["train.learning_rate"] < jobs.BEST for trial in failed)
    assert "error.txt" in text and "error.txt" in failed[0]["reason"]
    assert f"{4 - len(failed)} complete, {len(failed)} fail" in text
    names = {f"trial-{trial['number']:03d}" for trial in failed}
    assert statuses(uri) == {name: "FAILED" if name in names else "FINISHED" for name in statuses(uri)}
    assert names <= set(statuses(uri))
    (runs / "fail").unlink()
    code, text = sweep(loaded, runs, uri)
    assert f"{4 - len(failed)} of 4 trials done" in text
    trials = result(runs)["trials"]
    assert code == 0
    assert sum(trial["state"] == "complete" for trial in trials) == 4
    assert len(trials) == 4 + len(failed)
    assert {name for name, status in statuses(uri).items() if status == "FAILED"} == names


def test_a_job_that_another_program_stops_ends_the_sweep_and_no_trial_has_failed(tmp_path: Path, uri: str) -> None:
    loaded, runs = sweep_spec(tmp_path, trials=2, seeds=[1000]), tmp_path / "runs"
    runs.mkdir()
    (runs / "terminate").touch()
    code, text = sweep(loaded, runs, uri)
    assert code == 143 and "The same command goes on with these trials" in text
    (runs / "terminate").unlink()
    code, _ = sweep(loaded, runs, uri)
    assert code == 0
    assert [trial["state"] for trial in result(runs)["trials"]] == ["complete"] * 2


def test_a_job_that_is_killed_changes_no_trial(tmp_path: Path, uri: str) -> None:
    loaded = sweep_spec(tmp_path, trials=4, seeds=[1000])
    assert sweep(loaded, tmp_path / "whole", uri)[0] == 0
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "kill-one").touch()
    code, text = sweep(loaded, tmp_path / "killed", uri)
    assert code == 0 and "1 failed; each is tried once more" in text and "SIGKILL" in text
    assert result(tmp_path / "killed") == result(tmp_path / "whole")


def test_a_trial_whose_job_finds_a_mistake_is_not_tried_a_second_time(tmp_path: Path, uri: str) -> None:
    loaded, runs = sweep_spec(tmp_path, trials=1, seeds=[1000]), tmp_path / "runs"
    runs.mkdir()
    (runs / "mistake").touch()
    code, text = sweep(loaded, runs, uri)
    assert code == 1 and "tried once more" not in text
    assert [trial["state"] for trial in result(runs)["trials"]] == ["fail"]


def test_a_kill_inside_a_write_of_the_journal_holds_nobody_up(tmp_path: Path, uri: str) -> None:
    loaded, runs = sweep_spec(tmp_path, trials=2, seeds=[1000]), tmp_path / "runs"
    (runs / "sweeps").mkdir(parents=True)
    (runs / "sweeps" / "search.journal.lock").symlink_to("search.journal")  # what Optuna's own lock would leave
    since = time.monotonic()
    assert sweep(loaded, runs, uri)[0] == 0
    assert time.monotonic() - since < 25
    assert [trial["state"] for trial in result(runs)["trials"]] == ["complete"] * 2


def statuses(uri: str) -> dict[str, str]:
    """Trial -> status of its run in the store."""
    client = open_client(uri)
    experiment = client.get_experiment_by_name("search.sweep")
    found = client.search_runs([experiment.experiment_id], "tags.`repro.kind` = 'trial'")
    return {run.data.tags["repro.arm"]: run.info.status for run in found}


def test_a_journal_that_a_crash_left_torn_at_any_line_gives_the_same_trials(tmp_path: Path) -> None:
    loaded = sweep_spec(tmp_path, trials=3, batch=3, seeds=[1000])
    sweep(loaded, tmp_path / "whole", AWAY)
    journal = (tmp_path / "whole" / "sweeps" / "search.journal").read_bytes()
    lines = journal.splitlines(keepends=True)
    for count in range(1, len(lines)):
        torn = tmp_path / f"torn-{count}"
        (torn / "sweeps").mkdir(parents=True)
        (torn / "sweeps" / "search.journal").write_bytes(b"".join(lines[:count]) + lines[count][:-5])
        for run in (tmp_path / "whole").glob("*-*"):
            (torn / run.name).symlink_to(run)
        code, _ = sweep(loaded, torn, AWAY)
        assert code == 1 and result(torn) == result(tmp_path / "whole")
        again = (torn / "sweeps" / "search.journal").read_text().splitlines()
        assert all(json.loads(line) for line in again)


def test_a_larger_number_of_trials_goes_on_and_a_changed_search_starts_anew(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    sweep(sweep_spec(tmp_path, trials=2, seeds=[1000]), runs, AWAY)
    first = result(runs)["trials"]
    _, text = sweep(sweep_spec(tmp_path, trials=3, seeds=[1000]), runs, AWAY)
    assert "2 of 3 trials done" in text
    assert result(runs)["trials"][:2] == first
    _, text = sweep(sweep_spec(tmp_path, trials=2, seeds=[1000], sampler_seed=1), runs, AWAY)
    assert "0 of 2 trials done" in text
    assert len(json.loads((runs / "sweeps" / "search.json").read_text())) == 2


def test_two_commands_do_not_run_one_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    with (
        FileLock(tmp_path / "sweeps" / "search.lock"),
        pytest.raises(UserError, match="another command runs the sweep"),
    ):
        run_sweep(sweep_spec(tmp_path), tmp_path, Local(jobs=1))


def test_the_objective_is_the_last_accuracy_or_the_area_under_the_curve(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step, value in ((0, 0.2), (10, 0.4), (40, 0.6)):
        journal.log(step, {"eval/validation": value})
        journal.log(step, {"eval/accuracy": 0.9})
    journal.finish({})
    assert objective(tmp_path, "validation_accuracy") == 0.6
    assert objective(tmp_path, "validation_accuracy_auc") == pytest.approx((10 * 0.3 + 30 * 0.5) / 40)
    (tmp_path / "none").mkdir()
    Journal(tmp_path / "none").finish({})
    with pytest.raises(ValueError, match="no eval/validation"):
        objective(tmp_path / "none", "validation_accuracy")
    with pytest.raises(ValueError, match="no cost/generated_tokens"):
        objective(tmp_path, "generated_tokens")


def test_the_objective_of_a_damaged_run_is_its_damage_and_no_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.log(0, {"eval/validation": 0.25})
    journal.finish({})
    rows = (tmp_path / "metrics.jsonl").read_bytes()
    (tmp_path / "metrics.jsonl").write_bytes(rows.replace(b"0.25", b"0.75"))
    with pytest.raises(DamagedError, match=r"metrics\.jsonl has changed"):
        objective(tmp_path, "validation_accuracy")


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
