"""`repro score` and a study share one store: what either has scored, the other reads, and the study pays in full."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Qwen2Model

from repro.commands.score.output import read_table
from repro.study.expand import expand
from repro.study.identity import identity
from repro.study.load import load_spec
from repro.training.job import GRPOJob
from repro.training.resources import PolicyResources

from .conftest import questions, write_rows
from .test_resume import parts_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def passes() -> Iterator[list[int]]:
    """Grows with every forward pass of a policy of these tests, in this process."""
    seen: list[int] = []
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, *_: seen.append(1) if isinstance(module, Qwen2Model) else None
    )
    yield seen
    hook.remove()


def write_study(folder: Path, policy: Path, data: Path, train: str = "{max_completion_tokens: 12}") -> Path:
    """A study of that policy on those questions, every one of them for training."""
    write_rows(folder / "test.jsonl", questions(4, seed=9))
    dataset = {"path": str(data), "test_path": str(folder / "test.jsonl"), "id": "id", "validation_fraction": 0.0}
    study = folder / "study.yaml"
    study.write_text(
        f"name: s\nmodel: {{path: {policy}}}\ndataset: {json.dumps(dataset)}\ntrain: {train}\n"
        "arms: {band: {selection: {method: confidence}}}\n"
    )
    return study


def resources_of(study: Path, runs: Path) -> PolicyResources:
    """What a job of the study asks for scores, with a ledger of its own."""
    (cell, *_) = expand(load_spec(study).spec)
    name = identity(cell)
    return GRPOJob(cell, name, runs / name, runs).resources


ASKED: dict[str, tuple[list[str], tuple[Any, ...]]] = {
    "final answer": ([], ("final_answer",)),
    "solution in the paper's prompt": (["--target", "solution", "--prompt", "paper"], ("solution", "paper")),
    "greedy response": (["--target", "greedy_response"], ("greedy_response",)),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_the_command_has_scored_a_study_reads_and_pays_for(
    score, passes, policy, data, tmp_path, runs, name
) -> None:
    words, asked = ASKED[name]
    study, out = write_study(tmp_path, policy, data), tmp_path / "scores.parquet"
    assert score(*words, "--spec", study, "--out", out, model=None, dataset=None).code == 0
    assert passes, "the hook sees the policy's passes"
    resources = resources_of(study, runs)
    before = len(passes)
    values, tokens = resources.confidences(*asked), resources.target_tokens(*asked)
    assert len(passes) == before
    table = read_table(out)
    np.testing.assert_array_equal(values, table["s"])
    np.testing.assert_array_equal(tokens, table["target_tokens"])
    (card,) = (runs / "cache/scores").glob("*/card.json")
    paid = resources.ledger.as_dict()["score"]
    assert paid == {"trained_tokens": 0, **json.loads(card.read_text())["cost"]}
    assert paid["flops"] > 0 and paid["seconds"] > 0 and paid["cpu_seconds"] > 0
    assert (paid["generated_tokens"] > 0) == (name == "greedy response") == (paid["completions"] == 120)


@pytest.mark.parametrize("name", ASKED)
def test_what_a_study_has_scored_the_command_exports(score, passes, policy, data, tmp_path, runs, name) -> None:
    words, asked = ASKED[name]
    study, out = write_study(tmp_path, policy, data), tmp_path / "scores.parquet"
    resources = resources_of(study, runs)
    values = resources.confidences(*asked)
    before = len(passes)
    shown = score(*words, "--spec", study, "--out", out, model=None, dataset=None)
    assert shown.code == 0 and shown.out.startswith("taken from ") and len(passes) == before > 0
    table, record = read_table(out), json.loads(out.with_suffix(".json").read_text())
    np.testing.assert_array_equal(table["s"], values)
    assert table["selected"].sum() == 12
    assert record["prompt"]["example"]["id"] == "q00000" and record["machine"]["device"] == "cpu"
    assert record["tokens"]["target"] == table["target_tokens"].sum() and record["seconds"]["pass"] > 0


def test_a_study_of_the_same_questions_is_served_without_its_spec(score, passes, policy, data, tmp_path, runs) -> None:
    assert score("--out", tmp_path / "scores.csv").code == 0
    resources = resources_of(write_study(tmp_path, policy, data), runs)
    before = len(passes)
    resources.confidences("final_answer")
    assert len(passes) == before


def test_a_study_in_another_arithmetic_shares_what_is_not_decoded(score, passes, policy, data, tmp_path, runs) -> None:
    study = write_study(tmp_path, policy, data, "{max_completion_tokens: 12, precision: bfloat16}")
    assert score("--out", tmp_path / "plain.csv").code == 0
    before = len(passes)
    shown = score("--spec", study, "--out", tmp_path / "study.csv", model=None, dataset=None)
    assert shown.code == 0 and shown.out.startswith("taken from ")
    values = resources_of(study, runs).confidences("final_answer")
    assert len(passes) == before
    np.testing.assert_array_equal(values, read_table(tmp_path / "study.csv")["s"])


def test_a_study_in_another_arithmetic_has_greedy_responses_of_its_own(score, policy, data, tmp_path, runs) -> None:
    study = write_study(tmp_path, policy, data, "{max_completion_tokens: 12, precision: bfloat16}")
    greedy = ["--target", "greedy_response"]
    assert score(*greedy, "--max-new-tokens", "12", "--out", tmp_path / "plain.csv").code == 0
    shown = score(*greedy, "--spec", study, "--out", tmp_path / "study.csv", model=None, dataset=None)
    assert shown.code == 0 and shown.out.startswith("scored:")
    table = read_table(tmp_path / "study.csv")
    assert (table["s"] != read_table(tmp_path / "plain.csv")["s"]).any()
    resources = resources_of(study, runs)
    np.testing.assert_array_equal(resources.confidences("greedy_response"), table["s"])
    assert len(list((runs / "cache/scores").glob("*/card.json"))) == 2


ASK = """
import sys
from pathlib import Path
from tests.commands.score.test_shared_store import resources_of
resources_of(Path(sys.argv[1]), Path(sys.argv[2])).confidences(*sys.argv[3:])
"""


@pytest.mark.parametrize(("target", "kind"), [("solution", "npz"), ("greedy_response", "json")])
def test_a_study_killed_inside_its_pass_goes_on_where_it_was(passes, policy, tmp_path, runs, target, kind) -> None:
    data = write_rows(tmp_path / "many.jsonl", questions(1500 if kind == "npz" else 200))
    study = write_study(tmp_path, policy, data)
    whole = resources_of(study, tmp_path / "other")
    expected = whole.confidences(target)
    needed = len(passes)

    command = [sys.executable, "-c", ASK, str(study), str(runs), target]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not parts_of(runs, kind):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    assert parts_of(runs, kind) and not list((runs / "cache/scores").glob("*/card.json"))

    passes.clear()
    resumed = resources_of(study, runs)
    np.testing.assert_array_equal(resumed.confidences(target), expected)
    assert 0 < len(passes) < needed
    amounts = [
        {name: amount for name, amount in each.ledger.as_dict()["score"].items() if "seconds" not in name}
        for each in (whole, resumed)
    ]
    assert amounts[0] == amounts[1] and not parts_of(runs, kind)
