"""The final state of a folder of runs: everything a command leaves that another run of it must leave bit for bit."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

OF_CLOCKS = re.compile(
    r"(^|[/_ ])(cpu_)?(seconds|times?|started|ended|made)($|[/_ ])|^system/|tokens_per_second|machine|taken_over"
    r"|^commit$|(^|\.)command$"
)
"""Names of values that measure time or say when and where something was made."""
NOT_COMPARED = (
    *("*.log", "*.lock", ".locks/*", "progress.json", "delivery/*", "*.delivered.json", "mlflow.db*"),
    "system.jsonl",  # what the machine was busy with
    "spent.jsonl",  # counts redone work as well; what it must cover is compared
    ".complete",  # checksums of files with times: whether they hold is what its reader checks
    "trainer_state.json",  # of the trainer's own: lists what it logged since it was started
)
RANDOM = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}"
    r"|(?<=\.)[a-z0-9_]{8}(?=\.tmp$)|(?<=/)\.?tmp[A-Za-z0-9_]{6,8}$"
    r"|(?<=\.uploading\.)[a-z0-9_]{8}$|(?<=report-)[a-z0-9_]{8}(?=/|$)"
)
"""Parts of a path that differ from run to run."""
PAID = ("completions", "generated_tokens", "scored_tokens", "trained_tokens")
"""Counts of the ledger that are exact, however often work is redone."""
REMAINS = re.compile(r"\.tmp$|\.building/|\.partial/|\.parts/|\.old(/|$)")


def plain(value: Any) -> Any:
    """A JSON value without what clocks say."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if not OF_CLOCKS.search(name)}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _plain_text(text: str) -> Any:
    """The same of a text that may be a JSON object."""
    try:
        return plain(json.loads(text)) if text.startswith("{") else text
    except ValueError:
        return text


def state_of(folder: Path, trained_anew: bool = False) -> dict[str, Any]:
    """Path below the folder (with a place in the file where one helps) -> content or its digest.

    `trained_anew`: reports are of runs that were trained by the command itself, so that they tell its seconds and what
    it did twice. Of those it is compared which files there are and whether each is what the manifest says.

    Runs, caches, sweeps, predictors, scores and reports are read from the files, the MLflow store as its reader and
    as SQL give it. Locks, logs and the record of deliveries are left out; remains of a kill are part of it.
    """
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if (
            path.is_dir()
            or any(Path(name).match(pattern) for pattern in NOT_COMPARED)
            or name.startswith("mlartifacts/")
        ):
            continue
        if REMAINS.search(name) and name.startswith("runs/specs/"):
            continue  # two commands may write a spec at once: none knows whether the other still does
        if REMAINS.search(name):
            found[f"left over: {RANDOM.sub('*', name)}"] = True
            continue
        if trained_anew and name.startswith("reports/"):
            found[name] = _as_listed(path)
            continue
        found.update({f"{name}{place}": item for place, item in _content(path)})
    for path in sorted((folder / "runs").glob("*/spent.jsonl")):
        found[f"{path.relative_to(folder)}: covers the ledger"] = _covers(path)
    found.update(_store(folder))
    return found


