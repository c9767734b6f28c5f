"""Ablations of UFO-RL: which arms are put beside each other, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.analysis.pictures import Picture
from repro.analysis.statistics import paired_difference
from repro.analysis.tables import Table
from repro.analysis.ufo_rl.ablations import ablations
from tests.analysis.drawing import check
from tests.analysis.ufo_rl.store import POOL, arm, ufo_measures


def conf(final: float, fraction: float = 0.25, **more: Any) -> Any:
    return arm(final, method="confidence", fraction=fraction, **more)


def rand(final: float, fraction: float = 0.25) -> Any:
    return arm(final, method="random", fraction=fraction)


def by_name(folder: Path, arms: dict[str, Any], **more: Any) -> dict[str, Table | Picture]:
    measures = ufo_measures(folder, arms, questions=100, **more)
    return {made.name.removeprefix("ufo_rl.ablation_"): made for made in ablations([measures])}


def test_arms_that_differ_in_nothing_make_no_table(tmp_path: Path):
    assert by_name(tmp_path, {"ufo": conf(0.5), "random": rand(0.5), "ends": conf(0.5, band={"end": "highest"})}) == {}
    assert ablations([]) == []


def test_centres_of_one_size_and_target_are_compared(tmp_path: Path):
    arms = {
        "ufo": conf(0.5),
        "median": conf(0.7, band={"center": "median"}),
        "calibrated": conf(0.6, band={"pass_rate": 0.5}),
        "other_size": conf(0.6, 0.5, band={"center": 0.5}),
    }
    table = by_name(tmp_path, arms)["centre"]
    assert list(table.data["arm"]) == ["ufo", "median", "calibrated"]
    assert table.data["setting"][2].startswith("where the pass rate is 0.50")
    row = table.data.set_index("arm").loc["median"]
    assert row["difference"] == pytest.approx(0.1) and row["n"] == 2
    assert row["questions"] == POOL // 4 and 0 < row["centre"] < 1 and 0 <= row["base_pass_rate"] <= 1


def test_fractions_have_a_random_subset_of_their_size_beside_them(tmp_path: Path):
    arms = {"small": conf(0.5, 0.125), "large": conf(0.6, 0.5), "random_large": rand(0.55, 0.5), "r": rand(0.5)}
    made = by_name(tmp_path, arms)
    assert set(made) == {"fraction", "fraction_curve"}
    data = made["fraction"].data.set_index("fraction")
    assert list(data.index) == [0.125, 0.5] and list(data["control"]) == ["", "random_large"]
    scores = ([0.55, 0.65], [0.50, 0.60])
    assert data.loc[0.5, "to_random"] == pytest.approx(paired_difference(*scores).value)
    assert np.isnan(data.loc[0.125, "to_random"])
    assert data.loc[0.125, "difference"] == pytest.approx(-0.1)
    picture = made["fraction_curve"]
    assert isinstance(picture, Picture)
    assert sorted(picture.data["kind"]) == ["confidence", "confidence", "full data", "random"]
    for narrow in (False, True):
        check(picture, narrow)


def test_targets_and_label_free_scores_stand_beside_arms_of_their_size(tmp_path: Path):
    arms = {
        "ufo": conf(0.5),
        "solution": conf(0.5, target="solution"),
        "perplexity": arm(0.5, method="prompt_perplexity", fraction=0.25),
        "pass": arm(0.5, method="pass_rate", band={"center": 0.5}, fraction=0.25),
        "hardest": arm(0.5, method="hardest", fraction=0.25),
        "random": rand(0.5),
        "random_half": rand(0.5, 0.5),
    }
    made = by_name(tmp_path, arms)
    assert list(made["target"].data["setting"]) == ["final answer", "full solution"]
    assert list(made["label_free"].data["arm"]) == ["perplexity", "ufo", "solution", "pass", "random"]


def test_each_row_of_matching_is_compared_with_full_data_that_stops_at_the_same(tmp_path: Path):
    arms = {"ufo": conf(0.5), "lonely": conf(0.5, 0.5), "full_epoch": arm(0.4), "ufo_epoch": conf(0.45)}
    for name in ("full_epoch", "ufo_epoch"):
        arms[name][0]["budget"] = {"epochs": 1}
    table = by_name(tmp_path, arms)["matching"]
    assert isinstance(table, Table)
    assert list(table.data["arm"]) == ["full", "ufo", "full_epoch", "ufo_epoch"]
    assert list(table.data["matched_on"]) == ["steps: 4"] * 2 + ["epochs: 1"] * 2
    data = table.data.set_index("arm")
    assert data.loc["ufo", "difference"] == pytest.approx(-0.1)
    assert data.loc["ufo_epoch", "difference"] == pytest.approx(0.05)
    # 4 steps of 0.5 s, and 0.3 s of scoring.
    assert data.loc["ufo_epoch", "seconds"] == pytest.approx(2.3)
    assert data.loc["ufo_epoch", "seconds_ratio"] == pytest.approx(2 / 2.3)
    assert data.loc["ufo_epoch", "generated_tokens"] == 4 * 8 * 4 * 10
    assert table.emphasis == frozenset({0, 2}) and np.isnan(data.loc["full", "seconds_ratio"])


def test_a_budgeted_arm_is_kept_out_of_the_other_ablations(tmp_path: Path):
    arms = {"ufo": conf(0.5), "solution": conf(0.5, target="solution")}
    arms["solution"][0]["budget"] = {"epochs": 1}
    assert by_name(tmp_path, arms) == {}


def test_a_study_without_full_data_still_compares_its_arms(tmp_path: Path):
    arms = {
        "full": rand(0.5),
        "ufo": conf(0.5),
        "large": conf(0.6, 0.5),
        "median": conf(0.6, band={"center": "median"}),
    }
    made = by_name(tmp_path, arms, seeds=1)
    assert set(made) == {"centre", "fraction", "fraction_curve"}
    assert np.isnan(made["centre"].data["difference"]).all()
    assert made["centre"].rows[0][8] == "–"  # type: ignore[union-attr]
    picture = made["fraction_curve"]
    assert isinstance(picture, Picture)
    check(picture, False)
