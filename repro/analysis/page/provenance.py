"""Where the numbers come from: commands, code, versions, machine, and every run by its identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from repro.analysis.study import Study
from repro.analysis.tables import Table
from repro.analysis.text import NOTHING
from repro.tracking.environment import describe_environment

FACTS = {
    "commit": "trained by commit",
    "python": "Python",
    "platform": "platform",
    "processor": "processor",
    "cpus": "cores",
    "accelerator": "GPU",
}
"""Field of a run's environment -> what the page calls it."""

NO_GPU = "none used"

EVERY_RUN = "Every run of the study that the store holds, by the identity that its settings, data and seed give it."


@dataclass(frozen=True)
class Provenance:
    """`facts` are (what, value) pairs for people, `runs` the list of every run that the report knows."""

    commands: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    runs: Table


def provenance(study: Study, commands: Sequence[str], store: str, nothing: Sequence[str] = ()) -> Provenance:
    """What the runs themselves recorded. Values that differ between runs are all listed.

    `nothing`: artefacts that the spec asks for and these runs have nothing for.
    """
    environments = [run.json("environment.json") for run in study.runs]
    facts = [("model", _distinct([run.place.model for run in study.runs]))]
    facts.append(("dataset", _distinct([run.place.dataset for run in study.runs])))
    for key, title in FACTS.items():
        facts.append((title, _distinct([_told(environment, key) for environment in environments])))
    facts.append(("packages", _packages(environments)))
    facts.append(("trained", _span(study)))
    facts.append(("report by commit", describe_environment()["commit"] or "not recorded"))
    # The path of a local file says something about the machine and nothing about the result.
    facts.append(
        ("MLflow", f"experiment {study.spec.name} in {'a sqlite file' if store.startswith('sqlite') else store}")
    )
    if nothing:
        facts.append(("asked for, with nothing to show", ", ".join(nothing)))
    return Provenance(tuple(commands), tuple(facts), _runs(study))


def _told(environment: dict[str, Any], key: str) -> Any:
    """What a run recorded of a fact: of a GPU also that it used none."""
    return NO_GPU if key == "accelerator" and key in environment and not environment[key] else environment.get(key)


def _distinct(values: Sequence[Any]) -> str:
    known = dict.fromkeys(str(value) for value in values if value is not None)
    return ", ".join(known) or "not recorded"


def _packages(environments: Sequence[dict[str, Any]]) -> str:
    versions: dict[str, list[str]] = {}
    for environment in environments:
        for package, version in (environment.get("packages") or {}).items():
            if version not in versions.setdefault(package, []):
                versions[package].append(version)
    return ", ".join(f"{package} {' / '.join(found)}" for package, found in versions.items()) or "not recorded"


def _span(study: Study) -> str:
    starts = [run.record.started for run in study.runs]
    ends = [run.record.ended for run in study.runs if run.record.ended]
    first = _moment(min(starts))
    return f"{first} to {_moment(max(ends))} UTC" if ends else f"since {first} UTC"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _runs(study: Study) -> Table:
    rows, data = [], []
    for run in study.runs:
        place = run.place
        axis = ", ".join(f"{path} = {value}" for path, value in place.axis_point.items()) or NOTHING
        record = {"identity": run.identity, "arm": place.arm, "model": place.model, "dataset": place.dataset}
        record |= {"axis": axis, "seed": str(place.seed), "status": run.record.status, "mlflow_run": run.record.run_id}
        rows.append([f"`{run.identity}`", f"`{place.arm}`", place.model, place.dataset, axis, str(place.seed)])
        rows[-1] += [run.record.status, f"`{run.record.run_id}`"]
        data.append(record)
    header = ["identity", "arm", "model", "dataset", "axis point", "seed", "status", "MLflow run"]
    varied = {name: len({row[i] for row in rows}) > 1 for i, name in enumerate(header)}
    paper = ("identity", "arm", *(name for name in header[2:5] if varied[name]), "seed", "status")
    title = "Runs behind this report"
    return Table("runs", title, header, rows, pd.DataFrame(data), EVERY_RUN, len(header), paper=paper)
