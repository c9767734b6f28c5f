"""Studies with known numbers, written by the journal and delivered to a real MLflow store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import yaml

from repro.analysis.study import Study, build_study, load_study
from repro.files import read_jsonl
from repro.study.expand import expand_study
from repro.study.load import LoadedSpec, load_spec
from repro.tracking.aggregate import aggregate
from repro.tracking.histories import Series
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels
from repro.tracking.run_record import RunRecord
from repro.tracking.run_status import run_status
from repro.tracking.store import deliver
from tests.analysis.behaviour import GROUP, POOL, QUESTIONS_PER_STEP, Behaviour, learning
from tests.analysis.synthetic_run import Writer


@dataclass(frozen=True)
class Store:
    """Where a synthetic study lives; without `uri` in its run directories only."""

    loaded: LoadedSpec
    runs_dir: Path
    uri: str | None

    def read(self) -> Study:
        """The study as the analysis sees it."""
        if self.uri is not None:
            return load_study(self.loaded.spec, self.uri)
        planned = [(cell.identity, place) for cell in expand_study(self.loaded.spec) for place in cell.places]
        records = [_record(path) for path in sorted(self.runs_dir.iterdir())]
        return build_study(self.loaded.spec, planned, records)


def edit(path: Path, text: str) -> None:
    """Give a file of a finished run another content, and write the marker that vouches for it anew."""
    path.write_text(text)
    marker = path.parent / "done.json"
    if marker.exists():
        Journal(path.parent).finish(json.loads(marker.read_text())["summary"])


def _record(run_dir: Path) -> RunRecord:
    """What `read_runs` would make of a delivered run, straight from its directory: MLflow takes seconds."""
    about = json.loads((run_dir / "cell.json").read_text())
    labels, metrics = about["labels"], {}
    for row in read_jsonl(run_dir / "metrics.jsonl"):
        for name, value in row["metrics"].items():
            steps, values = metrics.setdefault(name, Series([], []))
            steps.append(row["step"])
            values.append(value)
    names = {key: labels[key] for key in ("arm", "model", "dataset", "seed")}
    return RunRecord(
        about["identity"], **names, axis_point=labels["axis"], status=run_status(run_dir), params={}, metrics=metrics,
        artifacts=run_dir, run_id="", parent_id=None, started=0.0, ended=None,
    )  # fmt: skip


def make_study(
    folder: Path,
    uri: str | None,
    arms: Mapping[str, tuple[dict[str, Any], Behaviour]],
    *,
    name: str = "study",
    seeds: int = 3,
    steps: int = 8,
    every: int = 2,
    questions: int = 20,
    samples: int = 4,
    base: float = 0.3,
    exact: bool = True,
    wiggle: bool = False,
    fields: Mapping[str, Any] | None = None,
) -> Store:
    """Write a spec and all its runs, and deliver them where there is a store.

    With `wiggle` the three seeds of an arm differ by a few samples, thousandths and ten-thousandths in what would else
    be the same for all: their means stay, and differences of arms have a spread.

    With `exact` an accuracy a means that the first a * questions problems are always solved and the others never;
    otherwise problems have pass rates of their own and passes are drawn from them (for pictures).
    """
    spec = {
        "name": name,
        "model": "tiny",
        "dataset": {"arithmetic": {"pool": POOL, "test": questions}},
        "train": {"steps": steps, "questions_per_step": QUESTIONS_PER_STEP, "group_size": GROUP, "minibatches": 2},
        "evaluate": {"every": every, "samples": samples},
        "arms": {arm: config for arm, (config, _) in arms.items()},
        "seeds": list(range(seeds)),
        **(fields or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    loaded = load_spec(path)
    runs_dir = folder / "runs"
    for cell in expand_study(loaded.spec):
        behaviour = arms[cell.cell.arm][1]
        labels = {cell.cell.model.label, cell.cell.dataset.label, f"seed {cell.cell.seed}"}
        if behaviour.status == "todo" or labels & set(behaviour.absent):
            continue
        behaviour = replace(behaviour, status="failed") if labels & set(behaviour.fails) else behaviour
        off = _off(list(arms).index(cell.cell.arm), cell.cell.seed) if wiggle else 0
        journal = Journal(runs_dir / cell.identity)
        writer = Writer(journal, behaviour, cell.cell, questions, samples, base, exact, off)
        writer.write(cell.identity)
        for place in cell.places if uri else ():
            labels = Labels(name, place.arm, place.model, place.dataset, place.seed, place.axis_point)
            assert deliver(runs_dir / cell.identity, labels, uri, final=True)
    assert uri is None or aggregate(name, uri)
    return Store(loaded, runs_dir, uri)


def _off(arm: int, seed: int) -> int:
    """By how much the run of a seed is off its arm's mean: another order and size for each arm, of mean 0."""
    return (1 + arm // 6) * list(permutations((-1, 0, 1)))[arm % 6][seed % 3]


QUICKSTART: dict[str, tuple[dict[str, Any], Behaviour]] = {
    "full": ({}, Behaviour(learning(0.62, points=8), (-0.015, 0.01, 0.005), 0.52, (-0.02, 0.0, 0.02))),
    "random": (
        {"selection": {"method": "random", "fraction": 0.25}},
        Behaviour(learning(0.55, points=8), (0.01, -0.02, 0.01), 0.55, (0.01, -0.01, 0.0), kept=0.25),
    ),
    "ufo": (
        {"selection": {"method": "confidence", "fraction": 0.25}},
        Behaviour(learning(0.61, points=8), (0.0, 0.02, -0.02), 0.44, (0.0, 0.02, -0.02), kept=0.25, difficulty=(4, 4)),
    ),
    "dots": (
        {"selection": {"method": "difficulty", "references": 4, "every": 2}},
        Behaviour(learning(0.68, points=8, speed=3.5), (-0.01, 0.012, 0.0), 0.3, (-0.01, 0.01, 0.0), 64, True,
                  difficulty=(3.5, 5.5)),
    ),
    "dots_rr": (
        {"extends": "dots", "replay": {"fresh": 0.5, "capacity": 8}},
        Behaviour(learning(0.66, points=8, speed=3.2), (0.01, -0.012, 0.004), 0.31, (0.0, 0.01, -0.01), 64, True, 0.5,
                  difficulty=(3.5, 5.5)),
    ),
}  # fmt: skip
"""Arms like the quickstart's, for pictures."""
