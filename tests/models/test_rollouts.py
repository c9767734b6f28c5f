"""What makes completions: a server has a URL, vLLM is asked for, and a smoke run does without it."""

from __future__ import annotations

import pytest

from repro.study.expand import expand
from tests.conftest import Load, Mistakes

ARMS = "arms: {full: {}}\n"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("engine: vlm", "did you mean vllm"),
        ("engine: vllm, mode: server", "mode server without server"),
        ("engine: vllm, server: 'http://a:8000'", "server 'http://a:8000' with mode colocate"),
        ("engine: vllm, mode: server, server: 'a:8000'", "got server 'a:8000', expected a URL"),
        ("engine: vllm, memory: 1.1", "train.rollout.memory"),
        ("engine: vllm, check_sync: -1", "train.rollout.check_sync"),
        ("motor: vllm", "train.rollout.motor"),
    ],
)
def test_a_mistake_names_its_field(mistakes: Mistakes, fields: str, message: str) -> None:
    found = mistakes(f"train: {{rollout: {{{fields}}}}}\n{ARMS}")
    assert any(message in line for line in found), found


def test_the_engine_may_be_an_axis(load: Load) -> None:
    spec = load(f"axes: {{train.rollout.engine: [hf, vllm]}}\n{ARMS}seeds: [0]\n").spec
    assert [cell.train.rollout.engine for cell in expand(spec)] == ["hf", "vllm"]


def test_the_command_line_sets_it(load: Load) -> None:
    assert load(ARMS, ["train.rollout.engine=vllm"]).spec.train.rollout.engine == "vllm"


def test_a_smoke_run_needs_no_vllm(load: Load) -> None:
    text = f"train: {{rollout: {{engine: vllm}}}}\naxes: {{train.rollout.memory: [0.2, 0.4]}}\n{ARMS}"
    spec = load(text, smoke=True).spec
    assert {cell.train.rollout.engine for cell in expand(spec)} == {"hf"}
