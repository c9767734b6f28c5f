"""Values of fields as YAML that a spec takes under `arms`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from repro.spec.schema import ARM_SECTIONS


def arm_yaml(arm: str, values: Mapping[str, Any]) -> str:
    """Values of fields as one line of YAML for `arms`: `dots: {train: {learning_rate: 0.0001}}`.

    A field that belongs to no arm, e.g. of a dataset, is left out.
    """
    fields: dict[str, Any] = {}
    for path, value in values.items():
        *sections, last = path.split(".")
        if path.split(".")[0] in ARM_SECTIONS:
            node = fields
            for section in sections:
                node = node.setdefault(section, {})
            node[last] = value
    text: str = yaml.safe_dump({arm: fields}, default_flow_style=True, width=10_000, sort_keys=False)
    return text.strip()[1:-1]
