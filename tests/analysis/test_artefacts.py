"""The papers' tables and figures: published numbers as they are, ours by hand-computed values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro.analysis.artefacts import LEADERBOARD, PAPERS, make_artefacts
from repro.analysis.dots_rr.cost import PAPER_VOLUME, published_rollout_share, rollout_share, rollout_volume
from repro.analysis.dots_rr.figures import figure_4
from repro.analysis.dots_rr.savings import table_1
from repro.analysis.leaderboard.board import Board
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_curves, published_table
from repro.analysis.selections import Chosen
from repro.analysis.tables import Table
from repro.analysis.ufo_rl.batches import table_4, table_5, table_6
from repro.analysis.ufo_rl.strategies import strategy
from repro.errors import UserError
from repro.spec.artefacts import ARTEFACTS
from tests.analysis.conftest import ARTEFACTS as ASKED
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store
from tests.analysis.ufo_rl.study import headline_arms


@pytest.fixture(scope="module")
def measures(quickstart: Store) -> Measures:
    return measure(quickstart)


def only(made: list[Table | Picture]) -> Any:
    """The one table among them."""
    (table,) = [one for one in made if isinstance(one, Table)]
    return table


def test_the_published_cost_model_agrees_with_the_published_savings():
    """Rollout volume 0.75 and each model's share of rollouts predict the six savings per step to 0.2 points."""
    rows = published_table("dots_rr", "table_1").query("metric == 'time_per_step_saved_percent'")
    assert len(rows) == 6
    for model, saved in zip(rows["model"], rows["value"], strict=True):
        assert 100 * (1 - PAPER_VOLUME) * published_rollout_share(model) == pytest.approx(saved, abs=0.2)


def test_published_totals_follow_from_steps_and_time_per_step():
    parts = list(published_table("dots_rr", "table_1").groupby(["model", "dataset"]))
    assert len(parts) == 6
    for _, part in parts:
        value = dict(zip(part["metric"], part["value"] / 100, strict=True))
        total = 1 - (1 - value["steps_saved_percent"]) * (1 - value["time_per_step_saved_percent"])
        assert total == pytest.approx(value["total_time_saved_percent"], abs=0.005)


def test_rollout_volume_is_delta_plus_references_per_step(measures: Measures):
    # 4 references every 2 steps of 8 questions; fresh 0.5
    assert rollout_volume(measures.panel.get("full")) == 1.0
    assert rollout_volume(measures.panel.get("dots")) == 1.25
    assert rollout_volume(measures.panel.get("dots_rr")) == 0.75


def test_table_1_has_our_arms_above_the_six_published_rows(measures: Measures):
    table = only(table_1([measures]))
    assert [row[1] for row in table.rows] == ["`dots`", "`dots_rr`"] + ["DOTS+RR"] * 6
    assert rollout_share(measures, measures.panel.get("full")) == pytest.approx(0.5)
    ours = table.data.set_index("arm").loc["dots_rr"].to_dict()
    # Half of the rollouts (0.125 s), all updates (0.25 s) and probes (0.05 s) of a step of 0.5 s.
    assert ours["time_per_step_saved"] == pytest.approx(1 - 0.425 / 0.5)
    assert ours["cost_model_time_per_step_saved"] == pytest.approx(0.5 * 0.25)
    less = measures.time("dots_rr", "steps").less
    assert less is not None and less.known
    assert ours["steps_saved"] == pytest.approx(1 - 1 / less.value)


def test_figure_4_shows_ours_beside_all_published_curves(measures: Measures):
    (picture,) = figure_4([measures])
    counts = picture.data.groupby("source")["groups with a gradient"].count()
    assert counts["published"] == len(published_curves("dots_rr", "figure_4")) == 12 * 60
    assert set(picture.data.query("source == 'ours'")["label"]) == {"full", "dots", "dots_rr"}


@pytest.mark.parametrize(
    ("selection", "replay", "expected"),
    [
        ({"method": "uniform"}, None, "full"),
        ({"method": "uniform"}, {"fresh": 0.5}, None),
        ({"method": "random"}, None, "random"),
        ({"method": "difficulty"}, None, None),
        ({"method": "confidence", "band": {"center": "mean"}}, None, "confidence middle"),
        ({"method": "confidence", "band": {"low": 0.9, "high": 1.0, "scale": "quantile"}}, None, "confidence high"),
        ({"method": "pass_rate", "band": {"low": 0.0, "high": 0.1, "scale": "quantile"}}, None, "pass_rate low"),
        ({"method": "pass_rate", "band": {"low": 0.3, "high": 0.7, "scale": "value"}}, None, "pass_rate middle"),
        ({"method": "pass_rate", "band": {"center": 0.5}}, None, "pass_rate middle"),
        ({"method": "pass_rate", "band": {"center": 0.0}}, None, "pass_rate low"),
        ({"method": "pass_rate", "band": {"end": "lowest"}}, None, "pass_rate low"),
        ({"method": "confidence", "band": {"end": "highest"}}, None, "confidence high"),
        ({"method": "confidence", "band": {"pass_rate": 0.5, "questions": 64}}, None, "confidence middle"),
        ({"method": "confidence", "band": {"pass_rate": 0.1, "questions": 64}}, None, "confidence low"),
        ({"method": "prompt_perplexity", "band": {"center": "mean"}}, None, None),
        ({"method": "prompt_entropy", "band": {"center": "mean"}}, None, None),
        ({"method": "curriculum", "by": "confidence"}, None, None),
    ],
)
def test_strategies_of_table_5_are_recognised(selection: dict[str, Any], replay: Any, expected: str | None):
    assert strategy(Chosen(selection), replay is not None) == expected


