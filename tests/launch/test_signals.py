"""Signals to launcher, group, jobs and fork server: clean ends, nothing left behind, cells that go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from repro.files import read_jsonl
from repro.tracking.run_status import run_lock, run_status
from tests.launch import jobs

SCRIPT = """
    import json
    import sys
    from pathlib import Path
    from repro.launch.launchers.local import pool
    from tests.launch import jobs
    from tests.launch.test_pool import Notes, tasks_of
    if __name__ == "__main__":
        pool.TICK = 0.05
        runs, preload, *arms = sys.argv[1:]
        launcher = pool.Pool(jobs.job, Path(runs), 2, preload=preload.split())
        notes = Notes()
        outcomes = launcher.run(tasks_of(Path(runs), *arms), notes)
        ends = [[outcome.end, outcome.reason] for outcome in outcomes]
        print(json.dumps({"ends": ends, "lines": notes.lines, "signal": launcher.interrupted}))
"""


class Launched:
    """A launcher at work in a session of its own."""

    def __init__(self, folder: Path, *arms: str, before: Callable[[], object] | None = None, preload: str = "") -> None:
        self.runs, self.arms = folder / "runs", arms
        script = folder / "script.py"
        script.write_text(textwrap.dedent(SCRIPT))
        words = [str(script), str(self.runs), preload or " ".join(jobs.PRELOAD), *arms]
        self.process = subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=before, env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
        )  # fmt: skip

    def wait_for_jobs(self, count: int) -> list[psutil.Process]:
        """The processes of `count` jobs that have reached the step at which they wait."""
        deadline = time.monotonic() + 60
        while len(found := list(self.runs.glob("waiting-*"))) < count:
            assert self.process.poll() is None and time.monotonic() < deadline, "the jobs did not start"
            time.sleep(0.02)
        return [psutil.Process(int(path.name.split("-")[1])) for path in found]

    def fork_server(self) -> psutil.Process:
        """The process that forks the jobs."""
        (waiting,) = {psutil.Process(job.pid).ppid() for job in self.wait_for_jobs(1)}
        return psutil.Process(waiting)

    def family(self) -> list[psutil.Process]:
        """The launcher's descendants."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, family: list[psutil.Process]) -> dict:
        """What the launcher printed at its end; it must have left no process, no held lock and no traceback."""
        out, err = self.process.communicate(timeout=60)
        assert err == "", err
        deadline = time.monotonic() + 10
        while any(not jobs.gone(one.pid) for one in family) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [one for one in family if not jobs.gone(one.pid)] == []
        for number, arm in enumerate(self.arms):
            with run_lock(self.runs / f"{arm}-{number}").acquire(timeout=0):
                pass
        return dict(json.loads(out))

    def goes_on(self, folder: Path) -> None:
        """A second launcher finishes every cell from where the first left it."""
        (self.runs / "go").touch()
        (self.runs / "healed").touch()
        again = Launched(folder, *self.arms)
        assert [end for end, _ in again.end([])["ends"]] == ["finished"] * len(self.arms)
        for number, arm in enumerate(self.arms):
            rows = read_jsonl(self.runs / f"{arm}-{number}" / "metrics.jsonl")
            assert [row["step"] for row in rows] == list(range(jobs.STEPS))


ROOT = Path(__file__).parents[2]


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    one = Launched(tmp_path, "waits", "waits")
    yield one
    if one.process.poll() is None:
        one.process.kill()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
    ids=lambda number: number.name,
)
def test_a_signal_to_the_whole_group_stops_the_jobs_at_their_checkpoints(
    launched: Launched, tmp_path: Path, number: signal.Signals
) -> None:
    launched.wait_for_jobs(2)
    family = launched.family()
    os.killpg(launched.process.pid, number)
    said = launched.end(family)
    assert said["ends"] == [["stopped", ""]] * 2
    assert said["signal"] == number
    for number_of_cell in (0, 1):
        log = (launched.runs / f"waits-{number_of_cell}" / "job.log").read_text()
        assert "stopped; the next run goes on from the last checkpoint" in log, "it was asked, not killed"
    launched.goes_on(tmp_path)


