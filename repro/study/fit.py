"""Whether the questions of a cell suit its policy: its chat template, its examples, the room for prompts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

from repro.errors import UserError
from repro.models.examples import shared
from repro.models.prompt_room import Room, measured, room_of
from repro.models.prompted import Prompted
from repro.spec.schema import EvaluateSpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.problem import Dropped, Problem, TaskData
from repro.tasks.prompts import PromptStyle

Sets = dict[str, tuple[Problem, ...]]


def fit_to_policy(
    asked: Prompted,
    dataset: DatasetSpec,
    train: TrainSpec,
    evaluate: EvaluateSpec,
    data: TaskData,
    benchmarks: Mapping[str, tuple[Problem, ...]],
) -> tuple[TaskData, Sets]:
    """The questions and benchmarks that a policy is asked: without those whose prompts are too long, where the spec
    drops them, and without training questions that are examples of the prompt.

    `train.max_prompt_tokens` limits training questions, the context all that are asked. What is dropped is counted in
    `dropped` of the data, with a warning. UserError where a system prompt would be lost, a prompt is too long and not
    to be dropped, a question to evaluate on is an example, or no question of a set is left.
    """
    if asked.style.system_prompt and not asked.tokenizer.chat_template:
        raise UserError(
            f"model.system_prompt: the tokenizer of {asked.label} has no chat template, so the prompt would "
            f"be dropped; remove it, give a model.chat_template or use an instruction-tuned model"
        )
    fit = _Fit(asked, dataset, train, data.answer_format.question_suffix)
    own = {"train": data.train}
    own |= {name: getattr(data, name) for name in ("validation", "test") if name in evaluate.sets}
    own |= data.extra if "extra" in evaluate.sets else {}
    found = {name: fit.of(name, problems, evaluate.questions) for name, problems in own.items()}
    further = {name: fit.of(name, problems, None) for name, problems in benchmarks.items()}
    extra = {name: found.get(name, problems) for name, problems in data.extra.items()}
    kept = replace(
        data,
        train=found["train"],
        validation=found.get("validation", data.validation),
        test=found.get("test", data.test),
        extra=extra,
        dropped=(*data.dropped, *fit.dropped),
    )
    return kept, further


class _Fit:
    """Leaves out of one set after another what the policy is not asked, and counts it."""

    def __init__(self, asked: Prompted, dataset: DatasetSpec, train: TrainSpec, suffix: str) -> None:
        self.asked, self.dataset, self.train, self.suffix = asked, dataset, train, suffix
        self.dropped: list[Dropped] = []

    def of(self, name: str, problems: tuple[Problem, ...], most: int | None) -> tuple[Problem, ...]:
        """The questions of a set that are asked; of an evaluation set, `most` of them."""
        left, known = without_examples(self.asked.style, name, problems)
        if known is not None:
            self._drop(known)
        made = self.dataset.procedural is not None
        drops = self.dataset.too_long == "drop" and not made
        looked_at = left if name == "train" or drops else left[:most]
        room = self._room(name == "train")
        found = measured(looked_at, self.asked.style, self.asked.tokenizer, self.suffix, room)
        if not drops:
            found.refuse(name, dropping=not made)
        elif found.longer:
            ids = tuple(problem.id for problem, _ in found.longer)
            self._drop(Dropped(name, "too_long", len(ids), found.text(name), ids))
            left = found.fitting
        if problems and not left:
            raise UserError(f"dataset {self.dataset.label}: no question of {name} is left: {self.dropped[-1].what}")
        return left

    def _room(self, training: bool) -> Room:
        rollout = self.train.rollout
        return room_of(
            self.asked.config,
            self.asked.label,
            self.train.max_completion_tokens,
            prompt=self.train.max_prompt_tokens if training else None,
            vllm_context=rollout.context if rollout.engine == "vllm" else None,
        )

    def _drop(self, dropped: Dropped) -> None:
        self.dropped.append(dropped)
        warnings.warn(f"{self.dataset.label}: {dropped.text()}", UserWarning, stacklevel=4)


def without_examples(
    style: PromptStyle, name: str, problems: tuple[Problem, ...]
) -> tuple[tuple[Problem, ...], Dropped | None]:
    """The questions of a set that are no examples of the prompt, and what was left out.

    Only training questions are left out: UserError for examples that would be evaluated on.
    """
    found = shared(style.examples, problems)
    if not found:
        return problems, None
    text = f"{len(found)} of {len(problems):,} {name} questions are examples of the prompt"
    text += f"; the first is {found[0].place or found[0].id!r} ({found[0].question[:60]!r})"
    if name != "train":
        raise UserError(f"model.examples: {text}; expected examples that nothing is evaluated on")
    ids = tuple(problem.id for problem in found)
    kept = tuple(problem for problem in problems if problem.id not in ids)
    return kept, Dropped(name, "examples", len(ids), text, ids)


def which_are_asked(
    asked: Prompted, dataset: DatasetSpec, problems: Sequence[Problem], suffix: str, room: Room, label: str
) -> list[bool]:
    """Of each question that is only measured, whether a policy is asked: not one that is too long or an example.

    UserError for one that is too long where the spec does not drop it; messages call the questions `label`.
    """
    found = measured(problems, asked.style, asked.tokenizer, suffix, room)
    made = dataset.procedural is not None
    if made or dataset.too_long == "refuse":
        found.refuse(label, dropping=not made)
    shown = {problem.id for problem in shared(asked.style.examples, problems)}
    return [fits and problem.id not in shown for problem, fits in zip(problems, found.fits, strict=True)]
