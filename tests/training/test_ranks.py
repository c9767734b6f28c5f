"""Whole runs by two processes, what they share, and which options fit them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType
from safetensors.torch import load_file

from repro import cli
from repro.cache import Cache
from repro.errors import UserError
from repro.launch.devices import default_jobs, gpus_of
from repro.launch.options import add_launch_options, where
from repro.launch.ranked import run_ranks, target_of
from repro.models.model_spec import ModelSpec, TinyModel, WarmStart
from repro.models.policy import SHIPPED
from repro.replay.replay_spec import ReplaySpec
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import TrainSpec
from repro.study.identity import identity
from repro.tracking.failure import reason_of
from repro.tracking.journal import Journal
from repro.training.job import run_job
from repro.training.prepare import cache_of, check_prepared
from repro.training.ranks import RankedCache, Ranks
from repro.training.ranks_main import read_request
from repro.training.split import check_ranks
from tests.training.ranked import CONFIGS, cell

from .two import on_two


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what is measured of the start policy is cached for all tests of this file."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("PYTHONPATH", str(CONFIGS.parents[1]))  # a fork server started from another folder imports this
    monkeypatch.chdir(tmp_path)


def train_cell(ranks: Ranks, run_dir: Path, shared: Path, killed_after: int | None = None) -> None:
    """Trains the cell; rank 1 kills itself once that many steps are in the journal."""
    if killed_after is not None and not ranks.main:
        progress = Journal.progress

        def watch(self: Journal, phase: str, step: int = 0, *rest: Any) -> None:
            if (phase, step) == ("training", killed_after):
                os.kill(os.getpid(), signal.SIGKILL)
            progress(self, phase, step, *rest)

        Journal.progress = watch  # type: ignore[method-assign]
    run_job(cell(), run_dir.name, run_dir, shared, ranks)


def without_time(run_dir: Path, name: str) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in row.items() if k != "time"}
        | {"metrics": {k: v for k, v in row.get("metrics", {}).items() if "seconds" not in k}}
        for row in Journal(run_dir).read_jsonl(name)
    ]


def test_a_run_of_two_processes_killed_and_resumed_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path: Path, shared: Path
) -> None:
    whole, killed = tmp_path / "runs/whole", tmp_path / "runs/killed"
    on_two(train_cell, whole, shared)
    assert on_two(train_cell, killed, shared, 5)[1] is None
    assert not Journal(killed).finished and (killed / "checkpoints/checkpoint-8/buffer-1-of-2").is_dir()
    with pytest.raises(UserError, match="--processes: got 1, expected 2"):
        run_job(cell(), "killed", killed, shared)
    on_two(train_cell, killed, shared)
    assert Journal(killed).finished
    for name in ("metrics.jsonl", "steps.jsonl", "evaluations.jsonl"):
        assert without_time(killed, name) == without_time(whole, name)
    start, *weights = [
        load_file(folder / "model.safetensors") for folder in (SHIPPED, whole / "policy", killed / "policy")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], start[name]) for name in start), "it learns"

    journal = Journal(whole)
    steps = journal.read_jsonl("steps.jsonl")
    assert len(steps[0]["fresh"]) == 4
    assert all(len(row["fresh"]) + len(row["replayed"]) == 4 for row in steps)
    assert sum(len(row["replayed"]) for row in steps) > 0
    ledger = journal.read_json("ledger.json")
    assert ledger["rollout"]["completions"] == 4 * sum(len(row["fresh"]) for row in steps)
    assert ledger["probe"]["completions"] % (2 * 4) == 0, "five references are six on two ranks, three on each"
    spent = [row for row in journal.read_jsonl("spent.jsonl") if row["phase"] == "rollout"]
    assert sum(row["generated_tokens"] for row in spent) == ledger["rollout"]["generated_tokens"]
    final = journal.read_jsonl("evaluations.jsonl")[-2]
    assert len(final["passes"]) == 9 and set(final["greedy"]) == set(final["passes"])
    assert journal.read_json("environment.json")["processes"] == 2


SPEC = """
name: two
model: {tiny: {width: 24, layers: 1, heads: 3, warm_start: {updates: 40, batch_size: 32}}}
dataset: {arithmetic: {pool: 64, test: 8, validation: 8}}
train: {steps: 2, questions_per_step: 4, group_size: 4, minibatches: 2, max_completion_tokens: 16}
evaluate: {every: 2, samples: 2, pool_samples: 2, base_temperatures: []}
arms: {full: {}}
seeds: [0]
"""


@pytest.mark.slow
def test_a_study_runs_with_two_processes_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(SPEC)
    options = ["--processes", "2", "--accelerate", str(CONFIGS / "cpu.yaml"), "--jobs", "1", "--runs", "runs"]
    assert cli.main(["run", "two.yaml", *options]) == 0
    (run_dir,) = (tmp_path / "runs").glob("v*-*")
    journal = Journal(run_dir)
    assert journal.finished and journal.read_json("environment.json")["processes"] == 2
    assert journal.read_json("ledger.json")["rollout"]["completions"] == 4 * 4 * 2
    assert cli.main(["run", "two.yaml", *options]) == 0, "nothing is left to do"


TROUBLE = """
import os
if os.environ.get("RANK") == "1":
    import repro.training.split
    from repro.errors import UserError
    def check_ranks(cell, processes):
        raise UserError("model.path: rank 1 finds no such directory")
    repro.training.split.check_ranks = check_ranks
