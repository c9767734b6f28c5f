"""A run whose files were damaged goes on from what is whole, says so, and ends with the bits of an undisturbed one."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.cache import Cache
from repro.files import read_json, read_jsonl
from repro.selection.methods.difficulty import Difficulty
from repro.spec.schema import EvaluateSpec, ReplaySpec, TrainSpec
from repro.tracking.damage import run_damage
from repro.tracking.journal import Journal
from repro.tracking.run_status import run_status
from repro.training.checkpoint import last_checkpoint, marker_of, tidy
from repro.training.job import run_job

from .test_job import cell, metrics_of

STUDY = cell(
    train=TrainSpec(
        steps=3,
        questions_per_step=4,
        group_size=4,
        minibatches=1,
        max_completion_tokens=12,
        learning_rate=1e-3,
        keep="checkpoints",
    ),
    evaluate=EvaluateSpec(every=1, samples=1, pool_samples=2, base_temperatures=()),
    selection=Difficulty(method="difficulty", references=4),
    replay=ReplaySpec(fresh=0.5, capacity=8),
)

Damage = Callable[[Path], object]


def missing(path: Path) -> None:
    path.unlink()


def short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_json(path: Path) -> None:
    path.write_text("[1]")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A folder of runs with one whole run, `whole`, and the cache it filled."""
    folder = tmp_path_factory.mktemp("runs")
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", noted)
        shutil.copyfile(empty_store, folder / "mlflow.db")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.chdir(folder)
        run_job(STUDY, "whole", folder / "whole", folder)
    (folder / "synced.json").write_text(json.dumps(synced))
    return folder


