"""Epochs over a subset beside full data: what is compared, what it cost, and what is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from repro.analysis.pictures import Picture
from repro.analysis.tables import Table
from repro.analysis.ufo_rl.epochs import epochs
from tests.analysis.drawing import check
from tests.analysis.ufo_rl.store import arm, ufo_measures


def subset(final: float, epochs: float | None, method: str = "confidence") -> tuple[dict[str, Any], Any]:
    """A tenth that stops after some epochs, or by the study's steps."""
    config, behaviour = arm(final, method=method, fraction=0.25)
    return ({**config, "budget": {"epochs": epochs}} if epochs else config), behaviour


def test_each_number_of_epochs_is_compared_with_the_longest_run_on_full_data(tmp_path: Path):
    config, behaviour = subset(0.2, 3)
    elsewhere = ({**config, "selection": {**config["selection"], "band": {"center": 0.9}}}, behaviour)
    arms = {
        "ufo_3": subset(0.55, 3),
        "ufo_1": subset(0.45, 1),
        "ufo": subset(0.58, None),
        "other_band": elsewhere,
        "full_epoch": ({"budget": {"epochs": 1}}, arm(0.3)[1]),
        "random_1": subset(0.4, 1, "random"),
        "random_3": subset(0.5, 3, "random"),
        "lonely": ({**subset(0.5, 1)[0], "replay": {"fresh": 0.5, "capacity": 16}}, arm(0.5)[1]),
    }
    table, picture = epochs([ufo_measures(tmp_path, arms)])
    assert isinstance(table, Table) and isinstance(picture, Picture)
    assert list(table.data["arm"]) == ["ufo_1", "ufo_3", "random_1", "random_3"]
    assert set(table.data["full"]) == {"full"}
    data = table.data.set_index("arm")
    assert data.loc["ufo_3", "difference"] == pytest.approx(0.55 - 0.6)
    assert data.loc["random_1", "difference"] == pytest.approx(0.4 - 0.6)
    assert data.loc["ufo_3", "tokens"] == 4 * 8 * 4 * 10  # steps x questions x completions x tokens
    assert data.loc["ufo_3", "token_share"] == pytest.approx(1)
    for narrow in (False, True):
        check(picture, narrow)


def test_a_study_without_two_numbers_of_epochs_has_no_such_table(tmp_path: Path):
    assert epochs([ufo_measures(tmp_path, {"ufo": subset(0.5, None), "ufo_1": subset(0.5, 1)})]) == []
