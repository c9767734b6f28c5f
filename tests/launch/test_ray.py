"""Ray's launcher on real local clusters: a lost node, retries, shares of a GPU, and a cell that really trains."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from repro.errors import UserError
from repro.files import read_json, read_jsonl
from repro.launch.launchers.ray import Ray
from repro.launch.launchers.ray.cluster import disconnect
from repro.launch.protocol import Outcome, Task
from repro.launch.worker import Target
from repro.study.expand import expand_study
from repro.study.load import load_spec
from tests.launch import jobs
from tests.launch.test_pool import Notes, tasks_of
from tests.launch.test_run import wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head on which no job runs, and a node with two cores and a GPU that exists for Ray only."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    light = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **light})
    cluster.add_node(num_cpus=2, num_gpus=1)
    yield cluster
    disconnect()
    cluster.shutdown()


def run(
    cluster: Cluster, tasks: list[Task], notes: Notes | None = None, target: Target | None = jobs.job, **options: float
) -> list[Outcome]:
    where = Ray(ray_address=cluster.address, **{"gpus_per_job": 0, **options})  # type: ignore[arg-type]
    return where.launcher(tasks[0].run_dir.parent, target=target).run(tasks, notes or Notes())


def rows(task: Task) -> list[dict]:
    return read_jsonl(task.run_dir / "metrics.jsonl")


def test_an_address_at_which_nobody_listens_is_a_mistake_that_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--ray-address: got '127\.0\.0\.1:1', where no Ray answers"):
        Ray(ray_address="127.0.0.1:1").launcher(tmp_path, target=jobs.job)


def test_shares_of_a_gpu_limit_how_many_jobs_run_side_by_side(cluster: Cluster, tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "meets", "meets", "slow", "slow")
    notes, lines = Notes(), list[str]()
    where = Ray(ray_address=cluster.address, cpus_per_job=0.25, gpus_per_job=0.5)
    launcher = where.launcher(tmp_path, target=jobs.job, note=lines.append)
    assert lines == ["Ray: 2 nodes with 2 CPUs and 1 GPUs, room for 2 jobs of 0.25 and 0.5"]
    assert [outcome.end for outcome in launcher.run(tasks, notes)] == ["finished"] * 4
    spans = [(rows(task)[0]["metrics"]["time"], rows(task)[-1]["metrics"]["time"]) for task in tasks]
    assert max(sum(start <= moment <= end for start, end in spans) for moment, _ in spans) == 2


def test_a_job_keeps_the_gpu_that_ray_gave_it_and_its_share_of_the_cores(cluster: Cluster, tmp_path: Path) -> None:
    one, two = tasks_of(tmp_path, "a", "b")
    run(cluster, [one], target=jobs.report_environment, cpus_per_job=2, gpus_per_job=0.5)
    run(cluster, [two], target=jobs.report_environment, cpus_per_job=0.5)
    with_gpu, without = (read_json(task.run_dir / "found.json") for task in (one, two))
    assert (with_gpu["gpu"], with_gpu["omp"], with_gpu["cores"]) == ("0", "1", "2")
    assert (without["gpu"], without["omp"], without["cores"]) == ("", "1", "1")
    assert with_gpu["group_leader"] and with_gpu["stdin"] == "/dev/null"
    assert "printed past Python" in (one.run_dir / "job.log").read_text()


def test_a_failed_cell_is_not_tried_again_and_the_others_go_on(cluster: Cluster, tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "raises", "oom", "fine")
    notes = Notes()
    outcomes = run(cluster, tasks, notes)
    assert [outcome.end for outcome in outcomes] == ["failed", "failed", "finished"]
    assert outcomes[0].reason == "dataset.path: no such file"
    assert "SIGKILL" in outcomes[1].reason and "memory" in outcomes[1].reason
    assert sum(line.startswith("started") for line in notes.lines) == 3
    (tmp_path / "healed").touch()
    assert [outcome.end for outcome in run(cluster, tasks)] == ["finished"] * 3
    assert all([row["step"] for row in rows(task)] == list(range(jobs.STEPS)) for task in tasks)


def test_a_node_that_dies_costs_its_cell_an_attempt_and_every_cell_finishes(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    tasks = tasks_of(tmp_path, "waits", "waits", "waits", "waits")

    def kill_one_node() -> None:
        if node in cluster.worker_nodes and len(list(tmp_path.glob("waiting-*"))) == 3:
            cluster.remove_node(node, allow_graceful=False)
        if any(line.startswith("retried") for line in notes.lines):
            (tmp_path / "go").touch()

    notes = Notes(kill_one_node)
    outcomes = run(cluster, tasks, notes)
    assert [outcome.end for outcome in outcomes] == ["finished"] * 4
    (retried,) = [line for line in notes.lines if line.startswith("retried")]
    assert "retry 1 of 3" in retried
    lost = next(task for task in tasks if task.identity in retried)
    assert notes.lines.count(f"started {lost.identity}") == 2
    first, second = re.findall(r"from step (\d)", (lost.run_dir / "job.log").read_text())
    assert first == "0" and int(second) >= 4, "goes on where the lost attempt was"
    assert all([row["step"] for row in rows(task)] == list(range(jobs.STEPS)) for task in tasks)


def test_a_cell_that_is_lost_again_and_again_fails_after_the_retries(cluster: Cluster, tmp_path: Path) -> None:
    (task,) = tasks_of(tmp_path, "waits")
    killed = set[int]()

    def kill_the_ray_worker() -> None:
        for pid in {int(path.name.split("-")[1]) for path in tmp_path.glob("waiting-*")} - killed:
            killed.add(pid)
            psutil.Process(pid).parent().kill()  # type: ignore[union-attr]

    notes = Notes(kill_the_ray_worker)
    (outcome,) = run(cluster, [task], notes, retries=1)
    assert outcome.end == "failed" and "2 times; --retries 1 allows no more" in outcome.reason
    assert [line.split(":")[0] for line in notes.lines] == [
        "started waits-0", "retried waits-0", "started waits-0", "failed waits-0",
    ]  # fmt: skip
    assert len(killed) == 2
    wait_for(lambda: all(jobs.gone(pid) for pid in killed))  # a job dies with its supervisor


@pytest.mark.slow
def test_a_real_cell_trains_under_ray(cluster: Cluster, tmp_path: Path) -> None:
    cell = expand_study(load_spec(ROOT / "experiments" / "quickstart.yaml", ["seeds=[0]"], True).spec)[0]
    task = Task(cell.cell, cell.identity, tmp_path / cell.identity)
    (outcome,) = run(cluster, [task], target=None)
    assert outcome.end == "finished", outcome.reason
    assert rows(task)[-1]["step"] == cell.cell.train.steps
    assert not (task.run_dir / "delivery").exists(), "to a file only the launcher delivers"
