"""Theorem 1 on stores whose groups obey it exactly, and on one whose gradients depend on the pass rate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.analysis.dots_rr.gradients import GRID, Groups, fit, groups_of, posterior, shape, verdict
from repro.analysis.dots_rr.theorem import theorem_1
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.tables import Table
from tests.analysis.behaviour import Behaviour, learning
from tests.analysis.conftest import measure
from tests.analysis.drawing import check
from tests.analysis.latex import needs_pdflatex, unfit
from tests.analysis.synthetic import edit, make_study

G, K = 8, 8


RATES = np.random.default_rng(7).beta(0.6, 0.9, 4000)
"""True pass rates of a pool, more of them hard than easy."""


def rows(count: int, square: Callable[[float], float], crossed: float, seed: int = 0) -> list[dict[str, Any]]:
    """Groups with |grad_i|^2 = square(p) and T2 = crossed * T1; pass rate and rewards drawn from the true rate p."""
    generator = np.random.default_rng(seed)
    out = []
    for index in range(count):
        p = float(generator.choice(RATES))
        right = int(generator.binomial(G, p))
        row: dict[str, Any] = {"id": f"train-{index}", "pass_rate": float(generator.binomial(K, p) / K)}
        advantages = {"": right * (1 - right / G), "_std": float(G - 1) * (0 < right < G)}  # sum of squares
        for ending, factor in (("", 1.0), ("_token_mean", 0.01)):
            for std, total in advantages.items():
                kept = factor * square(p) * total
                row |= {f"t1{std}{ending}": kept, f"t2{std}{ending}": crossed * kept}
                row[f"norm2{std}{ending}"] = (1 + crossed) * kept
            row[f"gradient2{ending}"] = factor * square(p) if 0 < right < G else None
        out.append(row)
    return out


POOL = np.random.default_rng(8).binomial(K, RATES) / K


def exact(p: float) -> float:
    """The same for every question on average: a little noise, so that ranks are not all tied."""
    return 5.0 + 0.01 * np.sin(1e6 * p)


def steep(p: float) -> float:
    return 9.0 - 8.0 * p


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Measures]:
    """`make(rows)`: a panel whose start policy has these groups."""

    def measures(found: list[dict[str, Any]] | None) -> Measures:
        arms: dict[str, Any] = {"grpo": ({}, Behaviour(learning(0.5, points=2)))}
        store = make_study(tmp_path, None, arms, seeds=1, steps=4, every=2)
        for path in store.runs_dir.glob("*/base.json"):
            base = json.loads(path.read_text())
            if found is not None:
                base["pool"]["pass_rates"] = {str(i): float(rate) for i, rate in enumerate(POOL)}
                base["gradients"] = {"group_size": G, "groups": len(found), "rows": found}
            edit(path, json.dumps(base))
        return measure(store)

    return measures


def test_a_posterior_under_a_uniform_prior_is_the_beta_distribution() -> None:
    """As many questions at every rate: the uniform prior explains them best, and the posterior is Beta."""
    found = posterior(np.arange(K + 1) / K, K)
    k = np.arange(K + 1)
    assert found.sum(axis=1) == pytest.approx(np.ones(K + 1))
    assert found @ GRID == pytest.approx((k + 1) / (K + 2), abs=2e-3)
    variance = (k + 1) * (K - k + 1) / ((K + 2) * (K + 3))  # E[p (1 - p) | k]
    assert found @ (GRID * (1 - GRID)) == pytest.approx(variance, abs=2e-3)


def test_a_posterior_of_a_skewed_pool_finds_the_mean_of_the_true_rates() -> None:
    found = posterior(POOL, K)
    for k in (0, 4, K):
        assert found[k] @ GRID == pytest.approx(RATES[np.rint(POOL * K) == k].mean(), abs=0.02)


def test_groups_that_obey_the_theorem_are_found_to(make: Callable[..., Measures]) -> None:
    groups = groups_of(make(rows(800, exact, 0.0)))
    assert groups is not None and (groups.size, groups.samples) == (G, K)
    one = fit(groups)
    # E sum A^2 = G p (1 - p)(1 - 1/G), so the constant is 5 G although pass rates are measured with noise.
    assert one.constant == pytest.approx(5 * G, rel=0.08)
    assert 0.2 < one.r2 <= one.r2_bins < one.r2 + 0.05, "no function of the measured rate does much better"
    assert (one.ratio.value, one.ratio.low, one.ratio.high) == (0, 0, 0)
    assert one.sides.low < 1 < one.sides.high and abs(one.size.value) < 0.1
    assert shape(one) == "holds" and verdict(one).startswith("the shape holds: the curve lies inside ")
    std = fit(groups, "_token_mean", "_std")
    assert std.constant == pytest.approx(0.05 * (G - 1), rel=0.08) and shape(std) == "holds"


def test_gradients_that_shrink_with_the_pass_rate_break_the_shape(make: Callable[..., Measures]) -> None:
    one = fit(groups_of(make(rows(400, steep, 0.4))))  # type: ignore[arg-type]
    assert one.ratio.value == pytest.approx(0.4) and one.ratio.low == pytest.approx(0.4)
    assert one.sides.low > 1 and one.size.high < -0.6
    assert shape(one) == "does not hold"
    said = verdict(one)
    assert "times as large below 0.5" in said and "falls with the pass rate" in said
    assert "T2 is" not in said, "its ratio does not vary over these made-up groups"


def test_the_fit_is_least_squares_and_the_bins_are_means() -> None:
    groups = Groups("one", G, K, rows(100, steep, 0.2, seed=3), POOL)
    for std, ending in (("", ""), ("_std", "_token_mean")):
        one = fit(groups, ending, std)
        p, y = groups.of("pass_rate"), groups.of(f"norm2{std}{ending}")
        theory = (1 - GRID**G - (1 - GRID) ** G) if std else GRID * (1 - GRID) * (1 - 1 / G)
        x = posterior(POOL, K)[np.rint(p * K).astype(int)] @ theory
        constant = np.linalg.lstsq(x[:, None], y, rcond=None)[0][0]
        assert one.constant == pytest.approx(constant)
        assert one.curve == pytest.approx(constant * x)
        assert one.r2 == pytest.approx(1 - ((y - constant * x) ** 2).sum() / ((y - y.mean()) ** 2).sum())
        assert [b.value for b in one.bins] == pytest.approx([y[p == i / K].mean() for i in range(K + 1)])
        assert one.bins[2].low < one.bins[2].value < one.bins[2].high
        assert fit(groups, ending, std) == one, "the same store gives the same intervals"


def test_a_side_without_groups_has_no_constant_and_few_groups_no_verdict() -> None:
    hard = [row for row in rows(200, exact, 0.0) if row["pass_rate"] <= 0.25]
    assert np.isnan(fit(Groups("hard", G, K, hard, POOL)).sides.value)
    assert shape(fit(Groups("few", G, K, rows(8, exact, 0.0), POOL))) == "too few groups"


def test_the_artefact_draws_both_advantages_and_tells_them_in_tables(make: Callable[..., Measures]) -> None:
    measures = make(rows(200, exact, 0.1))
    plain, std, fits, bins = theorem_1([measures] * 2)
    assert isinstance(plain, Picture) and isinstance(std, Picture)
    assert [plain.name, std.name] == ["dots_rr.theorem_1", "dots_rr.theorem_1_std"]
    assert isinstance(fits, Table) and isinstance(bins, Table)
    assert len(fits.rows) == 2 * 4 + 2 and len(bins.rows) == 2 * 2 * (K + 1)
    assert [row[5] for row in fits.rows[-2:]] == ["0.081 ± 0.0065", "0.081 ± 0.0051"], "published"
    assert fits.data["ratio"].tolist() == pytest.approx([0.1] * 8 + [0.081] * 2)
    assert "the shape holds" in fits.caption
    row = bins.data.query("pass_rate == '0.5'").iloc[0]
    assert row["norm2"] == pytest.approx(row["t1"] + row["t2"])
    assert row["norm2_low"] < row["curve"] < row["norm2_high"]
    for picture in (plain, std):
        assert {"group", "bin"} == set(picture.data["kind"])
        for narrow in (False, True):
            check(picture, narrow)


def test_the_tables_of_the_theorem_fit_a_paper(make: Callable[..., Measures], tmp_path: Path) -> None:
    needs_pdflatex()
    tables = theorem_1([make(rows(400, steep, 0.1))] * 2)
    assert len(tables) == 4 and unfit(tables, tmp_path / "paper") == []


def test_nothing_is_made_where_no_gradients_were_measured(make: Callable[..., Measures]) -> None:
    assert theorem_1([make(None)]) == []


def test_nothing_is_made_where_no_group_has_a_gradient(make: Callable[..., Measures]) -> None:
    assert theorem_1([make([{**row, "t1": 0.0} for row in rows(9, exact, 0.0)])]) == []
