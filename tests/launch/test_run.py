"""A study from its YAML to the MLflow store, with jobs that are quick, and Ctrl-C in a real terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from repro.errors import UserError
from repro.files import read_jsonl
from repro.launch.cells import check_cell
from repro.launch.launchers.local import Local
from repro.launch.launchers.local import pool as pool_module
from repro.launch.launchers.ray import Ray
from repro.launch.order import in_training_order
from repro.launch.run import run_study
from repro.launch.worker import Target
from repro.models.rollout_spec import RolloutSpec
from repro.study.expand import expand_study
from repro.study.load import LoadedSpec, load_spec
from repro.tracking.read import read_runs
from repro.tracking.run_status import run_status
from tests.launch import jobs

SPEC = """
name: trial
model: tiny
dataset: arithmetic
train: {steps: 8}
arms:
  ARMS
seeds: SEEDS
"""


def study(folder: Path, arms: dict[str, str] | None = None, seeds: str = "[0, 1]") -> LoadedSpec:
    arms = arms or {"full": "{}", "random": "{selection: {method: random}}"}
    text = SPEC.replace("ARMS", "\n  ".join(f"{name}: {fields}" for name, fields in arms.items()))
    path = folder / "trial.yaml"
    path.write_text(text.replace("SEEDS", seeds))
    return load_spec(path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "TICK", 0.05)


def run(loaded: LoadedSpec, runs: Path, store: str, target: Target = jobs.job, **options: bool) -> tuple[int, str]:
    out = io.StringIO()
    code = run_study(
        loaded,
        runs,
        Local(jobs=2, preload=jobs.PRELOAD),
        store_uri=store,
        console=Console(file=out, width=110),
        target=target,
        **options,
    )
    return code, out.getvalue()


def test_what_no_job_could_train_is_refused_before_any_starts(tmp_path: Path) -> None:
    cell = expand_study(study(tmp_path).spec)[0].cell
    with pytest.raises(UserError, match=r"questions_per_step: got .* with --processes 7, expected a multiple of it"):
        check_cell(cell, Local(processes=7))
    server = RolloutSpec(engine="vllm", mode="server", server="http://a:1")
    remote = cell.model_copy(update={"train": cell.train.model_copy(update={"rollout": server})})
    with pytest.raises(UserError, match=r'train.rollout.mode: got "server" with 2 jobs at a time, expected --jobs 1'):
        check_cell(remote, Local(jobs=2))
    with pytest.raises(UserError, match='got "server" with any number of jobs at a time'):
        check_cell(remote, Ray())
    with pytest.raises(UserError, match='got "server" with --processes 2, expected "colocate"'):
        check_cell(remote, Local(jobs=1, processes=2))
    check_cell(remote, Local(jobs=1))


def test_a_study_is_trained_delivered_aggregated_and_not_trained_again(tmp_path: Path, uri: str) -> None:
    loaded, runs = study(tmp_path), tmp_path / "runs"
    code, text = run(loaded, runs, uri)
    assert code == 0
    assert "trial: 4 cells, 0 finished before; 4 to train, 2 at a time" in text
    assert f"mlflow ui --backend-store-uri {uri}" in text.replace("\n", "")
    records = read_runs("trial", uri)
    assert [(r.arm, r.seed, r.status) for r in records] == [
        ("full", 0, "finished"), ("full", 1, "finished"), ("random", 0, "finished"), ("random", 1, "finished"),
    ]  # fmt: skip
    assert {r.identity for r in records} == {cell.identity for cell in expand_study(loaded.spec)}
    from repro.tracking.client import open_client

    parent = open_client(uri).get_run(str(records[0].parent_id))
    assert (parent.data.metrics["seeds/n"], parent.data.metrics["seeds/accuracy_mean"]) == (2, pytest.approx(0.7))
    # the table of arms: seeds, accuracy before and after, an interval without width because both seeds end at 0.7
    row = next(line.split() for line in text.splitlines() if line.startswith("full "))
    assert row[:4] == ["full", "2", "0.000", "0.700"] and row[4:7] == ["0.700", "..", "0.700"]
    assert "name: trial" in (runs / "specs" / "trial.yaml").read_text()

    code, text = run(loaded, runs, uri)
    assert code == 0 and "4 finished before" in text and "started" not in text
    assert len(read_runs("trial", uri)) == 4


def test_a_study_goes_on_where_the_folders_of_its_finished_runs_are_copied_to(tmp_path: Path, uri: str) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert run(study(tmp_path, seeds="[0]"), here, f"sqlite:///{tmp_path / 'here.db'}")[0] == 0
    there.mkdir()
    for cell in expand_study(study(tmp_path, seeds="[0]").spec):
        shutil.copytree(here / cell.identity, there / cell.identity)
    code, text = run(study(tmp_path), there, uri)
    assert code == 0 and "4 cells, 2 finished before; 2 to train" in text
    assert sorted((one.arm, one.seed, one.status) for one in read_runs("trial", uri)) == [
        ("full", 0, "finished"), ("full", 1, "finished"), ("random", 0, "finished"), ("random", 1, "finished"),
    ]  # fmt: skip


def test_finished_runs_that_are_damaged_are_named_with_their_cure_and_the_other_cells_go_on(
    tmp_path: Path,
    uri: str,
) -> None:
    runs = tmp_path / "runs"
    assert run(study(tmp_path), runs, uri)[0] == 0
    whole, line, short, earlier = (runs / cell.identity for cell in expand_study(study(tmp_path).spec))
    rows = (line / "metrics.jsonl").read_bytes()
    (line / "metrics.jsonl").write_bytes(rows.replace(b'{"step": 3', b'#"step": 3'))
    (short / "environment.json").write_bytes(b"{}")
    done = json.loads((earlier / "done.json").read_text())
    (earlier / "done.json").write_text(json.dumps({name: done[name] for name in ("summary", "time")}))
    (earlier / "metrics.jsonl").write_bytes(rows.replace(b'{"step": 5', b'#"step": 5'))

    code, text = run(study(tmp_path, seeds="[0, 1, 2]"), runs, uri)
    text = " ".join(text.split())
    assert code == 1 and "3 damaged, and left as they are" in text
    assert "trial: 6 cells, 2 finished before, 2 damaged; 2 to train" in text
    for folder, problem in (
        (line, "metrics.jsonl has changed since it was written"),
        (short, "environment.json has 2 bytes instead of"),
        (earlier, "metrics.jsonl:6: not a JSON line"),
    ):
        assert f"{folder}: this run is damaged: " in text and problem in text
        assert f"remove {folder / 'done.json'} and run the study again" in text
    finished = {r.identity for r in read_runs("trial", uri) if r.seed == 2 and r.status == "finished"}
    assert finished == {cell.identity for cell in expand_study(study(tmp_path, seeds="[2]").spec)}
    assert run_status(whole) == "finished" and run_status(short) == "damaged"

    for folder in (line, short, earlier):
        (folder / "done.json").unlink()
        (folder / "metrics.jsonl").unlink()
    assert run(study(tmp_path, seeds="[0, 1, 2]"), runs, uri)[0] == 0
    assert (line / "metrics.jsonl").read_bytes().count(b"\n") == rows.count(b"\n")


def test_what_a_job_found_damaged_and_mended_is_told_at_the_end(tmp_path: Path, uri: str) -> None:
    code, text = run(study(tmp_path, {"mends": "{}"}, "[0]"), tmp_path / "runs", uri, jobs.mends)
    assert code == 0 and "mended: mends seed 0: checkpoint-4 was damaged" in text
    assert "mended" not in run(study(tmp_path, {"mends": "{}"}, "[0]"), tmp_path / "runs", uri, jobs.mends)[1]


def test_a_failed_cell_is_listed_and_makes_the_exit_code_one_and_the_next_run_mends_it(
    tmp_path: Path,
    uri: str,
) -> None:
    loaded, runs = study(tmp_path, {"full": "{}", "raises": "{selection: {method: random}}"}), tmp_path / "runs"
    code, text = run(loaded, runs, uri)
    assert code == 1
    failed = [r for r in read_runs("trial", uri) if r.arm == "raises"]
    assert [r.status for r in failed] == ["failed", "failed"]
    assert "2 failed; the same command fails the same way until what each line names is changed:" in text
    for record in failed:
        assert f"{runs / record.identity / 'error.txt'}" in text
    (runs / "healed").touch()
    code, text = run(loaded, runs, uri)
    assert code == 0 and "2 to go on with after a failure or a stop" in text
    assert {r.status for r in read_runs("trial", uri)} == {"finished"}


def test_the_last_lines_say_whether_the_same_command_can_help(tmp_path: Path, uri: str) -> None:
    loaded, runs = study(tmp_path, {"nan": "{}", "breaks": "{selection: {method: random}}"}, "[0]"), tmp_path / "runs"
    code, text = run(loaded, runs, uri)
    assert code == 1
    assert "1 failed; the same command fails the same way until train.learning_rate is changed:\n  nan seed 0: " in text
    assert "1 failed; the same command tries them again:\n  breaks seed 0: RuntimeError: out of luck\n" in text
    code, text = run(loaded, runs, uri)
    assert "1 to go on with after a failure or a stop, 1 ended in NaN and not tried again (" in text
    assert "; 1 to train," in text
    assert code == 1 and "until train.learning_rate is changed:\n  nan seed 0: " in text
    assert "1 failed as before; the same command tries them again, but is not likely to help:\n  breaks" in text


def test_a_store_that_is_away_costs_the_exit_code_and_gets_everything_next_time(
    tmp_path: Path,
    uri: str,
) -> None:
    loaded, runs = study(tmp_path), tmp_path / "runs"
    code, text = run(loaded, runs, "http://127.0.0.1:7")
    assert code == 1
    flat = " ".join(text.split())
    assert flat.count("takes no data now (Connection refused)") == 1
    assert "4 runs are finished but their metrics are not in the MLflow store http://127.0.0.1:7: v3-" in flat
    assert "and 1 more; the same command delivers them" in flat
    code, text = run(loaded, runs, uri)
    assert code == 0 and "started" not in text
    assert len(read_runs("trial", uri)) == 4


def test_arms_that_are_the_same_training_are_trained_once_and_both_in_the_store(tmp_path: Path, uri: str) -> None:
    loaded = study(tmp_path, {"full": "{}", "again": "{selection: {method: uniform}}"}, seeds="[0]")
    code, text = run(loaded, tmp_path / "runs", uri)
    assert code == 0 and text.count("started") == 1
    records = read_runs("trial", uri)
    assert [r.arm for r in records] == ["again", "full"]
    assert len({r.identity for r in records}) == 1


def test_seeds_come_one_after_the_other_and_models_alternate(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(
        "name: trial\nmodel: [tiny, {tiny: {layers: 3}}]\ndataset: arithmetic\n"
        "arms: {a: {}, b: {selection: {method: random}}}\nseeds: [5, 3]\n"
    )
    cells = in_training_order(expand_study(load_spec(path).spec))
    order = [(c.cell.seed, c.cell.arm, c.cell.model.tiny and c.cell.model.tiny.layers) for c in cells]
    assert order == [
        (5, "a", 2), (5, "a", 3), (5, "b", 2), (5, "b", 3), (3, "a", 2), (3, "a", 3), (3, "b", 2), (3, "b", 3),
    ]  # fmt: skip


# ---------------------------------------------------------------- in a process of its own

SCRIPT = """
    import json
    import sys
    from pathlib import Path
    from repro.launch.launchers import launchers
    from repro.launch.run import run_study
    from repro.study.load import load_spec
    from tests.launch import jobs
    if __name__ == "__main__":
        spec, runs, store, where = sys.argv[1:]
        options = {"store_uri": store, "target": jobs.job}
        name, fields = json.loads(where)
        if name == "local":
            fields["preload"] = jobs.PRELOAD
        sys.exit(run_study(load_spec(spec), Path(runs), launchers()[name](**fields), **options))
