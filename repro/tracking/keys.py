"""By what a store finds a run again, and the params it shows of its cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro.canonical import canonical, digest
from repro.masking import mask_values
from repro.tracking.labels import Labels


def run_key(identity: str, labels: Labels) -> str:
    """Tag `repro.key` of a child: one training under one set of labels."""
    return digest({"identity": identity, **labels.as_dict()}, 32)


def parent_key(cell: Mapping[str, Any], labels: Labels) -> str:
    """Tag `repro.key` of a parent: a named arm with its whole configuration, so a changed arm gets a new parent."""
    shared = {name: value for name, value in labels.as_dict().items() if name != "seed"}
    fields = {key: value for key, value in cell.items() if key not in ("spec", "arm", "axis_point", "seed")}
    return digest({**shared, "cell": mask_values(fields)}, 32)  # as in cell.json


def flatten(fields: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted params of a resolved cell without empty fields and labels; values are cut to MLflow's 6,000 characters."""
    params: dict[str, str] = {}
    for name, value in fields.items():
        if prefix == "" and name in ("spec", "arm", "axis_point"):
            continue
        if isinstance(value, Mapping):
            params.update(flatten(value, f"{prefix}{name}."))
        elif value is not None:
            params[f"{prefix}{name}"] = (value if isinstance(value, str) else canonical(value))[:6000]
    return params
