"""Where the rows of a dataset come from: local files, REPRO_DATA, the hub, or made-up rows in its place."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.digests import file_digest
from repro.errors import UserError, setting
from repro.hub import dataset_is_here, why_unreachable
from repro.tasks.catalogue import CATALOGUE, Entry, TestName
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.files import AnyRow, all_rows, check_extension, find_path, split_files
from repro.tasks.stand_in import STAND_IN_VERSION, stand_in_rows
from repro.tasks.values import plain
from repro.user_paths import user_path
from repro.words import listed

CUT = "\n  to cut the test questions from train instead: dataset.test_split: null"


@dataclass(frozen=True)
class Hub:
    """A hub dataset: downloaded (or read from the library's own cache) when it is loaded.

    A mirror of the hub is the library's own business: it reads the environment variable HF_ENDPOINT.
    """

    id: str
    config: str | None
    revision: str | None


@dataclass(frozen=True)
class StandIn:
    """Made-up rows in the layout of what would come from the hub."""

    of: Hub


Source = tuple[Path, ...] | Hub | StandIn


@dataclass(frozen=True)
class Sources:
    """Where the rows come from. `test` is None where the test split is cut from train."""

    train: Source
    test: Source | None


def entry_of(spec: DatasetSpec) -> Entry | None:
    """The catalogue's entry of a named dataset."""
    return None if spec.named is None else CATALOGUE[spec.named]


def held_out_spec(spec: DatasetSpec) -> DatasetSpec:
    """The dataset whose fields and split the test questions have: this one, or the named one it tests on."""
    return spec if spec.test_named is None else evaluation_set(spec.test_named, spec.stand_in)


def evaluation_set(name: TestName, stand_in: bool) -> DatasetSpec:
    """A named dataset for its test questions, whose solutions nobody reads."""
    return DatasetSpec.model_validate({"named": name, "solution": None, "stand_in": stand_in})


def find_sources(spec: DatasetSpec) -> Sources:
    """The files or the hub dataset of a spec that is not procedural. Raises UserError where a file is missing."""
    return Sources(find_source(spec, spec.train_split), find_test(spec))


def find_test(spec: DatasetSpec) -> Source | None:
    """Where the test questions come from; None where they are cut from train. Raises UserError as `find_sources`."""
    if spec.test_path is not None:
        return (check_extension(find_path(spec.test_path, "dataset.test_path"), "dataset.test_path"),)
    held = held_out_spec(spec)
    if held.test_split is None:
        return None
    if held.path is not None and not find_path(held.path, setting("dataset.path")).is_dir() and not _one_split(held):
        return None  # a single file holds the training questions
    return find_source(held, held.test_split, CUT)


def find_source(spec: DatasetSpec, split: str, hint: str = "") -> Source:
    """Where one split of a dataset comes from. Raises UserError where its file is missing."""
    field = "REPRO_DATA" if spec.path is None else setting("dataset.path")
    path = named_folder(spec) if spec.path is None else find_path(spec.path, field)
    if path is None:
        hub = hub_of(spec)
        return StandIn(hub) if spec.stand_in else hub
    if not path.is_dir():
        return (check_extension(path, field),)
    return _split(data_folder(path, spec), spec, split, field, hint)


def hub_of(spec: DatasetSpec) -> Hub:
    """The hub dataset of a named or hub spec, wherever its rows are read from."""
    entry = entry_of(spec)
    if entry is None or (spec.hub is not None and spec.hub != entry.hub):
        return Hub(str(spec.hub), spec.config, spec.revision)
    return Hub(entry.hub, spec.config or entry.config, spec.revision or entry.revision)


def on_hub(spec: DatasetSpec) -> bool:
    """Whether any question of a dataset would have to be fetched. False where a file is missing: loading tells."""
    if spec.procedural is not None:
        return False
    named = [evaluation_set(name, stand_in=False) for name in spec.without]
    try:
        found = [*vars(find_sources(spec)).values(), *(find_test(one) for one in named)]
    except UserError:
        return False
    return any(isinstance(source, Hub) for source in found)


def named_folder(spec: DatasetSpec) -> Path | None:
    """The local copy of a named dataset that the environment variable REPRO_DATA points to, if there is one."""
    root = os.environ.get("REPRO_DATA")
    if not root or spec.named is None or spec.hub is not None:
        return None
    base = user_path(root)
    if not base.is_dir():
        raise UserError(f"REPRO_DATA: {base} is not a directory; expected one that holds {spec.named}/train.jsonl")
    folders = [data_folder(base / spec.named, spec)]
    if spec.named == "gsm8k":  # any other name would take whatever lies there for its own
        folders.append(data_folder(base, spec))
    return next((folder for folder in folders if _has_split(folder, spec, "REPRO_DATA")), None)


def data_folder(path: Path, spec: DatasetSpec) -> Path:
    """The directory itself or the one inside it (hub snapshots have one) that holds a split, else itself."""
    entry = entry_of(spec)
    config = spec.config or (entry.config if entry else None)
    folders = [path, *(path / name for name in (spec.named, config, "data") if name)]
    return next((folder for folder in folders if _has_split(folder, spec, setting("dataset.path"))), path)


def _one_split(spec: DatasetSpec) -> bool:
    """Whether all there is of a dataset is one set of test questions."""
    entry = entry_of(spec)
    return entry is not None and entry.evaluation_only


def _stems(spec: DatasetSpec, split: str) -> tuple[str, ...]:
    """Names that the files of a split may have: an evaluation set is `test`, whatever the hub calls its one split."""
    return ("test", split) if _one_split(spec) and split != "test" else (split,)


def _has_split(folder: Path, spec: DatasetSpec, field: str) -> bool:
    splits = [spec.train_split] if spec.test_split is None else [spec.train_split, spec.test_split]
    return any(split_files(folder, stem, field) for split in splits for stem in _stems(spec, split))


def _split(folder: Path, spec: DatasetSpec, split: str, field: str, hint: str) -> tuple[Path, ...]:
    for stem in _stems(spec, split):
        if files := split_files(folder, stem, field):
            return files
    found = listed(sorted(p.name for p in folder.iterdir())) or "nothing"
    raise UserError(
        f"{field}: {folder} has no file for the split {split!r}; expected {_stems(spec, split)[0]}.jsonl, .json, "
        f".parquet or .csv; found: {found}{hint}"
    )


def rows_of(source: Source, spec: DatasetSpec, split: str) -> Iterable[tuple[str, Iterable[AnyRow]]]:
    """What the rows come from, as a message names it, and the rows, per file. Raises UserError where the hub cannot be
    reached or has no such split."""
    if isinstance(source, StandIn):
        yield f"stand-in of {source.of.id}, split {split}", stand_in_rows(spec, source.of.id, split)
    elif isinstance(source, Hub):
        rows = _hub_rows(source, spec, split)
        yield f"{source.id}, split {split}", ((f"row {i}", plain(row)) for i, row in enumerate(rows, 1))
    else:
        for path in source:
            yield str(path), all_rows(path)


def source_digest(source: Source | None, split: str | None) -> Any:
    """What decides the rows of a source, JSON-able: the content of files, the id and revision of a hub dataset."""
    if isinstance(source, StandIn):
        return ["stand-in", STAND_IN_VERSION, source.of.id, split]
    if isinstance(source, Hub):
        return ["hub", source.id, source.config, source.revision, split]
    return None if source is None else [file_digest(path) for path in source]


def file_of(spec: DatasetSpec) -> str | None:
    """The address of a named dataset that is a file outside the hub, so that only a copy of it can be read."""
    entry = entry_of(spec)
    return None if entry is None or spec.hub is not None else entry.file


def check_fetchable(hub: Hub, spec: DatasetSpec) -> None:
    """UserError where a dataset is neither on this machine nor to be had from the hub now."""
    if file := file_of(spec):
        raise UserError(
            f"dataset {spec.named}: no copy of it is here, and it is not on the hub\n  expected: the file {file}\n"
            f"  to use a copy: {setting('dataset.path', 'FILE')}"
        )
    if not dataset_is_here(hub.id) and (why := why_unreachable()):
        raise UserError(_unreachable(hub, spec, why))


def _hub_rows(hub: Hub, spec: DatasetSpec, split: str) -> Any:
    check_fetchable(hub, spec)
    import datasets

    try:
        splits = datasets.load_dataset(hub.id, hub.config, revision=hub.revision)
    except Exception as error:  # the library's own and its clients' errors share no base
        first = str(error).splitlines()[0] if str(error) else ""
        raise UserError(_unreachable(hub, spec, f"{type(error).__name__}: {first}")) from error
    if split not in splits:
        raise UserError(f"dataset {hub.id}: no split {split!r}; splits found: {listed(splits)}")
    return splits[split]


def _unreachable(hub: Hub, spec: DatasetSpec, why: str) -> str:
    message = f"dataset {hub.id}: cannot be loaded from the hub ({why})"
    if spec.named is None:
        copy = setting("dataset.path", "FILE_OR_DIR")
        return f"{message}\n  expected: a connection and an existing id, or a local copy: {copy}"
    root = os.environ.get("REPRO_DATA")
    file = f"{spec.named}/{'test' if _one_split(spec) else 'train'}.jsonl"
    found = f"REPRO_DATA is {root}, which holds no {file}" if root else "REPRO_DATA is not set"
    whole = " or DIR/train.jsonl" if spec.named == "gsm8k" else ""
    return (
        f"{message}\n  expected: a connection, or a local copy of train and test (.jsonl, .json, .parquet, .csv)\n"
        f"  to use a local copy: export REPRO_DATA=DIR, where DIR/{file}{whole} exists\n"
        f"  or name it beside the dataset: {setting('dataset.path', 'DIR')}\n  now: {found}"
    )
