"""Invented mistakes: each is answered on one screen that names the place, within seconds, and harms nothing on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from repro.cli import build_parser
from tests.faults import fuzz_mutations as mutations
from tests.faults.fuzz_answers import Answer, ask, complaints, contents

GOOD = "name: study\nmodel: tiny\ndataset: arithmetic\narms: {full: {}}\n"
LABELS = ("id", "question", "policy", "pass_rate", "samples")
COUNTED = {"mistakes": 0, "right": 0}


def sizes(small: int, whole: int) -> Any:
    """Runs a test with few examples in `make test`, and with many in `make soak` (SOAK_SEED chooses which)."""
    return pytest.mark.parametrize("examples", [small, pytest.param(whole, marks=pytest.mark.soak)])


def each(examples: int, strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Call `check` with invented values, the same ones for the same seed."""

    @seed(int(os.environ.get("SOAK_SEED") or 0))
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value: Any) -> None:
        check(value)

    run()


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "REPRO_RUNS"):
        monkeypatch.delenv(name, raising=False)


def sound(words: Sequence[str], folder: Path, places: Sequence[str]) -> Answer:
    """The answer to a command that must harm nothing, after looking at it and at the disk."""
    before = contents(folder)
    answer = ask(words, folder)
    found = [*complaints(answer, places), *(["files differ"] if contents(folder) != before else [])]
    assert not found, f"repro {' '.join(words)[:500]!r}: {found}\n{answer.err[:2000]}"
    COUNTED["mistakes" if answer.code == 2 else "right"] += 1
    return answer


@sizes(15, 300)
def test_specs(examples: int, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"

    def check(content: bytes) -> None:
        spec.write_bytes(content)
        if sound(["validate", "spec.yaml"], tmp_path, ["spec.yaml:", "spec.yaml "]).code == 0:
            sound(["plan", "spec.yaml"], tmp_path, ["spec.yaml:", "model", "dataset"])

    each(examples, mutations.specs(), check)


@sizes(8, 150)
def test_command_lines(examples: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("words")
    (tmp_path / "spec.yaml").write_text(GOOD + "no_such_field: 1\n")  # no command line trains anything
    (tmp_path / "link").symlink_to("nowhere")
    names = {name: tuple(parser._option_string_actions) for name, parser in build_parser()[1].items()}
    del names["warm-start"]  # it would train with nothing but a folder
    places = ["--", "-S", "spec.yaml", "command", "expected", "file", "missing.yaml"]
    each(examples, mutations.command_lines(names), lambda words: _not_right(sound(words, tmp_path, places), words))


def _not_right(answer: Answer, words: Sequence[str]) -> None:
    harmless = {"plan", "status", "why", "validate", "schema"}
    assert answer.code == 2 or words[0] in harmless or "--help" in words, f"{words} did something"


@sizes(8, 120)
def test_tables_of_scores(examples: int, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    columns = ("id", "s")

    def check(file: tuple[str, bytes]) -> None:
        suffix, content = file
        (tmp_path / f"table{suffix}").write_bytes(content)
        arm = f"{{method: scores, path: table{suffix}, fraction: 0.5}}"
        spec.write_text(GOOD.replace("{full: {}}", f"{{chosen: {{selection: {arm}}}}}"))
        sound(["validate", "spec.yaml"], tmp_path, [f"table{suffix}"])

    files = (mutations.json_files, mutations.csv_files, mutations.parquet_files)
    each(examples, st.one_of(*(kind(columns) for kind in files)), check)


@sizes(8, 100)
def test_data_files(examples: int, tmp_path: Path) -> None:
    """`plan` reads no more than digests of a data file, a command that loads it says what is wrong with it."""
    (tmp_path / "policy").mkdir()

    def check(file: tuple[str, bytes]) -> None:
        suffix, content = file
        (tmp_path / f"data{suffix}").write_bytes(content)
        words = ["score", "--model", "policy", "--dataset", f"data{suffix}", "--id", "id", "--runs", "runs"]
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        answer = sound(words, tmp_path, [f"data{suffix}", "policy"])
        assert answer.code == 2, "the policy has no weights"

    columns = ("id", "question", "answer")
    each(examples, st.one_of(mutations.json_files(columns), mutations.parquet_files(columns)), check)


@sizes(4, 60)
def test_tables_of_completions(examples: int, tmp_path: Path) -> None:
    def check(file: tuple[str, bytes]) -> None:
        suffix, content = file
        (tmp_path / f"table{suffix}").write_bytes(content)
        sound(["grade", f"table{suffix}"], tmp_path, [f"table{suffix}"])

    columns = ("completion", "answer")
    files = (mutations.json_files, mutations.csv_files, mutations.parquet_files)
    each(examples, st.one_of(*(kind(columns) for kind in files)), check)


@sizes(4, 60)
def test_labels_of_a_predictor(examples: int, tmp_path: Path) -> None:
    from repro.difficulty.labels import read_labels
    from repro.errors import UserError

    path = tmp_path / "labels.parquet"

    def check(file: tuple[str, bytes]) -> None:
        path.write_bytes(file[1])
        try:
            read_labels(path)
        except UserError as error:
            assert "labels.parquet" in str(error)
            COUNTED["mistakes"] += 1

    each(examples, mutations.parquet_files(LABELS), check)


@sizes(4, 40)
def test_weights_of_a_predictor(examples: int, tmp_path: Path) -> None:
    from repro.difficulty.predictor import CARD, VERSION, WEIGHTS, DifficultyPredictor
    from repro.errors import UserError

    card = f'{{"version": {VERSION}, "embedder": "e", "width_in": 4, "towers": {{}}, "labels": {{}}, "training": {{}}}}'
    (tmp_path / CARD).write_text(card)

    def check(content: bytes) -> None:
        (tmp_path / WEIGHTS).write_bytes(content)
        with pytest.raises(UserError, match="predictor"):
            DifficultyPredictor.load(tmp_path)
        COUNTED["mistakes"] += 1

    each(examples, mutations.safetensors(), check)


@pytest.mark.soak
def test_a_process_of_its_own_answers_as_the_call_does(tmp_path: Path) -> None:
    """Exit code and words of some specs, from the command that users type."""
    root = Path(__file__).parents[2]
    spec, seen = tmp_path / "spec.yaml", 0
    command = [sys.executable, "-m", "repro", "validate", "spec.yaml"]

    def check(content: bytes) -> None:
        nonlocal seen
        spec.write_bytes(content)
        here = ask(command[3:], tmp_path)
        shown = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, timeout=60
        )
        assert (shown.returncode, shown.stderr.decode()) == (here.code, here.err)
        seen += 1

    each(15, mutations.specs(), check)
    assert seen >= 15


@pytest.mark.soak
def test_five_hundred_mistakes_were_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """After the others of this file."""
    with capsys.disabled():
        line = f"\nfuzzer: {COUNTED['mistakes']} mistakes, each answered on one screen; {COUNTED['right']} were right\n"
        sys.stdout.write(line)
    assert COUNTED["mistakes"] >= 500
