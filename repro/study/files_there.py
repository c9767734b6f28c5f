"""Whether the files that a study names are on this machine, without reading what they hold."""

from __future__ import annotations

from repro.spec.schema import Cell, Spec
from repro.study.identity import predictor_card
from repro.study.inputs import cell_files
from repro.study.points import points


def check_files(spec: Spec) -> None:
    """UserError for the first file that is named and missing: of models, templates, rewards, scores, a predictor."""
    known: set[str] = set()
    for point in points(spec):
        cell = point.valid()
        key = cell.model_dump_json(include={"model", "dataset", "reward", "selection", "predictor", "evaluate"})
        if key not in known:
            known.add(key)
            _check(cell)


def _check(cell: Cell) -> None:
    for _ in cell_files(cell):
        pass  # looking for them is what finds one missing
    if cell.selection.wants_predictor and cell.predictor is not None and cell.predictor.path is not None:
        predictor_card(cell.predictor.path)