def test_table_5_has_strategies_as_rows_panels_as_columns_and_the_published_numbers_beside(measures: Measures):
    table = only(table_5([measures]))
    assert [row[0] for row in table.rows] == [
        "start policy",
        "full data",
        "random subset",
        "middle of the confidence (UFO)",
    ]
    assert table.header[5:] == ["tiny-96x2 on arithmetic, %"]
    assert [row[4] for row in table.rows] == ["–", "91.88", "–", "92.03"]
    ours = table.data.query("strategy == 'confidence middle' and model_data == 'tiny-96x2 on arithmetic'")
    assert ours["accuracy"].item() == pytest.approx(measures.final("ufo").accuracy.value)
    # One panel: the pooled difference is the paired one.
    pooled = table.data.query("strategy == 'confidence middle' and model_data == 'all'")
    by_seed = measures.final("ufo").difference_by_seed
    assert by_seed is not None and pooled["difference_low"].item() == pytest.approx(by_seed.low)
    assert "Not run here: highest confidence" in table.caption and "random subset" not in table.caption


def test_table_4_counts_scores_and_probes(measures: Measures):
    table = only(table_4([measures]))
    ours = table.data.set_index("arm")
    assert ours.loc["ufo", "seconds"] == pytest.approx(0.3) and ours.loc["dots", "seconds"] == pytest.approx(40 * 0.05)
    assert ours.loc["dots", "generated_tokens"] == 40 * 64
    assert "full" not in ours.index and ours.loc["multi-sample accuracy", "seconds"] == 6827


def test_table_4_compares_k_samples_with_a_single_pass(quick_study: Callable[..., Store]):
    arms = {name: headline_arms()[name] for name in ("full", "ufo", "high_confidence", "pass_rate_mid")}
    table = only(table_4([measure(quick_study(arms, questions=100))]))
    assert [row[1] for row in table.rows[:2]] == ["single pass, final answer", "8 samples per question"]
    ours = table.data.set_index("arm")
    assert "`ufo` and 1 more" in table.rows[0] and ours.loc["ufo", "ratio_of_seconds"] == pytest.approx(3.0 / 0.3)
    assert ours.loc["pass_rate_mid", "K"] == 8 and ours.loc["pass_rate_mid", "engine"] == "HF generate"
    published = table.data["ratio_of_seconds"].dropna().tolist()[1:]
    assert published == pytest.approx([6827 / 175, 185])


def test_table_6_says_what_arms_are_matched_by_and_compares_like_with_like(quick_study: Callable[..., Store]):
    arms = {name: arm for name, arm in headline_arms().items() if name in ("full", "ufo")}
    epoch = {"budget": {"epochs": 1}}
    arms |= {f"{name}_epoch": (arms[name][0] | epoch, arms[name][1]) for name in ("full", "ufo")}
    ours = only(table_6([measure(quick_study(arms, questions=100))])).data.set_index("arm")
    assert ours.loc["ufo", "matched_by"] == "8 steps" and ours.loc["ufo_epoch", "matched_by"] == "1 epoch"
    # 64 questions are 8 steps of 0.5 s, 16 are 2; scoring takes 0.3 s
    assert ours.loc["ufo_epoch", "ratio"] == pytest.approx(4.0)
    assert ours.loc["ufo_epoch", "ratio_low"] == pytest.approx(4.0), "all seeds take as long"
    assert ours.loc["ufo_epoch", "ratio_with_scoring"] == pytest.approx(4 / 1.3)
    assert ours.loc["ufo", "ratio"] == pytest.approx(1.0) and ours.loc["ufo", "completion_tokens"] == pytest.approx(10)


def test_table_6_compares_training_time_with_and_without_scoring(measures: Measures):
    ours = only(table_6([measures])).data.set_index("arm").loc["ufo"]
    assert ours["ratio"] == pytest.approx(1.0)
    assert ours["ratio_with_scoring"] == pytest.approx(20 / 20.3)


def test_what_validate_knows_is_what_the_folders_make():
    assert [*PAPERS, *LEADERBOARD] == list(ARTEFACTS)
    assert set(ASKED) <= set(ARTEFACTS)


def test_a_figure_of_ones_own_gets_the_panels_and_one_that_returns_something_else_is_named(
    measures: Measures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = """
from pandas import DataFrame
from repro.analysis.tables import Table
def count(panels):
    return [Table("mine.arms", "Arms", ["arms"], [[str(len(one.panel.series))] for one in panels], DataFrame())]
def careless(panels):
    return "nothing"
"""
    (tmp_path / "own_figures.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    made = make_artefacts(["own_figures:count"], Board([measures]))
    assert only(made["own_figures:count"]).rows == [["5"]]
    with pytest.raises(UserError, match=r"own_figures:careless returned str, expected a list"):
        make_artefacts(["own_figures:careless"], Board([measures]))


def test_unknown_published_names_are_errors():
    with pytest.raises(KeyError, match="nothing published"):
        published_table("dots_rr", "table_99")
    with pytest.raises(KeyError, match="no curves"):
        published_curves("ufo_rl", "figure_1")
