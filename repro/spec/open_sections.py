"""Sections of a spec whose fields are those of a class that the spec names: tasks and their teachers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro.fields import Strict
from repro.plugins import DOOR
from repro.tasks import registry

Node = dict[str, Any]

OWN_TASK = "OwnTask"
OWN_TEACHERS = "Teachers"
"""Titles of the nodes of a JSON schema that are open."""


def add_tasks(definitions: dict[str, Node]) -> None:
    """Put the built-in tasks and their teachers into the definitions of the spec's JSON schema, and the open form of a
    task of one's own."""
    dataset, start = definitions["DatasetSpec"], definitions["WarmStart"]
    tasks, teachers = {}, {}
    for name, task in registry.built_in().items():
        tasks[name] = {
            "anyOf": [_add(definitions, task), {"type": "null"}],
            "default": None,
            "description": (task.__doc__ or name).splitlines()[0],
        }
        teachers[name] = _add(definitions, task.teacher)
    for base, holder, field in (("Task", dataset, "procedural"), ("Strict", start, "teachers")):
        definitions.pop(base, None)
        help_text = holder["properties"].pop(field)["description"]
    dataset["properties"] = {**tasks, **dataset["properties"]}
    start["properties"]["teachers"] = {
        "title": OWN_TEACHERS,
        "type": "object",
        "description": help_text,
        "properties": teachers,
        "additionalProperties": {"type": "object"},
    }
    definitions[OWN_TASK] = {
        "title": OWN_TASK,
        "type": "object",
        "description": "a task of your own, with its fields beside its name",
        "properties": {
            "task": {"type": "string", "description": f"module:Name ({DOOR.pattern}) or an installed name"},
            **{name: dataset["properties"][name] for name in ("name", "limits")},
        },
        "required": ["task"],
    }


def own_task(node: Node, data: Any) -> Node:
    """The open node of a task with the fields of the class that `data` names; as it is where there is none."""
    try:
        task = registry.find(data["task"] if isinstance(data, Mapping) else None)
    except (KeyError, ValueError):
        return node
    properties = {**class_schema(task)["properties"], **node["properties"]}
    return {**node, "properties": properties, "additionalProperties": False}


def own_teacher(name: str) -> Node:
    """The fields of the teacher of a task by its name; a mapping of anything where there is no such task."""
    try:
        return class_schema(registry.find(name).teacher)
    except ValueError:
        return {"type": "object"}


def _add(definitions: dict[str, Node], kind: type[Strict]) -> Node:
    """A reference to a class whose schema is now among the definitions."""
    schema = kind.model_json_schema()
    definitions |= schema.pop("$defs", {})
    definitions[kind.__name__] = schema
    return {"$ref": f"#/$defs/{kind.__name__}"}


def class_schema(kind: type[Strict]) -> Node:
    """The JSON schema of a class without references into definitions of its own."""
    schema = kind.model_json_schema()
    definitions = schema.pop("$defs", {})

    def whole(node: Any, above: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [whole(inner, above) for inner in node]
        if not isinstance(node, dict):
            return node
        name = str(node.get("$ref", "")).rsplit("/", 1)[-1]
        if name in above:
            return {"type": "object"}  # a class that holds itself
        if name:
            return {**whole(definitions[name], (*above, name)), **{k: v for k, v in node.items() if k != "$ref"}}
        return {key: whole(inner, above) for key, inner in node.items()}

    found: Node = whole(schema, ())
    return found
