"""Tables 1 and 2 of UFO-RL, and their statistics against counting, direct formulas and scipy."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from repro.analysis.association import auroc, bootstrap, mean_ranks, partial_spearman, pearson, spearman
from repro.analysis.pictures import Picture
from repro.analysis.pool import Levels
from repro.analysis.tables import Table
from repro.analysis.ufo_rl.pool import table_1
from repro.analysis.ufo_rl.scores import easier_half, table_2
from tests.analysis.conftest import measure
from tests.analysis.drawing import check
from tests.analysis.synthetic import edit
from tests.analysis.ufo_rl.store import POOL, arm, bins, ufo_measures, ufo_study

RNG = np.random.default_rng(11)
X = RNG.integers(0, 6, 40).astype(float)
Y = X + RNG.normal(0, 2, 40)
Z = np.round(0.5 * X + RNG.normal(0, 1, 40))
ONES = np.ones((1, 40))


# ---------------------------------------------------------------- statistics


def test_weights_give_what_scipy_finds_in_the_drawn_sample():
    """Tied values, and questions drawn several times or never: repeating them is the oracle."""
    weights = RNG.multinomial(40, np.full(40, 1 / 40), size=5).astype(float)
    drawn = [np.repeat(np.arange(40), row.astype(int)) for row in weights]
    assert spearman(X, Y)(weights) == pytest.approx([stats.spearmanr(X[d], Y[d]).statistic for d in drawn])
    assert pearson(X, Y)(weights) == pytest.approx([stats.pearsonr(X[d], Y[d]).statistic for d in drawn])
    for row, one in zip(weights, drawn, strict=True):
        ranks = dict(zip(one.tolist(), stats.rankdata(X[one]).tolist(), strict=True))
        found = mean_ranks(X, row[None, :])[0]
        assert {i: found[i] for i in ranks} == pytest.approx(ranks)


def test_auroc_counts_pairs_and_ties_half():
    positive = Y > 3
    pairs = list(itertools.product(X[positive], X[~positive]))
    expected = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    assert auroc(X, positive)(ONES)[0] == pytest.approx(expected)
    assert np.isnan(auroc(X, np.ones(40, bool))(ONES)[0])


def test_partial_correlation_is_that_of_the_residuals_of_ranks():
    a, b, c = (stats.rankdata(values) for values in (X, Y, Z))
    left, right = (values - np.polyval(np.polyfit(c, values, 1), c) for values in (a, b))
    assert partial_spearman(X, Y, Z)(ONES)[0] == pytest.approx(np.corrcoef(left, right)[0, 1])
    assert np.isnan(partial_spearman(X, Y, np.ones(40))(ONES)[0])
    assert np.isnan(partial_spearman(X, Y, X)(ONES)[0])


def test_correlation_with_a_constant_is_not_a_number():
    assert np.isnan(pearson(X, np.full(40, 0.1))(ONES)[0]) and np.isnan(spearman(np.full(40, 0.1), Y)(ONES)[0])


def test_the_bootstrap_is_repeatable_and_close_to_fisher_on_normal_pairs():
    generator = np.random.default_rng(3)
    x = generator.normal(size=500)
    y = 0.6 * x + 0.8 * generator.normal(size=500)
    first, again = (bootstrap({"r": pearson(x, y)}, 500, np.random.default_rng(1))["r"] for _ in range(2))
    assert first == again
    assert first.low < 0.6 < first.high
    r, half = first.value, 1.96 / np.sqrt(497)
    assert (first.low, first.high) == pytest.approx((np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)),
                                                    abs=0.015)  # fmt: skip


def test_a_bootstrap_of_three_questions_has_no_interval():
    found = bootstrap({"r": pearson([1, 2, 3], [1, 3, 2])}, 3, np.random.default_rng(0))["r"]
    assert found.value == pytest.approx(0.5) and not found.known


@pytest.mark.parametrize(
    ("rates", "expected"),
    [([0, 0, 0, 0.5, 1], [False, False, False, True, True]), ([0, 0.2, 0.4, 0.6, 1], [False, False, True, True, True])],
)
def test_the_easier_half_leaves_both_sides_occupied(rates: list[float], expected: list[bool]):
    assert easier_half(np.array(rates)).tolist() == expected


def test_columns_are_the_values_of_few_samples_and_tenths_of_many():
    few, many = Levels(4), Levels(30)
    assert few.names == ["0", "0.25", "0.5", "0.75", "1"]
    assert few.of(np.array([0, 0.25, 1])).tolist() == [0, 1, 4]
    assert many.count == 10 and many.centres[0] == pytest.approx(0.05)
    assert many.of(np.array([0, 3 / 30, 0.3, 1])).tolist() == [0, 1, 3, 9]


# ---------------------------------------------------------------- Table 1


def test_table_1_counts_pass_rates(tmp_path: Path):
    measures = ufo_measures(tmp_path, {})
    rates = np.array(list(measures.panel.series[0].runs[0].json("base.json")["pool"]["pass_rates"].values()))
    table, picture = table_1([measures])
    assert isinstance(table, Table) and isinstance(picture, Picture)
    row = table.data.iloc[0]
    assert [row[f"share_{name}"] for name in Levels(8).names] == pytest.approx(
        [(rates == i / 8).mean() for i in range(9)]
    )
    assert row["mean"] == pytest.approx(rates.mean())
    assert row["mixed"] == pytest.approx(((rates > 0) & (rates < 1)).mean())
    assert "K = 8" in table.caption
    check(picture, True)


def test_table_1_says_how_much_of_the_pool_was_measured_and_is_left_out_without_pass_rates(tmp_path: Path):
    store = ufo_study(tmp_path, {})
    for path in store.runs_dir.glob("*/base.json"):
        base = json.loads(path.read_text())
        base["pool"]["questions"] = 1000
        edit(path, json.dumps(base))
    table = table_1([measure(store)])[0]
    assert isinstance(table, Table) and table.rows[0][1] == f"{POOL} of 1,000"
    for path in store.runs_dir.glob("*/base.json"):
        edit(path, json.dumps(json.loads(path.read_text()) | {"pool": None}))
    assert table_1([measure(store)]) == [] and table_2([measure(store)]) == []


# ---------------------------------------------------------------- Table 2


def test_table_2_has_a_row_per_score_and_correlates_it_with_everything_known(tmp_path: Path):
    arms = {
        "entropy": arm(0.5, method="prompt_entropy", fraction=0.25),
        "ufo": arm(0.5, method="confidence", fraction=0.25),
        "again": arm(0.5, method="confidence", fraction=0.5),
        "solution": arm(0.5, method="confidence", target="solution", fraction=0.25),
        "order": arm(0.5, method="curriculum", by="confidence"),
        **bins(4),
    }
    measures = ufo_measures(tmp_path, arms)
    table, binned, picture = table_2([measures])
    assert isinstance(table, Table) and isinstance(binned, Table) and isinstance(picture, Picture)
    assert list(table.data["score"]) == ["s of the final answer", "s of the full solution", "prompt entropy"]
    about = measures.panel.get("ufo").runs[0].json("selection.json")
    rates = measures.panel.get("ufo").runs[0].json("base.json")["pool"]["pass_rates"]
    s, rate, length, true = (
        np.array([column[q] for q in rates], float)
        for column in (about["scores"], rates, about["target_tokens"], about["steps_true"])
    )
    row = table.data.iloc[0]
    assert row["spearman"] == pytest.approx(stats.spearmanr(s, rate).statistic)
    assert row["pearson"] == pytest.approx(stats.pearsonr(s, rate).statistic)
    assert row["length"] == pytest.approx(stats.spearmanr(s, length).statistic)
    assert row["true"] == pytest.approx(stats.spearmanr(s, true).statistic)
    assert row["spearman_low"] < row["spearman"] < row["spearman_high"]
    assert np.isnan(table.data.iloc[2]["length"]) and table.rows[2][-1] == "–"
    first = binned.data.iloc[0]
    assert (first["s"], first["questions"]) == pytest.approx((s[rate == 0].mean(), (rate == 0).sum()))
    assert table.data.equals(table_2([measures])[0].data)


def test_scores_without_lengths_leave_the_length_columns_empty(tmp_path: Path):
    measures = ufo_measures(tmp_path, {"ufo": arm(0.5, method="confidence", fraction=0.25)}, lengths=False)
    row = table_2([measures])[0].data.iloc[0]
    assert np.isnan(row["length"]) and np.isnan(row["partial"]) and not np.isnan(row["spearman"])


def test_only_questions_with_both_numbers_are_compared(tmp_path: Path):
    store = ufo_study(tmp_path, {"ufo": arm(0.5, method="confidence", fraction=0.25)})
    for path in store.runs_dir.glob("*/selection.json"):
        about = json.loads(path.read_text())
        if about["scores"]:
            about["scores"] = dict(list(about["scores"].items())[:30]) | {"elsewhere": 0.5}
            edit(path, json.dumps(about))
    assert table_2([measure(store)])[0].data["questions"].tolist() == [30]


def test_table_2_is_left_out_without_scores(tmp_path: Path):
    assert table_2([ufo_measures(tmp_path, bins(4))]) == []


def test_scores_of_two_panels_are_drawn(tmp_path: Path):
    arms = {"ufo": arm(0.5, method="confidence", fraction=0.25)}
    picture = table_2([ufo_measures(tmp_path, arms)] * 2)[-1]
    assert isinstance(picture, Picture)
    for narrow in (False, True):
        check(picture, narrow)
