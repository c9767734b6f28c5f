"""Series are named in one file; what training and selections write is listed there."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from repro.replay.buffer import ReplayBuffer
from repro.replay.group import Group
from repro.tracking import series
from repro.training.ledger import PHASES, Ledger

ROOT = Path(__file__).parents[2]
FAMILIES = (
    series.TRAIN,
    series.EVAL,
    series.SELECT,
    series.REPLAY,
    series.ROLLOUT,
    series.COST,
    series.SEEDS,
    series.SYSTEM,
)


def bare(source: str) -> list[tuple[int, str]]:
    """(line, text) of strings that name a listed series, and of f-strings that begin like one."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            text = str(node.values[0].value)
            if text.startswith(FAMILIES):
                found.append((node.lineno, text))
        elif isinstance(node, ast.Constant) and (node.value in series.SERIES or node.value in FAMILIES):
            found.append((node.lineno, str(node.value)))
    return sorted(set(found))


def test_no_series_is_spelt_out_elsewhere() -> None:
    files = [path for top in ("repro", "benchmarks") for path in (ROOT / top).rglob("*.py")]
    assert len(files) > 100
    own = Path(series.__file__)
    found = {
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in files
        if path != own
        for line, text in bare(path.read_text(encoding="utf-8"))
    }
    assert found == set(), "import the name from repro.tracking.series"


def test_a_bare_name_and_one_that_is_put_together_are_both_noticed() -> None:
    assert bare('x = metrics["train/reward"]') == [(1, "train/reward")]
    assert bare('x = f"cost/{clock}"') == [(1, "cost/")]
    assert bare('x = "eval/" + name') == [(1, "eval/")]
    assert bare('"""Writes `train/reward`."""\nx = f"predictor/{digest}"') == []


def test_every_series_has_a_meaning_and_a_unit_and_belongs_to_a_family() -> None:
    assert len(series.SERIES) > 50
    for name, meaning in series.SERIES.items():
        assert name.startswith(FAMILIES) and meaning.text and meaning.unit, name


def test_what_the_ledger_and_the_buffer_write_is_listed() -> None:
    ledger = Ledger()
    for phase in PHASES:
        ledger.add(phase, completions=1)
    assert ledger.metrics()[series.COMPLETIONS] == len(series.SPEND)
    assert set(ledger.metrics()) == {name for name in series.SERIES if name.startswith(series.COST)}
    buffer = ReplayBuffer(4, 0)
    tokens, logps, rewards = np.zeros(2, np.int64), np.zeros(2, np.float32), np.array([1.0, 0.0])
    buffer.add([Group(0, tokens, [tokens, tokens], rewards, rewards, [logps, logps], step=1)])
    assert len(buffer.draw(1, 2)) == 1
    assert {series.REPLAY + name for name in buffer.statistics(2)} <= set(series.SERIES)


def test_accuracy_on_test_questions_has_a_name_of_its_own() -> None:
    assert series.accuracy_of("test") == series.ACCURACY
    assert series.accuracy_of("validation") == series.VALIDATION
    assert series.accuracy_of("amc") == "eval/amc"
