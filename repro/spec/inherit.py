"""Writes a raw spec out in full: shorthands, empty sections, and arms that extend other arms."""

from __future__ import annotations

import copy
from typing import Any

from repro.models.model_spec import shorthand as model_shorthand
from repro.spec.document import Document, FieldPath, Origin, Problem, walk
from repro.tasks import registry
from repro.tasks.dataset_spec import shorthand
from repro.words import unknown


def normalise(document: Document) -> None:
    """`model: tiny` becomes `[{tiny: {}}]`; a section without content becomes an empty mapping. Idempotent."""
    data: dict[str, Any] = document.data
    for key in ("model", "dataset"):
        if key not in data:
            continue
        if not isinstance(data[key], list):
            document.move((key,), (key, 0))
            document.origins[(key,)] = document.origins.get((key, 0), document.origin(()))
            data[key] = [data[key]]
        for index, item in enumerate(data[key]):
            if isinstance(item, str):
                whole = shorthand(item) if key == "dataset" else model_shorthand(item)
                data[key][index] = item if whole is None else whole
            elif isinstance(item, dict):
                for word in registry.built_in() if key == "dataset" else ("tiny",):
                    if word in item and item[word] is None:
                        item[word] = {}
    for key in ("train", "evaluate", "report", "axes", "arms"):
        if key in data and data[key] is None:
            data[key] = {}
    if isinstance(data.get("arms"), dict):
        for name, arm in data["arms"].items():
            if arm is None:
                data["arms"][name] = {}


def resolve_arms(document: Document) -> None:
    """Replaces every arm by its parents' fields overlaid with its own; afterwards no arm `extends` another."""
    arms = document.data.get("arms")
    if not isinstance(arms, dict):
        return
    done: dict[str, Any] = {}

    def resolve(name: str, children: tuple[str, ...]) -> Any:
        if name in done:
            return done[name]
        arm = arms[name]
        if not isinstance(arm, dict) or "extends" not in arm:
            done[name] = arm
            return arm
        own = {key: value for key, value in arm.items() if key != "extends"}
        parent = arm["extends"]
        place: FieldPath = ("arms", name, "extends")
        if parent is None:
            done[name] = own
        elif not isinstance(parent, str) or parent not in arms:
            others = [other for other in arms if other != name]
            document.problems.append(Problem(place, unknown(parent, others, "an arm")))
            done[name] = own
        elif parent in (*children, name):
            circle = [*(*children, name)[(*children, name).index(parent) :], parent]
            text = f"got a circle ({' > '.join(circle)}), expected a chain that ends"
            if parent == name:
                text = f"got {parent}, the arm itself, expected another arm, or none"
            document.problems.append(Problem(place, text))
            done[name] = own
        else:
            above = resolve(parent, (*children, name))
            if isinstance(above, dict):
                done[name] = overlay(document, above, own, ("arms", parent), ("arms", name))
            else:
                done[name] = own
        return done[name]

    for name in list(arms):
        resolve(name, ())
    document.data["arms"] = {name: _without_blanks(done[name]) for name in arms}


def _without_blanks(arm: Any) -> Any:
    """`selection: null` and `train: null` say nothing more than their defaults."""
    if not isinstance(arm, dict):
        return arm
    return {key: value for key, value in arm.items() if value is not None or key not in ("selection", "train")}


def overlay(document: Document, above: Any, own: Any, above_path: FieldPath, own_path: FieldPath) -> Any:
    """Deep merge. Null replaces; another `method` replaces the whole selection, another kind of band its size too.

    Another `reward` replaces that of the parent with its fields.
    """
    if not isinstance(above, dict) or not isinstance(own, dict):
        return own
    above = dict(above)
    if "method" in own and own["method"] != above.get("method"):
        return own
    if own_path[-1:] == ("reward",) and own.get("reward", above.get("reward")) != above.get("reward"):
        return own
    if "band" in own:
        kinds = [_band_kind(section.get("band")) for section in (above, own)]
        if kinds[0] != kinds[1]:
            above.pop("band", None)
        if "bounds" in kinds and kinds[0] != kinds[1]:
            above.pop("fraction", None)
    merged: dict[str, Any] = {}
    for key, value in above.items():
        if key in own:
            merged[key] = overlay(document, value, own[key], (*above_path, key), (*own_path, key))
            continue
        merged[key] = copy.deepcopy(value)
        for path in walk(value, (*own_path, key)):
            origin = document.origin((*above_path, *path[len(own_path) :]))
            document.origins[path] = Origin(origin.where, origin.path)
    merged.update({key: value for key, value in own.items() if key not in merged})
    return merged


def _band_kind(band: Any) -> str:
    if not isinstance(band, dict):
        return "word" if isinstance(band, str) else "center"
    kinds = {"low": "bounds", "high": "bounds", "end": "end", "pass_rate": "pass_rate"}
    return next((kinds[key] for key in band if key in kinds), "center")