"""


LOCAL = ("local", {"jobs": 2})
SLURM = ("slurm", {"jobs": 2, "slurm": {"executor": "local"}})
RAY = ("ray", {"cpus_per_job": 0.5, "gpus_per_job": 0})


def command(tmp_path: Path, store: str, where: tuple[str, dict[str, Any]] = LOCAL) -> list[str]:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    return [sys.executable, str(script), str(tmp_path / "trial.yaml"), str(tmp_path / "runs"), store, json.dumps(where)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "COLUMNS": "100"}


def wait_for(condition, seconds: float = 120.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "where", [LOCAL, SLURM, pytest.param(RAY, marks=pytest.mark.slow)], ids=["local", "slurm", "ray"]
)
def test_ctrl_c_in_a_terminal_stops_the_jobs_and_a_rerun_goes_on(
    tmp_path: Path, uri: str, where: tuple[str, dict[str, Any]]
) -> None:
    loaded = study(tmp_path, {"hangs": "{}", "full": "{selection: {method: random}}"}, seeds="[0]")
    runs = tmp_path / "runs"
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command(tmp_path, uri, where), stdin=terminal, stdout=terminal, stderr=terminal, env=environment(),
        start_new_session=True, preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(terminal)
    seen = b""

    def read() -> bool:
        nonlocal seen
        while select.select([controller], [], [], 0)[0]:
            try:
                seen += os.read(controller, 65536)
            except OSError:
                return True
        return bool(list(runs.glob("child-*"))) and b"1 of 2 finished" in seen

    wait_for(read)
    os.write(controller, b"\x03")  # what the terminal makes of Ctrl-C: SIGINT to the whole foreground group
    wait_for(lambda: read() is not None and process.poll() is not None)
    read()
    os.close(controller)
    assert process.returncode == 130
    text = seen.decode()
    assert "\x1b[" in text and "hangs seed 0" in text, "a live table was drawn"
    assert "Stopped. The same command goes on" in text
    assert "Traceback" not in text
    child = int(next(runs.glob("child-*")).name.split("-")[1])
    wait_for(lambda: jobs.gone(child), 5)
    identities = {cell.cell.arm: cell.identity for cell in expand_study(loaded.spec)}
    assert run_status(runs / identities["hangs"]) == "killed"
    assert run_status(runs / identities["full"]) == "finished"

    (runs / "healed").touch()
    code, text = run(loaded, runs, uri)
    assert code == 0 and "1 finished before, 1 to go on with" in text
    assert "\x1b" not in text
    assert [row["step"] for row in read_jsonl(runs / identities["hangs"] / "metrics.jsonl")] == list(range(jobs.STEPS))
    assert {r.status for r in read_runs("trial", uri)} == {"finished"}


@pytest.mark.parametrize("who", ["job", "launcher"])
def test_kill_9_leaves_nothing_running_and_a_rerun_goes_on(tmp_path: Path, uri: str, who: str) -> None:
    loaded, runs = study(tmp_path, {"hangs": "{}"}, seeds="[0]"), tmp_path / "runs"
    (identity,) = [cell.identity for cell in expand_study(loaded.spec)]
    process = subprocess.Popen(
        command(tmp_path, uri), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(lambda: list(runs.glob("child-*")))
    child = int(next(runs.glob("child-*")).name.split("-")[1])
    job = int(read_jsonl(runs / identity / "metrics.jsonl")[-1]["metrics"]["pid"])
    os.kill(job if who == "job" else process.pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    wait_for(lambda: jobs.gone(child) and jobs.gone(job), 10)
    if who == "job":
        assert process.returncode == 1
        assert "SIGKILL" in output and "error.txt" in output
    assert run_status(runs / identity) == ("failed" if who == "job" else "killed")
    (runs / "healed").touch()
    assert run(loaded, runs, uri)[0] == 0
    assert [row["step"] for row in read_jsonl(runs / identity / "metrics.jsonl")] == list(range(jobs.STEPS))
