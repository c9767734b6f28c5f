"""Figure 1 and Table 3 of UFO-RL: bins in order with their pass rates, curricula beside full data."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.analysis.pictures import Picture, as_pdf, as_png
from repro.analysis.statistics import t_interval
from repro.analysis.tables import Table
from repro.analysis.ufo_rl.bins import bins_of, figure_1
from repro.analysis.ufo_rl.curricula import table_3
from tests.analysis.conftest import measure
from tests.analysis.drawing import check
from tests.analysis.synthetic import edit
from tests.analysis.ufo_rl.store import POOL, arm, bins, ufo_measures, ufo_study


def curricula() -> dict[str, Any]:
    return {
        "hard_first": arm(0.5, method="curriculum", by="confidence", order="hard_to_easy"),
        "easy_first": arm(0.7, method="curriculum", by="pass_rate", stages=5),
    }


def test_figure_1_is_a_picture_and_a_table_of_the_bins_from_hard_to_easy(tmp_path: Path):
    shuffled = dict(reversed(bins(4).items()))
    measures = ufo_measures(tmp_path, {**shuffled, "wide": wide_band()})
    picture, table = figure_1([measures])
    assert isinstance(picture, Picture) and isinstance(table, Table)
    for narrow in (False, True):
        check(picture, narrow)
    assert list(table.data["quantiles"]) == ["full", "0 to 25", "25 to 50", "50 to 75", "75 to 100"]
    rates = np.sort(list(measures.panel.series[0].runs[0].json("base.json")["pool"]["pass_rates"].values()))
    expected = rates.reshape(4, POOL // 4)
    ours = table.data.iloc[1:]
    assert list(ours["pass_rate_mean"]) == pytest.approx(expected.mean(axis=1))
    assert list(ours["pass_rate_low"]) == pytest.approx(expected[:, 0])
    assert list(ours["pass_rate_high"]) == pytest.approx(expected[:, -1])
    assert list(ours["questions"]) == [POOL // 4] * 4


def wide_band() -> Any:
    return arm(0.6, method="pass_rate", band={"low": 0.2, "high": 0.8, "scale": "quantile"})


def test_a_bin_has_the_mean_of_its_seeds_and_its_difference_to_full(tmp_path: Path):
    measures = ufo_measures(tmp_path, bins(4, peak=0.8), questions=100)
    row = figure_1([measures])[1].data.set_index("quantiles").loc["25 to 50"].to_dict()  # type: ignore[union-attr]
    scores = measures.final("bin_1").per_seed
    expected = t_interval(scores)
    assert (row["accuracy"], row["accuracy_low"]) == pytest.approx((expected.value, expected.low))
    assert row["difference"] == pytest.approx(expected.value - np.mean(measures.final("full").per_seed))
    assert row["zero_variance"] == pytest.approx(0.9)


@pytest.mark.parametrize("other", [{"budget": {"epochs": 1}}, {"reward": "random"}])
def test_a_bin_that_has_another_budget_or_reward_is_not_in_the_figure(tmp_path: Path, other: dict[str, Any]):
    arms = bins(4)
    arms["bin_3"][0].update(other)
    measures = ufo_measures(tmp_path, arms)
    assert [one.series.label for one in bins_of(measures)] == ["bin_0", "bin_1", "bin_2"]


def test_pass_rates_come_from_the_pool_where_the_arm_recorded_none(tmp_path: Path):
    store = ufo_study(tmp_path, bins(4))
    for path in store.runs_dir.glob("*/selection.json"):
        edit(path, json.dumps(json.loads(path.read_text()) | {"scores": None}))
    measures = measure(store)
    rates = np.sort(list(measures.panel.series[0].runs[0].json("base.json")["pool"]["pass_rates"].values()))
    assert [one.mean for one in bins_of(measures)] == pytest.approx(rates.reshape(4, -1).mean(axis=1))


def test_figure_1_is_drawn_with_one_seed_and_without_full_data(tmp_path: Path):
    arms = {**bins(4), "full": arm(0.5, method="random", fraction=0.5)}
    panels = [ufo_measures(tmp_path / "a", bins(8)), ufo_measures(tmp_path / "b", arms, seeds=1)]
    picture, table = figure_1(panels)
    assert isinstance(picture, Picture) and isinstance(table, Table)
    assert as_png(picture.draw).startswith(b"\x89PNG") and as_pdf(picture.draw).startswith(b"%PDF")
    assert list(picture.data.dropna(subset="bin")["bin"]) == [*range(6), *range(4)]  # three of 8 have one pass rate
    assert table.data["difference"].notna().sum() == 6


def test_arms_on_questions_of_one_pass_rate_are_one_bin_with_the_mean_of_their_seeds(tmp_path: Path):
    measures = ufo_measures(tmp_path, bins(8), questions=100)
    found = bins_of(measures)
    alike = [one for one in found if len(one.several) > 1]
    assert alike and all(one.low == one.high for one in alike)
    assert [s.label for one in found for s in one.several] == [f"bin_{i}" for i in range(8)]
    assert all(a.low < b.high for a, b in pairwise(found)), "no two bins have one pass rate"
    one = alike[0]
    finals = np.array([measures.final(series.label).per_seed for series in one.several])
    assert list(one.per_seed.values()) == pytest.approx(finals.mean(axis=0))
    row = figure_1([measures])[1].data.set_index("quantiles").loc[one.label]  # type: ignore[union-attr]
    assert row["arm"] == ", ".join(series.label for series in one.several)
    full = np.array(measures.final("full").per_seed)
    assert row["difference"] == pytest.approx((finals.mean(axis=0) - full).mean())


def test_bins_cut_by_the_pass_rate_itself_are_named_by_it(tmp_path: Path):
    bands = [(0, 0.2), (0.25, 0.45), (0.5, 0.75), (0.76, 1)]
    arms = {
        f"by_{i}": arm(0.5, method="pass_rate", samples=8, band={"low": low, "high": high})
        for i, (low, high) in enumerate(bands)
    }
    table = figure_1([ufo_measures(tmp_path, arms)])[1]
    assert isinstance(table, Table)
    rates = np.array(list(bins_rates(tmp_path)))
    for (low, high), label in zip(bands, list(table.data["quantiles"])[1:], strict=True):
        inside = rates[(rates >= low) & (rates <= high)]
        ends = dict.fromkeys(f"{end:.2f}" for end in (inside.min(), inside.max()))
        assert label == f"rate {' to '.join(ends)}"


def bins_rates(folder: Path) -> list[float]:
    base = next((folder / "runs").glob("*/base.json"))
    return list(json.loads(base.read_text())["pool"]["pass_rates"].values())


def test_table_3_puts_full_first_then_random_curricula_and_quantiles(tmp_path: Path):
    arms = {**bins(4), **curricula(), "random": arm(0.4, method="random", fraction=0.25)}
    measures = ufo_measures(tmp_path, arms, questions=100)
    (table,) = table_3([measures])
    assert isinstance(table, Table)
    assert list(table.data["arm"])[:4] == ["full", "random", "hard_first", "easy_first"]
    assert list(table.data["training"])[2:5] == [
        "hard to easy by confidence",
        "easy to hard by pass rate",
        "percentiles 0 to 25 of the pass rate",
    ]
    row = table.data.set_index("arm").loc["easy_first"]
    assert row["difference"] == pytest.approx(0.1)
    assert row["mean_over_training"] == pytest.approx(measures.final("easy_first").mean_over_training.value)
    assert "5 or 10 stages" in table.caption


def test_a_study_without_bins_or_curricula_has_no_figure_1_and_no_table_3(tmp_path: Path):
    measures = ufo_measures(tmp_path, {"wide": wide_band()})
    assert figure_1([measures]) == [] and table_3([measures]) == []
    assert figure_1([]) == [] and table_3([]) == []
