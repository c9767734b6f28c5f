"""Tables 2, 3 and 8 of DOTS + RR and the calibration figure, over runs whose predictions have known quality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from repro.analysis.dots_rr.batches import batch_correlation
from repro.analysis.dots_rr.examples import table_3
from repro.analysis.dots_rr.predictor import calibration, checked, quality, table_2, table_8
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_table
from repro.analysis.tables import Table
from repro.spec.artefacts import ARTEFACTS
from repro.tracking.journal import Journal
from tests.analysis.behaviour import Behaviour, learning
from tests.analysis.drawing import check
from tests.analysis.latex import needs_pdflatex, unfit
from tests.analysis.synthetic import make_study

POLICY = {"name": "other", "tiny": {"width": 48, "layers": 1, "heads": 2}}
FIELDS: dict[str, Any] = {
    "model": [{"tiny": {}}, {"tiny": {"width": 64, "layers": 2, "heads": 2}}],
    "predictor": {"policies": [POLICY]},
    "evaluate": {"every": 2, "samples": 2, "predictor_questions": 40},
}
STEPS = (2, 4)


def dots(**fields: Any) -> dict[str, Any]:
    return {"selection": {"method": "difficulty", "references": 4, "predictor": "trained", **fields}}


REPLAY = {"replay": {"fresh": 0.5, "capacity": 8}}
ONE = {"models": ["tiny-96x2"]}
ARMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "learned": dots(),
    "learned_rr": dots() | REPLAY,
    "raw": ONE | dots(predictor="untrained"),
    "bound": ONE | dots(predictor="oracle"),
    "more": ONE | dots(references=8),
    "aside": ONE | dots(target=0.25),
    "bare": ONE | dots(recalibration="none") | {"predictor": {"towers": {"calibration": "none"}}},
}
NOISE = {"trained": 0.1, "untrained": 0.6, "oracle": 0.02}
"""Standard deviation of the prediction around the true rate."""


def evaluation(noise: float, seed: int, count: int = 90, samples: int = 8) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    true = generator.beta(0.8, 0.8, count)
    predicted = np.clip(true + generator.normal(0, noise, count), 0, 1)
    measured = generator.binomial(samples, true) / samples
    ids = [f"train-{i}" for i in range(count)]
    return {"ids": ids, "predicted": predicted.tolist(), "measured": measured.tolist(), "samples": samples}


def example(question: str, predicted: float, references: int = 4) -> dict[str, Any]:
    weights = [0.4, 0.3, 0.2, 0.1][:references]
    named = [{"question": f"{question} like {i}", "weight": w, "pass_rate": i / 4} for i, w in enumerate(weights)]
    return {"id": "train-1", "question": question, "predicted": predicted, "measured": 0.25, "references": named}


@pytest.fixture
def panels(tmp_path: Path) -> list[Measures]:
    """Two policies; three arms of a predictor on both, the others on the first."""
    behaviour = Behaviour(learning(0.5, points=2), predicts=True)
    arms = {name: (config, behaviour) for name, config in ARMS.items()}
    store = make_study(tmp_path, None, arms, seeds=2, steps=4, every=2, fields=FIELDS)
    for number, path in enumerate(sorted(store.runs_dir.iterdir())):
        cell = json.loads((path / "cell.json").read_text())["cell"]
        if cell["selection"]["method"] != "difficulty":
            continue
        journal, source = Journal(path), cell["selection"]["predictor"]
        for step in STEPS:
            journal.record_predictions(step, **evaluation(NOISE[source], 10 * number + step))
        if source != "oracle":
            examples = [example(f"{name} of {cell['seed']}", 0.1) for name in ("hard", "medium", "easy")]
            journal.write_json("attention.json", {"step": STEPS[-1], "examples": examples})
    study = store.read()
    return [Measures(panel) for panel in study.panels]


def only(made: list[Table | Picture]) -> Table:
    (table,) = made
    assert isinstance(table, Table)
    return table


def of(table: Table, panel: str, arm: str) -> Mapping[str, Any]:
    found = table.data.query("model_data == @panel and arm == @arm and source == 'ours'")
    assert len(found) == 1
    return found.iloc[0].to_dict()


def test_table_2_is_the_mean_over_evaluations_with_an_interval_over_seeds(panels: list[Measures]) -> None:
    table = only(table_2(panels))
    first = panels[0].panel
    row = of(table, first.title, "learned")
    each = [
        np.mean([stats.pearsonr(r["predicted"], r["measured"]).statistic for r in run.rows("predictions.jsonl")])
        for run in first.get("learned").runs
    ]
    assert len(each) == 2 and row["evaluations"] == 2
    assert row["pearson"] == pytest.approx(np.mean(each))
    half = stats.t.ppf(0.975, 1) * np.std(each, ddof=1) / np.sqrt(2)
    assert row["pearson_high"] == pytest.approx(min(1.0, row["pearson"] + half))
    assert 0.8 < row["pearson"] < row["most"] <= 1
    oracle = of(table, first.title, "bound")
    assert row["pearson"] < oracle["pearson"] and oracle["predictor"] == "oracle"


def test_table_2_has_both_policies_the_variants_of_the_predictor_and_no_others(panels: list[Measures]) -> None:
    ours = only(table_2(panels)).data.query("source == 'ours'")
    titles = [measures.panel.title for measures in panels]
    counted = ours.groupby("model_data")["arm"].apply(set).to_dict()
    assert counted == {
        titles[0]: {"learned", "learned_rr", "bound", "more", "bare"},
        titles[1]: {"learned", "learned_rr"},
    }
    kinds = ours.set_index(["model_data", "arm"])["predictor"]
    assert kinds[titles[0], "learned"] == "trained, calibrated, leave-one-out line"
    assert kinds[titles[0], "bare"] == "trained, not calibrated, no line"


@pytest.mark.parametrize(("item", "make"), [("table_2", table_2), ("table_8", table_8)])
def test_published_correlations_stand_below_ours(panels: list[Measures], item: str, make: Any) -> None:
    table = only(make(panels))
    published, theirs = published_table("dots_rr", item), table.data.query("source == 'published'")
    assert theirs["batch_pearson"].tolist() == published["value"].tolist() and len(theirs) == 6
    assert table.name == f"dots_rr.{item}"
    assert table.emphasis == frozenset(range(len(table.rows) - 6))
    assert table.rows[-6][4:6] == [f"{published['value'][0]:.2f}", f"{published['std'][0]:.2f}"]


def test_table_8_is_of_the_untrained_embedding_alone(panels: list[Measures]) -> None:
    ours = only(table_8(panels)).data.query("source == 'ours'")
    assert ours["arm"].tolist() == ["raw"]
    assert 0 < ours["pearson"].iloc[0] < of(only(table_2(panels)), panels[0].panel.title, "learned")["pearson"]


def test_measurement_noise_bounds_the_correlation_by_its_share_of_the_variance() -> None:
    generator = np.random.default_rng(0)
    true = generator.beta(0.8, 0.8, 200_000)
    measured = generator.binomial(8, true) / 8
    found = quality({"predicted": true, "measured": measured, "samples": 8})
    assert found["most"] == pytest.approx(found["pearson"], abs=0.003)
    variance = 0.8 * 0.8 / (1.6**2 * 2.6)  # of the beta distribution
    assert found["most"] == pytest.approx(np.sqrt(variance / measured.var()), abs=0.003)


def test_an_evaluation_that_determines_nothing_is_left_out() -> None:
    alike = quality({"predicted": [0.1, 0.9, 0.4], "measured": [0.5, 0.5, 0.5], "samples": 2})
    assert np.isnan(alike["pearson"]) and alike["mae"] == pytest.approx(0.3)
    flat = quality({"predicted": [0.5, 0.5, 0.5], "measured": [0.0, 0.5, 1.0], "samples": 1})
    assert (flat["pearson"], flat["spearman"]) == (0, 0) and np.isnan(flat["most"])


def test_the_calibration_figure_bins_predictions_and_follows_the_diagonal_where_they_are_good(
    panels: list[Measures],
) -> None:
    (picture,) = calibration(panels)
    assert isinstance(picture, Picture)
    assert set(picture.data["predictor"]) == {"trained", "untrained embedding", "oracle"}
    oracle = picture.data.query("predictor == 'oracle'")
    assert len(oracle) >= 2 and np.abs(oracle["measured"] - oracle["predicted"]).max() < 0.15
    trained = picture.data.query("predictor == 'trained' and model_data == @panels[0].panel.title")
    assert trained["runs"].max() == 4  # two arms x two seeds; variants have curves of their own nowhere
    for narrow in (False, True):
        check(picture, narrow)


def test_table_3_names_the_heaviest_references_of_one_question_a_panel(panels: list[Measures]) -> None:
    table = only(table_3(panels))
    assert len(table.rows) == 2 * 3
    assert table.rows[0][1] == "`medium of 0`" and table.rows[1][1] == ""
    assert table.data["reference_weight"].tolist() == [0.4, 0.3, 0.2] * 2
    assert table.data["reference_pass_rate"].tolist() == [0, 0.25, 0.5] * 2
    assert "trained" in table.caption and "untrained" not in table.caption
    assert (
        "difficulty 0.907 predicted, 1.000 measured; the largest two of 256 weights are 0.487 and 0.093"
        in table.caption
    )
    alone = only(table_3(panels[:1]))
    assert [row[1] for row in alone.rows if row[1]] == ["`hard of 0`", "`medium of 0`", "`easy of 0`"]


def test_the_tables_of_the_predictor_fit_a_paper(panels: list[Measures], tmp_path: Path) -> None:
    needs_pdflatex()
    tables = [*table_2(panels), *table_8(panels), *table_3(panels)]
    assert len(tables) == 3 and unfit(tables, tmp_path / "paper") == []


def test_nothing_is_made_where_nothing_was_checked(tmp_path: Path) -> None:
    behaviour = Behaviour(learning(0.5, points=2), predicts=False)
    store = make_study(tmp_path, None, {"plain": ({}, behaviour), "learned": (dots(), behaviour)},
                       seeds=1, steps=4, every=2, fields=FIELDS)  # fmt: skip
    panels = [Measures(panel) for panel in store.read().panels]
    assert checked(panels, ("trained", "untrained", "oracle")) == []
    assert [*table_2(panels), *table_3(panels), *table_8(panels), *calibration(panels)] == []


def test_the_artefacts_are_registered() -> None:
    names = {f"dots_rr.{name}" for name in ("table_2", "table_3", "table_8", "calibration", "theorem_1")}
    assert names <= set(ARTEFACTS)


# ---------------------------------------------------------------- training batches


def test_a_training_batch_is_correlated_without_the_references_that_train() -> None:
    row = {
        "chosen": ["r", "a", "b", "c", "d"],
        "predicted": [0.1, 0.5, 0.4, 0.6, 0.2],
        "fresh": ["r", "a", "b", "c"],  # d was chosen and not rolled out
        "pass_rate": [0.9, 0.5, 0.25, 1.0],
    }
    expected = stats.pearsonr([0.5, 0.4, 0.6], [0.5, 0.25, 1.0]).statistic
    assert batch_correlation(row, 1) == pytest.approx(expected)
    assert batch_correlation(row, 0) < 0 < expected  # the reference's own rewards are in its prediction
    assert np.isnan(batch_correlation(row, 2)) and np.isnan(batch_correlation(row | {"predicted": None}, 0))
    assert np.isnan(batch_correlation(row | {"pass_rate": [0.5] * 4}, 0))


def test_table_2_has_training_batches_as_published_beside_uniform_questions(panels: list[Measures]) -> None:
    table = only(table_2(panels))
    first = panels[0].panel
    row = of(table, first.title, "learned")
    each = []
    for run in first.get("learned").runs:
        rows = run.rows("steps.jsonl")
        each.append([stats.pearsonr(one["predicted"], one["pass_rate"]).statistic for one in rows])
    assert row["batch_pearson"] == pytest.approx(np.mean(each))
    assert row["batch_pearson_std"] == pytest.approx(np.mean(np.std(each, axis=1, ddof=1)))
    assert list(table.header[4:7]) == ["Pearson on training batches", "SD over steps", "Pearson on uniform questions"]
    published = [cells for cells in table.rows if "published" in cells[0]]
    assert published and all(cells[4] != "–" and cells[6] == "–" for cells in published)


def test_table_2_needs_no_uniform_questions(panels: list[Measures]) -> None:
    for series in panels[0].panel.series:
        for run in series.runs:
            path = run.record.path("predictions.jsonl")
            if path is not None:
                path.unlink()
    table = only(table_2(panels[:1]))
    row = of(table, panels[0].panel.title, "learned")
    assert not np.isnan(row["batch_pearson"]) and np.isnan(row["pearson"])
    assert "not measured here" in table.caption
