"""Fills in what a preset says and a spec does not."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from repro.selection.method import Selection
from repro.selection.registry import find, selection_of
from repro.spec.document import Document, FieldPath, Origin, walk
from repro.spec.inherit import overlay
from repro.spec.presets.registry import PRESETS

if TYPE_CHECKING:
    from repro.spec.schema import Spec

OF_STUDY, OF_ARM = ("train", "evaluate", "reward"), ("train", "reward")
"""Sections that a preset of the study, or of an arm, makes where they are missing."""


def apply_presets(document: Document) -> None:
    """Fills in what a preset says and the spec does not; then every arm gets the study's `predictor` below its own.

    The study's preset reaches its sections and every arm; an arm's own preset reaches that arm, all but the length of
    training. A predictor, replay or a method that is not there stays away, a budget where the study has steps or a
    budget of its own. Idempotent.
    """
    data = document.data
    name = data.get("preset")
    preset = PRESETS.get(name) if isinstance(name, str) else None
    if preset is not None:
        there = ["predictor"] if isinstance(data.get("predictor"), dict) else []
        there += [] if _has_length(data) else ["budget"]
        _fill(document, (), preset.nested([*OF_STUDY, *there]), ("preset",))
    arms = data.get("arms")
    for arm, fields in arms.items() if isinstance(arms, dict) else ():
        if isinstance(fields, dict):
            _arm(document, arm, fields, name)


def write_empty(spec: Spec, data: dict[str, Any]) -> None:
    """Writes null into `data`, a spec as plain data, where a field of `spec` is empty and its preset is not: else
    whoever loads `data` would get the preset's value."""
    if spec.preset is not None:
        _write_empty(spec, data, PRESETS[spec.preset].nested(OF_STUDY))
    for name, arm in spec.arms.items():
        preset = PRESETS.get(arm.preset or spec.preset or "")
        if preset is not None:
            _write_empty(arm, data["arms"][name], preset.nested(["selection"], arm.selection.method))


def _write_empty(section: Any, data: dict[str, Any], filled: Mapping[str, Any]) -> None:
    for key, value in filled.items():
        own = getattr(section, key, None)
        if isinstance(value, Mapping):
            _write_empty(own, data[key], value)
        elif own is None:
            data[key] = None


def _has_length(data: dict[str, Any]) -> bool:
    """Whether a study says how long it trains, or tries several lengths."""
    train, sweep = data.get("train"), data.get("sweep")
    ranges = (data.get("axes"), sweep.get("space") if isinstance(sweep, dict) else None)
    steps = isinstance(train, dict) and "steps" in train
    return steps or "budget" in data or any(isinstance(paths, dict) and "train.steps" in paths for paths in ranges)


def _arm(document: Document, arm: str, fields: dict[str, Any], study: Any) -> None:
    own, place = fields.get("preset"), ("arms", arm)
    source: FieldPath = ("preset",) if own is None else (*place, "preset")
    name = study if own is None else own
    preset = PRESETS.get(name) if isinstance(name, str) else None
    selection = fields.get("selection")
    written = selection if isinstance(selection, dict) else {}
    kind = _kind(written)
    trained = _wants_predictor(written)
    if preset is not None:
        sections = ["replay"] if isinstance(fields.get("replay"), dict) else []
        if own is not None:
            sections += [*OF_ARM, *(["predictor"] if trained else [])]
        _fill(document, place, preset.nested(sections), source)
        if kind is not None:
            chosen = preset.nested(["selection"], str(written.get("method", "uniform"))).get("selection", {})
            fitting = kind.fitting(chosen, written)
            _fill(document, place, {"selection": fitting} if fitting else {}, source)
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
        node = node.get(key) if isinstance(node, dict) else None
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
