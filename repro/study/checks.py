"""What the schema of one section cannot say: names that do not exist, and fields that contradict each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from repro.difficulty.predictor_spec import PredictorSpec
from repro.fields import LONGEST_NAME, Scalar, Strict
from repro.plugins import is_door, load
from repro.replay.replay_spec import ReplaySpec
from repro.selection.method import Setting
from repro.spec.artefacts import ARTEFACTS
from repro.spec.document import FieldPath, Problem, dotted
from repro.spec.messages import schema_problems
from repro.spec.schema import ONLY_IN_ARMS, Cell, FloatRange, IntRange, Range, Spec, SweepSpec
from repro.study.expand import pool_size
from repro.study.points import points
from repro.study.raw_fields import all_paths, base_fields, has_path, with_fields
from repro.study.sizes import beyond_memory, too_many_cells
from repro.tasks.catalogue import TRAINING_NAMES
from repro.tasks.reward_spec import describe_reward, rewards_accuracy
from repro.words import show, unknown

ARM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
ARM_NAMES: tuple[FieldPath, ...] = (("arms", "<names>"),)
"""What is said about names holds where an arm has faulty fields, but not where `arms` itself is faulty."""


def check(spec: Spec, data: dict[str, Any]) -> list[Problem]:
    """Every contradiction in a spec whose sections are valid by themselves; `data` is what the user wrote."""
    return [
        *_names(spec),
        *_artefacts(spec),
        *_data(spec),
        *_repeats(spec),
        *_budget(spec, data),
        *_axes(spec),
        *_matrix(spec),
        *sweep_problems(spec),
    ]


def cell_problems(
    spec: Spec, arm: str, fields: dict[str, Any], changed: Mapping[str, FieldPath] | None = None
) -> list[Problem]:
    """What is wrong with raw cell fields of an arm.

    Args:
        changed: dotted paths whose values are not the arm's own -> where the spec gives them.
    """
    return list(_Row(spec, arm, dict(changed or {})).problems(fields))


# ---------------------------------------------------------------- names


def _names(spec: Spec) -> Iterator[Problem]:
    arms = list(spec.arms)
    for name in arms:
        if not ARM_NAME.fullmatch(name):
            yield Problem(("arms", name), f"got the name {show(name)}, expected letters, digits, '_' and '-' only")
        elif len(name) > LONGEST_NAME:
            text = (
                f"got a name of {len(name)} characters, expected at most {LONGEST_NAME}: it becomes part of file names"
            )
            yield Problem(("arms", name), text)
    if spec.report.baseline is not None and spec.report.baseline not in arms:
        yield Problem(("report", "baseline"), unknown(spec.report.baseline, arms, "an arm"), ARM_NAMES)
    for key, labels in (
        ("models", [model.label for model in spec.model]),
        ("datasets", [dataset.label for dataset in spec.dataset]),
    ):
        for arm, fields in spec.arms.items():
            for index, label in enumerate(getattr(fields, key) or ()):
                if label not in labels:
                    text = unknown(label, labels, f"the label of one of the {key}")
                    yield Problem(("arms", arm, key, index), text, ((key.removesuffix("s"),),))
    if spec.sweep is not None and spec.sweep.arm not in arms:
        yield Problem(("sweep", "arm"), unknown(spec.sweep.arm, arms, "an arm"), ARM_NAMES)


def _artefacts(spec: Spec) -> Iterator[Problem]:
    for index, name in enumerate(spec.report.artefacts):
        place: FieldPath = ("report", "artefacts", index)
        if is_door(name):
            try:
                figure = load(name, "a function that makes tables and figures")
            except ValueError as error:
                yield Problem(place, str(error))
            else:
                if not callable(figure):
                    text = f"got {show(name)}, which holds {show(figure)}, expected a function of the report's panels"
                    yield Problem(place, text)
        elif name not in ARTEFACTS:
            yield Problem(place, unknown(name, list(ARTEFACTS), "a table or figure of a paper, or module:function"))


def _data(spec: Spec) -> Iterator[Problem]:
    for index, dataset in enumerate(spec.dataset):
        if dataset.named is not None and dataset.named not in TRAINING_NAMES:
            text = (
                f"got {show(dataset.named)}, an evaluation set, expected one to train on "
                f"({', '.join(TRAINING_NAMES)}): evaluate on it by evaluate.benchmarks or dataset.test_named"
            )
            yield Problem(("dataset", index, "named"), text)


def _repeats(spec: Spec) -> Iterator[Problem]:
    for key in ("model", "dataset"):
        labels = [item.label for item in getattr(spec, key)]
        for index, label in enumerate(labels):
            if label in labels[:index]:
                text = f"got the label {show(label)} a second time, expected distinct ones: give this one a name"
                yield Problem((key, index), text)
    lists: list[tuple[FieldPath, Sequence[Scalar]]] = [(("seeds",), spec.seeds)]
    lists += [(("axes", path), values) for path, values in spec.axes.items()]
    if spec.sweep is not None:
        lists.append((("sweep", "seeds"), spec.sweep.seeds))
        shared = sorted(set(spec.seeds) & set(spec.sweep.seeds))
        if shared:
            text = f"got {_listed(shared)}, expected seeds that the tables do not use (seeds: {show(spec.seeds)})"
            yield Problem(("sweep", "seeds"), text, (("seeds",),))
    for place, values in lists:
        twice = [value for value, count in Counter(map(show, values)).items() if count > 1]
        if twice:
            yield Problem(place, f"got {_listed(twice)} more than once, expected distinct values")


def _budget(spec: Spec, data: dict[str, Any]) -> Iterator[Problem]:
    for name, arm in spec.arms.items():
        if arm.budget is not None and "steps" in arm.train:
            text = "got steps beside the arm's budget, expected only one of them: a budget stops the run instead"
            yield Problem(("arms", name, "train", "steps"), text, (("arms", name, "budget"),))
    if spec.budget is None:
        return
    written: list[FieldPath] = [("train", "steps")] if "steps" in data.get("train", {}) else []
    written += [("arms", name, "train", "steps") for name, arm in spec.arms.items() if "steps" in arm.train]
    written += [("axes", "train.steps")] if "train.steps" in spec.axes else []
    written += [("sweep", "space", "train.steps")] if spec.sweep and "train.steps" in spec.sweep.space else []
    for place in written:
        text = "got steps beside a budget, expected only one of them: a budget stops the run instead of steps"
        yield Problem(place, text, (("budget",),))


# ---------------------------------------------------------------- axes and sizes


def _axes(spec: Spec) -> Iterator[Problem]:
    bases = _bases(spec, list(spec.arms))
    for path in spec.axes:
        if not any(has_path(base, path) for base in bases):
            names = sorted({name for base in bases for name in all_paths(base)})
            uses: tuple[FieldPath, ...] = (("arms",), ("model",), ("dataset",))
            yield Problem(("axes", path), unknown(path, names, "a path that an arm has"), uses)


def _bases(spec: Spec, arms: Sequence[str]) -> list[dict[str, Any]]:
    return [base_fields(spec, model, dataset, arm) for model in spec.model for dataset in spec.dataset for arm in arms]


def _matrix(spec: Spec) -> Iterator[Problem]:
    """What is wrong with the cells, or that there are more than anybody trains."""
    if text := too_many_cells(spec):
        largest = max(spec.axes, key=lambda path: len(spec.axes[path]), default=None)
        yield Problem(("arms",) if largest is None else ("axes", largest), text)
    else:
        yield from _cells(spec)


def _cells(spec: Spec) -> Iterator[Problem]:
    for point in points(spec):
        row = _Row(spec, point.arm, {path: ("axes", path) for path in point.axis_point})
        yield from row.problems(point.draft()) if point.cell is None else row.sizes(point.cell)


def sweep_problems(spec: Spec) -> Iterator[Problem]:
    """What is wrong with a sweep: paths that its arm lacks, ends of ranges that make no valid cell, no questions."""
    sweep = spec.sweep
    if sweep is None or sweep.arm not in spec.arms:
        return
    for base in _bases(spec, [sweep.arm]):
        yield from _space(spec, sweep, base)
    for index, dataset in enumerate(spec.dataset):
        made = dataset.procedural
        held_back = made.validation if made else dataset.validation_fraction
        if not held_back:
            field = dataset.task_field("validation") if made else ("validation_fraction",)
            text = "got 0, expected more: a sweep looks at validation questions only"
            yield Problem(("dataset", index, *field), text, (("sweep",),))


def _space(spec: Spec, sweep: SweepSpec, base: dict[str, Any]) -> Iterator[Problem]:
    for path, values in sweep.space.items():
        place: FieldPath = ("sweep", "space", path)
        if not has_path(base, path):
            text = unknown(path, all_paths(base), f"a path of arm {sweep.arm}")
            yield Problem(place, text, (("arms", sweep.arm), ("sweep", "arm")))
            continue
        row = _Row(spec, sweep.arm, {path: place})
        for value in _ends(values):
            yield from row.problems(with_fields(base, {path: value}))


def _ends(values: Range) -> tuple[Scalar, ...]:
    if isinstance(values, FloatRange):
        return values.float
    return values.int if isinstance(values, IntRange) else tuple(values.choice)


@dataclass(frozen=True)
class _Row:
    """Checks raw cell fields of one arm; `changed` says where the fields that are not the arm's own were written."""

    spec: Spec
    arm: str
    changed: dict[str, FieldPath]

    def problems(self, draft: dict[str, Any]) -> Iterator[Problem]:
        """Faulty values that the changed fields bring in; where there are none, sizes that do not fit together."""
        try:
            cell = Cell.model_validate({**draft, "seed": 0, "spec": self.spec.name, "arm": self.arm})
        except ValidationError:
            yield from self._invalid(draft)
        else:
            yield from self.sizes(cell)

    def _invalid(self, draft: dict[str, Any]) -> Iterator[Problem]:
        """The same fields as a spec of one arm, so that the messages read as if they were written there."""
        alone = {key: value for key, value in draft.items() if key in Spec.model_fields}
        alone |= {"name": "x", "model": [draft["model"]], "dataset": [draft["dataset"]]}
        alone["arms"] = {self.arm: {key: draft[key] for key in ONLY_IN_ARMS}}
        try:
            Spec.model_validate(alone)
        except ValidationError as error:
            for problem in schema_problems(error, alone):
                parts = problem.path[2:] if problem.path[0] == "arms" else problem.path
                field = dotted(tuple(part for part in parts if isinstance(part, str)))
                section = field.partition(".")[0]
                for path, place in self.changed.items():
                    if field == path or path.startswith(f"{field}.") or field.startswith(f"{path}."):
                        yield Problem(place, problem.text, (("arms", self.arm),))
                    elif path.startswith(f"{section}."):  # another field of the same section needs or forbids it
                        value: Any = draft
                        for part in path.split("."):
                            value = value[part]
                        text = f"got {show(value)} with {field}: {problem.text}"
                        yield Problem(place, text, (("arms", self.arm),))

    def _selection(self, cell: Cell) -> Iterator[Problem]:
        """What the method itself says of this cell."""
        train, pool, label = cell.train, pool_size(cell.dataset), cell.dataset.label
        setting = Setting(pool, train.questions_per_step, train.group_size, cell.predictor is not None, label)
        sizes: tuple[FieldPath, ...] = (self._place("train", "questions_per_step"), ("dataset",))
        for field, text, uses in cell.selection.mistakes(setting):
            value = getattr(cell.selection, field)
            given = text if text.startswith("got ") else f"got {show(_written(value))}, {text}"
            places = tuple(self._place(*path.split(".")) if "." in path else (path,) for path in uses)
            yield Problem(self._place("selection", field), given, places or sizes)
        if cell.selection.wants_predictor and cell.predictor is not None:
            yield from self._predictor(cell, cell.predictor)

    def _predictor(self, cell: Cell, predictor: PredictorSpec) -> Iterator[Problem]:
        place = ("arms", self.arm, "predictor")
        if predictor.path is not None and predictor.embedder is None:
            text = "got nothing beside predictor.path, expected the model that embedded its questions"
            yield Problem((*place, "embedder"), text)
        trained = cell.model.model_dump(exclude={"name"})
        for index, policy in enumerate(predictor.policies):
            if policy.model_dump(exclude={"name"}) == trained:
                text = f"got {show(policy.label)}, which is trained here ({cell.model.label}), expected other policies"
                yield Problem((*place, "policies", index), text, (("model",),))

    def _rewards(self, cell: Cell) -> Iterator[Problem]:
        """Settings that mean something for one kind of reward only."""
        uses: tuple[FieldPath, ...] = (("reward",), ("arms", self.arm, "reward"), ("axes", "reward"))
        binary, spread = rewards_accuracy(cell.reward), cell.train.min_spread
        if binary and spread and not self._shares_spread():
            text = (
                f"got {show(spread)} where accuracy is rewarded, expected 0: rewards of 0 and 1 are equal or differ by "
                "1, so that no other value has an effect"
            )
            yield Problem(self._place("train", "min_spread"), text, uses)
        if not binary and cell.evaluate.gradient_questions:
            text = (
                f"got {cell.evaluate.gradient_questions} where {describe_reward(cell.reward)} is rewarded, expected 0: "
                "Theorem 1 is about rewards of 0 and 1, whose variance follows from their mean"
            )
            path = "evaluate.gradient_questions"
            yield Problem(self.changed.get(path, ("evaluate", "gradient_questions")), text, uses)

    def _shares_spread(self) -> bool:
        """Whether min_spread is the study's, and another arm has a reward that needs it."""
        if self._place("train", "min_spread") != ("train", "min_spread"):
            return False
        rewards = (arm.reward or self.spec.reward for arm in self.spec.arms.values())
        return "reward" in self.spec.axes or not all(map(rewards_accuracy, rewards))

    def _place_of(self, path: str, cell: Cell) -> FieldPath:
        """Where the spec gives a field of a cell."""
        section, *rest = path.split(".")
        if section == "model" and path not in self.changed:
            labels = [model.label for model in self.spec.model]
            return ("model", labels.index(cell.model.label), *rest)
        return self._place(section, ".".join(rest))

    def _place(self, section: str, field: str) -> FieldPath:
        if f"{section}.{field}" in self.changed:
            return self.changed[f"{section}.{field}"]
        if section == "evaluate" or (section == "train" and field not in self.spec.arms[self.arm].train):
            return (section, field)
        return ("arms", self.arm, section, field)

    def sizes(self, cell: Cell) -> Iterator[Problem]:
        """Sizes of a valid cell that do not fit together."""
        batch_place = self._place("train", "questions_per_step")
        batch = cell.train.questions_per_step
        if cell.replay is not None and cell.train.kl > 0:
            text = f"got {show(cell.train.kl)} beside replay, expected 0: replayed rows have no reference log-probs"
            yield Problem(self._place("train", "kl"), text, (("arms", self.arm, "replay"),))
        yield from self._rewards(cell)
        yield from self._steps(cell)
        for path, text in beyond_memory(cell):
            yield Problem(self._place_of(path, cell), text)
        yield from self._selection(cell)
        pool = pool_size(cell.dataset)
        if pool is not None:
            uses: tuple[FieldPath, ...] = (batch_place, ("dataset",))
            if batch > pool:
                text = f"got {batch}, expected at most {pool}, the questions of {cell.dataset.label}"
                yield Problem(batch_place, text, uses)
            gradients = cell.evaluate.gradient_questions
            if gradients > pool:
                text = f"got {gradients}, expected at most {pool}, the questions of {cell.dataset.label}"
                path = "evaluate.gradient_questions"
                yield Problem(self.changed.get(path, ("evaluate", "gradient_questions")), text, uses)
            free = pool - cell.selection.references_of(pool)
            wanted = cell.evaluate.predictor_questions
            if cell.selection.predicts and wanted > free >= 0:
                text = f"got {wanted}, expected at most {free}, the pool's questions that are no references"
                path = "evaluate.predictor_questions"
                yield Problem(self.changed.get(path, ("evaluate", "predictor_questions")), text, uses)
        if cell.replay is not None:
            yield from self._replay(cell, cell.replay)

    def _steps(self, cell: Cell) -> Iterator[Problem]:
        """What shares out the steps of the run, where a budget leaves open how many there are."""
        if cell.budget is None or cell.budget.epochs is not None:
            return
        uses: tuple[FieldPath, ...] = (("budget",), ("arms", self.arm, "budget"))
        text = "with a budget, expected train.steps or budget.epochs: it shares out the steps of the run"
        if cell.selection.needs_steps:
            yield Problem(self._place("selection", "method"), f"got {show(cell.selection.method)} {text}", uses)
        if cell.train.shares_out_steps:
            field = "warmup" if cell.train.schedule == "constant" else "schedule"
            yield Problem(self._place("train", field), f"got {show(getattr(cell.train, field))} {text}", uses)

    def _replay(self, cell: Cell, replay: ReplaySpec) -> Iterator[Problem]:
        batch, batch_place = cell.train.questions_per_step, self._place("train", "questions_per_step")
        place = self._place("replay", "fresh")
        share = replay.fresh * batch
        fresh = round(share)
        if abs(share - fresh) > 1e-9 or fresh < 1:
            text = (
                f"got {show(replay.fresh)}, which is {share:g} of {batch} questions_per_step, expected a whole"
                f" number of them, did you mean {show(max(1, fresh) / batch)}?"
            )
            yield Problem(place, text, (batch_place,))
            return
        replayed = batch - fresh
        if replay.capacity < replayed:
            text = f"got {replay.capacity}, expected at least {replayed}, the groups replayed a step"
            yield Problem(self._place("replay", "capacity"), text, (batch_place, place))
        rows, minibatches = fresh * cell.train.group_size, cell.train.minibatches
        if replay.short == "shrink" and rows % minibatches:
            text = (
                f'got "shrink" with fresh {show(replay.fresh)}, which leaves {rows} rows where nothing can be replayed,'
                f" expected a multiple of minibatches ({minibatches}) or another way"
            )
            minibatches_place = self._place("train", "minibatches")
            yield Problem(self._place("replay", "short"), text, (place, batch_place, minibatches_place))
        if cell.budget is None and replay.warm_up >= cell.train.steps:
            text = (
                f"got {replay.warm_up}, expected less than train.steps ({cell.train.steps}): nothing would be replayed"
            )
            yield Problem(self._place("replay", "warm_up"), text, (self._place("train", "steps"),))


def _written(value: Any) -> Any:
    """A value as a spec has it."""
    return value.model_dump(mode="json") if isinstance(value, Strict) else value


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))
