"""The files that a cell, a score or a predictor reads: what they hold now, and whether that is still what it was."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from repro import plugins
from repro.difficulty.predictor_spec import PredictorSpec
from repro.digests import Stamp, file_digest, stamp
from repro.errors import TryAgainError
from repro.files import dump_json, read_json, write_alone
from repro.models.content import model_files
from repro.models.model_spec import ModelSpec
from repro.spec.schema import Cell
from repro.study.identity import VERSION, Digests, identity, input_digests
from repro.tasks import registry
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.reward_spec import RewardTerm
from repro.tasks.rewards import BUILT_IN, find_reward
from repro.tasks.sources import Source, evaluation_set, find_source, find_test
from repro.tracking.run_status import run_lock
from repro.user_paths import user_path

INPUTS = "inputs.json"
"""Record of a run: {"identity", "digests", "files": [{"field", "place", "sha256"}]}."""

IDENTITY = re.compile(rf"{VERSION}-[0-9a-f]{{16}}")


@dataclass(frozen=True)
class InputFile:
    """A file that decides a result. `field`: where it is named, a field of a spec or `REPRO_DATA`."""

    field: str
    place: str
    sha256: str


Files = Callable[[], Iterator[tuple[str, Path]]]
"""Finds (field, file) of all that something reads; UserError where one is gone."""


class Watched:
    """Files that are read while something is computed under a key that stands for their content.

    Attributes:
        files: as they were at first.
        reading: whether they are still being read. Until then a file that was written anew counts as changed even
            where it holds the same: what was read in between may have been something else.
    """

    def __init__(self, find: Files) -> None:
        self._find = find
        self.reading = True
        self.files, self._stamps = self._look()

    def check(self) -> None:
        """Look again; only what has been touched is read a second time. UserError names the first difference."""
        files, stamps = self._look()
        refuse_changes(self.files, files)
        if self.reading and stamps != self._stamps:
            place = next((place for place in stamps if stamps[place] != self._stamps.get(place)), "a file")
            field = next((one.field for one in files if one.place == place), "input")
            raise TryAgainError(f"{field}: {place} was written anew while it was read; nothing was filed, so try again")

    def all_read(self) -> None:
        """Look again; from here on nothing is read any more, and only the content counts."""
        self.check()
        self.reading = False

    def _look(self) -> tuple[list[InputFile], dict[str, Stamp]]:
        found = list(_absolute(self._find()))
        stamps = {str(path): stamp(path) for _, path in found}
        return [InputFile(field, str(path), file_digest(path)) for field, path in found], stamps


class CellInputs(Watched):
    """The inputs of a cell, compared with what its identity says.

    A name that is no identity of this version says nothing: then the files are compared with what they were at first.
    """

    def __init__(self, cell: Cell, name: str, run_dir: Path) -> None:
        self.cell, self.name, self.run_dir = cell, name, run_dir
        super().__init__(lambda: cell_files(cell))
        self._compare(self.files)

    def check(self) -> None:
        """See `Watched`; UserError as well where the identity is another one now."""
        super().check()
        self._compare(self.files)

    def record(self) -> dict[str, Any]:
        """What `INPUTS` holds."""
        return {"identity": self.name, "digests": input_digests(self.cell), "files": self.files}

    def _compare(self, files: Sequence[InputFile]) -> None:
        if not IDENTITY.fullmatch(self.name) or identity(self.cell) == self.name:
            return
        if planned := planned_files(self.run_dir, self.name):
            refuse_changes(planned, files)
        places = ", ".join(f"{one.field} {one.place}" for one in files) or "a task, a reward or a selection of your own"
        raise TryAgainError(f"an input is not what it was when {self.name} was planned, one of: {places}; {CURE}")


CURE = (
    "nothing was filed under the old content. Put it back, or keep the new one, which gets results of its own; then "
    "run the same command again"
)


def refuse_changes(before: Sequence[InputFile], now: Sequence[InputFile]) -> None:
    """UserError naming the first file that differs, is gone or is new."""
    old, new = ({(one.field, one.place): one.sha256 for one in files} for files in (before, now))
    for field, place in {**old, **new}:
        was, has = old.get((field, place)), new.get((field, place))
        if was == has:
            continue
        if was is None or has is None:
            how = "was not there before" if was is None else "is not read any more"
        else:
            how = f"has changed (sha256 {was[:12]}, now {has[:12]})"
        raise TryAgainError(f"{field}: {place} {how}; {CURE}")


def planned_files(run_dir: Path, name: str) -> list[InputFile]:
    """The files that `INPUTS` of a run directory lists; [] where it has no such record of this identity."""
    record = read_json(run_dir / INPUTS)
    if not isinstance(record, dict) or record.get("identity") != name:
        return []
    return [InputFile(one["field"], one["place"], one["sha256"]) for one in record["files"]]


def write_plan(cells: Iterable[tuple[Cell, str, Path]]) -> None:
    """Write `INPUTS` into the run directories of cells that are to be trained, (cell, identity, run directory) each.

    A job whose identity is another one by the time it begins finds there which file has changed.
    """
    known: dict[str, list[InputFile]] = {}
    digests = Digests()
    for cell, name, run_dir in cells:
        key = cell.model_dump_json(include={"dataset", "model", "reward", "evaluate", "selection", "predictor"})
        if key not in known:
            known[key] = [InputFile(field, str(path), file_digest(path)) for field, path in _absolute(cell_files(cell))]
        record = {"identity": name, "digests": input_digests(cell, digests), "files": known[key]}
        run_dir.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Timeout), run_lock(run_dir).acquire(timeout=0):  # else its job has written it
            write_alone(run_dir / INPUTS, dump_json(record))


# ---------------------------------------------------------------- what reads which files


def cell_files(cell: Cell) -> Iterator[tuple[str, Path]]:
    """(field, file) of every local file that the identity of a cell covers. UserError where one is not there."""
    yield from dataset_files(cell.dataset)
    yield from model_paths(cell.model, "model")
    yield from reward_files(cell.reward)
    for benchmark in cell.evaluate.benchmarks:
        for _, path in test_files(benchmark.dataset):
            yield f"evaluate.benchmarks: {benchmark.label}", path
    if not type(cell.selection).__module__.startswith("repro."):
        for path in plugins.source_files(type(cell.selection)).values():
            yield "selection.method", path
    for field, path in cell.selection.files().items():
        yield f"selection.{field}", path
    if cell.selection.wants_predictor and cell.predictor is not None:
        yield from _predictor(cell.predictor)


def predictor_files(
    predictor: PredictorSpec, datasets: Sequence[DatasetSpec], models: Sequence[ModelSpec], terms: Sequence[RewardTerm]
) -> Iterator[tuple[str, Path]]:
    """(field, file) of what a predictor is built from, and of the models that it is judged on."""
    for dataset in datasets:
        yield from dataset_files(dataset)
    yield from _predictor(predictor)
    for model in models:
        yield from model_paths(model, "model")
    yield from reward_files(terms)


def model_paths(model: ModelSpec, section: str) -> Iterator[tuple[str, Path]]:
    """(field, file) of a model that lies in local files; `section` is its place in the spec."""
    for field, path in model_files(model):
        yield f"{section}.{field}", path


def dataset_files(dataset: DatasetSpec) -> Iterator[tuple[str, Path]]:
    """(field, file) of a dataset's rows, of the sets it is kept apart from, and of the code of a task of one's own."""
    if dataset.procedural is not None:
        kind = type(dataset.procedural)
        if registry.task_name(kind) not in registry.built_in():
            for path in plugins.source_files(kind).values():
                yield "dataset.task", path
        return
    yield from _rows(find_source(dataset, dataset.train_split), dataset)
    yield from test_files(dataset)
    for name in dataset.without:
        for _, path in test_files(evaluation_set(name, dataset.stand_in)):
            yield f"dataset.without: {name}", path


def test_files(dataset: DatasetSpec) -> Iterator[tuple[str, Path]]:
    """(field, file) of the test questions of a dataset."""
    for field, path in _rows(find_test(dataset), dataset):
        yield "dataset.test_path" if dataset.test_path is not None else field, path


def reward_files(terms: Sequence[RewardTerm]) -> Iterator[tuple[str, Path]]:
    """(field, file) of the code of rewards of one's own."""
    for term in terms:
        if not term.is_accuracy and term.reward not in BUILT_IN:
            for path in plugins.source_files(find_reward(term.reward)).values():
                yield f"reward: {term.reward}", path


def _predictor(predictor: PredictorSpec) -> Iterator[tuple[str, Path]]:
    if predictor.path is not None and (folder := user_path(predictor.path)).is_dir():
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            yield "predictor.path", path
    for index, policy in enumerate(predictor.policies):
        yield from model_paths(policy, f"predictor.policies.{index}")
    if predictor.embedder is not None:
        yield from model_paths(predictor.embedder, "predictor.embedder")


def _absolute(files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    for field, path in files:
        yield field, path.absolute()


def _rows(source: Source | None, dataset: DatasetSpec) -> Iterator[tuple[str, Path]]:
    for path in source if isinstance(source, tuple) else ():
        yield "REPRO_DATA" if dataset.path is None else "dataset.path", path
