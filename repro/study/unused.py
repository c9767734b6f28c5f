"""Settings of a valid spec that have no effect: worth a warning, because the user meant something by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from repro.spec.document import Document, FieldPath, Origin, Problem
from repro.spec.schema import Spec
from repro.study.identity import canonical_fields
from repro.study.points import points, shared
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.registry import find

FILE_FIELDS = (
    "train_split",
    "test_split",
    "question",
    "answer",
    "solution",
    "id",
    "validation_fraction",
    "test_path",
    "test_named",
    "filters",
    "without",
    "decontaminate",
    "too_long",
    "unreadable",
    "stand_in",
)
HUB_FIELDS = ("config", "revision")
ALIKE = 3
"""Arms alike with one that are named; the others are counted."""


def unused_settings(spec: Spec, document: Document) -> list[Problem]:
    """One warning per setting that the user wrote and that nothing reads."""
    sections = (_evaluation, _models, _datasets, _training, _rollouts, _replay)
    found = [warning for section in sections for warning in section(spec, document.data)]
    return [*found, *_predicting(spec, document), *_same(spec)]


def _warning(path: FieldPath, because: str) -> Problem:
    return Problem(path, f"warning: has no effect: {because}")


def _evaluation(spec: Spec, data: dict[str, Any]) -> Iterator[Problem]:
    steps, every = spec.train.steps, spec.evaluate.every
    if spec.budget is None and every > steps and "every" in data.get("evaluate", {}):
        yield _warning(("evaluate", "every"), f"only start and end of {steps} steps are evaluated")
    if spec.evaluate.predictor_questions and not any(a.selection.predicts for a in spec.arms.values()):
        yield _warning(("evaluate", "predictor_questions"), "no arm predicts difficulty")
    sizes = [dataset.procedural.test for dataset in spec.dataset if dataset.procedural]
    if spec.evaluate.questions and len(sizes) == len(spec.dataset) and spec.evaluate.questions > max(sizes):
        yield _warning(("evaluate", "questions"), f"the test set has {max(sizes)} questions")


def _models(spec: Spec, data: dict[str, Any]) -> Iterator[Problem]:
    for index, model in enumerate(spec.model):
        if model.tiny is None:
            continue
        written = data["model"][index]
        for field in ("system_prompt", "chat_template", "trust_remote_code"):
            if field in written:
                yield _warning(("model", index, field), "the embedded policy has no chat template or own code")
        tiny = written.get("tiny") or {}
        if model.tiny.tokenizer == "characters" and "vocabulary" in tiny:
            yield _warning(("model", index, "tiny", "vocabulary"), "a character tokenizer finds its own size")
        start = tiny.get("warm_start") or {}
        tasks = {type(dataset.procedural) for dataset in spec.dataset}
        for task in start.get("teachers") or {}:
            if find(task) not in tasks:
                place: FieldPath = ("model", index, "tiny", "warm_start", "teachers", task)
                yield _warning(place, f"this teacher speaks {task} only")


def _datasets(spec: Spec, data: dict[str, Any]) -> Iterator[Problem]:
    for index, dataset in enumerate(spec.dataset):
        written = data["dataset"][index]
        from_hub = dataset.path is None and (dataset.hub or dataset.named)
        for field in HUB_FIELDS:
            if field in written and "task" not in written and not from_hub:
                yield _warning(("dataset", index, field), "it belongs to a hub dataset")
        if dataset.procedural is None:
            continue
        for field in FILE_FIELDS:
            if field in written and "task" not in written:
                yield _warning(("dataset", index, field), f"{dataset.label} questions are made, not read")
        for field, size in _made_sizes(dataset).items():
            limit = getattr(dataset.limits, field)
            if limit is not None and limit >= size:
                yield _warning(("dataset", index, "limits", field), f"there are {size} questions")


def _made_sizes(dataset: DatasetSpec) -> dict[str, int]:
    made = dataset.procedural
    return {} if made is None else {"train": made.pool, "validation": made.validation, "test": made.test}


def _training(spec: Spec, data: dict[str, Any]) -> Iterator[Problem]:
    replays = any(arm.replay for arm in spec.arms.values())
    varied = any("minibatches" in arm.train for arm in spec.arms.values()) or "train.minibatches" in spec.axes
    if "clip" in data.get("train", {}) and spec.train.minibatches == 1 and not replays and not varied:
        yield _warning(("train", "clip"), "one update a step without replay is on-policy, so the ratio is always 1")


def _rollouts(spec: Spec, data: dict[str, Any]) -> Iterator[Problem]:
    """What belongs to vLLM, or to a vLLM in this process, where there is none."""
    rollout, written = spec.train.rollout, data.get("train", {}).get("rollout") or {}
    if "train.rollout.engine" in spec.axes:
        return
    for field in written:
        place: FieldPath = ("train", "rollout", field)
        if rollout.engine == "hf" and field != "engine":
            yield _warning(place, "it belongs to engine: vllm")
        elif rollout.mode == "server" and field in ("memory", "context", "sequences", "dtype"):
            yield _warning(place, "the server has settings of its own")


def _predicting(spec: Spec, document: Document) -> Iterator[Problem]:
    """A predictor that nothing asks for, and fields of a selection without effect, where written and not inherited."""
    varied = {*spec.axes, *(spec.sweep.space if spec.sweep else ())}
    asked = {name for name, arm in spec.arms.items() if arm.selection.wants_predictor}
    open_source = "selection.predictor" in varied
    if spec.predictor is not None and not asked and not open_source:
        yield _warning(("predictor",), "no arm has a selection with predictor: trained")
    for name, arm in spec.arms.items():
        place: FieldPath = ("arms", name, "predictor")
        if arm.predictor is not None and name not in asked and not open_source and _own(document, place):
            yield _warning(place, "this arm's selection has no predictor: trained")
        raw = (document.data["arms"].get(name) or {}).get("selection") or {}
        written = {key: value for key, value in raw.items() if _own(document, ("arms", name, "selection", key))}
        if any(path.startswith("selection.") for path in varied):
            continue
        for field, because in arm.selection.idle(written):
            yield _warning(("arms", name, "selection", field), because)


def _own(document: Document, place: FieldPath) -> bool:
    """Whether a field was written there, and not taken over from another arm or a preset."""
    return document.origins.get(place, Origin("", ())).path == place


_SHORT = {
    "top_up": "fresh questions fill up",
    "wait": "replay waits again and again",
    "shrink": "batches are smaller",
}


def _replay(spec: Spec, data: dict[str, Any]) -> Iterator[Problem]:
    """A `max_age` that no group reaches, or at which the buffer never holds enough however informative they are."""
    told: set[str] = set()
    for where in points(spec):
        cell = where.valid()
        replay, batch = cell.replay, cell.train.questions_per_step
        if replay is None or replay.max_age is None or where.arm in told:
            continue
        varied = "replay.max_age" in where.axis_point
        path: FieldPath = ("axes", "replay.max_age") if varied else ("arms", where.arm, "replay", "max_age")
        fresh = round(replay.fresh * batch)
        if cell.budget is None and replay.max_age >= cell.train.steps - 1 > 0:
            told.add(where.arm)
            yield _warning(path, f"no group grows older than that in {cell.train.steps} steps")
        elif replay.max_age * fresh < batch - fresh:
            told.add(where.arm)
            text = (
                f"warning: {replay.max_age} steps make {replay.max_age * fresh} groups, a step replays {batch - fresh}:"
                f" {_SHORT[replay.short]}"
            )
            yield Problem(path, text)


def _same(spec: Spec) -> Iterator[Problem]:
    """Arms whose trainings are the same run under two names."""
    first: dict[str, str] = {}
    told: set[str] = set()
    alike: dict[str, list[str]] = {}
    once = shared(spec)
    for point in points(spec):
        (text,) = canonical_fields(point.valid(), spec.seeds[:1], once)
        other = first.setdefault(text, point.arm)
        if other != point.arm and point.arm not in told:
            told.add(point.arm)
            alike.setdefault(other, []).append(point.arm)
    for arm, others in alike.items():
        for other in others[:ALIKE]:
            yield Problem(("arms", other), f"warning: trains the same as arm {arm}; they share their runs")
        if len(others) > ALIKE:
            more = len(others) - ALIKE - 1
            text = f"warning: trains the same as arm {arm}"
            text += f", as do {more:,} arms after it" if more > 1 else ", as does an arm after it" if more else ""
            yield Problem(("arms", others[ALIKE]), text)
