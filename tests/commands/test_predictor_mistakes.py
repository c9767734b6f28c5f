"""Mistakes in calling `repro predictor`: one line that says what was expected, code 2, before anything is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repro.cli import main

HEAD = "name: s\nmodel: tiny\ndataset: arithmetic\n"
ARM = "arms: {dots: {selection: {method: difficulty, predictor: trained}}}\n"
GOOD = f"{HEAD}predictor: {{policies: [{{name: a, tiny: {{width: 64, heads: 2}}}}]}}\n{ARM}"
BARE = f"{HEAD}arms: {{full: {{}}}}\n"
TRAINED = f"{HEAD}predictor: {{path: there, embedder: tiny}}\n{ARM}"


@pytest.mark.parametrize(
    ("spec", "words", "message"),
    [
        (GOOD, [], "the following arguments are required: {labels,train,evaluate,predict,import}, SPEC"),
        (
            GOOD,
            ["lables", "SPEC"],
            "got 'lables', expected one of labels, train, evaluate, predict, import, did you mean labels?",
        ),
        (GOOD, ["labels"], "the following arguments are required: SPEC"),
        (
            GOOD,
            ["labels", "SPEC", "--refernces", "4"],
            "got '--refernces', expected an option, did you mean --references?",
        ),
        (GOOD, ["evaluate", "SPEC", "--references", "1"], "got '1', expected a whole number >= 2"),
        (
            GOOD,
            ["train", "SPEC", "--references", "4", "8"],
            "--references: got '4 8' with train, expected it",
        ),
        (GOOD, ["labels", "SPEC", "--references", "4"], "--references: got '4' with labels, expected it with evaluate"),
        (GOOD, ["import", "SPEC", "--references", "4"], "--references: got '4' with import, expected it with evaluate"),
        (GOOD, ["import", "."], ".: is a folder, expected a checkpoint of DOTS + RR's authors (.pt)"),
        (GOOD, ["evaluate", "SPEC", "--labels", "x"], "--labels: got 'x' with evaluate, expected it with train only"),
        (GOOD, ["train", "SPEC", "--embedder", "x"], "--embedder: got 'x' with train, expected it with import only"),
        (GOOD, ["train", "SPEC", "--target", "0.4"], "--target: got '0.4' with train, expected it with predict only"),
        (GOOD, ["evaluate", "SPEC", "--export", "a.jsonl"], "--export: got 'a.jsonl' with evaluate, expected it with"),
        (GOOD, ["predict", "SPEC", "--export", "a.csv"], "--export: got a.csv, expected a file ending in .jsonl or"),
        (GOOD, ["predict", "SPEC", "--format", "trl"], "--format: got it without --export, expected --export FILE"),
        (GOOD, ["predict", "SPEC", "--fraction", "0"], "--fraction: got 0, expected a share above 0"),
        (BARE, ["predict", "SPEC"], "SPEC: predictor: got nothing, expected policies"),
        (GOOD, ["labels", "SPEC", "--out", "SPEC"], "--out: got 'SPEC', but SPEC is a file, expected a folder"),
        (GOOD, ["train", "SPEC", "--labels", "SPEC"], "SPEC: not a readable parquet file"),
        (GOOD, ["train", "SPEC", "--labels", "x.parquet"], "x.parquet: no such file, expected the labels that"),
        (BARE, ["labels", "SPEC"], "SPEC: predictor: got nothing, expected policies"),
        (BARE, ["train", "SPEC", "--labels", "x.parquet"], "SPEC: predictor: got nothing, expected policies"),
        (BARE, ["evaluate", "SPEC"], "SPEC: predictor: got nothing, expected policies"),
        (TRAINED, ["labels", "SPEC"], "SPEC:4: predictor.path: got 'there', expected policies to make labels of"),
        (TRAINED, ["train", "SPEC"], "SPEC:4: predictor.path: got 'there', expected policies to train it on"),
    ],
)
def test_a_mistake_exits_with_2_and_says_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spec: str, words: list[str], message: str
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(spec)
    named = [str(path) if word == "SPEC" else word for word in words]
    assert main(["predictor", *named, *(["--runs", str(tmp_path / "runs")] if words else [])]) == 2
    said = capsys.readouterr().err
    assert message.replace("SPEC", str(path) if "SPEC" in words else "SPEC") in said
    assert len(said.splitlines()) <= 2
    assert not (tmp_path / "runs").exists()


def test_a_study_without_a_predictor_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(BARE)
    code = (
        "import sys\nfrom repro.cli import main\n"
        f"code = main(['predictor', 'evaluate', {str(path)!r}, '--runs', {str(tmp_path)!r}])\n"
        "print(code, [m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert shown.stdout.splitlines()[-1] == "2 []"
