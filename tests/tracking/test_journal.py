"""The run directory: readable after any kind of end, cut back exactly on resume."""

from __future__ import annotations

import errno
import json
import math
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from repro.files import dump_json, last_lines, read_json, read_jsonl, write_atomically
from repro.tracking.journal import Journal
from repro.tracking.run_status import run_lock, run_status
from tests.tracking.helpers import log_steps, make_cell


def test_numbers_that_json_lacks_come_back_and_the_file_is_strict_json(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.log(0, {"a": float("nan"), "b": np.float32("inf"), "c": -math.inf, "d": np.int64(3)})
    line = (tmp_path / "metrics.jsonl").read_text()
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    metrics = read_jsonl(tmp_path / "metrics.jsonl")[0]["metrics"]
    assert math.isnan(metrics["a"])
    assert (metrics["b"], metrics["c"], metrics["d"]) == (math.inf, -math.inf, 3.0)


def test_a_metric_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'bad' at step 7"):
        Journal(tmp_path).log(7, {"good": 1.0, "bad": [1, 2]})
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize("torn", [b'{"step": 9, "metr', b"{", b'{"step": 9, "metrics": {}, "time": 1}'])
def test_a_torn_last_line_is_skipped_by_readers_and_cut_off_by_the_next_writer(tmp_path: Path, torn: bytes) -> None:
    log_steps(Journal(tmp_path), range(2))
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(torn)
    assert [row["step"] for row in read_jsonl(tmp_path / "metrics.jsonl")] == [0, 1]
    log_steps(Journal(tmp_path), range(2, 4))
    assert [row["step"] for row in read_jsonl(tmp_path / "metrics.jsonl")] == [0, 1, 2, 3]


def test_damage_before_the_last_line_is_an_error_with_its_place(tmp_path: Path) -> None:
    log_steps(Journal(tmp_path), range(2))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(ValueError, match=r"metrics\.jsonl:1: not a JSON line"):
        read_jsonl(path)


def test_truncating_drops_later_steps_of_every_stepped_file_and_nothing_of_what_was_spent(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in range(4):
        journal.log(step, {"x": step})
        journal.record_step(step, chosen=["a"], fresh=["a"], pass_rate=np.array([0.5]))
        journal.record_evaluation(step, "test", temperature=1.0, samples=4, passes={"p": 2})
        journal.record_predictions(step, ids=["q"], predicted=np.array([0.5]), measured=[1.0], samples=4)
        journal.spent(step, "rollout", {"generated_tokens": 10})
    with (tmp_path / "spent.jsonl").open("ab") as file:
        file.write(b'{"torn')
    before = (tmp_path / "metrics.jsonl").read_bytes()
    journal.truncate(1)
    for name in ("metrics.jsonl", "steps.jsonl", "evaluations.jsonl", "predictions.jsonl"):
        assert [row["step"] for row in read_jsonl(tmp_path / name)] == [0, 1]
    assert before.startswith((tmp_path / "metrics.jsonl").read_bytes()), "rows that stay are unchanged"
    assert len(read_jsonl(tmp_path / "spent.jsonl")) == 4
    assert (tmp_path / "spent.jsonl").read_bytes().endswith(b"\n")
    journal.truncate(-1)
    assert read_jsonl(tmp_path / "metrics.jsonl") == []


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """A writer replaces a large file over and over, is killed, and what is left is whole."""
    path = tmp_path / "big.json"
    write_atomically(path, dump_json({"round": -1, "fill": []}))
    code = f"""
        from pathlib import Path
        from repro.files import dump_json, write_atomically
        for round in range(10**9):
            write_atomically(Path({str(path)!r}), dump_json({{"round": round, "fill": [round] * 20000}}))
            print(round, flush=True)
    """
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert writer.stdout
    for _ in range(5):
        writer.stdout.readline()
    for _ in range(50):
        content = json.loads(path.read_bytes())
        assert set(content["fill"]) <= {content["round"]}
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert len(json.loads(path.read_bytes())["fill"]) == 20000


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write_json("a.json", {"x": 1})
    with pytest.raises(TypeError, match="object"):
        journal.write_json("a.json", {"x": object()})
    assert read_json(tmp_path / "a.json") == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_status_follows_the_life_of_a_run(tmp_path: Path) -> None:
    run = tmp_path / "id"
    journal = Journal(run)
    assert run_status(run) == "todo"
    with run_lock(run):
        journal.start(make_cell(), "id")
        assert run_status(run) == "running"
    assert run_status(run) == "killed"
    journal.fail("Traceback: boom")
    assert run_status(run) == "failed" and journal.failed
    journal.start(make_cell(), "id")
    assert run_status(run) == "killed" and not journal.failed, "a new attempt forgets the last failure"
    journal.fail("boom again")
    journal.finish({"accuracy": 0.5})
    assert run_status(run) == "finished" and journal.finished and not journal.failed


def test_labels_come_from_the_cell_and_a_second_attempt_keeps_the_first_start(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.start(make_cell(seed=3, arm="dots", axis_point={"selection.target": 0.4}), "abc")
    first = read_json(tmp_path / "cell.json")
    assert first["labels"] == {
        "experiment": "study",
        "arm": "dots",
        "model": "tiny-96x2",
        "dataset": "arithmetic",
        "seed": 3,
        "axis": {"selection.target": 0.4},
    }
    journal.start(make_cell(seed=3, arm="dots"), "abc")
    assert read_json(tmp_path / "cell.json")["started"] == first["started"]


def test_progress_shows_the_last_accuracy_also_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.progress("warm start", 3, 100)
    assert read_json(tmp_path / "progress.json")["accuracy"] is None
    journal.log(0, {"eval/accuracy": 0.25})
    journal.log(10, {"eval/accuracy": 0.5})
    restarted = Journal(tmp_path)
    restarted.progress("train", 11, 40, "step 11")
    shown = read_json(tmp_path / "progress.json")
    assert (shown["accuracy"], shown["phase"], shown["step"], shown["steps"]) == (0.5, "train", 11, 40)
    restarted.truncate(5)
    restarted.progress("train", 6, 40)
    assert read_json(tmp_path / "progress.json")["accuracy"] == 0.25


def test_a_run_that_evaluates_validation_questions_only_shows_those(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.log(0, {"eval/validation": 0.3})
    journal.log(1, {"train/reward": 0.9})
    for writer in (journal, Journal(tmp_path)):
        writer.progress("training", 1, 2)
        assert read_json(tmp_path / "progress.json")["accuracy"] == 0.3


def test_last_lines_shows_what_a_terminal_would_show_of_a_progress_bar(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("one\n10%\r50%\r100%\n\nlast")
    assert last_lines(log, 2) == ["100%", "last"]
    assert last_lines(tmp_path / "none.log") == []


def test_a_run_on_a_read_only_file_system_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cell.json").write_text("{}")
    (tmp_path / "run.lock").touch()

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system", "run.lock")

    with monkeypatch.context() as patch:
        patch.setattr("filelock._unix.os.open", refuse)
        assert run_status(tmp_path) == "killed"
