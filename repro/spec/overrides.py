"""Sets single fields of a raw spec from `-S path=value`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from repro.errors import UserError
from repro.spec.document import Document, FieldPath, Origin, Problem, dotted, parse_scalar, walk
from repro.spec.json_schema import field_names, locate
from repro.spec.schema import ONLY_IN_ARMS
from repro.words import show, unknown


@dataclass(frozen=True)
class Override:
    """One `-S` option: the field, its new value, and the option as it was typed."""

    parts: tuple[str, ...]
    value: Any
    where: str

    def mark(self, document: Document, path: FieldPath, value: Any) -> None:
        """`value` now stands at `path`; messages name the field as the option does."""
        document.forget(path)
        for inner in walk(value, path):
            document.origins[inner] = Origin(self.where, (*self.parts, *inner[len(path) :]))


def parse_override(text: str) -> Override:
    """`train.steps=5` -> path and value. Raises UserError."""
    name, equals, value = text.partition("=")
    parts = tuple(part.strip() for part in name.split("."))
    if not equals or not all(parts):
        raise UserError(f"-S {text}: got {text!r}, expected PATH=VALUE, for example train.steps=5")
    try:
        return Override(parts, parse_scalar(value), f"-S {text}")
    except UserError as error:
        raise UserError(f"-S {text}: {error}") from None


def apply_overrides(document: Document, overrides: Sequence[Override]) -> None:
    """Sets fields of the spec as written, before arms inherit, so that children of a changed arm follow."""
    for override in overrides:
        parts = override.parts
        if parts[0] in ONLY_IN_ARMS:
            continue
        arms = document.data.get("arms")
        if parts[0] == "arms" and len(parts) > 2 and isinstance(arms, dict) and parts[1] not in arms:
            override.mark(document, parts, None)
            document.problems.append(Problem(parts, unknown(parts[1], list(arms), "an arm")))
            continue
        _set(document, document.data, (), parts, override)


def apply_arm_overrides(document: Document, overrides: Sequence[Override]) -> None:
    """Sets `selection...` and `replay...` in every arm that has the field, as an axis would."""
    arms = document.data.get("arms")
    for override in overrides:
        parts = override.parts
        if parts[0] not in ONLY_IN_ARMS or not isinstance(arms, dict):
            continue
        reached = [name for name, arm in arms.items() if has_field(arm, parts)]
        for name in reached:
            _set(document, document.data, (), ("arms", name, *parts), override)
        if not reached:
            names = sorted({f"{section}.{key}" for arm in arms.values() for section, key in arm_fields(arm)})
            override.mark(document, parts, None)
            document.problems.append(Problem(parts, unknown(".".join(parts), names, "a field that an arm has")))


def arm_fields(arm: Any) -> list[tuple[str, str]]:
    """The (section, field) pairs of a raw arm, written or by default."""
    if not isinstance(arm, dict):
        return []
    found = []
    for section in ONLY_IN_ARMS:
        if isinstance(arm.get(section, {} if section == "selection" else None), dict):
            found += [(section, name) for name in field_names(_nodes(arm, (section,)))]
    return found


def has_field(arm: Any, parts: Sequence[str]) -> bool:
    """Whether `selection.fraction` and the like mean something in a raw arm."""
    if not isinstance(arm, dict) or (parts[0] == "replay" and not isinstance(arm.get("replay"), dict)):
        return False
    if len(parts) == 1:
        return True
    band = (arm.get("selection") or {}).get("band") if isinstance(arm.get("selection"), dict) else None
    if tuple(parts) == ("selection", "fraction") and isinstance(band, dict) and ("low" in band or "high" in band):
        return False
    return bool(_nodes(arm, tuple(parts)))


def _nodes(arm: dict[str, Any], parts: Sequence[str]) -> list[dict[str, Any]]:
    whole = {"selection": {"method": "uniform"}, **arm}
    if isinstance(whole["selection"], dict):
        whole["selection"] = {"method": "uniform", **whole["selection"]}
    return locate(("arms", "arm", *parts), {"arms": {"arm": whole}})


def _set(document: Document, node: Any, path: FieldPath, parts: Sequence[str], override: Override) -> None:
    """Descends one part; a list without an index means each of its items; missing sections are made."""
    if isinstance(node, list):
        counts = parts[0].removeprefix("-").isdecimal()
        if counts and parts[0].isdecimal() and len(parts[0]) < 10 and int(parts[0]) < len(node):
            index = int(parts[0])
            _put(document, node, index, (*path, index), parts[1:], override)
        elif not counts and node and all(isinstance(item, dict) for item in node):
            for index, item in enumerate(node):
                _set(document, item, (*path, index), parts, override)
        else:
            override.mark(document, (*path, parts[0]), None)
            expected = f"0 to {len(node) - 1}" if node else "the whole list at once: it is empty"
            text = f"got {'index ' if counts else ''}{parts[0]}, expected {'' if counts else 'an index, '}{expected}"
            document.problems.append(Problem((*path, parts[0]), text))
        return
    if path in (("axes",), ("sweep", "space")):
        parts = _whole_key(node, parts)
    if parts[0] == "method" and path[-1:] == ("selection",) and node.get("method") not in (None, override.value):
        override.mark(document, path, {})
        node.clear()
    _put(document, node, parts[0], (*path, parts[0]), parts[1:], override)


def _put(
    document: Document, node: Any, key: str | int, path: FieldPath, rest: Sequence[str], override: Override
) -> None:
    if not rest:
        override.mark(document, path, override.value)
        node[key] = override.value
        return
    inner = node.get(key) if isinstance(node, dict) else node[key]
    if not isinstance(inner, dict | list) and rest[0].isdecimal() and key != "filters":
        override.mark(document, (*path, rest[0]), None)
        written = "no list is written there" if inner is None else f"it is {show(inner)}"
        text = f"got index {rest[0]}, expected the value of {dotted(path)} as a whole: {written}"
        document.problems.append(Problem((*path, rest[0]), text))
        return
    if not isinstance(inner, dict | list):
        override.mark(document, path, {})
        node[key] = inner = {}
    _set(document, inner, path, rest, override)


def _whole_key(node: dict[str, Any], parts: Sequence[str]) -> list[str]:
    """Keys of `axes` and `sweep.space` hold dots themselves."""
    for cut in range(len(parts), 0, -1):
        if ".".join(parts[:cut]) in node:
            return [".".join(parts[:cut]), *parts[cut:]]
    return [".".join(parts)]
