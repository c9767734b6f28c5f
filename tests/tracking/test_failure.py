"""What an error.txt says: the reason, whether it lasts, and the field at fault where numbers became NaN."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from repro.errors import TryAgainError, UserError
from repro.files import DamagedError
from repro.tracking.failure import blamed_field, is_mistake, kind_of, reason_in, reason_of


def text_of(error: Exception) -> str:
    """What a job writes of an exception that another one caused."""
    try:
        try:
            raise KeyError("a")
        except KeyError as cause:
            raise error from cause
    except Exception as raised:
        return "".join(traceback.format_exception(raised))


def test_the_reason_is_the_exception_of_the_last_traceback() -> None:
    assert reason_of(text_of(ValueError("first line\nsecond line"))) == "ValueError: first line"
    assert reason_of("Last lines of job.log:\n    x\nkilled by signal 9\n") == "killed by signal 9"
    assert reason_of("") == ""


def test_the_kind_of_a_failure_is_told_in_a_word_or_two() -> None:
    assert kind_of(text_of(ValueError("first line")), {}) == "ValueError"
    assert kind_of(text_of(RuntimeError("CUDA out of memory. Tried to allocate")), {}) == "out of memory"
    assert kind_of(text_of(UserError("train.clip: too large")), {}) == "mistake"
    assert kind_of(text_of(UserError("training ended")), {"stopped": {"kind": "nan", "step": 3}}) == "NaN"
    assert kind_of("Last lines of job.log:\n    x\nkilled by signal 9\n", {}) == "killed by signal 9"
    crash = "In phase 'selecting' after 1 s: killed by signal 11 (SIGSEGV)"
    assert kind_of(f"Last lines of job.log:\n    x\n{crash}\n", {}) == "killed by signal 11 (SIGSEGV)"


@pytest.mark.parametrize(
    ("error", "lasting"),
    [
        (UserError("train.clip: too large"), True),
        (DamagedError("labels.parquet: damaged"), True),
        (TryAgainError("/runs: no space is left on the disk"), False),
        (RuntimeError("CUDA error"), False),
    ],
)
def test_a_mistake_lasts_and_what_the_system_refuses_does_not(error: Exception, lasting: bool) -> None:
    text = text_of(error)
    assert is_mistake(text) is lasting
    assert reason_of(text).removeprefix("RuntimeError: ") == str(error)


def test_the_field_at_fault_is_that_of_the_warning_that_ended_the_run(tmp_path: Path) -> None:
    assert reason_in(tmp_path) == "" and blamed_field(tmp_path) is None
    warnings = [
        {"kind": "ratio", "likely": "train.clip 0.9"},
        {"kind": "nan", "likely": "train.learning_rate 100 (too high)"},
    ]
    health = {"warnings": warnings, "stopped": {"kind": "nan", "step": 3}}
    (tmp_path / "health.json").write_text(json.dumps(health))
    assert blamed_field(tmp_path) == "train.learning_rate"
    (tmp_path / "health.json").write_text(json.dumps({**health, "stopped": None}))
    assert blamed_field(tmp_path) is None
