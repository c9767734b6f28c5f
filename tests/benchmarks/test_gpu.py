"""The GPU benchmark's small mode: the same code on a CPU measures every part, and says that it means nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.errors import UserError
from repro.study.throughput import read_throughput

ROOT = Path(__file__).parents[2]
KINDS = ("sampling", "forward", "idle_rows", "dots_rr_steps")


def call(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/gpu.py", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("gpu")
    done = call("--small", "--out", str(out), "--minutes", "60")  # two rounds at most, however busy the machine is
    assert done.returncode == 0, done.stderr
    return json.loads((out / "gpu.json").read_text()), (out / "gpu.md").read_text(), out


def test_every_part_is_measured_in_whole_rounds(run):
    record, _, _ = run
    parts = record["parts"]
    assert set(parts) == {"to_target", "small/vllm", *(f"small/{kind}" for kind in KINDS)}
    assert not any("failed" in part for part in parts.values())
    for kind in KINDS:
        part = parts[f"small/{kind}"]
        assert part["rounds"] >= 1
        for times in part.get("seconds", {}).values():
            assert len(times) == part["rounds"]
            assert min(times) > 0


def test_completions_all_have_the_tokens_that_were_asked_for(run):
    record, _, _ = run
    scale, part = record["scale"], record["parts"]["small/sampling"]
    each = scale["sampled"] * scale["completion"]
    assert part["generated_tokens"] == {"k8": 8 * each, "k16": 16 * each}
    arms = record["parts"]["small/idle_rows"]["ledgers"]
    rows = 2 * scale["questions_per_step"] * scale["group_size"]
    for ledger in (*arms["all"], *arms["left_out"]):
        assert ledger["rollout"]["generated_tokens"] == rows * scale["step_completion"]


def test_rows_without_advantage_are_left_out_of_one_way_only(run):
    record, _, _ = run
    part = record["parts"]["small/idle_rows"]
    assert 0.2 < part["groups_without_advantage"] < 0.9
    every, some = (part["ledgers"][name][0]["train"]["trained_tokens"] for name in ("all", "left_out"))
    assert some / every == pytest.approx(1 - part["groups_without_advantage"], abs=0.15)


def test_ratios_are_those_of_the_seconds(run):
    record, _, _ = run
    part, scale = record["parts"]["small/sampling"], record["scale"]
    share = scale["scored"] / scale["sampled"]
    logs = [share * k / score for k, score in zip(part["seconds"]["k8"], part["seconds"]["score"], strict=True)]
    product = 1.0
    for value in logs:
        product *= value ** (1 / len(logs))
    assert part["per_question_over_score"]["k8"][0] == pytest.approx(product)


def test_a_step_of_dots_rr_rolls_out_half_a_batch_and_pays_its_probes(run):
    record, _, _ = run
    part, scale = record["parts"]["small/dots_rr_steps"], record["scale"]
    batch = scale["questions_per_step"] * scale["group_size"] * scale["step_completion"]
    probes = part["references"] * scale["group_size"] * scale["step_completion"] / 2  # every second step
    tokens = part["generated_tokens_a_step"]
    assert tokens["grpo"] == batch
    assert batch / 2 + probes <= tokens["dots_rr"] <= batch + probes
    phases = part["step_seconds_by_phase"]
    assert all(step["probe"] == 0 for step in phases["grpo"])
    assert all(step["probe"] > 0 for step in phases["dots_rr"])


def test_a_target_that_is_not_reached_is_censored_and_said_to_be(run):
    record, page, _ = run
    part = record["parts"]["to_target"]
    assert part["reached"] == {"grpo": [None], "dots_rr": [None]}
    assert [it["step"] for it in part["series"]["grpo"][0]] == [1, 2]
    assert page.count("not reached: censored") == 2


def test_the_page_names_the_machine_what_is_missing_and_that_it_means_nothing(run):
    record, page, _ = run
    for words in ("the numbers mean nothing", f"torch {record['environment']['packages']['torch']}", "Not measured"):
        assert words in page
    if "vllm" not in record["environment"]["packages"]:
        assert "small/vllm: left out, vLLM is not installed" in page


def test_plan_reads_the_throughput_of_a_real_run_and_refuses_that_of_a_small_one(run, tmp_path):
    record, _, out = run
    with pytest.raises(UserError, match="mean nothing"):
        read_throughput(out / "gpu.json")
    (tmp_path / "gpu.json").write_text(json.dumps({**record, "small": False}))
    found = read_throughput(tmp_path / "gpu.json")[0]
    assert found.parameters == record["policies"]["small"]["parameters"]
    assert min(found.generated, found.trained, found.scored) > 0


def test_small_numbers_are_kept_out_of_the_reports_and_no_gpu_is_told_at_once():
    before = {path: path.read_bytes() for path in (ROOT / "reports" / "gpu").glob("*.json")}
    done = call("--small", "--out", "reports/gpu")
    assert done.returncode == 2
    assert "nothing under reports/" in done.stderr
    assert {path: path.read_bytes() for path in (ROOT / "reports" / "gpu").glob("*.json")} == before
