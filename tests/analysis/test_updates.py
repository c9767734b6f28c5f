"""A report says once, where methods are told, whether groups without an advantage were trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro.analysis.measures import Measures
from repro.analysis.updates import updates_said
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store

Make = Callable[..., Store]

DENSE: dict[str, Any] = {"train": {"skip_zero_advantage": False}}
DOTS: dict[str, Any] = {"selection": {"method": "difficulty", "references": 4}}
REPLAY: dict[str, Any] = {"replay": {"fresh": 0.5, "capacity": 8}}
PLAIN = Behaviour((0.4, 0.5, 0.6, 0.6))


def measured(quick_study: Make, first: dict[str, Any], second: dict[str, Any]) -> Measures:
    return measure(quick_study({"plain": (first, PLAIN), "both": (DOTS | REPLAY | second, PLAIN)}, seeds=2))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [({}, {}, "Updates leave out"), (DENSE, DENSE, "Updates are dense: "), ({}, DENSE, "Updates are dense in `both`;")],
)
def test_the_sentence_follows_the_runs(quick_study: Make, first: dict[str, Any], second: dict[str, Any], said: str):
    assert updates_said([measured(quick_study, first, second)]).startswith(said)


def test_the_methods_say_it_and_no_caption_does(report: Path):
    told = {path.name: path.read_text(encoding="utf-8").count("train.skip_zero_advantage") for path in pages(report)}
    assert told.pop("methods.html") == 1 and not any(told.values())


def pages(report: Path) -> list[Path]:
    return [path for path in report.parent.glob("*.html") if path.name != "provenance.html"]
