"""Trials of a sweep in the store: their run says how the trial ended, whatever its seeds' runs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.tracking.aggregate import aggregate
from repro.tracking.client import open_client
from repro.tracking.labels import Labels
from repro.tracking.trials import TrialRecord, record_trials


@pytest.mark.parametrize(("state", "status"), [("complete", "FINISHED"), ("pruned", "KILLED"), ("fail", "FAILED")])
def test_how_a_trial_ended_stays_in_the_store_when_figures_over_seeds_are_written(
    tmp_path: Path, uri: str, state: str, status: str
) -> None:
    labels = Labels("study.sweep", "trial-000", "tiny", "arithmetic", seed=0)
    trial = TrialRecord(number=0, state=state, labels=labels, params={"train.steps": 3}, reason="because")
    for _ in range(2):
        assert record_trials([trial], tmp_path, uri)
        assert aggregate("study.sweep", uri)
        client = open_client(uri)
        (run,) = client.search_runs([client.get_experiment_by_name("study.sweep").experiment_id])
        assert run.info.status == status
        assert run.data.tags["repro.trial_state"] == state and run.data.tags["repro.trial_reason"] == "because"
