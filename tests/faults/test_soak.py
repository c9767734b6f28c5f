"""The soak: a few cases each time the tests run, all of them by `make soak`, and proof that it can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.faults import broken
from tests.faults.commands import ROOT
from tests.faults.shim import compiler

needs_a_compiler = pytest.mark.skipif(compiler() is None, reason="the library that makes calls fail is compiled by cc")

SECOND_CHECKPOINT = ("open", "1", "runs/*/checkpoints/checkpoint-4/selector.json")


def soak(*options: str, environment: Mapping[str, str] | None = None, limit: float = 600.0) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.soak", *options], cwd=ROOT, timeout=limit, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    return ended.returncode, ended.stdout


@needs_a_compiler
def test_commands_that_die_or_fail_at_a_few_points_end_as_if_nothing_had_happened() -> None:
    code, text = soak("--small")
    assert code == 0 and ": 0 lost, 0 different, 0 otherwise wrong" in text, text


@pytest.mark.soak
@needs_a_compiler
def test_commands_that_die_or_fail_at_all_points_end_as_if_nothing_had_happened() -> None:
    words = [sys.executable, "-m", "tests.faults.soak", "--seed", os.environ.get("SOAK_SEED", "0")]
    assert subprocess.run(words, cwd=ROOT).returncode == 0


@pytest.mark.soak
@needs_a_compiler
@pytest.mark.parametrize(
    ("fault", "point", "found"),
    [
        ("bare-writes", ("half", "write", "1", "runs/*/done.json"), "missing: runs/"),
        ("no-truncation", ("kill-all", *SECOND_CHECKPOINT), "metrics.jsonl"),
        ("no-selector-state", ("kill-all", *SECOND_CHECKPOINT), "selector.json"),
    ],
)
def test_a_fault_put_into_the_suite_is_found(fault: str, point: tuple[str, ...], found: str) -> None:
    code, text = soak("--point", "dots", *point, environment={broken.VARIABLE: fault})
    assert code == 1 and found in text, text
