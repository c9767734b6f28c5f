"""What a kill, an interrupt, a damaged part or a half-made publication leaves, and that nothing of it shows."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from repro.commands.score.output import Output, file_sha256, read_table
from repro.errors import UserError
from repro.scoring import store
from repro.scoring.parts import Parts, Response
from repro.training.ranks import Ranks

from .conftest import questions, write_rows

ROOT = Path(__file__).parents[3]


def parts_of(runs: Path, kind: str) -> list[Path]:
    """The files of unfinished scores in a store."""
    return sorted((runs / "cache/scores/.parts").glob(f"*/*/part-*.{kind}"))


def stop_after_a_part(words: list[str], runs: Path, kind: str, with_signal: int) -> subprocess.CompletedProcess[str]:
    """Run the command as a process and end it once it has written a part of that kind."""
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    process = subprocess.Popen(
        [sys.executable, "-m", "repro", "score", *words, "--runs", str(runs)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeding,
    )
    while process.poll() is None and not parts_of(runs, kind):
        time.sleep(0.002)
    process.send_signal(with_signal)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("many") / "many.jsonl", questions(400))


def test_a_call_that_is_killed_and_then_stopped_goes_on_to_the_same_bits(score, policy, many, tmp_path, runs) -> None:
    whole, out = tmp_path / "whole" / "scores.parquet", tmp_path / "scores.parquet"
    own = ["--target", "greedy_response", "--max-new-tokens", "12", "--batch-tokens", "512", "--id", "id"]
    assert score(*own, "--out", whole, "--runs", tmp_path / "other", dataset=many).code == 0
    words = ["--model", str(policy), "--dataset", str(many), "--device", "cpu", *own, "--out", str(out)]

    killed = stop_after_a_part(words, runs, "json", signal.SIGKILL)  # while it decodes
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists() and not out.with_suffix(".json").exists()

    stopped = stop_after_a_part(words, runs, "npz", signal.SIGINT)  # while it scores
    assert stopped.returncode == 130, stopped.stderr
    assert "responses taken over from" in stopped.stderr
    assert "scores and 400 responses are kept in" in stopped.stderr
    assert "the same command goes on" in stopped.stderr and "Traceback" not in stopped.stderr
    assert not out.exists() and not out.with_suffix(".json").exists()

    shown = score(*own, "--out", out, dataset=many)
    assert shown.code == 0 and "scores and 400 responses taken over from" in shown.err
    assert out.read_bytes() == whole.read_bytes()
    assert not Output(out).work.exists() and not list((runs / "cache/scores/.parts").iterdir())
    records = [json.loads(path.with_suffix(".json").read_text()) for path in (whole, out)]
    assert 0 < records[1]["taken_over"] < 400
    assert records[0]["tokens"] == records[1]["tokens"]


@pytest.fixture
def scored_in_parts(score, tmp_path, runs, monkeypatch) -> Callable[..., tuple[Path, Path, list[Path]]]:
    """`scored_in_parts(*words)`: a whole table, an output without one, and its parts: scored and kept out of the
    store."""

    def make(*words: str) -> tuple[Path, Path, list[Path]]:
        whole, out = tmp_path / "whole" / "scores.parquet", tmp_path / "scores.parquet"
        own = ["--batch-tokens", "256", *words]
        score(*own, "--out", whole, "--runs", tmp_path / "other")

        def refuse(*_: object) -> None:
            raise UserError("cannot write the item")

        with monkeypatch.context() as patched:
            patched.setattr(store, "write", refuse)
            shown = score(*own, "--out", out)
        assert shown.code == 2 and "cannot write the item" in shown.err
        return whole, out, parts_of(runs, "npz")

    return make


def without_the_last(part: Path, rest: int) -> None:
    """Rewrite a part without its last `rest` questions."""
    with np.load(part) as stored:
        cut = {name: stored[name] if name == "spent" else stored[name][:-rest] for name in stored.files}
    np.savez(part, **cut)


def test_scores_that_could_not_be_stored_are_not_made_again(score, scored_in_parts) -> None:
    whole, out, parts = scored_in_parts()
    assert parts and not out.exists()
    shown = score("--batch-tokens", "256", "--out", out)
    assert shown.code == 0 and "120 scores taken over" in shown.err and ", 0 left" in shown.err
    assert out.read_bytes() == whole.read_bytes()


def test_parts_that_a_kill_left_beside_a_whole_item_go_unless_it_is_measured_anew(score, runs, tmp_path) -> None:
    assert score("--out", tmp_path / "scores.parquet").code == 0
    (item,) = (path for path in (runs / "cache/scores").iterdir() if not path.name.startswith("."))
    part = item.parent / ".parts" / item.name / "device" / "part-000001-0.npz"
    part.parent.mkdir(parents=True)
    part.touch()
    with FileLock(item.parent / ".locks" / item.name):
        assert score("--out", tmp_path / "again.parquet").code == 0
        assert part.exists()
    assert score("--out", tmp_path / "third.parquet").code == 0
    assert not part.parent.parent.exists()


def test_a_last_text_does_not_change_what_all_texts_share(score, scored_in_parts) -> None:
    whole, out, parts = scored_in_parts("--prompt", "paper")
    without_the_last(parts[-1], 1)  # alone, the shortest text shares its own beginning with nothing
    shown = score("--prompt", "paper", "--batch-tokens", "256", "--out", out)
    assert shown.code == 0 and "119 scores taken over" in shown.err and ", 1 left" in shown.err
    assert out.read_bytes() == whole.read_bytes()
    records = [json.loads(path.with_suffix(".json").read_text()) for path in (whole, out)]
    assert records[0]["tokens"] == records[1]["tokens"]


def test_a_damaged_part_is_scored_again(score, scored_in_parts) -> None:
    whole, out, parts = scored_in_parts()
    parts[-1].write_bytes(b"PK\x03\x04 not an archive")
    shown = score("--batch-tokens", "256", "--out", out)
    assert shown.code == 0 and "120 scores" not in shown.err
    assert out.read_bytes() == whole.read_bytes()


def test_parts_of_another_device_are_named_and_not_mixed_in(score, scored_in_parts) -> None:
    whole, out, parts = scored_in_parts()
    elsewhere = parts[0].parent.rename(parts[0].parent.with_name("0" * 8))
    shown = score("--batch-tokens", "256", "--out", out)
    assert shown.code == 0 and "taken over" not in shown.err
    assert f"what lies in {elsewhere.parent} was made on another kind of device" in shown.err
    assert out.read_bytes() == whole.read_bytes()
    assert not elsewhere.exists()


def test_parts_of_another_request_wait_for_theirs(score, scored_in_parts, tmp_path) -> None:
    whole, out, parts = scored_in_parts()
    assert score("--dtype", "bfloat16", "--out", tmp_path / "other.parquet").code == 0
    assert (read_table(tmp_path / "other.parquet")["s"] != read_table(whole)["s"]).any()
    assert all(part.exists() for part in parts)
    assert "120 scores taken over" in score("--batch-tokens", "256", "--out", out).err


def test_a_publication_ends_whole_wherever_it_was_killed(score, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    score("--out", out)
    table, summary = out.read_bytes(), out.with_suffix(".json").read_bytes()
    work = Output(out).work
    for placed in (False, True):  # killed before the table was put in place, and after
        work.mkdir()
        out.with_suffix(".json").unlink()
        (work / "summary.json").write_bytes(summary)
        if not placed:
            out.rename(work / "table.parquet")
        assert score("--out", out).out.startswith("already scored")
        assert (out.read_bytes(), out.with_suffix(".json").read_bytes()) == (table, summary)
        assert not work.exists()


def test_a_staged_table_that_is_not_whole_replaces_nothing(tmp_path) -> None:
    output = Output(tmp_path / "scores.parquet")
    output.table.write_bytes(b"old")
    with output.locked():
        (output.work / "table.parquet").write_bytes(b"torn")
        (output.work / "parts").mkdir()
        (output.work / "summary.json").write_text(json.dumps({"output": {"sha256": "0" * 64}}))
        output.recover()
        assert output.table.read_bytes() == b"old"
        assert sorted(path.name for path in output.work.iterdir()) == ["lock", "parts"]
        shutil.rmtree(output.work / "parts")
    assert not output.work.exists()


@pytest.mark.parametrize("record", ["[1]", '{"output": []}', '{"output": {}}', "{"])
def test_a_damaged_note_of_a_publication_replaces_nothing(tmp_path, record) -> None:
    output = Output(tmp_path / "scores.parquet")
    output.table.write_bytes(b"old")
    with output.locked():
        (output.work / "summary.json").write_text(record)
        output.recover()
        assert output.table.read_bytes() == b"old"


@pytest.mark.parametrize("state", ["table alone", "changed table", "summary alone", "another table's summary"])
def test_what_is_not_ours_is_not_overwritten_without_force(score, tmp_path, state) -> None:
    out, summary = tmp_path / "scores.parquet", tmp_path / "scores.json"
    if state == "table alone":
        out.write_text("precious")
    elif state == "summary alone":
        summary.write_text('{"mine": true}')
    elif state == "changed table":
        score("--out", out)
        out.write_bytes(out.read_bytes() + b"!")
    else:
        score("--out", tmp_path / "scores.csv")
    before = {path.name: file_sha256(path) for path in tmp_path.iterdir()}
    shown = score("--out", out)
    assert shown.code == 2 and "exists and " in shown.err and "--force to replace it" in shown.err
    assert {path.name: file_sha256(path) for path in tmp_path.iterdir()} == before
    assert score("--out", out, "--force").code == 0
    assert len(read_table(out)["id"]) == 120 and json.loads(summary.read_text())["output"]["file"] == out.name


def test_a_second_process_on_the_same_output_is_refused(score, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    Output(out).work.mkdir()
    with FileLock(Output(out).work / "lock"):
        shown = score("--out", out)
    assert shown.code == 2 and f"another process is scoring into {out}" in shown.err


def test_force_scores_again_what_is_there(score, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    score("--out", out)
    before, made = out.read_bytes(), out.stat().st_mtime_ns
    shown = score("--out", out, "--force")
    assert shown.out.startswith("scored:")
    assert out.read_bytes() == before and out.stat().st_mtime_ns > made
    assert score("--out", out.with_name("more.parquet")).out.startswith("taken from"), "the store has them again"


def test_responses_that_look_like_numbers_stay_text(tmp_path) -> None:
    first = Parts(tmp_path, 4, Ranks())
    said = {0: Response("NaN", 3, 1), 3: Response("a\nb\u2028 ¼", 4, 2)}
    first.add_responses(said)
    again = Parts(tmp_path, 4, Ranks())
    assert again.state.responses == said
    assert again.state.decoding.cpu_seconds >= 0


def test_a_full_disk_is_told_and_costs_nothing_that_was_there(score, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    score("--out", out)
    before = out.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # no file may grow beyond this: parts do not fit
    try:
        shown = score("--out", out, "--force")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert shown.code == 2 and "cannot write" in shown.err and "File too large" in shown.err
    assert out.read_bytes() == before
    assert score("--out", out).out.startswith("already scored")
