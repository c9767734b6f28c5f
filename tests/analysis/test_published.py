"""The published numbers agree with each other: tables with text, text with figures, figures with figures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.analysis.dots_rr.parts import TWO_CURVES
from repro.analysis.dots_rr.readings import readings
from repro.analysis.published import FOLDER, published_curves, published_number, published_table
from repro.study.load import load_spec

ROOT = Path(__file__).parents[2]

SIX = 6
"""Combinations of model and dataset in the main experiments of DOTS + RR."""

TABLES = pd.read_csv(FOLDER / "published_tables.csv", keep_default_na=False, na_values={"value": "", "std": ""})


def table_1(metric: str) -> pd.Series:
    """(model, dataset) -> percent."""
    found = published_table("dots_rr", "table_1").query("metric == @metric")
    return found.set_index(["model", "dataset"])["value"]


@pytest.mark.parametrize("paper", ["dots_rr", "ufo_rl"])
def test_every_published_table_and_figure_stands_beside_something_of_ours(paper: str):
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "repro" / "analysis" / paper).glob("*.py"))
    published = set(TABLES.query("paper == @paper")["item"])
    published |= set(pd.read_csv(FOLDER / "published_curves.csv").query("paper == @paper")["figure"])
    assert len(published) > 3 and [item for item in sorted(published) if f'"{item}"' not in source] == []


def test_every_row_has_a_value_and_none_is_there_twice():
    assert TABLES["value"].notna().all()
    assert not TABLES.duplicated(["paper", "item", "model", "dataset", "arm", "metric", "note"]).any()


@pytest.mark.parametrize(
    ("item", "metric", "model", "value"),
    [
        ("section_5.2", "mean_total_time_saved_percent", None, 40.7),
        ("section_5.2", "rollout_share_percent", "Qwen2.5-Math-1.5B", 47),
        ("section_5.2", "rollout_share_percent", "Qwen2.5-3B", 46),
        ("section_5.2", "rollout_share_percent", "Qwen2.5-Math-7B", 54),
        ("section_5.3", "more_effective_points", None, 25.4),
        ("section_5.3", "seconds_per_10k_predictions", None, 1.71),
        ("section_5.4", "time_saved_percent", None, 20),
        ("footnote_2", "rollout_seconds_per_batch", None, 109.83),
        ("footnote_4", "t2_over_t1", "Qwen2.5-Math-1.5B", 0.081),
        ("footnote_4", "t2_over_t1", "Qwen2.5-3B", 0.081),
    ],
)
def test_numbers_of_the_text_of_dots_rr_are_there(item: str, metric: str, model: str | None, value: float):
    assert published_number("dots_rr", item, metric, model) == value


def test_a_number_that_is_not_the_only_one_of_its_kind_is_refused():
    with pytest.raises(KeyError, match="3 values"):
        published_number("dots_rr", "section_5.2", "rollout_share_percent")
    with pytest.raises(KeyError, match="0 values"):
        published_number("dots_rr", "section_5.2", "rollout_share_percent", "GPT")


def test_the_mean_saving_and_the_range_of_the_abstract_are_those_of_table_1():
    total = table_1("total_time_saved_percent")
    assert len(total) == SIX and round(total.mean(), 1) == 40.7
    assert (round(total.min()), round(total.max())) == (23, 62)


def test_the_curves_by_step_cross_where_table_1_says():
    """So the crossing that is used here is the paper's, and the curves were read well enough for it."""
    steps = table_1("steps_saved_percent")
    for reading in readings("figure_9", "DOTS+RR", "GRPO"):
        model, dataset = reading.place.split(", ")
        assert 100 * (1 - 1 / reading.speedup) == pytest.approx(steps[model, dataset], abs=0.01), reading.place


def test_the_curves_by_time_save_what_table_1_says():
    total, per_step = table_1("total_time_saved_percent"), table_1("time_per_step_saved_percent")
    for reading in readings("figure_3", "DOTS+RR", "GRPO"):
        model, dataset = reading.place.split(", ")
        assert 100 * (1 - 1 / reading.speedup) == pytest.approx(total[model, dataset], abs=0.25), reading.place
        assert 100 * reading.saved == pytest.approx(per_step[model, dataset], abs=0.15), reading.place


def test_studies_tell_the_seconds_of_a_step_that_figure_3_has():
    """No text of the paper does. A point every 2 steps; the hour at the end of a curve is read to a hundredth."""
    hours = (
        published_curves("dots_rr", "figure_3")
        .query("arm == 'GRPO'")
        .groupby(["model", "dataset"])["x"]
        .agg(["max", "size"])
    )
    told = {}
    for path in (ROOT / "experiments" / "dots_rr").glob("*.yaml"):
        if found := re.search(r"Read off its Figure 3: (\d+) s a GRPO step", path.read_text(encoding="utf-8")):
            spec = load_spec(path).spec
            model = str(spec.model[0].hub).rpartition("/")[2]
            told[model, spec.dataset[0].label] = int(found[1])
    assert told == {place: round(3600 * row["max"] / (2 * row["size"])) for place, row in hours.iterrows()}


