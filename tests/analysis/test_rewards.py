"""A report speaks of mean rewards where a run is not rewarded by accuracy, and of pass rates where all are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from repro.analysis.dots_rr.predictor import quality
from repro.analysis.page.groups import OF_ACCURACY, OF_REWARDS, Fresh, outcomes
from repro.analysis.pictures import Picture
from repro.analysis.rewards import all_by_accuracy, mean_reward, rewarded_by, reworded
from repro.analysis.runs import Series
from repro.analysis.tables import Table
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store

FLAT = Behaviour((0.4, 0.5, 0.6, 0.6), (0.0, 0.0, 0.0))
SCORE = [{"reward": "outside:score", "weight": 1.0, "longest": 3}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Pass rates over K samples", "Mean rewards over K samples"),
        ("mean pass rate, %", "mean reward, %"),
        ("the pass-rate filter", "the mean-reward filter"),
        ("`pass_rate` and surpass rates", "`pass_rate` and surpass rates"),
        ("whose rewards are all equal.", "whose rewards are equal or differ by at most train.min_spread."),
        ("accuracy", "accuracy"),
    ],
)
def test_pass_rates_become_mean_rewards_and_nothing_else_changes(text: str, said: str) -> None:
    assert mean_reward(text) == said


def test_tables_and_pictures_are_reworded_and_keep_their_numbers() -> None:
    data = pd.DataFrame({"pass_rate": [0.5]})

    def draw(narrow: bool) -> Figure:
        figure = Figure()
        figure.subplots().set_xlabel("pass rate")
        return figure

    table = Table("by_pass_rate", "By pass rate", ["pass rate"], [["0.5"]], data, "Pass rates.")
    picture = Picture("pool", "Pass rates", "By pass rate", "pass rate", data, draw)
    said, shown = reworded((table, picture))
    assert (said.name, said.title, said.header, said.caption) == (
        "by_pass_rate",
        "By mean reward",
        ["mean reward"],
        "Mean rewards.",
    )
    assert said.data is data and shown.data is data
    assert (shown.title, shown.draw(True).axes[0].get_xlabel()) == ("Mean rewards", "mean reward")


def test_rewards_are_named_arm_by_arm(quick_study: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
    measures = measure(quick_study({"full": ({}, FLAT), "own": ({}, FLAT)}))
    assert all_by_accuracy([measures]) and rewarded_by([measures]) == {"accuracy": ["full", "own"]}
    plain = Series.cell
    monkeypatch.setattr(
        Series,
        "cell",
        property(lambda self: {**plain.fget(self), **({"reward": SCORE} if self.arm == "own" else {})}),
    )
    assert not all_by_accuracy([measures])
    assert rewarded_by([measures]) == {"accuracy": ["full"], "score": ["own"]}
    groups = Fresh(
        step=np.ones(5),
        seed=np.zeros(5),
        rate=np.array([0.0, 1.0, 0.5, 0.5, 1.0]),
        predicted=np.full(5, np.nan),
        true=np.full(5, np.nan),
        trains=np.array([0.0, 0.0, 1.0, 0.0, 0.0]),
    )
    found = outcomes(measures, {"own": groups})
    assert found is not None
    assert dict(zip(found.data["outcome"], found.data["share"], strict=True)) == dict(
        zip(OF_REWARDS, (0.2, 0.2, 0.2, 0.4), strict=True)
    )
    found.draw(False)
    monkeypatch.setattr(Series, "cell", plain)
    binary = outcomes(measures, {"own": Fresh(*(column[:3] for column in vars(groups).values()))})
    assert binary is not None and list(binary.data["outcome"]) == [n for n in OF_ACCURACY if n != "too alike"]


def test_the_noise_of_a_mean_reward_is_that_of_its_rewards_and_not_of_coins() -> None:
    row = {"predicted": [0.2, 0.4, 0.9], "measured": [0.1, 0.5, 0.9], "samples": 5}
    coins = quality(row)["most"]
    assert quality({**row, "variance": [m * (1 - m) for m in row["measured"]]})["most"] == pytest.approx(coins)
    steady = quality({**row, "variance": [0.0, 0.0, 0.0]})
    assert coins < steady["most"] == 1.0
