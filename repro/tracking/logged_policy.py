"""The final policy of a run as a logged model of MLflow: a link to where its weights lie, no copy of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.tracking import series
from repro.tracking.datasets import recorded_datasets
from repro.tracking.labels import Labels

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric

POLICY = "policy"
"""Folder of a run directory that holds its final policy."""


def send_policy(
    client: MlflowClient, run_dir: Path, labels: Labels, run_id: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """List the policy of a finished run, with the metrics of its last evaluation; nothing where it kept none.

    Every part that is there already stays as it is, so that a call after one that was cut short mends it.

    Args:
        rows: of `metrics.jsonl`.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    if not (run_dir / POLICY).is_dir():
        return
    run = client.get_run(run_id)
    experiment = run.info.experiment_id
    there = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    model = there[0] if there else _create(client, experiment, run_dir, labels, run_id)
    last = max((int(row["step"]) for row in rows), default=0)
    listed = run.outputs.model_outputs if run.outputs is not None else []
    if model.model_id not in {output.model_id for output in listed}:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, last)])
    if not model.metrics:
        client.log_batch(run_id, metrics=list(_metrics(rows, model.model_id, run_dir)))
    if model.status != LoggedModelStatus.READY:
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _create(client: MlflowClient, experiment: str, run_dir: Path, labels: Labels, run_id: str) -> LoggedModel:
    place = f"{run_dir.parent.name}/{run_dir.name}/{POLICY}"
    name = f"{labels.arm_name} seed {labels.seed}"
    return client.create_logged_model(
        experiment,
        name="".join("-" if sign in "/:.%\"'" else sign for sign in name)[:500],  # signs that MLflow refuses
        source_run_id=run_id,
        tags={"repro.policy": place, "repro.arm": labels.arm, "repro.model": labels.model},
        params={"policy": place, "start": labels.model, "dataset": labels.dataset, "seed": str(labels.seed)},
        model_type="policy",
    )


def _metrics(rows: Sequence[Mapping[str, Any]], model_id: str, run_dir: Path) -> list[Metric]:
    """The last `eval/...` values, at the steps and times at which the run has them. Those of the main set are of the
    evaluation dataset."""
    from mlflow.entities import Metric

    datasets = [one for one in recorded_datasets(run_dir) if one.context == "evaluation"]
    tested = any(series.ACCURACY in row["metrics"] for row in rows)
    of_main_set = {series.ACCURACY if tested else series.VALIDATION}
    of_main_set |= {series.PASS, series.GREEDY, series.ENTROPY, series.TOKENS}
    found: dict[str, Metric] = {}
    for row in rows:
        for name, value in row["metrics"].items():
            if not name.startswith(series.EVAL):
                continue
            of = datasets[0] if datasets and name in of_main_set else None
            found[name] = Metric(
                name,
                float(value),
                int(row["time"] * 1000),
                int(row["step"]),
                model_id=model_id,
                dataset_name=of.name if of else None,
                dataset_digest=of.short_digest if of else None,
            )
    return list(found.values())
