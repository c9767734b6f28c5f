"""What a study fetches, and looking it up on a hub of this machine and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.study.hub_ids import unpinned, wanted_of
from repro.study.load import load_spec, parse_spec
from tests.study.hub_server import SHA, serve_hub

ROOT = Path(__file__).parents[2]


def validate(spec: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("REPRO_DATA", "HF_HUB_OFFLINE")}
    return subprocess.run(
        [sys.executable, "-m", "repro", "validate", "--online", str(spec)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**kept, "HF_HOME": str(spec.parent / "hf"), "HF_HUB_DISABLE_XET": "1", **environment},
    )


def test_every_id_is_looked_up_once_and_local_copies_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)
    paths = [ROOT / "experiments" / "dots_rr" / f"qwen2.5-math-1.5b_{name}.yaml" for name in ("math", "orz")]
    wanted = wanted_of([load_spec(path).spec for path in paths])
    ids = [(one.kind, one.id, one.revision) for one in wanted]
    assert len(set(ids)) == len(ids)
    names = [name for kind, name, _ in ids if kind == "dataset"]
    assert names == [
        "nlile/hendrycks-MATH-benchmark",
        "HuggingFaceH4/MATH-500",
        "openai/gsm8k",
        "math-ai/minervamath",
        "Hothan/OlympiadBench",
        "Open-Reasoner-Zero/orz_math_57k_collection",
    ]
    assert [split for one in wanted if one.id == "Hothan/OlympiadBench" for split, _ in one.splits] == ["train"]
    assert "warning: dataset openai/gsm8k: its revision is not pinned" in "\n".join(unpinned(wanted))
    pinned = {"model": {"hub": "a/b", "revision": "abc"}, "dataset": {"named": "gsm8k", "revision": "def"}}
    assert unpinned(wanted_of([parse_spec({"name": "x", "arms": {"a": {}}, **pinned})])) == []
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "train.jsonl").write_text("{}")
    (tmp_path / "gsm8k" / "test.jsonl").write_text("{}")
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    assert wanted_of([parse_spec({"name": "x", "arms": {"a": {}}, "model": "tiny", "dataset": "gsm8k"})]) == []


def test_a_file_outside_the_hub_is_not_looked_up_but_the_embedder_of_a_trained_predictor_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)
    study = {
        "name": "s",
        "model": "tiny",
        "dataset": {"named": "deepscaler_10240", "test_named": "math500"},
        "predictor": {"path": "p", "embedder": {"hub": "a/b"}},
        "arms": {"dots": {"selection": {"method": "difficulty", "predictor": "trained"}}},
    }
    assert [one.id for one in wanted_of([parse_spec(study)])] == ["a/b", "HuggingFaceH4/MATH-500"]


def test_revisions_and_fields_are_resolved_on_a_hub(tmp_path: Path) -> None:
    rows = [{"problem": f"What is {n}?", "answer": str(n), "solution": "", "level": n % 5 + 1} for n in range(20)]
    good = "\n".join(map(json.dumps, rows))
    spec = tmp_path / "s.yaml"
    spec.write_text(
        "name: x\nmodel: [{hub: a/small}, {hub: a/none}]\narms: {full: {}}\n"
        "dataset: [math, {named: deepscaler, revision: gone},\n"
        "  {hub: b/levels, question: problem, filters: {level: 9}}]\n"
    )
    repositories = {
        "nlile/hendrycks-MATH-benchmark": {"train.jsonl": good, "test.jsonl": good},
        "HuggingFaceH4/MATH-500": {"test.jsonl": good.replace('"answer"', '"final"')},
        "agentica-org/DeepScaleR-Preview-Dataset": {"train.jsonl": good},
        "b/levels": {"train.jsonl": good, "test.jsonl": good},
    }
    with serve_hub(["a/small"], repositories) as endpoint:
        done = validate(spec, HF_ENDPOINT=endpoint)
    assert done.returncode == 2, done.stdout + done.stderr
    small, none, math, math500, deepscaler, levels = done.stdout.splitlines()[1:]
    assert small == f"model a/small: ok: commit {SHA}"
    assert none == "model a/none: problem: the hub has no such repository, or keeps it private"
    assert math.startswith(
        f"dataset nlile/hendrycks-MATH-benchmark: ok: commit {SHA}, licence mit; train: question from"
    )
    assert (
        "MATH-500: problem: split test, row 1: no field 'answer'" in math500
        and "fields found: problem, final" in math500
    )
    assert deepscaler.endswith("DeepScaleR-Preview-Dataset at gone: problem: it has no revision 'gone'")
    assert "dataset b/levels: problem: split train: dataset.filters keep none of the rows" in levels
    assert "values found: '1'" in levels
    assert "warning: model a/small: its revision is not pinned" in done.stderr


def test_without_a_hub_it_says_so_and_is_no_success(tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    spec.write_text("name: x\nmodel: {hub: a/b}\ndataset: gsm8k\narms: {full: {}}\n")
    done = validate(spec, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1, done.stdout + done.stderr
    _, model, dataset, advice = done.stdout.splitlines()
    assert model.startswith("model a/b: could not be reached: ")
    assert dataset.startswith("dataset openai/gsm8k (main): could not be reached: ")
    assert advice.startswith("2 of 2 could not be reached: is there a connection?")
