"""The JSON schema of a spec: what editors complete from, and what error messages quote."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, get_args

from repro.models.catalogue import MODEL_NAMES
from repro.plugins import DOOR
from repro.selection.registry import OUTSIDE
from repro.selection.registry import find as selection_class
from repro.spec.document import FieldPath
from repro.spec.open_sections import OWN_TASK, OWN_TEACHERS, Node, add_tasks, class_schema, own_task, own_teacher
from repro.spec.schema import Spec
from repro.tasks import registry
from repro.tasks.catalogue import NAMES, TestName
from repro.tasks.rewards import find_reward
from repro.words import LISTED, listed

BESIDE = 40
"""Characters of a list of names at most where a message has other alternatives, and of the fields of a mapping."""


@lru_cache(maxsize=1)
def _cached() -> Node:
    schema = Spec.model_json_schema()
    definitions = schema["$defs"]
    add_tasks(definitions)
    definitions = schema["$defs"] = dict(sorted(definitions.items()))
    door = {"type": "string", "pattern": f"^{DOOR.pattern}$"}
    for field, sections, words, others in (
        ("model", ["ModelSpec"], ["tiny", *MODEL_NAMES], []),
        ("dataset", ["DatasetSpec", OWN_TASK], [*registry.built_in(), *NAMES], [door]),
    ):
        refs = [{"$ref": f"#/$defs/{section}"} for section in sections]
        one = {"anyOf": [{"enum": words, "type": "string"}, *others, *refs]}
        help_text = schema["properties"][field]["description"]
        schema["properties"][field] = {
            "anyOf": [*one["anyOf"], {"type": "array", "minItems": 1, "items": one}],
            "description": help_text,
        }
    predictor = definitions["PredictorSpec"]["properties"]
    named = {"enum": ["tiny", *MODEL_NAMES], "type": "string"}
    predictor["policies"]["items"] = {"anyOf": [named, predictor["policies"]["items"]]}
    predictor["embedder"]["anyOf"] = [named, *predictor["embedder"]["anyOf"]]
    for holder in (schema, definitions["ArmSpec"]):
        terms = holder["properties"]["reward"]
        one = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/RewardTerm"}]}
        many = {"type": "array", "minItems": 1, "items": one}
        empty = [{"type": "null"}] if holder is not schema else []
        holder["properties"]["reward"] = {
            "anyOf": [*one["anyOf"], many, *empty],
            "description": terms["description"],
        }
    benchmarks = definitions["EvaluateSpec"]["properties"]["benchmarks"]
    benchmarks["items"] = {"anyOf": [{"enum": list(get_args(TestName)), "type": "string"}, benchmarks["items"]]}
    definitions["ArmSpec"]["properties"]["train"] = {
        "type": "object",
        "additionalProperties": False,
        "description": "train fields that differ in this arm",
        "properties": {k: v for k, v in definitions["TrainSpec"]["properties"].items() if k != "rollout"},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "repro spec"}


def schema_text() -> str:
    """The schema as the text of `experiments/schema.json`."""
    return json.dumps(_cached(), indent=1, ensure_ascii=False) + "\n"


def locate(path: FieldPath, data: Any) -> list[Node]:
    """The alternatives of the schema at `path`; where there is a choice, the one that `data` resembles most."""
    nodes = _alternatives(_cached(), data)
    for part in path:
        inner = _child(data, part)
        nodes = [found for node in nodes for found in _step(node, part, inner)]
        data = inner
    return nodes


def kinds_at(path: FieldPath, data: Any) -> list[list[str]]:
    """Valid keys of each mapping that may stand at `path`, where there is a choice."""
    above, part = (locate(path[:-1], data), path[-1]) if path else ([], "")
    return [field_names([found]) for node in above for found in _step(node, part, None) if "properties" in found]


def field_names(nodes: list[Node]) -> list[str]:
    """Valid keys at a place."""
    return list(dict.fromkeys(name for node in nodes for name in node.get("properties", {})))


def choices(nodes: list[Node]) -> list[str]:
    """Valid words at a place; for a mapping that picks its kind by a key (`method`), none."""
    words: list[str] = []
    for node in nodes:
        words += [str(v) for v in node.get("enum", [])]
        if "const" in node:
            words.append(str(node["const"]))
    return list(dict.fromkeys(words))


def expected(nodes: list[Node]) -> str:
    """What may stand at a place, in words."""
    words, others = choices(nodes), [node for node in nodes if "enum" not in node and "const" not in node]
    parts = [("one of " if len(words) > 1 else "") + listed(words, BESIDE if others else LISTED)] if words else []
    for node in others:
        so_far = " or ".join(parts)
        parts.append("a list of them" if so_far and _items(node) == so_far else _describe(node))
    return " or ".join(dict.fromkeys(part for part in parts if part)) or "another value"


_BOUNDS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def _describe(node: Node) -> str:
    kind = node.get("type")
    if kind in ("integer", "number"):
        noun = "a whole number" if kind == "integer" else "a number"
        bounds = [f"{sign} {_bound(node[key])}" for key, sign in _BOUNDS.items() if key in node]
        usual = f" ({node['x-usual']} is usual)" if "x-usual" in node else ""
        return " ".join([noun, " and ".join(bounds)]).strip() + usual
    if kind == "array":
        least, most = node.get("minItems"), node.get("maxItems")
        size = (f" of {least}" if least == most else f" of at least {least}") if least else ""
        items = _items(node)
        return f"a list{size}" + (f" ({items})" if items else "")
    if kind == "object":
        names = list(node.get("properties", {}))
        return f"a mapping with {listed(names, BESIDE)}" if names else "a mapping"
    plain = {"boolean": "true or false", "null": "null", "string": "text"}
    if kind == "string" and node.get("pattern") == f"^{DOOR.pattern}$":
        return "module:Name"
    most = f" (at most {node['maxLength']} characters)" if "maxLength" in node else ""
    if kind == "string" and "pattern" in node:
        return f"letters, digits, '_', '-' and '.', beginning with a letter or digit{most}"
    return plain.get(str(kind), "") + most


def _items(node: Node) -> str:
    """What the items of a list may be, in words; empty for what is no list or has any items."""
    inner = node.get("items") or (node.get("prefixItems") or [{}])[0]
    return expected(_alternatives(inner, None)) if inner else ""


def _bound(value: float) -> str:
    """`1,000,000`, `0.001` or `1e-12`."""
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _child(data: Any, part: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(str(part))
    if isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data):
        return data[part]
    return None


def _step(node: Node, part: str | int, data: Any) -> list[Node]:
    if isinstance(part, int):
        prefix = node.get("prefixItems", [])
        inner = prefix[part] if part < len(prefix) else node.get("items")
    else:
        inner = node.get("properties", {}).get(part)
        if inner is None and node.get("title") == OWN_TEACHERS:
            return [own_teacher(part)]
        if inner is None and isinstance(node.get("additionalProperties"), dict):
            inner = node["additionalProperties"]
    return _alternatives(inner, data) if inner else []


def _alternatives(node: Node, data: Any) -> list[Node]:
    """Follows references and unions. Of several mappings only the one nearest to `data` remains."""
    while "$ref" in node:
        node = _cached()["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    if node.get("x-own-fields") == "reward" and isinstance(data, dict):
        node = {**node, "properties": {**node["properties"], **_own_fields(data.get("reward"))}}
    union = node.get("anyOf") or node.get("oneOf")
    if not union:
        return [own_task(node, data) if node.get("title") == OWN_TASK else node]
    flat = [found for option in union for found in _alternatives(option, data)]
    mappings = [found for found in flat if found.get("type") == "object"]
    if len(mappings) < 2:
        return flat
    best = max(mappings, key=lambda option: _likeness(option, data)) if isinstance(data, dict) else None
    return [
        _from_outside(found, data) if OUTSIDE in found else found
        for found in flat
        if found.get("type") != "object" or best is None or found is best
    ]


def _from_outside(node: Node, data: Any) -> Node:
    """The schema of the class that `data` names, in place of the one for any class from outside the package."""
    try:
        kind = selection_class(str(data["method"]))
    except (KeyError, TypeError, ValueError):
        return node
    return class_schema(kind)


def _own_fields(name: object) -> dict[str, Node]:
    """Schemas of the fields of a user's own reward; none where the name stands for none or for a function."""
    try:
        found = find_reward(str(name))
    except ValueError:
        return {}
    return dict(class_schema(found).get("properties", {})) if isinstance(found, type) else {}


def _likeness(node: Node, data: dict[str, Any]) -> float:
    fields = node.get("properties", {})
    score = 0.0
    for key, value in data.items():
        if key in fields:
            score += 100 if key == "task" else 1
            words = choices([fields[key]])
            if words and key == "method":
                score += 100 if value in words else -100
    return score
