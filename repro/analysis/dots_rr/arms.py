"""Which arm plays which part in DOTS + RR, and what sets a variant apart: read off the fields of runs, never a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from repro.analysis.measures import Measures
from repro.analysis.rewards import terms_of
from repro.analysis.runs import Series
from repro.analysis.selections import CURRICULUM, DYNAMIC, FILTER, words
from repro.analysis.style import Look, looks
from repro.spec.schema import ARM_SECTIONS
from repro.tasks.reward_spec import describe_reward

GRPO, DOTS, RR, DOTS_RR = "GRPO", "DOTS", "RR", "DOTS+RR"
HEADLINE = (GRPO, DOTS, RR, DOTS_RR)
"""The comparison that runs on every model and dataset: nothing, selection, replay, both."""

SYMBOLS = {
    "selection.references": "K",
    "selection.target": "α",
    "selection.temperature": "τ",
    "selection.every": "μ",
    "replay.fresh": "δ",
    "replay.capacity": "C",
    "train.steps": "steps",
}
"""Field -> the paper's letter for it."""

STEPS, REFERENCES = "train.steps", "selection.references"


@dataclass(frozen=True)
class Change:
    """A field of a variant beside that of the headline arm; None where a section is absent."""

    headline: Any
    own: Any


@dataclass(frozen=True)
class Arm:
    """One arm of the study under the part that it plays. `changes` is empty for the headline arm of that part."""

    label: str
    role: str
    fields: Mapping[str, Any] = field(repr=False)  # dotted path -> value, in `ARM_SECTIONS`
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`DOTS`, `DOTS, K 8`: the part, and the fields that differ from its headline arm."""
        told = [f"{SYMBOLS.get(path, path.rsplit('.', 1)[-1])} {_said(c.own)}" for path, c in self.changes.items()]
        more = f" and {len(told) - 3} more fields" if len(told) > 3 else ""
        return ", ".join([self.role, *told[:3]]) + more

    def differs_in(self, path: str) -> bool:
        """Whether this field, and no other, sets the arm apart from the headline arm."""
        return set(self.changes) == {path}


class Arms:
    """The arms of a study by part. The headline arm of a part is the one on most panels, the first in the spec then.

    One that trains otherwise than the baseline (e.g. for longer) is no headline arm while another is there.
    """

    def __init__(self, panels: Sequence[Measures]) -> None:
        self.panels = tuple(panels)
        count: dict[str, int] = {}
        first: dict[str, Series] = {}
        order = [label for measures in panels for label in measures.panel.known]
        baselines: set[str] = set()
        for measures in panels:
            baselines |= {series.label for series in measures.panel.references}
            for series in measures.panel.series:
                first.setdefault(series.label, series)
                count[series.label] = count.get(series.label, 0) + 1
        labels = [label for label in dict.fromkeys([*order, *first]) if label in first]
        fields = {label: _flat(first[label]) for label in labels}
        usual = next((fields[label] for label in labels if label in baselines), fields[labels[0]] if labels else {})
        by_role: dict[str, list[str]] = {}
        for label in labels:
            by_role.setdefault(role(first[label]), []).append(label)
        self._arms: dict[str, Arm] = {}
        for part, members in by_role.items():
            as_usual = [label for label in members if not _differing(usual, fields[label], ("train", "budget"))]
            head = max(as_usual or members, key=lambda label: count[label])
            for label in members:
                changes = {} if label == head else _changes(fields[head], fields[label])
                self._arms[label] = Arm(label, part, fields[label], changes)

    def of(self, label: str) -> Arm:
        """The arm of a series."""
        return self._arms[label]

    def headline(self, part: str) -> Arm | None:
        """The headline arm of a part, None where no arm plays it."""
        return next((arm for arm in self._arms.values() if arm.role == part and not arm.changes), None)

    def variants(self, part: str, path: str) -> list[Arm]:
        """Arms that differ from the headline arm of their part in one field alone, by its value."""
        found = [arm for arm in self._arms.values() if arm.role == part and arm.differs_in(path)]
        return sorted(found, key=lambda arm: (str(type(arm.changes[path].own)), arm.changes[path].own))

    def reference(self, label: str) -> Arm | None:
        """GRPO as it trains in this arm (as long, with the same loss), else the headline GRPO; None for GRPO itself."""
        arm = self._arms[label]
        if arm.role == GRPO:
            return None
        plain = [one for one in self._arms.values() if one.role == GRPO]
        same = [one for one in plain if not _differing(one.fields, arm.fields, ("train", "budget"))]
        return next(iter(same), self.headline(GRPO))


def role(series: Series) -> str:
    """The part that selection and replay give a series, e.g. `DOTS+RR`; other methods by name, with ` + RR`."""
    chosen, replays = series.chosen, series.replay is not None
    if chosen.plain:
        return RR if replays else GRPO
    if chosen.dots:
        return DOTS_RR if replays else DOTS
    return f"{chosen.title} + RR" if replays else chosen.title


def ordered_by(arm: Arm) -> str:
    """What orders the questions of a curriculum: `the pass rate`, `the column steps`."""
    by, column = arm.fields["selection.by"], arm.fields.get("selection.column")
    return f"the column {column}" if column is not None else f"the {words(str(by))}"


def find(measures: Measures, arm: Arm | None) -> Series | None:
    """The series of an arm in one panel, None where it did not run there."""
    return next((s for s in measures.panel.series if arm is not None and s.label == arm.label), None)


def rows_said(panels: Sequence[Measures]) -> str:
    """One sentence: whether the updates of the headline arms train every row, on which the time of a step depends."""
    arms = Arms(panels)
    known = [arm for arm in map(arms.headline, HEADLINE) if arm is not None]
    skipping = {bool(arm.fields.get("train.skip_zero_advantage", True)) for arm in known}
    if skipping == {False}:
        return "Updates train every row, as the authors' do."
    if skipping == {True}:
        return (
            "Updates leave out groups without a gradient; the authors train every row. Where GRPO rolls out more such "
            "groups than the others, its updates cost less here beside theirs."
        )
    return "Some of these arms leave groups without a gradient out of their updates and others do not." if known else ""


def part_looks(names: Sequence[str]) -> dict[str, Look]:
    """One look per part, the same in every figure: the headline ones first, whatever else is drawn after them."""
    known = (*HEADLINE, CURRICULUM)
    every = [*known, *(name for name in names if name not in known)]
    return looks({name: _way(name) for name in every}, [GRPO])


def _way(part: str) -> str:
    """The way of choosing (`Series.way`) that a part stands for; its own name where it stands for none."""
    ways = {GRPO: "uniform", DOTS: "difficulty", RR: "uniform, replay", DOTS_RR: "difficulty, replay"}
    ways |= {CURRICULUM: "curriculum", FILTER: "pass_rate", DYNAMIC: "dynamic"}
    return ways.get(part) or ways.get(part.partition(",")[0], part)


# ---------------------------------------------------------------- fields


def _flat(series: Series) -> dict[str, Any]:
    """{"selection.references": 16, ...} of the sections that may differ between arms."""
    cell = series.cell
    out: dict[str, Any] = {}
    for section in ARM_SECTIONS:
        _walk(section, cell.get(section), out)
    out["reward"] = describe_reward(terms_of(series))
    return out


def _walk(path: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _walk(f"{path}.{key}", inner, out)
    elif value is not None:
        out[path] = value


def _differing(a: Mapping[str, Any], b: Mapping[str, Any], sections: Sequence[str]) -> list[str]:
    paths = [path for path in dict.fromkeys([*a, *b]) if path.split(".", 1)[0] in sections]
    return [path for path in paths if a.get(path) != b.get(path)]


def _changes(head: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Change]:
    """Fields that differ; the predictor's follow from which is asked for, and an oracle has no use for K."""
    paths = _differing(head, own, ARM_SECTIONS)
    if "selection.predictor" in paths:
        paths = [path for path in paths if not path.startswith("predictor.") and path != "selection.recalibration"]
    if "oracle" in (own.get("selection.predictor"), head.get("selection.predictor")):
        paths = [path for path in paths if path != REFERENCES]
    return {path: Change(head.get(path), own.get(path)) for path in paths}


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
