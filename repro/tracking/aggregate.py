"""Figures over the seeds of an arm, written on its parent run (MLflow itself aggregates nothing)."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.numbers import t_interval
from repro.tracking import series
from repro.tracking.address import resolve_store
from repro.tracking.client import away_errors, report_away, writing
from repro.tracking.study_run import KIND

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# name on the parent -> metric of the seeds, its last value
AGGREGATED = {
    "accuracy": series.ACCURACY,
    "greedy": series.GREEDY,
    "validation": series.VALIDATION,
    "zero_variance": series.ZERO_VARIANCE,
    "generated_tokens": series.GENERATED_TOKENS,
    "total_tokens": series.TOTAL_TOKENS,
    "flops": series.FLOPS,
    "seconds": series.SECONDS,
    "cpu_seconds": series.CPU_SECONDS,
}


def aggregate(experiment: str, store_uri: str | None = None) -> bool:
    """Write the figures over finished seeds on every parent of the experiment; unchanged ones are left alone.

    Metrics on a parent: `seeds/n`, and for each of `AGGREGATED` that all finished seeds have
    `seeds/<name>_mean`, `_min`, `_max` and, from two seeds on, `_low` and `_high` (95 % t-interval).

    Returns:
        False where the store is away (one warning); the next call writes what is missing.
    """
    uri = resolve_store(store_uri)
    try:
        with writing(uri) as client:
            _aggregate(client, experiment)
    except away_errors() as error:
        report_away(uri, error)
        return False
    return True


def figures(seeds: Sequence[dict[str, float]]) -> dict[str, float]:
    """The metrics of a parent, from the last metric values of its finished seeds."""
    result = {series.SEEDS + "n": float(len(seeds))}
    for name, metric in AGGREGATED.items():
        values = [seed[metric] for seed in seeds if metric in seed and math.isfinite(seed[metric])]
        if not values or len(values) < len(seeds):
            continue  # a mean over some of the seeds would pass for one over all
        interval = t_interval(values)
        result[f"{series.SEEDS}{name}_mean"] = interval.value
        result[f"{series.SEEDS}{name}_min"] = min(values)
        result[f"{series.SEEDS}{name}_max"] = max(values)
        if interval.n > 1:
            result[f"{series.SEEDS}{name}_low"] = interval.low
            result[f"{series.SEEDS}{name}_high"] = interval.high
    return result


def _aggregate(client: MlflowClient, experiment: str) -> None:
    from mlflow.entities import Metric

    found = client.get_experiment_by_name(experiment)
    if found is None:
        return
    parents: list[Run] = []
    children: dict[str, list[Run]] = defaultdict(list)
    token = None
    while True:
        page = client.search_runs([found.experiment_id], max_results=1000, page_token=token)
        for run in page:
            if run.data.tags.get("repro.kind") == "cell":
                children[run.data.tags["mlflow.parentRunId"]].append(run)
            elif "repro.key" in run.data.tags and run.data.tags.get("repro.kind") != KIND:
                parents.append(run)
        token = page.token
        if not token:
            break

    now = int(time.time() * 1000)
    for parent in parents:
        seeds = children[parent.info.run_id]
        finished = [run for run in seeds if run.data.tags.get("repro.status") == "finished"]
        wanted = figures([run.data.metrics for run in finished])
        changed = {name: value for name, value in wanted.items() if parent.data.metrics.get(name) != value}
        if changed:
            client.log_batch(parent.info.run_id, [Metric(name, value, now, 0) for name, value in changed.items()])
        if parent.data.tags.get("repro.children") != str(len(seeds)):
            client.set_tag(parent.info.run_id, "repro.children", str(len(seeds)))
        if parent.data.tags.get("repro.kind") == "trial":
            continue  # its sweep knows how it ended (`repro.tracking.trials`), its seeds do not
        states = {run.info.status for run in seeds}
        status = next((state for state in ("RUNNING", "FAILED", "KILLED") if state in states), "FINISHED")
        if parent.info.status != status:
            ended = max((run.info.end_time or 0 for run in seeds), default=0) or None
            if status == "RUNNING":
                client.update_run(parent.info.run_id, status=status)
            else:
                client.set_terminated(parent.info.run_id, status, end_time=ended)
