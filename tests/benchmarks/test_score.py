"""The scorer's benchmark runs from one command and measures what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmark")
    command = [sys.executable, "benchmarks/score.py", "--small", "--out", str(out), "--cache", str(out / "cache")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((out / "score.json").read_text())["prompts"]["default"], (out / "score.md").read_text()


def test_every_way_is_timed_in_every_round_and_its_memory_measured(run):
    told, _ = run
    assert {name: len(rows) for name, rows in told["seconds"].items()} == dict.fromkeys(["ours", *"abcd"], 2)
    assert all(wall > 0 for rows in told["seconds"].values() for wall, _ in rows)
    assert set(told["memory"]) == {"ours", "b"}
    assert told["memory"]["b"] > 0


def test_the_ways_agree_and_so_does_float64_on_a_policy_whose_confidences_differ(run):
    told, _ = run
    assert max(told["apart"].values()) < 1e-4
    exact = told["exactness"]
    assert exact["deviation"] > 0.04
    assert exact["confidence_error"] < 1e-4
    assert exact["kept"] == 12
    assert exact["kept_otherwise"] == []


def test_ratios_are_those_of_the_seconds(run):
    told, _ = run
    (ours_1, _), (ours_2, _) = told["seconds"]["ours"]
    for name, questions in (("b", 40), ("d", 4)):
        first, second = (seconds[0] / questions * 40 for seconds in told["seconds"][name])
        middle, low, high = told["ratios"][name]["wall"]
        assert middle == pytest.approx((first / ours_1 * second / ours_2) ** 0.5)
        assert low <= min(first / ours_1, second / ours_2) <= max(first / ours_1, second / ours_2) <= high


def test_the_page_states_machine_samples_and_targets(run):
    told, page = run
    generated = told["sampling"]["generated_tokens"]
    assert 8 <= generated <= 8 * 16
    for part in ("torch threads 1", "K = 2, transformers generate", f"{generated:,} tokens generated", "target 85%"):
        assert part in page
