"""What tuning cost and gained: from trials that are known, and the runs that confirm the best of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from repro.analysis.leaderboard.board import Board
from repro.analysis.leaderboard.tuning import tuned, tuning
from repro.analysis.measures import Measures
from repro.analysis.sweep.search import Search
from repro.analysis.tables import Table
from repro.spec.sweep_spec import FloatRange, Metric, SweepSpec
from repro.tracking.trials import StoredTrial
from tests.analysis.behaviour import GROUP, QUESTIONS_PER_STEP, TOKENS, Behaviour, learning
from tests.analysis.latex import needs_pdflatex, unfit
from tests.analysis.synthetic import make_study

RUN = 8 * QUESTIONS_PER_STEP * GROUP * TOKENS
"""Generated tokens of a run of eight steps."""


@pytest.fixture(scope="module")
def measures(tmp_path_factory: pytest.TempPathFactory) -> Measures:
    arms = {
        "full": ({}, Behaviour(learning(0.5), (0.0, 0.0, 0.0))),
        "slow": ({"train": {"learning_rate": 1e-5}}, Behaviour(learning(0.6), (0.0, 0.0, 0.0))),
        "best": ({"train": {"learning_rate": 1e-3}}, Behaviour(learning(0.7), (0.05, 0.0, -0.05))),
    }
    return Measures(make_study(tmp_path_factory.mktemp("tuned"), None, arms).read().panels[0])


def search(measures: Measures, metric: Metric | list[dict[Metric, str]], values: list[dict[str, float]]) -> Search:
    space = {"train.learning_rate": FloatRange(float=(1e-5, 1e-2), log=True)}
    sweep = SweepSpec.model_validate({"arm": "slow", "space": space, "metric": metric, "seeds": [1000, 1001]})
    trials = tuple(
        StoredTrial(number, "complete" if one else "pruned", {"train.learning_rate": 1e-3}, one, None)
        for number, one in enumerate(values)
    )
    panel = measures.panel
    confirmed = {
        key: panel.get(label).runs for key, label in (("slow.best", "best"), ("slow", "slow"), ("full", "full"))
    }
    return Search(sweep, panel.model, panel.dataset, trials, confirmed, panel.main_series)


def test_the_tokens_of_tuning_are_those_of_all_trials_and_seeds(measures: Measures):
    both: list[dict[Metric, str]] = [{"validation_accuracy": "maximize"}, {"generated_tokens": "minimize"}]
    values = [
        {"validation_accuracy": 0.5, "generated_tokens": 900.0},
        {"validation_accuracy": 0.6, "generated_tokens": 1100.0},
    ]
    found = tuned(search(measures, both, values))
    assert found.tokens == 2 * 900 + 2 * 1100 and not found.bound and found.run == RUN


def test_where_the_trials_do_not_say_it_is_what_as_many_whole_runs_take(measures: Measures):
    values = [{"validation_accuracy": 0.5}, {}, {"validation_accuracy": 0.6}]
    found = tuned(search(measures, "validation_accuracy", values))
    assert found.tokens == 3 * 2 * RUN and found.bound


def test_what_tuning_gained_is_paired_by_seed_beside_the_arm_and_the_baseline(measures: Measures, tmp_path: Path):
    one = search(measures, "validation_accuracy", [{"validation_accuracy": 0.6}] * 3)
    found = tuned(one)
    assert found.over_arm is not None and found.over_arm.value == pytest.approx(0.1) and found.over_arm.known
    assert found.over_baseline is not None and found.over_baseline.value == pytest.approx(0.2)
    (table,) = tuning(Board([measures], searches=[one]))
    assert isinstance(table, Table)
    assert table.rows[0][1:5] == ["`slow`", "3", f"≤ {6 * RUN / 1000:.1f} k", "≤ 6.0"]
    assert table.rows[0][-1] == "learning_rate 0.001"
    needs_pdflatex()
    assert not unfit([table], tmp_path)


def test_a_search_that_was_not_confirmed_says_what_is_known(measures: Measures):
    one = search(measures, "validation_accuracy", [{"validation_accuracy": 0.6}])
    bare = Search(one.sweep, one.model, one.dataset, one.trials, {}, one.main)
    assert math.isnan(tuned(bare).tokens) and tuned(bare).over_arm is None
    (table,) = tuning(Board([measures], searches=[bare]))
    assert isinstance(table, Table) and table.rows[0][3:7] == ["–"] * 4
