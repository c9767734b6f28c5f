"""`repro predictor` as a user runs it: labels, training and evaluation into files that are read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from repro.cli import main
from repro.difficulty.labels import Labels, read_labels, write_labels
from repro.difficulty.predictor import DifficultyPredictor
from repro.scoring.tables import read_scores

SPEC = """\
name: small
model: {tiny: {width: 12, layers: 1, heads: 3, warm_start: {updates: 40, batch_size: 32}}}
dataset: {arithmetic: {pool: 64, test: 16, validation: 8}}
train: {questions_per_step: 4, group_size: 4, minibatches: 2, max_completion_tokens: 16}
predictor:
  policies:
    - {name: one, tiny: {width: 12, layers: 1, heads: 3, warm_start: {updates: 40, batch_size: 32, seed: 1}}}
    - {name: two, tiny: {width: 12, layers: 1, heads: 3, warm_start: {updates: 40, batch_size: 32, seed: 2}}}
  questions: 96
  samples: 2
  max_completion_tokens: 16
  towers: {width: 8}
  fit: {epochs: 2}
arms:
  dots: {selection: {method: difficulty, predictor: trained, references: 4}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("predictor")
    (place / "small.yaml").write_text(SPEC)
    return place


def call(folder: Path, action: str, *options: str) -> int:
    words = ["predictor", action, str(folder / "small.yaml"), "--runs", str(folder / "runs")]
    return main([*words, "--out", str(folder / "out"), *options])


def test_labels_train_evaluate_write_what_they_say(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "labels") == 0
    labels = read_labels(folder / "out/arithmetic/labels.parquet")
    assert labels.policies == ("one", "two")
    assert f"{len(labels.ids)} questions x 2 policies" in capsys.readouterr().out

    assert call(folder, "train") == 0
    trained = DifficultyPredictor.load(folder / "out/arithmetic/predictor")
    assert trained.training["questions"] == len(labels.ids)
    assert "questions held back" in capsys.readouterr().out

    assert call(folder, "evaluate", "--references", "8") == 0
    records = json.loads((folder / "out/evaluation.json").read_text())
    assert [(r["policy"], r["dataset"], r["references"], r["questions"]) for r in records] == [
        ("tiny-12x1", "arithmetic", 8, 64)
    ]
    assert records[0]["predictor"] == trained.digest
    assert set(records[0]["differences"]) == {"recalibrated", "untrained", "surface_labels", "surface_references"}
    assert (folder / "out/calibration.png").stat().st_size > 5_000
    out = capsys.readouterr().out
    assert "tiny-12x1 on arithmetic, K = 8: 64 held-out questions x 16 samples" in out
    assert "length and operators, labels" in out


def test_predict_writes_pass_rates_of_the_pool_and_exports_those_nearest_the_target(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = folder / "chosen/train.parquet"
    words = ["--references", "8", "--target", "0.3", "--fraction", "0.2", "--export", str(train), "--format", "verl"]
    assert call(folder, "predict", *words) == 0
    table = pyarrow.parquet.read_table(folder / "out/arithmetic/predictions.parquet")
    rates, chosen = (np.array(table.column(name).to_pylist()) for name in ("pass_rate", "selected"))
    assert len(rates) == 64
    assert table.column("measured").null_count == 64 - 8
    assert chosen.sum() == 12  # int(0.2 * 64)
    assert np.abs(rates[chosen] - 0.3).max() <= np.abs(rates[~chosen] - 0.3).min()
    rows = pyarrow.parquet.read_table(train).to_pylist()
    ids = np.array(table.column("id").to_pylist())
    assert [row["extra_info"]["id"] for row in rows] == ids[chosen].tolist()
    assert [row["extra_info"]["pass_rate"] for row in rows] == rates[chosen].tolist()
    assert "64 questions, 8 of them measured by 4 completions" in capsys.readouterr().out
    ids_read, values = read_scores(folder / "out/arithmetic/predictions.parquet", "pass_rate")
    assert (ids_read, values.tolist()) == (tuple(ids), rates.tolist())


def test_predict_measures_fewer_references_than_there_are_questions(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, "predict", "--references", "64") == 2
    assert "--references: 64, expected fewer than the 64 training questions" in capsys.readouterr().err
    assert call(folder, "predict", "--references", "4", "8") == 2
    assert "--references: got 2 numbers with predict, expected one" in capsys.readouterr().err


def test_labels_of_another_file_train_another_predictor(folder: Path) -> None:
    assert call(folder, "labels") == call(folder, "train") == 0
    own = DifficultyPredictor.load(folder / "out/arithmetic/predictor").digest
    made = read_labels(folder / "out/arithmetic/labels.parquet")
    turned = Labels(made.ids, made.questions, made.policies, 1.0 - made.pass_rates, made.samples)
    write_labels(folder / "turned.parquet", turned)
    assert call(folder, "train", "--labels", str(folder / "turned.parquet")) == 0
    assert DifficultyPredictor.load(folder / "out/arithmetic/predictor").digest != own


def test_a_trained_predictor_serves_a_study_by_its_path(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "train") == 0
    path = folder / "out/arithmetic/predictor"
    embedder = "{tiny: {width: 12, layers: 1, heads: 3, warm_start: {updates: 40, batch_size: 32, seed: 1}}}"
    head, _, tail = SPEC.partition("predictor:\n")
    arms = tail[tail.index("arms:") :]
    (folder / "path.yaml").write_text(f"{head}predictor: {{path: {path}, embedder: {embedder}}}\n{arms}")
    words = ["predictor", "evaluate", str(folder / "path.yaml"), "--runs", str(folder / "runs")]
    assert main([*words, "--out", str(folder / "other"), "--references", "8"]) == 0
    record = json.loads((folder / "other/evaluation.json").read_text())[0]
    assert "surface_labels" not in record["methods"]  # the labels are not at hand
    assert main(["plan", str(folder / "path.yaml"), "--runs", str(folder / "runs")]) == 0
    assert "dots" in capsys.readouterr().out
