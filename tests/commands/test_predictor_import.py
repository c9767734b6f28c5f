"""`repro predictor import` as a user runs it: a checkpoint becomes a predictor that a study trains with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import repro.models
from repro.cli import main
from repro.difficulty.predictor import DifficultyPredictor
from repro.study.expand import expand
from repro.study.identity import identity
from repro.study.load import load_spec
from repro.training.job import run_job
from tests.difficulty.test_released import checkpoint, their_state

POLICY = Path(repro.models.__file__).parent / "assets" / "tiny"
STUDY = """\
name: imported
model: {{tiny: {{width: 12, layers: 1, heads: 3, warm_start: {{updates: 40, batch_size: 32}}}}}}
dataset: {{arithmetic: {{pool: 32, test: 8, validation: 8}}}}
train: {{steps: 1, questions_per_step: 4, group_size: 2, minibatches: 2, max_completion_tokens: 8}}
evaluate: {{samples: 1, questions: 4, pool_samples: 2, base_temperatures: []}}
preset: code
predictor: {{path: {path}, embedder: {{path: {policy}}}}}
arms:
  dots: {{selection: {{method: difficulty, predictor: trained, references: 4}}}}
seeds: [0]
"""


def call(*words: str | Path) -> int:
    return main(["predictor", "import", *map(str, words)])


def test_an_imported_predictor_trains_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = checkpoint(tmp_path / "theirs.pt", their_state(96, 16)), tmp_path / "p"
    assert call(path, "--out", out, "--embedder", POLICY) == 0
    said = capsys.readouterr().out
    assert "none is missing" in said and f"predictor: {{path: {out}, embedder: {{path: {POLICY}}}}}" in said
    assert len(said.splitlines()) <= 20
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.format(path=out, policy=POLICY))
    (cell,) = expand(load_spec(study).spec)
    before = identity(cell)
    run_job(cell, before, tmp_path / "runs" / before, tmp_path / "runs")
    digests = json.loads((tmp_path / "runs" / before / "inputs.json").read_text())["digests"]
    assert digests["predictor_digest"] == DifficultyPredictor.load(out).digest
    (tmp_path / "p").rename(tmp_path / "elsewhere")
    study.write_text(STUDY.format(path=tmp_path / "elsewhere", policy=POLICY))
    assert identity(expand(load_spec(study).spec)[0]) == before
    other = checkpoint(tmp_path / "other.pt", their_state(96, 16, seed=1))
    assert call(other, "--out", tmp_path / "q", "--embedder", POLICY) == 0
    study.write_text(STUDY.format(path=tmp_path / "q", policy=POLICY))
    assert identity(expand(load_spec(study).spec)[0]) != before


def test_what_is_imported_again_is_left_alone_and_nothing_else_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = checkpoint(tmp_path / "theirs.pt", their_state()), tmp_path / "p"
    assert call(path, "--out", out) == 0
    written = {one.name: one.stat().st_mtime_ns for one in out.iterdir()}
    assert call(path, "--out", out) == 0
    assert {one.name: one.stat().st_mtime_ns for one in out.iterdir()} == written
    other = checkpoint(tmp_path / "other.pt", their_state(seed=1))
    assert call(other, "--out", out) == 2
    assert f"--out: {out} holds another predictor" in capsys.readouterr().err
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    assert call(path, "--out", tmp_path / "notes") == 2
    assert [one.name for one in (tmp_path / "notes").iterdir()] == ["mine.txt"]


def test_a_study_that_embeds_with_another_model_is_told_before_it_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint(tmp_path / "theirs.pt", their_state(96, 16))
    assert call(path, "--out", tmp_path / "p", "--embedder", "{hub: a/b, revision: main}") == 0
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.format(path=tmp_path / "p", policy=POLICY))
    assert main(["plan", str(study), "--runs", str(tmp_path / "runs")]) == 2
    assert "predictor.embedder: 'tiny' is not the model whose embeddings" in capsys.readouterr().err
    study.write_text(STUDY.format(path=tmp_path / "none", policy=POLICY))
    assert main(["plan", str(study), "--runs", str(tmp_path / "runs")]) == 2
    assert "has no card.json of a difficulty predictor" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.pt"], "none.pt: no such file, expected a checkpoint"),
        (["bad.pt"], "bad.pt: damaged, or not a checkpoint of torch"),
        (["list.pt"], "list.pt: holds list, expected a dictionary"),
        (["good.pt", "--embedder", "tiny"], '--embedder: got "tiny", expected a model from the hub'),
        (["good.pt", "--embedder", "{hb: x}"], "--embedder: got"),
        (["good.pt", "--embedder", "{"], "--embedder: '{' is no YAML value"),
        (["good.pt", "--labels", "x"], "--labels: got 'x' with import, expected it with train only"),
        (["good.pt", "--smoke"], "import: got -S or --smoke, which change a study"),
    ],
)
def test_a_mistake_exits_with_2_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.pt").write_bytes(b"no archive")
    torch.save([1, 2], "list.pt")
    checkpoint(Path("good.pt"), their_state())
    before = sorted(one.name for one in tmp_path.iterdir())
    assert call(*words) == 2
    said = capsys.readouterr()
    assert message in said.err and said.out == "" and len(said.err.splitlines()) <= 4
    assert sorted(one.name for one in tmp_path.iterdir()) == before


def test_a_smoke_run_takes_a_small_predictor_in_place_of_one_whose_embedder_is_on_the_hub(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "theirs.pt", their_state())
    assert call(path, "--out", tmp_path / "p") == 0
    study = tmp_path / "study.yaml"
    embedder = "Qwen/Qwen2.5-Math-1.5B-Instruct"
    study.write_text(STUDY.format(path=tmp_path / "p", policy="x").replace("{path: x}", f"{{hub: {embedder}}}"))
    found = load_spec(study, smoke=True).spec.arms["dots"].predictor
    assert found is not None and found.path is None
    assert [policy.stand_in for policy in found.policies] == [True] and found.embedding_model.stand_in
