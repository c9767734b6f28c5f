"""The presets `paper` and `code` of DOTS + RR: in one word, every place where paper and code disagree."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import ValidationError

from repro.selection.method import Selection
from repro.selection.registry import find, selection_of
from repro.spec.document import Document, FieldPath, Origin, walk
from repro.spec.inherit import overlay

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {
        "train": {"advantage_std": False, "loss": "grpo", "top_p": 0.95, "weight_decay": 0.0},
        "replay": {"correction": "paper", "filter": "insertion", "per_question": "all", "short": "wait", "warm_up": 0},
        "towers": {"shared": True, "calibration": "slope_bias"},
    },
    "code": {
        "train": {"advantage_std": True, "loss": "bnpo", "top_p": 1.0, "weight_decay": 0.01},
        "replay": {
            "correction": "proximal",
            "filter": "draw",
            "per_question": "latest",
            "short": "shrink",
            "warm_up": 2,
        },
        "towers": {"shared": False, "calibration": "temperature_bias"},
    },
}
"""Preset -> section -> fields. What the spec writes itself goes before the preset."""


def apply_presets(document: Document) -> None:
    """Fills in what a preset says and the spec does not; then every arm gets the study's `predictor` below its own.

    The study's preset reaches `train`, `predictor` and every arm; an arm's own preset reaches that arm. A section
    that an arm does not have (replay, a selection by difficulty) stays away. Idempotent.
    """
    data = document.data
    name = data.get("preset")
    if name in PRESETS:
        _fill(document, ("train",), PRESETS[name]["train"], ("preset",))
        if isinstance(data.get("predictor"), dict):
            _fill(document, ("predictor", "towers"), PRESETS[name]["towers"], ("preset",))
    arms = data.get("arms")
    for arm, fields in arms.items() if isinstance(arms, dict) else ():
        if isinstance(fields, dict):
            _arm(document, arm, fields, name)


def _arm(document: Document, arm: str, fields: dict[str, Any], study: Any) -> None:
    own, place = fields.get("preset"), ("arms", arm)
    source: FieldPath = ("preset",) if own is None else (*place, "preset")
    name = study if own is None else own
    preset = PRESETS.get(name)
    selection = fields.get("selection")
    written = selection if isinstance(selection, dict) else {}
    kind = _kind(written)
    trained = _wants_predictor(written)
    if preset is not None:
        if own is not None:
            _fill(document, (*place, "train"), preset["train"], source)
        if kind is not None and kind.preset_fields(name, written):
            _fill(document, (*place, "selection"), kind.preset_fields(name, written), source)
        if isinstance(fields.get("replay"), dict):
            _fill(document, (*place, "replay"), preset["replay"], source)
        if own is not None and trained:
            _fill(document, (*place, "predictor", "towers"), preset["towers"], source)
    shared = document.data.get("predictor")
    if isinstance(shared, dict) and (
        trained or "predictor" in fields or (kind is not None and kind.predicts and _varied(document.data))
    ):
        own_part = {key: fields[key] for key in ("predictor",) if key in fields}
        fields |= overlay(document, {"predictor": shared}, own_part, (), place)


def _kind(written: dict[str, Any]) -> type[Selection] | None:
    """The class of a raw selection, None where it names none: the schema says so later."""
    try:
        return find(str(written.get("method", "uniform")))
    except ValueError:
        return None


def _wants_predictor(written: dict[str, Any]) -> bool:
    try:
        return selection_of(written).wants_predictor
    except ValidationError:
        return False


def _varied(data: dict[str, Any]) -> bool:
    """Whether an axis or a sweep changes what predicts: an arm may then be trained in one place only."""
    sweep = data.get("sweep")
    ranges = (data.get("axes"), sweep.get("space") if isinstance(sweep, dict) else None)
    return any(isinstance(paths, dict) and "selection.predictor" in paths for paths in ranges)


def _fill(document: Document, place: FieldPath, values: dict[str, Any], source: FieldPath) -> None:
    """Sets what is missing under `place`; a message about it points at the line of `source`."""
    node: Any = document.data
    for key in place:
        if not isinstance(node, dict):
            return
        node = node.setdefault(key, {})
    if not isinstance(node, dict):
        return  # a mistake that the schema names
    for key, value in values.items():
        inner = (*place, key)
        if key not in node:
            node[key] = copy.deepcopy(value)
            for path in walk(node[key], inner):
                document.origins[path] = Origin(document.origin(source).where, path)
        elif isinstance(node[key], dict) and isinstance(value, dict):
            _fill(document, inner, value, source)