def test_figures_3_and_9_are_the_same_curves_over_time_and_steps():
    by_time, by_step = published_curves("dots_rr", "figure_3"), published_curves("dots_rr", "figure_9")
    keys = ["model", "dataset", "arm"]
    assert by_time[keys].to_numpy().tolist() == by_step[keys].to_numpy().tolist()
    assert (by_time["y"] - by_step["y"]).abs().max() < 0.021


def test_one_curve_of_dots_is_drawn_in_figures_5_6_and_7():
    def dots(figure: str) -> np.ndarray:
        found = published_curves("dots_rr", figure).query("arm == 'DOTS' and dataset == 'DeepScaleR'")
        return found[found["model"] == "Qwen2.5-Math-1.5B"]["y"].to_numpy()

    assert all(np.abs(dots("figure_5a") - dots(name)).max() < 0.021 for name in ("figure_6a", "figure_7"))


def test_figures_5_and_10_differ_as_is_said_of_them():
    """DOTS on MATH and ORZ by up to 0.9 points, nothing else; and the curve on ORZ by time has 27 of 30 points."""
    by_step, by_time = published_curves("dots_rr", "figure_5a"), published_curves("dots_rr", "figure_10a")
    apart = {}
    for (arm, dataset), part in by_step.groupby(["arm", "dataset"]):
        other = by_time.query("arm == @arm and dataset == @dataset")["y"].to_numpy()
        apart[arm, dataset] = float(np.abs(part["y"].to_numpy()[: len(other)] - other).max())
        assert len(other) == (27 if (arm, dataset) == ("DOTS", "ORZ") else 30)
    far = {key for key, value in apart.items() if value > 0.021}
    assert far == {("DOTS", "MATH"), ("DOTS", "ORZ")} and round(max(apart.values()), 1) == 0.9


def test_figures_5b_and_9_draw_dots_rr_apart_as_is_said_of_them():
    """The latter as Figure 3 does, the former as Figure 10."""
    of_5b = published_curves("dots_rr", "figure_5b").query("arm == 'DOTS+RR'").set_index(["dataset", "x"])["y"]
    of_9 = published_curves("dots_rr", "figure_9").query("arm == 'DOTS+RR' and model == 'Qwen2.5-Math-1.5B'")
    apart = (of_5b - of_9.set_index(["dataset", "x"])["y"]).abs()
    assert len(apart) == 90 and apart.notna().all()
    assert f"up to {apart.max():.2f} points apart" in TWO_CURVES and apart.groupby("dataset").max().min() > 0.3


def test_shares_of_effective_questions_are_the_means_of_their_curves_and_near_the_text():
    curves = published_curves("dots_rr", "figure_4").groupby(["model", "dataset", "arm"])["y"].mean()
    means = published_table("dots_rr", "figure_4").set_index(["model", "dataset", "arm"])["value"]
    assert len(means) == 2 * SIX and (curves - means).abs().max() < 0.0006
    by_arm = 100 * means.groupby("arm").mean()
    printed = published_number("dots_rr", "section_5.3", "more_effective_points")
    assert by_arm["DOTS"] - by_arm["GRPO"] == pytest.approx(printed, abs=1.5)


def test_training_lifts_the_correlation_on_the_same_six_combinations():
    trained, raw = (
        published_table("dots_rr", item).set_index(["model", "dataset"])["value"] for item in ("table_2", "table_8")
    )
    assert len(trained) == SIX and set(trained.index) == set(raw.index) == set(table_1("steps_saved_percent").index)
    assert trained.min() > 0.7 > 0.3 > raw.max()


def test_rows_of_table_7_are_every_tenth_step():
    for _, part in published_table("dots_rr", "table_7").groupby("model"):
        assert part["note"].tolist() == [f"step {step} of training on DeepScaleR" for step in range(10, 70, 10)]


def test_ratios_of_ufo_rl_follow_from_its_seconds():
    scoring = published_table("ufo_rl", "table_4").query("metric == 'scoring_seconds'")["value"]
    assert round(scoring.max() / scoring.min()) == 39
    table = published_table("ufo_rl", "table_6").pivot(index="model", columns="arm", values="value")
    ratios = table["full data"] / table["UFO 10%"]
    assert ratios.round(1).to_dict() == {"Mistral-7B": 15.8, "Qwen2.5-0.5B": 13.0}
    assert round(ratios.max()) == published_number("ufo_rl", "abstract", "max_training_speedup")
    accuracy = published_table("ufo_rl", "table_5").set_index("arm")["value"]
    assert round((accuracy["UFO 10%"] - accuracy["full data"]) / 100 * 1319) == 2