def differences(expected: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    """What differs between two states, one line each."""
    lines = _files("missing: ", [name for name in expected if name not in got])
    extra = [name for name in got if name not in expected]
    lines += [name for name in extra if name.startswith("left over")]
    lines += _files("not expected: ", [name for name in extra if not name.startswith("left over")])
    for name in expected:
        if name in got and not _same(expected[name], got[name]):
            place, one, other = _first(expected[name], got[name])
            lines.append(f"different: {name}{place}: {_short(one)}, now {_short(other)}")
    return lines


def _files(what: str, names: Iterable[str]) -> list[str]:
    """One line for each file, whatever is missing of it."""
    files = (name if name.startswith("store: ") or "/" not in name else name.split(": ")[0] for name in names)
    return [what + name for name in dict.fromkeys(files)]


def _first(one: Any, other: Any, place: str = "") -> tuple[str, Any, Any]:
    """Where two values differ first, and what is there."""
    if isinstance(one, dict) and isinstance(other, dict):
        if set(one) != set(other):
            return place, *({key: a[key] for key in sorted(set(a) - set(b))} for a, b in ((one, other), (other, one)))
        pairs = [(f".{key}", one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"[{i}]", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return place, one, other
    return next(_first(a, b, place + at) for at, a, b in pairs if not _same(a, b))


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)  # NaN equals NaN


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 120 else f"{text[:120]}…"


def _content(path: Path) -> Iterable[tuple[str, Any]]:
    data = path.read_bytes()
    if path.suffix == ".json" and path.parent.name != "policy":
        try:
            value = plain(json.loads(data))
        except ValueError:
            return [("", f"not JSON: {data[:60]!r}")]
        if path.name == "written.json":  # vouches for files that tell seconds
            value = {name: listed["sha256"] == _sha256(path.parent / name) for name, listed in value.items()}
        if path.name in ("done.json", "complete.json"):
            value = {name: value[name] for name in ("summary", "step") if name in value}
        return [(f": {key}", item) for key, item in value.items()] if isinstance(value, dict) else [("", value)]
    if path.suffix == ".jsonl":
        return [("", [plain(json.loads(line)) for line in data.splitlines()])]
    if path.suffix in (".npz", ".npy"):
        loaded = np.load(path)
        arrays = {name: loaded[name] for name in loaded.files} if path.suffix == ".npz" else {"": loaded}
        return [(f": {name}", _digest(array.tobytes())) for name, array in arrays.items()]
    if path.suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        return [(f": {name}", table.column(name).to_pylist()) for name in table.column_names]
    if path.suffix == ".csv":
        return [("", _rows(data.decode()))]
    if "checkpoints" in path.parts or path.parent.name == "sweeps":
        return [
            ("", path.suffix)
        ]  # a zip archive with times, an Optuna journal with times: both are compared elsewhere
    return [("", _digest(data))]


def _as_listed(path: Path) -> bool:
    """Whether a file of a report is the one that the manifest above it lists."""
    above = next(parent for parent in path.parents if (parent / "manifest.json").exists())
    listed = json.loads((above / "manifest.json").read_bytes())["files"]
    name = path.relative_to(above).as_posix()
    return name == "manifest.json" or listed.get(name) == _sha256(path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(text: str) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(text)))
    kept = [i for i, name in enumerate(rows[0]) if not OF_CLOCKS.search(name)] if rows else []
    return [[row[i] for i in kept if i < len(row)] for row in rows]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _covers(spent: Path) -> bool:
    """Whether everything that the ledger counts was also written down as paid for; redone work may come on top."""
    paid: Counter[tuple[str, str]] = Counter()
    for line in spent.read_bytes().splitlines():
        row = json.loads(line)
        for name in PAID:
            paid[row["phase"], name] += row[name]
    ledger = json.loads((spent.parent / "ledger.json").read_bytes())
    return all(paid[phase, name] >= cost[name] for phase, cost in ledger.items() for name in PAID)


# ---------------------------------------------------------------- the MLflow store


def _store(folder: Path) -> dict[str, Any]:
    path = folder / "mlflow.db"
    if not path.exists():
        return {}
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return dict(_rows_of_store(connection, path))
    finally:
        connection.close()


def _rows_of_store(connection: sqlite3.Connection, path: Path) -> Iterable[tuple[str, Any]]:
    from repro.tracking.read import read_runs

    names = dict(connection.execute("SELECT experiment_id, name FROM experiments WHERE lifecycle_stage = 'active'"))
    yield "store: experiments", sorted(name for name in names.values() if name != "Default")
    records = {}
    for name in names.values():
        if name != "Default" and not name.endswith(".sweep"):
            records.update({one.run_id: one for one in read_runs(name, f"sqlite:///{path}")})
    query = "SELECT run_uuid, name, status, experiment_id FROM runs WHERE lifecycle_stage = 'active'"
    seen: Counter[str] = Counter()
    for run, name, status, experiment in connection.execute(query).fetchall():
        tags = dict(connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,)))
        place = f"store: {names[experiment]}/{tags.get('repro.kind')}/{name}/{tags.get('repro.key', '')[:8]}"
        seen[place] += 1
        yield f"{place}: runs of this key", seen[place]
        yield f"{place}: status", [status, tags.get("repro.status")]
        kept = {k: v for k, v in tags.items() if k not in ("mlflow.parentRunId", "repro.files", "mlflow.user")}
        yield f"{place}: tags", {k: _plain_text(v) for k, v in kept.items() if not OF_CLOCKS.search(k)}
        yield f"{place}: params", dict(connection.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,)))
        if run in records:
            series = records[run].metrics.items()
            yield f"{place}: metrics", {k: [v.steps, v.values] for k, v in series if not OF_CLOCKS.search(k)}
            files = records[run].artifacts
            # An upload that was cut short leaves a hidden file of MLflow's own.
            ours = (".json", ".jsonl", "error.txt")
            listed = sorted(file.name for file in files.iterdir() if file.name.endswith(ours)) if files else []
            yield f"{place}: files", listed
            for one in ("metrics.jsonl", "done.json", "evaluations.jsonl"):
                if files and one in listed:
                    yield from ((f"{place}: {one}{at}", item) for at, item in _content(files / one))
        else:
            latest = connection.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", (run,))
            yield f"{place}: metrics", {k: v for k, v in latest if not OF_CLOCKS.search(k)}