def test_sigterm_to_the_group_while_the_jobs_are_being_started_is_followed_too(launched: Launched) -> None:
    deadline = time.monotonic() + 60
    while not launched.runs.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    family = launched.family()
    os.killpg(launched.process.pid, signal.SIGTERM)
    said = launched.end(family)
    assert {end for end, _ in said["ends"]} <= {"stopped", "not run"}


def test_a_signal_does_not_wait_until_the_fork_server_has_imported_everything(tmp_path: Path) -> None:
    (tmp_path / "slow_import.py").write_text("import time\ntime.sleep(600)\n")
    launched = Launched(tmp_path, "waits", preload="slow_import")
    deadline = time.monotonic() + 60
    while not any("forkserver" in " ".join(one.cmdline()) for one in launched.family()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    family = launched.family()
    launched.process.terminate()
    assert launched.end(family)["ends"] == [["not run", ""]]


def test_a_second_sigterm_kills_jobs_that_do_not_listen(tmp_path: Path) -> None:
    launched = Launched(tmp_path, "deaf")
    deadline = time.monotonic() + 60
    while not (launched.runs / "deaf").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    family = launched.family()
    launched.process.terminate()
    time.sleep(0.3)
    assert launched.process.poll() is None, "the first one waits for the job"
    launched.process.terminate()
    assert launched.end(family)["ends"] == [["stopped", ""]]


def test_sigterm_to_a_job_stops_that_cell_and_is_no_failure(launched: Launched, tmp_path: Path) -> None:
    jobs_at_work = launched.wait_for_jobs(2)
    family = launched.family()
    jobs_at_work[0].terminate()
    jobs_at_work[0].wait(10)
    (launched.runs / "go").touch()
    said = launched.end(family)
    assert sorted(said["ends"]) == [["finished", ""], ["stopped", "another program asked it to stop (SIGTERM)"]]
    assert sorted(run_status(launched.runs / f"waits-{n}") for n in (0, 1)) == ["finished", "killed"]
    launched.goes_on(tmp_path)


def test_where_the_fork_server_is_killed_a_new_one_takes_its_cells_on(launched: Launched) -> None:
    launched.wait_for_jobs(2)
    server, family = launched.fork_server(), launched.family()
    before = {path.name for path in launched.runs.glob("waiting-*")}
    server.kill()
    deadline = time.monotonic() + 60
    while len({path.name for path in launched.runs.glob("waiting-*")} - before) < 2:
        assert time.monotonic() < deadline, "the cells did not start again"
        time.sleep(0.02)
    family += launched.family()
    (launched.runs / "go").touch()
    said = launched.end(family)
    assert said["ends"] == [["finished", ""]] * 2
    assert sum("retried" in line and "was killed" in line for line in said["lines"]) == 2
    for number in (0, 1):
        rows = read_jsonl(launched.runs / f"waits-{number}" / "metrics.jsonl")
        assert [row["step"] for row in rows] == list(range(jobs.STEPS))
        assert "from step 4" in (launched.runs / f"waits-{number}" / "job.log").read_text()


@pytest.mark.slow
def test_a_fork_server_that_dies_again_and_again_is_the_failure_of_the_cell(tmp_path: Path) -> None:
    launched = Launched(tmp_path, "kills its server")
    family = []
    while launched.process.poll() is None:
        family += launched.family()
        time.sleep(0.1)
    ((end, reason),) = launched.end(family)["ends"]
    assert end == "failed"
    assert "the process that starts the jobs was killed" in reason and "4 times" in reason


@pytest.mark.slow
def test_under_nohup_a_hangup_changes_nothing(tmp_path: Path) -> None:
    launched = Launched(tmp_path, "waits", before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    launched.wait_for_jobs(1)
    family = launched.family()
    os.killpg(launched.process.pid, signal.SIGHUP)
    time.sleep(0.3)
    (launched.runs / "go").touch()
    assert launched.end(family)["ends"] == [["finished", ""]]