"""


def test_an_error_on_one_rank_ends_the_run_with_its_message(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TROUBLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    run_dir = tmp_path / "runs/one"
    run_dir.mkdir(parents=True)
    with pytest.raises(RuntimeError, match="rank 1 of 2 failed") as caught:
        run_ranks(cell(), "one", run_dir, shared, processes=2)
    assert reason_of(str(caught.value)) == "model.path: rank 1 finds no such directory"
    assert not Journal(run_dir).finished


def every_method(ranks: Ranks, folder: Path) -> dict[str, Any]:
    built: list[int] = []
    cache = RankedCache(Cache(folder), ranks)

    def build(place: Path) -> None:
        built.append(1)
        (place / "values.json").write_text(json.dumps(ranks.gather(ranks.index)))

    places = [cache.directory("kind", "key", build) for _ in range(2)]
    return {
        "gather": ranks.gather(ranks.index),
        "shared": ranks.shared(f"from {ranks.index}"),
        "first": ranks.first(lambda: (folder / "made").exists() or (folder / "made").write_text("x")),
        "share": [ranks.share(range(n)) for n in (0, 1, 4, 5)],
        "joined": [ranks.join([item * 10 for item in ranks.share(range(n))], n) for n in (0, 1, 4, 5)],
        "built": len(built),
        "values": [json.loads((place / "values.json").read_text()) for place in places],
        "name": places[0].name,
    }


def test_what_ranks_share_gather_split_and_build_together(tmp_path: Path) -> None:
    first, second = on_two(every_method, tmp_path)
    for each in (first, second):
        assert each["gather"] == [0, 1] and each["shared"] == "from 0"
        assert each["joined"] == [[], [0], [0, 10, 20, 30], [0, 10, 20, 30, 40]]
        assert each["built"] == 1 and each["values"] == [[0, 1]] * 2
        assert each["name"] == "key-2-ranks", "what two ranks sampled is not what one would have"
    assert (first["first"], second["first"]) == (1, True), "rank 0 made it, rank 1 found it"
    assert first["share"] == [[], [0], [0, 1], [0, 1, 2]]
    assert second["share"] == [[], [0], [2, 3], [3, 4, 4]]


@pytest.mark.parametrize(
    ("changes", "processes", "message"),
    [
        ({}, 3, r"train.questions_per_step: got 4 with --processes 3, expected a multiple of it \(3 or 6\)"),
        ({"replay": None}, 8, r"questions_per_step: got 4 with --processes 8, expected a multiple of it \(8\)"),
        ({}, 4, r"replay.fresh: got 2 with --processes 4"),
        ({"replay": ReplaySpec(fresh=0.5, capacity=9)}, 2, r"replay.capacity: got 9 with --processes 2.*\(8 or 10\)"),
        (
            {"replay": None, "train": TrainSpec(questions_per_step=4, group_size=2, minibatches=8)},
            2,
            r"train.minibatches: got 8 with --processes 2, which leaves 4 rows",
        ),
    ],
)
def test_what_does_not_divide_by_the_processes_is_told_with_both_numbers(
    changes: dict[str, Any], processes: int, message: str
) -> None:
    check_ranks(cell(**changes), 1)
    with pytest.raises(UserError, match=message):
        check_ranks(cell(**changes), processes)
    check_ranks(cell(selection=Uniform(), replay=None), 4)


def test_ranks_start_with_every_warm_start_built(tmp_path: Path) -> None:
    own = ModelSpec(tiny=TinyModel(warm_start=WarmStart(updates=1)))
    check_prepared(cell(), cache_of(cell(), tmp_path))
    with pytest.raises(UserError, match=r"model: the warm start of .* is not in .*run --processes N` builds it"):
        check_prepared(cell(model=own), cache_of(cell(), tmp_path))


def _parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int)
    add_launch_options(parser, detach=True)
    return parser.parse_args(words)


def test_a_rank_reads_its_cell_from_a_spec_or_from_a_request(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(SPEC)
    of_spec = read_request(["two.yaml:full:0", "--runs", "kept", "-S", "train.steps=3"])
    assert (of_spec.cell.arm, of_spec.cell.train.steps, of_spec.locked) == ("full", 3, False)
    assert of_spec.run_dir == tmp_path / "kept" / identity(of_spec.cell)
    for wrong in ("two.yaml:full:1", "two.yaml:other:0", "two.yaml", "full"):
        with pytest.raises(UserError, match="names 0 cells, expected one as SPEC"):
            read_request([wrong])
    what = {"cell": cell().model_dump(mode="json"), "identity": "one", "runs_dir": "kept"}
    (tmp_path / "ranks.json").write_text(json.dumps(what))
    asked = read_request([str(tmp_path / "ranks.json")])
    assert (asked.cell, asked.identity, asked.run_dir, asked.locked) == (cell(), "one", tmp_path, True)


def test_options_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"--accelerate: got cpu\.yaml with one process"):
        where(_parsed("--accelerate", "cpu.yaml"))
    with pytest.raises(UserError, match=r"missing\.yaml is no configuration of accelerate"):
        target_of(2, tmp_path / "missing.yaml")
    (tmp_path / "wide.yaml").write_text("distributed_type: MULTI_GPU\nnum_machines: 2\nnum_processes: 16\n")
    with pytest.raises(UserError, match="is for 2 machines"):
        target_of(2, tmp_path / "wide.yaml")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    with pytest.raises(UserError, match="--processes: got 4, expected at most 3, the GPUs of this machine"):
        where(_parsed("--processes", "4"))
    assert where(_parsed("--processes", "3")).local_jobs == 1
    on_ray = where(_parsed("--processes", "4", "--launcher", "ray"))
    assert (on_ray.processes, on_ray.cpus_per_job) == (4, 4.0)


def test_each_process_of_a_job_gets_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert (default_jobs(1), default_jobs(2), default_jobs(3), default_jobs(8)) == (4, 2, 1, 1)
    assert [gpus_of(slot, 2) for slot in range(3)] == [[0, 1], [2, 3], [0, 1]]
    assert gpus_of(1) == [1]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus_of(0, 2) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cpu", DistributedType.MULTI_GPU),
        ("ddp", DistributedType.MULTI_GPU),
        ("fsdp", DistributedType.FSDP),
        ("deepspeed_zero2", DistributedType.DEEPSPEED),
        ("deepspeed_zero3", DistributedType.DEEPSPEED),
    ],
)
def test_accelerate_reads_every_configuration_that_is_shipped(name: str, kind: DistributedType) -> None:
    assert {path.stem for path in CONFIGS.iterdir()} == {"cpu", "ddp", "fsdp", "deepspeed_zero2", "deepspeed_zero3"}
    config = load_config_from_file(str(CONFIGS / f"{name}.yaml"))
    assert config.distributed_type == kind and config.num_machines == 1 and config.mixed_precision == "no"
    assert config.use_cpu == (name == "cpu")
