"""Figures over seeds: against closed forms, and rewritten only where they change."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from repro.tracking.aggregate import aggregate, figures
from repro.tracking.client import open_client
from repro.tracking.journal import Journal
from repro.tracking.store import deliver
from tests.tracking.helpers import make_cell, make_run


def test_a_figure_that_not_all_seeds_have_is_left_out() -> None:
    result = figures([{"eval/accuracy": 0.5, "cost/seconds": 3.0}, {"eval/accuracy": 0.7}])
    assert result["seeds/accuracy_mean"] == pytest.approx(0.6)
    assert not any(name.startswith("seeds/seconds") for name in result)
    assert figures([]) == {"seeds/n": 0.0}


def test_parents_get_the_figures_of_their_finished_seeds_and_only_changes_are_written(tmp_path: Path, uri: str) -> None:
    accuracies = [0.5, 0.6, 0.8]
    for seed, accuracy in enumerate(accuracies):
        run_dir, labels = make_run(tmp_path / "runs", make_cell(seed), finish=False)
        Journal(run_dir).log(9, {"eval/accuracy": accuracy, "cost/generated_tokens": 100 * seed})
        Journal(run_dir).finish({})
        assert deliver(run_dir, labels, uri, final=True)
    failed, labels = make_run(tmp_path / "runs", make_cell(seed=3), finish=False)
    Journal(failed).fail("no memory")
    assert deliver(failed, labels, uri, final=True)

    assert aggregate("study", uri)
    parent = open_client(uri).search_runs(["1"], "tags.`repro.kind` = 'arm'")[0]
    got = parent.data.metrics
    low, high = scipy.stats.t.interval(0.95, 2, loc=np.mean(accuracies), scale=scipy.stats.sem(accuracies))
    assert got["seeds/n"] == 3
    assert [got[f"seeds/accuracy_{k}"] for k in ("mean", "low", "high", "min", "max")] == pytest.approx(
        [np.mean(accuracies), low, high, 0.5, 0.8]
    )
    assert got["seeds/generated_tokens_mean"] == 100
    assert (parent.info.status, parent.data.tags["repro.children"]) == ("FAILED", "4")

    def rows() -> list[tuple]:
        with sqlite3.connect(tmp_path / "mlflow.db") as connection:
            return connection.execute("SELECT key, value FROM metrics WHERE key LIKE 'seeds/%'").fetchall()

    before = rows()
    assert aggregate("study", uri)
    assert rows() == before, "nothing changed, nothing written"
    Journal(failed).start(make_cell(seed=3), "full-3")
    Journal(failed).log(9, {"eval/accuracy": 0.9, "cost/generated_tokens": 100})
    Journal(failed).finish({})
    assert deliver(failed, labels, uri, final=True)
    assert aggregate("study", uri)
    parent = open_client(uri).search_runs(["1"], "tags.`repro.kind` = 'arm'")[0]
    assert parent.data.metrics["seeds/n"] == 4
    assert parent.data.metrics["seeds/accuracy_mean"] == pytest.approx(0.7)
    assert parent.info.status == "FINISHED"


def test_a_store_that_is_away_is_no_error(tmp_path: Path) -> None:
    assert not aggregate("study", "http://127.0.0.1:9")