@pytest.fixture(autouse=True)
def store(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def killed(runs: Path, tmp_path: Path) -> Path:
    """The whole run as a kill just before its end leaves it."""
    shutil.copytree(runs / "whole", tmp_path / "killed")
    (tmp_path / "killed/done.json").unlink()
    return tmp_path / "killed"


def said(run_dir: Path) -> list[str]:
    return [row["text"] for row in read_jsonl(run_dir / "repairs.jsonl")]


def found(run_dir: Path) -> tuple[str | None, list[str]]:
    """Name of the checkpoint that a job would go on from, and what it would say."""
    journal, told = Journal(run_dir), list[str]()
    checkpoint = last_checkpoint(run_dir / "checkpoints", journal.lost, told.append)
    return checkpoint and checkpoint.name, told


def assert_same(run_dir: Path, whole: Path) -> None:
    """The run ended as the undisturbed one did, bit for bit, and its record is whole."""
    weights = [(folder / "policy/model.safetensors").read_bytes() for folder in (run_dir, whole)]
    assert weights[0] == weights[1]
    assert metrics_of(run_dir) == metrics_of(whole)
    for name in ("steps.jsonl", "evaluations.jsonl"):
        rows = [[{**row, "time": 0} for row in read_jsonl(folder / name)] for folder in (run_dir, whole)]
        assert rows[0] == rows[1]
    assert read_json(run_dir / "selection.json") == read_json(whole / "selection.json")
    assert run_status(run_dir) == "finished" and run_damage(run_dir, contents=True) == []


NEWEST = "checkpoints/checkpoint-3"
CHECKPOINT = [
    ("optimizer.pt", missing),
    ("optimizer.pt", flipped),
    ("model.safetensors", missing),
    ("model.safetensors", flipped),
    ("model.safetensors", short),
    ("selector.json", missing),
    ("selector.json", flipped),
    ("ledger.json", empty),
    ("trainer_state.json", missing),
    ("trainer_state.json", short),
    ("rng_state.pth", flipped),
    ("buffer/replay.safetensors", missing),
    ("buffer/replay.safetensors", flipped),
    ("buffer/replay.json", missing),
    ("complete.json", short),
    ("complete.json", empty),
    ("complete.json", other_json),
    ("complete.json", flipped),
]


@pytest.mark.parametrize(("name", "damage"), CHECKPOINT)
def test_a_checkpoint_with_any_damaged_file_is_passed_over_for_the_one_before(
    killed: Path, name: str, damage: Damage
) -> None:
    damage(killed / NEWEST / name)
    checkpoint, told = found(killed)
    assert checkpoint == "checkpoint-2"
    assert len(told) == 1 and "checkpoint-3 cannot be used" in told[0] and "goes on from checkpoint-2" in told[0]
    assert name == "complete.json" or name in told[0]
    assert not (killed / NEWEST).exists() and (killed / "checkpoints/damaged-checkpoint-3").is_dir()


def test_where_no_checkpoint_is_whole_there_is_none_to_go_on_from(killed: Path) -> None:
    for folder in (killed / "checkpoints").iterdir():
        short(folder / "optimizer.pt")
    used, told = found(killed)
    assert used is None and told[0].endswith("the run begins anew")
    assert "checkpoint-3 cannot be used" in told[0] and "checkpoint-2 cannot be used" in told[0]


def test_a_marker_whose_step_was_changed_is_not_believed(killed: Path) -> None:
    marker = killed / NEWEST / "complete.json"
    marker.write_text(marker.read_text().replace('"step": 3', '"step": 2', 1))
    assert found(killed)[0] == "checkpoint-2"


ROWS = [
    ("metrics.jsonl", missing, None),
    ("metrics.jsonl", empty, None),
    ("metrics.jsonl", flipped, None),
    ("metrics.jsonl", short, "checkpoint-2"),
    ("steps.jsonl", missing, None),
    ("steps.jsonl", short, "checkpoint-2"),
    ("evaluations.jsonl", short, "checkpoint-2"),
    ("selection.json", missing, None),
    ("selection.json", flipped, None),
]


@pytest.mark.parametrize(("name", "damage", "checkpoint"), ROWS)
def test_a_checkpoint_is_not_used_without_the_rows_it_goes_on_from(
    killed: Path, name: str, damage: Damage, checkpoint: str | None
) -> None:
    if damage is flipped and name == "metrics.jsonl":
        data = (killed / name).read_bytes()
        (killed / name).write_bytes(b"#" + data[1:])
    else:
        damage(killed / name)
    used, told = found(killed)
    assert used == checkpoint
    assert name in told[0] and told[0].endswith(f"goes on from {checkpoint}" if checkpoint else "begins anew")


def test_checkpoints_of_an_earlier_version_need_a_row_of_every_step(killed: Path) -> None:
    for folder in (killed / "checkpoints").iterdir():
        (folder / "complete.json").write_text(json.dumps({"step": marker_of(folder)["step"]}))
    assert found(killed) == ("checkpoint-3", [])
    rows = (killed / "steps.jsonl").read_bytes().splitlines(keepends=True)
    (killed / "steps.jsonl").write_bytes(b"".join(rows[:2]))
    used, told = found(killed)
    assert used == "checkpoint-2" and "steps.jsonl has no whole row of step 3" in told[0]
    (killed / "metrics.jsonl").unlink()
    assert found(killed)[0] is None


def test_a_run_that_fell_back_ends_with_the_bits_of_an_undisturbed_one(killed: Path, runs: Path) -> None:
    flipped(killed / NEWEST / "model.safetensors")
    with (killed / "spent.jsonl").open("ab") as file:
        file.write(b"no row\n")
    (killed / ".done.json.abc123.tmp").write_bytes(b"half")
    (killed / ".policy.new.tmp").mkdir()
    (killed / ".notes.of.mine.tmp").touch()
    run_job(STUDY, "killed", killed, runs)
    assert_same(killed, runs / "whole")
    texts = said(killed)
    assert "model.safetensors has changed since it was written" in texts[0] and "goes on from checkpoint-2" in texts[0]
    assert "spent.jsonl had 1 damaged lines" in texts[1]
    assert len(read_jsonl(killed / "spent.jsonl")) > len(read_jsonl(runs / "whole/spent.jsonl"))
    assert not list((killed / "checkpoints").glob("damaged-*")), "the run has ended whole"
    assert [path.name for path in killed.glob(".*.tmp")] == [".notes.of.mine.tmp"]


@pytest.mark.parametrize("lost", ["rows", "folder"])
def test_a_run_without_a_whole_checkpoint_begins_anew_and_says_so(killed: Path, runs: Path, lost: str) -> None:
    if lost == "rows":
        (killed / "metrics.jsonl").unlink()
    else:
        shutil.rmtree(killed / "checkpoints")
    run_job(STUDY, "killed", killed, runs)
    assert_same(killed, runs / "whole")
    assert [row["step"] for row in read_jsonl(killed / "steps.jsonl")] == [1, 2, 3]
    assert len(said(killed)) == 1 and said(killed)[0].endswith("begins anew")


def test_a_checkpoint_keeps_the_one_before_it_and_vouches_for_every_file(runs: Path) -> None:
    root = runs / "whole/checkpoints"
    assert {folder.name for folder in root.iterdir()} == {"checkpoint-2", "checkpoint-3"}
    for folder in root.iterdir():
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert set(marker_of(folder)["files"]) == names - {"complete.json"}
        assert {"optimizer.pt", "model.safetensors", "buffer/replay.safetensors", "selector.json"} < names


def test_everything_is_on_the_disk_before_the_marker_that_vouches_for_it(runs: Path) -> None:
    synced = json.loads((runs / "synced.json").read_text())

    def first(path: Path) -> int:
        """When a file was first on the disk, or the temporary one that became it."""
        return next(
            i for i, name in enumerate(synced) if name == str(path) or name.startswith(f"{path.parent}/.{path.name}.")
        )

    checkpoint = runs / "whole" / NEWEST
    marked = first(checkpoint / "complete.json")
    assert all(first(checkpoint / name) < marked for name in marker_of(checkpoint)["files"])
    assert str(checkpoint) in synced[:marked] and str(checkpoint.parent) in synced[marked:]
    assert max(i for i, name in enumerate(synced[:marked]) if name == str(runs / "whole/metrics.jsonl")) > 0
    done = first(runs / "whole/done.json")
    assert done > max(i for i, name in enumerate(synced) if "/.policy.new.tmp/" in name)
    assert str(runs / "whole/metrics.jsonl") in synced[marked:done]
    (item,) = (runs / "cache/base").glob("[!.]*")
    building = runs / "cache/base/.building" / item.name
    assert first(building / "base.json") < first(building / ".complete")


@pytest.mark.parametrize("name", ["metrics.jsonl", "evaluations.jsonl", "policy/model.safetensors", "ledger.json"])
def test_the_marker_of_a_run_vouches_for_its_record_and_its_policy(runs: Path, tmp_path: Path, name: str) -> None:
    run_dir = tmp_path / "copy"
    shutil.copytree(runs / "whole", run_dir)
    assert run_status(run_dir) == "finished" and run_damage(run_dir, contents=True) == []
    flipped(run_dir / name)
    assert run_damage(run_dir, contents=(name,)) == [f"{name} has changed since it was written"]
    short(run_dir / name)
    assert run_status(run_dir) == "damaged"
    (run_dir / name).unlink()
    assert run_damage(run_dir) == [f"{name} is missing"]


def test_a_damaged_run_that_kept_no_checkpoint_is_mended_by_beginning_anew(runs: Path, tmp_path: Path) -> None:
    study = STUDY.model_copy(update={"train": STUDY.train.model_copy(update={"keep": "policy"})})
    run_dir = tmp_path / "bare"
    run_job(study, "bare", run_dir, runs)
    assert list((run_dir / "checkpoints").iterdir()) == []
    assert_same(run_dir, runs / "whole")
    short(run_dir / "policy/model.safetensors")
    (run_dir / "done.json").unlink()
    run_job(study, "bare", run_dir, runs)
    assert_same(run_dir, runs / "whole")


def test_a_run_that_keeps_its_record_only_is_finished_without_a_policy_and_measures_the_same(
    runs: Path, tmp_path: Path
) -> None:
    study = STUDY.model_copy(update={"train": STUDY.train.model_copy(update={"keep": "record"})})
    run_dir = tmp_path / "record"
    (run_dir / "policy").mkdir(parents=True)
    (run_dir / "policy/model.safetensors").write_bytes(b"of an attempt that was to keep it")
    run_job(study, "record", run_dir, runs)
    assert run_status(run_dir) == "finished" and not (run_dir / "policy").exists()
    assert list((run_dir / "checkpoints").iterdir()) == []
    assert metrics_of(run_dir) == metrics_of(runs / "whole")


@pytest.mark.parametrize("name", ["data.json", "policy/model.safetensors"])
def test_removing_the_marker_mends_a_finished_run(runs: Path, tmp_path: Path, name: str) -> None:
    run_dir = tmp_path / "copy"
    shutil.copytree(runs / "whole", run_dir)
    short(run_dir / name)
    assert run_status(run_dir) == "damaged"
    (run_dir / "done.json").unlink()
    run_job(STUDY, "copy", run_dir, runs)
    assert_same(run_dir, runs / "whole")


def test_damage_in_the_cache_is_mended_and_told_in_the_record_of_the_run(
    runs: Path, tmp_path: Path, killed: Path
) -> None:
    (tmp_path / "new").mkdir()
    shutil.copytree(runs / "cache", tmp_path / "new/cache")
    (item,) = (tmp_path / "new/cache/base").glob("[!.]*")
    flipped(item / "base.json")
    run_job(STUDY, "killed", killed, tmp_path / "new")
    assert_same(killed, runs / "whole")
    assert [text for text in said(killed) if "base.json has changed" in text and str(item) in text]
    assert Cache(tmp_path / "new/cache").get("base", item.name) == item


@pytest.mark.parametrize(("keep", "left"), [(True, {"checkpoint-4", "checkpoint-6"}), (False, set())])
def test_a_run_that_ends_keeps_two_checkpoints_where_it_is_asked_to_and_else_none(
    tmp_path: Path, keep: bool, left: set[str]
) -> None:
    root = tmp_path / "checkpoints"
    for step in (2, 4, 6):
        (root / f"checkpoint-{step}").mkdir(parents=True)
        (root / f"checkpoint-{step}" / "complete.json").touch()
    (root / "damaged-checkpoint-3").mkdir()
    tidy(root, keep)
    assert {folder.name for folder in root.iterdir()} == left


def test_temporary_files_that_another_process_may_be_writing_stay(tmp_path: Path) -> None:
    young, old, own = (tmp_path / name for name in (".order.json.1.tmp", ".error.txt.2.tmp", ".progress.json.3.tmp"))
    for path in (young, old, own):
        path.touch()
    os.utime(old, (time.time() - 600,) * 2)
    Journal(tmp_path).start(STUDY, "id")
    assert {path.name for path in tmp_path.glob(".*.tmp")} == {young.name}
