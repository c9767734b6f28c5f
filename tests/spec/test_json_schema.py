"""The schema that editors complete from: current, named by every shipped spec, and in agreement with the loader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from repro.errors import UserError
from repro.spec.document import read_document
from repro.spec.json_schema import choices, expected, field_names, locate, schema_text
from repro.spec.schema import Spec, TrainSpec
from repro.study.load import load_spec, parse_spec
from tests.pins import warnings_of

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SCHEMA = json.loads(schema_text())
SPECS = sorted(path for path in EXPERIMENTS.rglob("*.yaml") if path.parent.name != "accelerate")


def test_the_shipped_schema_is_current() -> None:
    shipped = (EXPERIMENTS / "schema.json").read_text()
    assert shipped == schema_text(), "rewrite it: python -m repro schema > experiments/schema.json"


def test_every_field_explains_itself() -> None:
    silent = [
        f"{name}.{field}"
        for name, section in {"Spec": SCHEMA, **SCHEMA["$defs"]}.items()
        for field, described in section.get("properties", {}).items()
        if "description" not in described and "const" not in described
    ]
    assert silent == []


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_shipped_spec_names_the_schema_and_is_valid(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match, first
    assert (path.parent / match[1]).resolve() == EXPERIMENTS / "schema.json"
    loaded = load_spec(path)
    assert warnings_of(loaded) == []
    assert faults(read_document(path).data, SCHEMA) == []


def test_there_are_shipped_specs() -> None:
    assert EXPERIMENTS / "quickstart.yaml" in SPECS


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.stepz", 1),
        ("train.steps", 0),
        ("train.steps", "4"),
        ("train.loss", "ppo"),
        ("arms.dots.selection.fraction", 0.1),
        ("arms.dots.train", {"stepz": 1}),
        ("arms.random.selection.method", "rnd"),
        ("model", "tyny"),
        ("model", {"tiny": {"width": "wide"}}),
        ("dataset", []),
        ("seeds", [0.5]),
        ("report.target", 1),
        ("arms", {}),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(path: str, value: object) -> None:
    data = read_document(EXPERIMENTS / "quickstart.yaml").data
    assert faults(data, SCHEMA) == []
    *parents, last = path.split(".")
    node = data
    for parent in parents:
        node = node[parent]
    node[last] = value
    assert faults(data, SCHEMA)
    with pytest.raises(UserError, match="expected"):
        parse_spec(data)


def test_the_schema_accepts_every_shape_of_models_and_datasets() -> None:
    for model in ("tiny", {"tiny": {}}, ["tiny", {"hub": "a/b"}]):
        for dataset in ("arithmetic", "gsm8k", [{"path": "a.jsonl"}, "arithmetic"]):
            data = {"name": "x", "model": model, "dataset": dataset, "arms": {"a": {"train": {"steps": 2}}}}
            assert faults(data, SCHEMA) == []
            parse_spec(data)


def faults(value: Any, node: dict[str, Any], path: str = "") -> list[str]:
    """An independent reading of the part of JSON schema that ours uses: where `value` is not what `node` says."""
    while "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    options = node.get("anyOf") or node.get("oneOf")
    if options:
        tried = [faults(value, option, path) for option in options]
        return [] if any(not found for found in tried) else [f"{path}: none of {len(options)}"]
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kind = node.get("type")
    if kind in ("number", "integer"):
        if isinstance(value, bool) or not isinstance(value, int | float) or (kind == "integer" and value != int(value)):
            return [f"{path}: {value!r} is no {kind}"]
        checks = {
            "minimum": lambda bound: value >= bound,
            "exclusiveMinimum": lambda bound: value > bound,
            "maximum": lambda bound: value <= bound,
            "exclusiveMaximum": lambda bound: value < bound,
        }
        return [f"{path}: {value!r} beyond {key}" for key in checks.keys() & node.keys() if not checks[key](node[key])]
    if kind is not None and not isinstance(value, types[kind]):
        return [f"{path}: {value!r} is no {kind}"]
    if "enum" in node and value not in node["enum"]:
        return [f"{path}: {value!r} is not listed"]
    if "const" in node and value != node["const"]:
        return [f"{path}: {value!r} is not {node['const']!r}"]
    if isinstance(value, str) and "pattern" in node and not re.search(node["pattern"], value):
        return [f"{path}: {value!r} does not match"]
    found: list[str] = []
    if isinstance(value, list):
        if len(value) < node.get("minItems", 0):
            found.append(f"{path}: too short")
        for index, item in enumerate(value):
            found += faults(item, node.get("items", {}), f"{path}.{index}")
    if isinstance(value, dict):
        fields = node.get("properties", {})
        found += [f"{path}.{key}: missing" for key in node.get("required", []) if key not in value]
        if len(value) < node.get("minProperties", 0):
            found.append(f"{path}: too few")
        rest = node.get("additionalProperties", True)
        for key, inner in value.items():
            if key not in fields and rest is False:
                found.append(f"{path}.{key}: unknown")
            else:
                found += faults(inner, fields.get(key, rest if isinstance(rest, dict) else {}), f"{path}.{key}")
    return found


def test_places_are_found_through_references_and_unions() -> None:
    data = {"arms": {"a": {"selection": {"method": "pass_rate"}}, "b": {"selection": {"method": "random"}}}}
    assert "samples" in field_names(locate(("arms", "a", "selection"), data))
    assert "samples" not in field_names(locate(("arms", "b", "selection"), data))
    assert field_names(locate(("train",), {})) == list(TrainSpec.model_fields)
    assert field_names(locate((), {})) == list(Spec.model_fields)
    assert choices(locate(("train", "loss"), {})) == ["grpo", "bnpo", "dr_grpo", "dapo"]
    assert expected(locate(("report", "target"), {})) == "a number > 0 and < 1 or null"
    assert locate(("train", "nothing"), {}) == []
