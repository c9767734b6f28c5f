"""The names of a run inside one study, for people and figures; none is part of the run identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from repro.canonical import canonical


@dataclass(frozen=True)
class Labels:
    """The place of a cell in a study. The same trained run may carry other labels in another study.

    `experiment` is the name of the spec; `axis` holds the axis values that apply to the arm.
    """

    experiment: str
    arm: str
    model: str
    dataset: str
    seed: int
    axis: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, cell: Any, experiment: str | None = None) -> Labels:
        """Labels of a resolved cell (`repro.spec.schema.Cell`), by default in the study that asked for it."""
        names = {"arm": cell.arm, "model": cell.model.label, "dataset": cell.dataset.label}
        return cls(experiment or cell.spec, **names, seed=cell.seed, axis=dict(cell.axis_point))

    @property
    def axis_key(self) -> str:
        """The axis point as canonical JSON: sorted keys, no spaces; {} where no axis applies."""
        return canonical(dict(self.axis))

    @property
    def arm_name(self) -> str:
        """Arm and axis point for people, e.g. `ufo selection.fraction=0.1`."""
        return " ".join([self.arm, *(f"{path}={short(value)}" for path, value in sorted(self.axis.items()))])

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "axis": dict(self.axis)}


def short(value: Any) -> str:
    """An axis value as it is shown in names: real numbers to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
