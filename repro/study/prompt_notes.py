"""What `validate` and `plan` can tell of prompts before a run: where questions and tokenizer are on this machine."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from repro.cache import Cache
from repro.models.chat import prompt_style
from repro.models.model_spec import ModelSpec
from repro.models.prompted import Prompted, at_hand
from repro.models.solution_start import solved
from repro.spec.schema import Cell, Spec
from repro.study.fit import Sets, fit_to_policy, without_examples
from repro.study.points import points
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset, load_test
from repro.tasks.problem import TaskData
from repro.tasks.sources import on_hub


def prompt_notes(spec: Spec, cache: Cache, dropped_only: bool = False) -> list[str]:
    """One line for each set and policy of which questions are left out. UserError where a run would refuse them.

    With `dropped_only`, only cells that may leave something out are looked at: reading all questions takes its time.
    Hub models and datasets that are not here, GGUF files that `cache` holds no model of, and embedded policies without
    examples are passed over; rows that cannot be read are counted for them, too.
    """
    looked = _Looked(cache)
    notes: dict[str, None] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is dropped is in the notes
        for point in points(spec):
            cell = point.valid()
            if not dropped_only or _may_drop(cell):
                notes |= dict.fromkeys(looked.notes(cell))
    return list(notes)


def _may_drop(cell: Cell) -> bool:
    return "drop" in (cell.dataset.too_long, cell.dataset.unreadable) or bool(cell.model.examples)


class _Looked:
    """Models, datasets and benchmarks, each looked up once."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.models: dict[str, Prompted | None] = {}
        self.datasets: dict[str, TaskData | None] = {}
        self.known: set[str] = set()

    def notes(self, cell: Cell) -> Iterator[str]:
        """The lines of one cell; none where another had the same questions and limits."""
        parts = (cell.model, cell.dataset, cell.train, cell.evaluate)
        key = "".join(part.model_dump_json() for part in parts)
        if key in self.known:
            return
        self.known.add(key)
        asked = self._model(cell.model)
        needs_rows = cell.model.examples or cell.model.warm_start is not None or cell.dataset.unreadable == "drop"
        if asked is None and not needs_rows:
            return
        data = self._dataset(cell.dataset)
        if data is None:
            return
        if cell.model.warm_start is not None:
            solved(data.train, cell.dataset.label)
        benchmarks: Sets = {
            one.label: load_test(one.dataset) for one in cell.evaluate.benchmarks if not on_hub(one.dataset)
        }
        if asked is None:
            style, own = prompt_style(cell.model), {"train": data.train, "validation": data.validation}
            found = [without_examples(style, *each)[1] for each in {**own, "test": data.test, **benchmarks}.items()]
            dropped = [*data.dropped, *(one for one in found if one is not None)]
        else:
            fitted, _ = fit_to_policy(asked, cell.dataset, cell.train, cell.evaluate, data, benchmarks)
            dropped = list(fitted.dropped)
        for one in dropped:
            yield f"note: {cell.model.label} on {cell.dataset.label}: {one.text()}"

    def _model(self, model: ModelSpec) -> Prompted | None:
        if model.label not in self.models:
            self.models[model.label] = at_hand(model, self.cache)
        return self.models[model.label]

    def _dataset(self, dataset: DatasetSpec) -> TaskData | None:
        if dataset.label not in self.datasets:
            self.datasets[dataset.label] = None if on_hub(dataset) else load_dataset(dataset)
        return self.datasets[dataset.label]
