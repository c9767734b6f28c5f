"""Makes a store of many finished runs, as `repro run` leaves it, in a minute: for timing `report`.

    python benchmarks/report_store.py FOLDER --runs 1000 --evaluations 60

The first run of each arm is written by the suite's journal and delivered by the suite. The runs of its other seeds are
copies of what that left in MLflow's tables and folders, with their own identity, seed, evaluations and metrics. Nothing
is trained: the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from repro.canonical import digest
from repro.study.expand import ExpandedCell, expand_study
from repro.study.load import load_spec
from repro.tracking import series as names
from repro.tracking.aggregate import aggregate
from repro.tracking.journal import Journal
from repro.tracking.keys import run_key
from repro.tracking.labels import Labels
from repro.tracking.sent_files import ZIP_ABOVE
from repro.tracking.store import deliver

ARMS: dict[str, dict[str, Any]] = {
    "full": {},
    "random": {"selection": {"method": "random", "fraction": 0.1}},
    "ufo": {"selection": {"method": "confidence", "target": "solution", "band": {"center": "mean"}, "fraction": 0.1}},
    "dots": {"selection": {"method": "difficulty", "references": 16, "every": 2}},
    "dots_rr": {"extends": "dots", "replay": {"fresh": 0.5, "capacity": 32}},
}
POOL, TEST, SAMPLES = 1024, 256, 4
AMOUNTS = ("prompt_tokens", "generated_tokens", "scored_tokens", "trained_tokens", "completions")
CLOCKS = ("flops", "seconds", "cpu_seconds")


def make(folder: Path, runs: int, evaluations: int) -> Path:
    """Write `study.yaml`, `mlflow.db` and the files of its runs into an empty folder; the path of the spec."""
    folder.mkdir(parents=True)
    path = folder / "study.yaml"
    fields = {
        "name": "study",
        "model": "tiny",
        "dataset": {"arithmetic": {"pool": POOL, "test": TEST}},
        "train": {"steps": evaluations, "questions_per_step": 32, "group_size": 8},
        "evaluate": {"every": 1, "samples": SAMPLES},
        "arms": ARMS,
        "seeds": list(range(-(-runs // len(ARMS)))),
    }
    path.write_text(yaml.safe_dump(fields, sort_keys=False))
    store = folder / "mlflow.db"
    by_arm: dict[str, list[ExpandedCell]] = {}
    for cell in expand_study(load_spec(path).spec):
        by_arm.setdefault(cell.cell.arm, []).append(cell)
    for first, *others in by_arm.values():
        run_dir = folder / "runs" / first.identity
        _journal(run_dir, first, evaluations)
        assert deliver(run_dir, _labels(first), f"sqlite:///{store}", final=True)
        with closing(sqlite3.connect(store)) as connection, connection:
            # Metrics of new runs go all over the index: it stays in memory until all are there.
            for setting in ("synchronous = OFF", "journal_mode = MEMORY", "cache_size = -500000"):
                connection.execute(f"PRAGMA {setting}")
            source = _source(connection, first)
            for cell in others:
                _copy(connection, source, cell)
    assert aggregate("study", f"sqlite:///{store}")
    return path


def _labels(cell: ExpandedCell) -> Labels:
    place = cell.places[0]
    return Labels("study", place.arm, place.model, place.dataset, place.seed, place.axis_point)


# ---------------------------------------------------------------- the first run of an arm


def _ids(kind: str, count: int) -> list[str]:
    """Texts like those of arithmetic questions, which are their ids."""
    draw = random.Random(kind)
    found: dict[str, None] = {}
    while len(found) < count:
        numbers = [str(draw.randint(1, 9)) for _ in range(draw.randint(4, 9))]
        found["".join(f"{number}{draw.choice('+-*')}" for number in numbers)[:-1]] = None
    return list(found)


def _journal(run_dir: Path, cell: ExpandedCell, evaluations: int) -> None:
    journal, draw = Journal(run_dir), np.random.default_rng(0)
    journal.start(cell.cell, cell.identity, _labels(cell))
    journal.truncate(-1)
    pool, test = _ids("train", POOL), _ids("test", TEST)
    rates = dict(zip(pool, (draw.integers(0, 9, POOL) / 8).tolist(), strict=True))
    base = {"samples": 8, "pass_rates": rates, "questions": POOL}
    journal.write_json("base.json", {"accuracy": {"test": 0.3}, "temperatures": {"0.3": 0.4}, "pool": base})
    method = cell.cell.selection.method
    kept = pool if method in ("uniform", "difficulty") else pool[: POOL // 10]
    about: dict[str, Any] = {"method": method, "pool": POOL, "kept": kept, "scores": None}
    if method == "confidence":
        about["scores"] = dict(zip(pool, draw.random(POOL).tolist(), strict=True))
    true = dict(zip(pool, draw.integers(1, 11, POOL).tolist(), strict=True))
    journal.write_json("selection.json", {**about, "steps_true": true})
    phases = ("warm_start", "score", "probe", "rollout", "train", "evaluate")
    ledger = {phase: dict.fromkeys((*AMOUNTS, *CLOCKS), 0.0) for phase in phases}
    for step in range(evaluations + 1):
        if step:
            _step(journal, draw, step, method, kept, true, ledger)
        ends = step in (0, evaluations)
        for name in ("test", "pool_like") if ends else ("test",):
            passes = dict(zip(test, draw.integers(0, SAMPLES + 1, TEST).tolist(), strict=True))
            greedy = {one: bool(draw.random() < 0.5) for one in test} if ends and name == "test" else None
            journal.record_evaluation(
                step,
                name,
                temperature=1.0,
                samples=SAMPLES,
                passes=passes,
                greedy=greedy,
                entropy=0.3,
                mean_tokens=18.0,
            )
        journal.log(step, {names.ACCURACY: 0.5, names.ENTROPY: 0.3, names.TOKENS: 18.0, names.GREEDY: 0.5})
    journal.write_json("ledger.json", ledger)
    journal.write_json("data.json", {"questions": {"train": POOL, "test": TEST}})
    journal.finish({"steps": evaluations})


def _step(
    journal: Journal, draw: np.random.Generator, step: int, method: str, kept: Sequence[str], true: dict[str, int],
    ledger: dict[str, dict[str, float]],
) -> None:  # fmt: skip
    chosen = [kept[i] for i in draw.permutation(len(kept))[:32]]
    rates = (draw.integers(0, 9, 32) / 8).tolist()
    predicted = draw.random(32).tolist() if method == "difficulty" else None
    journal.record_step(
        step,
        chosen=chosen,
        fresh=chosen,
        predicted=predicted,
        pass_rate=rates,
        steps_true=[true[one] for one in chosen],
    )
    for phase in ("rollout", "train", "evaluate"):
        spent = dict.fromkeys(AMOUNTS, 500) | dict.fromkeys(CLOCKS, 0.3)
        for name, value in spent.items():
            ledger[phase][name] += value
        journal.spent(step, phase, spent)
    metrics = dict.fromkeys(("reward", "zero_variance", "effective", "loss", "grad_norm", "kept_entropy"), 0.4)
    series = {names.TRAIN + name: value for name, value in metrics.items()}
    if method == "difficulty":
        said = ("reference_pass_rate", "loo_mae", "loo_pearson", "predicted_mean", "chosen_near_target")
        series |= {names.SELECT + name: 0.3 for name in (*said, "predictor_pearson", "predictor_mae")}
    spent = {"generated_tokens": 5e3, "total_tokens": 2e4, "completions": 256, "flops": 1e9}
    series |= {names.COST + name: step * value for name, value in spent.items()}
    journal.log(step, series | {names.SECONDS: 0.6 * step, names.CPU_SECONDS: 0.6 * step})


# ---------------------------------------------------------------- the runs of its other seeds


class Source(NamedTuple):
    """The first run of an arm in the store: its id, its tags, the folder of its files, and their content."""

    run: str
    tags: dict[str, str]
    folder: Path
    files: dict[str, bytes]


def _source(connection: sqlite3.Connection, first: ExpandedCell) -> Source:
    (run,) = connection.execute(
        "SELECT run_uuid FROM tags WHERE key = 'repro.identity' AND value = ?", (first.identity,)
    ).fetchone()
    tags = dict(connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,)))
    (address,) = connection.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run,)).fetchone()
    folder = Path(address.removeprefix("file://"))
    files = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        files[path.name.removesuffix(".gz")] = gzip.decompress(data) if path.suffix == ".gz" else data
    return Source(run, tags, folder, files)


def _copy(connection: sqlite3.Connection, source: Source, cell: ExpandedCell) -> None:
    """A run like the first one of its arm under another identity and seed."""
    seed, new = cell.cell.seed, uuid.UUID(int=random.Random(cell.identity).getrandbits(128)).hex
    place = {"run": new, "source": source.run, "name": f"{cell.cell.arm} seed {seed}", "seed": str(seed)}
    place |= {"identity": cell.identity, "key": run_key(cell.identity, _labels(cell)), "scale": 1 + 0.002 * (seed % 50)}
    for table, changed in (
        ("runs", {"run_uuid": ":run", "name": ":name", "artifact_uri": "replace(artifact_uri, :source, :run)"}),
        ("params", {"run_uuid": ":run", "value": "CASE key WHEN 'seed' THEN :seed ELSE value END"}),
        ("metrics", {"run_uuid": ":run", "value": "value * :scale"}),
        ("latest_metrics", {"run_uuid": ":run", "value": "value * :scale"}),
    ):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        picked = ", ".join(changed.get(column, column) for column in columns)
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {picked} FROM {table} WHERE run_uuid = :source", place
        )
    folder = source.folder.parents[1] / new / "artifacts"
    folder.mkdir(parents=True)
    files = {}
    for name, data in _files(source.files, cell):
        files[name] = digest_of(data)
        path = folder / (f"{name}.gz" if len(data) > ZIP_ABOVE else name)
        path.write_bytes(gzip.compress(data, mtime=0) if len(data) > ZIP_ABOVE else data)
    own = {"repro.identity": cell.identity, "repro.seed": str(seed), "repro.key": place["key"]}
    own |= {"mlflow.runName": place["name"], "repro.files": digest(files)}
    connection.executemany(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
        [(key, value, new) for key, value in (source.tags | own).items()],
    )


def _files(source: dict[str, bytes], cell: ExpandedCell) -> Iterator[tuple[str, bytes]]:
    draw = np.random.default_rng(cell.cell.seed)
    for name, data in source.items():
        if name == "cell.json":
            about = json.loads(data)
            about["identity"], about["labels"]["seed"] = cell.identity, cell.cell.seed
            about["cell"]["seed"] = cell.cell.seed
            data = json.dumps(about, indent=1).encode() + b"\n"
        if name == "evaluations.jsonl":
            data = b"".join(_other_passes(row, draw) for row in data.splitlines(keepends=True))
        yield name, data


def _other_passes(row: bytes, draw: np.random.Generator) -> bytes:
    """The row with passes of its own, more of them at later steps; at step 0 the start policy's are the same."""
    step, places = _passes(row)
    if step == 0:
        return row
    text = bytearray(row)
    drawn = draw.binomial(SAMPLES, min(0.8, 0.3 + 0.01 * step), len(places))
    np.frombuffer(text, np.uint8)[places] = ord("0") + drawn.astype(np.uint8)
    return bytes(text)


@cache
def _passes(row: bytes) -> tuple[int, np.ndarray]:
    """(step, where the count of each question stands) of a row of evaluations: counts of 4 samples are one digit."""
    begin = row.index(b'"passes": {')
    places = [found.start(1) for found in re.finditer(rb'": (\d)(?=[,}])', row[begin : row.index(b"}", begin) + 1])]
    return int(json.loads(row)["step"]), begin + np.array(places, np.intp)


def digest_of(data: bytes) -> str:
    """What a delivery notes of a file's content."""
    import hashlib

    return hashlib.sha256(data).hexdigest()[:16]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--evaluations", type=int, default=60)
    options = parser.parse_args()
    print(make(options.folder, options.runs, options.evaluations))
