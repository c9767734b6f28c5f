"""How many questions the sets of a dataset have whose files are on this machine."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

from repro.errors import UserError
from repro.tasks.benchmark_spec import Benchmark
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset, load_test
from repro.tasks.sources import on_hub
from repro.user_paths import user_path


def local_sizes(spec: DatasetSpec) -> dict[str, int] | None:
    """{"train", "validation", "test": questions}; None without a local path or where its files cannot be read."""
    if spec.path is None or on_hub(spec):
        return None
    found = _sizes(spec.model_dump_json(), _stamps(spec))
    return found if isinstance(found, dict) else None


def check_readable(datasets: Sequence[DatasetSpec]) -> None:
    """UserError as a job would raise it, where the files of a dataset are on this machine and cannot be read."""
    for spec in datasets:
        if spec.path is not None and not on_hub(spec) and (stamps := _stamps(spec)):
            found = _sizes(spec.model_dump_json(), stamps)
            if isinstance(found, str):
                raise UserError(found)


def check_tests_readable(benchmarks: Sequence[Benchmark]) -> None:
    """The same of the test questions of benchmarks."""
    for one in benchmarks:
        if one.dataset.path is not None and not on_hub(one.dataset) and (stamps := _stamps(one.dataset)):
            found = _test_size(one.dataset.model_dump_json(), stamps)
            if isinstance(found, str):
                raise UserError(f"evaluate.benchmarks: {one.label}: {found}")


def local_test_size(spec: DatasetSpec) -> int | None:
    """Test questions alone of a dataset with a local path; None where its files cannot be read."""
    if spec.path is None and spec.test_path is None:
        return None
    found = _test_size(spec.model_dump_json(), _stamps(spec))
    return found if isinstance(found, int) else None


def _stamps(spec: DatasetSpec) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of each file, so that one that has changed is read again."""
    found = []
    for text in (spec.path, spec.test_path):
        path = user_path(text or "")
        files = sorted(path.rglob("*")) if text and path.is_dir() else [path]
        found += [(str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in files if one.is_file()]
    return tuple(found)


@lru_cache(maxsize=64)
def _sizes(fields: str, stamps: object) -> dict[str, int] | str:
    """The sizes, or why there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever loads the questions says what is left out
        try:
            data = load_dataset(DatasetSpec.model_validate_json(fields))
        except UserError as error:
            return str(error)
    return {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}


@lru_cache(maxsize=64)
def _test_size(fields: str, stamps: object) -> int | str:
    """The size, or why there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return len(load_test(DatasetSpec.model_validate_json(fields)))
        except UserError as error:
            return str(error)
