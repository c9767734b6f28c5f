"""What is wrong with one cell: values that an axis or a sweep brings in, and sizes that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from repro.difficulty.predictor_spec import PredictorSpec
from repro.fields import Strict
from repro.replay.batch import replayed_of
from repro.replay.replay_spec import ReplaySpec
from repro.selection.method import Setting
from repro.spec.document import FieldPath, Problem, dotted
from repro.spec.messages import schema_problems
from repro.spec.schema import ONLY_IN_ARMS, Cell, Spec
from repro.study.columns import column_mistake
from repro.study.expand import pool_size
from repro.study.sizes import beyond_memory
from repro.tasks.reward_spec import describe_reward, rewards_accuracy
from repro.words import show


def cell_problems(
    spec: Spec, arm: str, fields: dict[str, Any], changed: Mapping[str, FieldPath] | None = None
) -> list[Problem]:
    """What is wrong with raw cell fields of an arm.

    Args:
        changed: dotted paths whose values are not the arm's own -> where the spec gives them.
    """
    return list(CellCheck(spec, arm, dict(changed or {})).problems(fields))


@dataclass(frozen=True)
class CellCheck:
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
        for field, column in cell.selection.dataset_columns.items():
            mistake = column_mistake(cell.dataset, column)
            if mistake is not None:
                yield Problem(self._place("selection", field), mistake, (("dataset",),))
        if cell.selection.dataset_category is not None:
            mistake = column_mistake(cell.dataset, cell.selection.dataset_category, "category")
            if mistake is not None:
                field = "category" if "category" in type(cell.selection).model_fields else "method"
                yield Problem(self._place("selection", field), mistake, (("dataset",),))
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
        replayed = replayed_of(replay, batch, cell.train.group_size)
        if replay.capacity < replayed:
            what = "groups" if replay.unit == "group" else "completions"
            text = f"got {replay.capacity}, expected at least {replayed}, the {what} replayed a step"
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
