"""A finished run made again: the same bits, a record that was altered, inputs that changed; nothing is touched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers.utils import logging as transformers_logging

from repro.cli import main
from repro.spec.schema import Cell
from repro.study.expand import expand_study
from repro.study.load import load_spec
from repro.tracking.store import DELIVERED_BY_LAUNCHER
from repro.training.job import run_job
from repro.verify.again import first_steps
from repro.verify.run import link_cache
from tests.training.own_study import STUDY, write_study

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Path]:
    """The directory of a finished run of two steps, in `runs` beside the study."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv(
            "PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)])
        )  # the fork server of this process keeps it
        patch.syspath_prepend(str(folder))
        patch.delitem(sys.modules, "coin_of_mine", raising=False)
        patch.chdir(folder)
        cell = expand_study(load_spec(write_study(folder, STUDY.replace("[0, 1]", "[0]"))).spec)[0]
        run_job(cell.cell, cell.identity, folder / "runs" / cell.identity, folder / "runs")
        yield folder / "runs" / cell.identity


def digests(folder: Path) -> dict[str, str]:
    """Content of every file; the store's too."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def verify(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["verify", *words])
    shown = capsys.readouterr()
    return code, shown.out if code < 2 else shown.err


def test_a_run_that_is_made_again_has_the_same_bits_and_is_left_as_it_was(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = finished.parents[1]
    before = digests(study)
    code, text = verify(capsys, finished.name[:6], "--runs", str(finished.parent))
    assert code == 0 and f"{finished.name} (trial: full, seed 0): the same bits (the start and 2 steps, " in text
    assert int(text.split("2 steps, ")[1].split(" values")[0].replace(",", "")) > 100
    assert digests(study) == before


def test_the_first_steps_draw_no_progress_bar_whose_semaphore_would_be_left_behind(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DELIVERED_BY_LAUNCHER, "1")
    cell = Cell.model_validate(json.loads((finished / "cell.json").read_text())["cell"])
    transformers_logging.enable_progress_bar()
    first_steps(cell, finished.name, tmp_path / finished.name, finished.parent, steps=1)
    assert not transformers_logging.is_progress_bar_enabled()


def test_an_altered_record_is_told_with_its_first_difference_and_the_rest_of_the_environment(
    finished: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(finished.parent, runs)
    run_dir = runs / finished.name
    rows = [json.loads(line) for line in (run_dir / "evaluations.jsonl").read_text().splitlines()]
    entropy = rows[0]["entropy"]
    rows[0]["entropy"] *= 1 + 1e-6
    (run_dir / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    environment = json.loads((run_dir / "environment.json").read_text())
    environment |= {"threads": 7, "packages": {**environment["packages"], "torch": "1.0"}}
    (run_dir / "environment.json").write_text(json.dumps(environment))
    code, text = verify(capsys, str(run_dir), "--steps", "1")
    assert code == 1 and "equal to 1e-06 (the start and 1 step, " in text and "1 differ)" in text
    recorded, now = repr(entropy * (1 + 1e-6)), repr(entropy)
    assert f"first difference: step 0, evaluations.jsonl: test.entropy: recorded {recorded}, now {now}" in text
    assert "threads: 7 then, 1 now" in text and "torch: 1.0 then, " in text
    assert verify(capsys, str(run_dir), "--steps", "1", "--within", "1e-5")[0] == 0

    steps = [json.loads(line) for line in (run_dir / "steps.jsonl").read_text().splitlines()]
    chosen = steps[0]["chosen"][0]
    steps[0]["chosen"][0] = "another"
    (run_dir / "steps.jsonl").write_text("".join(json.dumps(row) + "\n" for row in steps))
    (run_dir / "evaluations.jsonl").write_bytes((finished / "evaluations.jsonl").read_bytes())
    code, text = verify(capsys, str(run_dir), "--steps", "1", "--within", "0.5")
    assert code == 1 and ": different (the start and 1 step, " in text
    assert f"step 1, steps.jsonl: chosen.0: recorded 'another', now {chosen!r}" in text
    assert "the record is not what it was when the run ended: " in text and "steps.jsonl has " in text


def test_inputs_that_changed_and_runs_that_cannot_be_made_again_are_mistakes(
    finished: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = finished.parents[1] / "rows.jsonl"
    before = rows.read_bytes()
    rows.write_bytes(before + b"\n")
    code, text = verify(capsys, str(finished))
    rows.write_bytes(before)
    assert code == 2 and f"dataset.path: {rows} has changed (sha256" in text

    run_dir = tmp_path / "runs" / finished.name
    shutil.copytree(finished, run_dir)
    (run_dir / "environment.json").write_text('{"processes": 4}')
    code, text = verify(capsys, str(run_dir))
    assert code == 2 and "4 processes trained it together" in text
    (run_dir / "done.json").unlink()
    code, text = verify(capsys, str(run_dir))
    assert code == 2 and "is killed, expected a finished run" in text
    code, text = verify(capsys, "v2-0", "--runs", str(tmp_path / "nothing"))
    assert code == 2 and "expected one run of" in text


def test_cached_items_are_read_where_they_lie_and_measures_of_the_start_policy_are_made_again(tmp_path: Path) -> None:
    for item in ("base/a", "warm_start/b", "scores/torn"):
        (tmp_path / "cache" / item).mkdir(parents=True)
    for item in ("base/a", "warm_start/b"):
        (tmp_path / "cache" / item / ".complete").touch()
    link_cache(tmp_path / "cache", tmp_path / "scratch")
    assert [path.name for path in (tmp_path / "scratch").glob("*/*")] == ["b"]
    assert (tmp_path / "scratch/warm_start/b/.complete").samefile(tmp_path / "cache/warm_start/b/.complete")
