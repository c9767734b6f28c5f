"""Trials that fail and sweeps that die: the next call goes on with the same trials."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from filelock import FileLock

from repro.errors import UserError
from repro.launch.launchers.local import Local
from repro.sweep.run import run_sweep
from repro.tracking.client import open_client
from tests.sweep import jobs
from tests.sweep.search import AWAY, result, sweep, sweep_spec


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


@pytest.mark.parametrize("damage", [b'{"op_code": 4, "wor\n', b"\0\0\0\n", b"\n"], ids=["torn", "zeros", "blank"])
def test_a_journal_with_a_damaged_line_is_cut_before_it_and_the_whole_file_is_kept(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = sweep_spec(tmp_path, trials=3, batch=3, seeds=[1000])
    sweep(loaded, tmp_path, AWAY)
    whole, journal = result(tmp_path), tmp_path / "sweeps" / "search.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[: len(lines) // 2], damage, *lines[len(lines) // 2 :]])
    journal.write_bytes(damaged)
    sweep(loaded, tmp_path, AWAY)
    assert result(tmp_path) == whole, "what was cut is asked for again, and its runs are found"
    assert (tmp_path / "sweeps" / "search.journal.damaged").read_bytes() == damaged
    assert "damaged line" in caplog.text


def test_two_commands_do_not_run_one_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    with (
        FileLock(tmp_path / "sweeps" / "search.lock"),
        pytest.raises(UserError, match="another command runs the sweep"),
    ):
        run_sweep(sweep_spec(tmp_path), tmp_path, Local(jobs=1))
