"""Rows of questions and the files that hold them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from repro.tasks.dataset_spec import DatasetSpec


def spec(**fields) -> DatasetSpec:
    return DatasetSpec.model_validate(fields)


def rows(n: int, start: int = 0) -> list[dict]:
    return [
        {"question": f"What is {i} plus {i}?", "answer": f"{i}+{i} = <<{i}+{i}={2 * i}>>{2 * i}\n#### {2 * i}"}
        for i in range(start, start + n)
    ]


def write(path: Path, items: list[dict]) -> str:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(items), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(items))
    else:
        path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return str(path)


def questions(problems) -> list[str]:
    return [p.question for p in problems]


def without_repro_data(monkeypatch) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)
