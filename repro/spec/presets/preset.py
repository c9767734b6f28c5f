"""What a preset is made of: fields of a spec, what each preset sets them to, and where that is said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PresetField:
    """One field and what the presets of a paper set it to.

    Attributes:
        path: the field as a spec has it, `train.loss`; of a selection without its method, `selection.measure`.
        values: preset -> value, for every preset that sets it.
        where: preset -> the section of the paper or the file of the code that says so.
        why: why the default is what it is where no preset says so.
        method: of a field of a selection, the method that has it.
    """

    path: str
    values: Mapping[str, Any]
    where: Mapping[str, str]
    why: str
    method: str | None = None


@dataclass(frozen=True)
class Preset:
    """One preset: its name in a spec, one line of help, and the fields of its paper."""

    name: str
    help: str
    fields: tuple[PresetField, ...]

    def nested(self, sections: Collection[str], method: str | None = None) -> dict[str, Any]:
        """What it sets in some sections of a spec (`train`, `reward`, ...), nested as a spec nests it.

        Of `selection`, what it sets for `method`. A section in which it sets nothing is not there.
        """
        found: dict[str, Any] = {}
        for field in self.fields:
            *way, last = field.path.split(".")
            section = way[0] if way else last
            if section not in sections or self.name not in field.values:
                continue
            if section == "selection" and field.method != method:
                continue
            node = found
            for key in way:
                node = node.setdefault(key, {})
            node[last] = field.values[self.name]
        return found
