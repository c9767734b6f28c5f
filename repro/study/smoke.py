"""Shrinks a study until every stage of it is touched within a minute, with its arms as they are."""

from __future__ import annotations

from typing import Any

from repro.models.model_spec import ModelSpec
from repro.models.sources import resolved
from repro.selection.method import Smoke
from repro.spec.schema import Spec
from repro.tasks.benchmark_spec import Benchmark
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.sources import on_hub

STEPS = 2
QUESTIONS_PER_STEP = 8
GROUP_SIZE = 2
MINIBATCHES = 2
POOL = 128
TEST = 16
VALIDATION = 16
TOKENS = 32
"""Longest completion where the data are not made up."""
SIZES = Smoke(STEPS, QUESTIONS_PER_STEP, GROUP_SIZE, POOL)
WARM_START_UPDATES = 40
"""For embedded policies that do not ship with the package; the shipped one starts trained."""
SOLUTION_START = {"updates": 4, "batch_size": 4}
"""At most, for other models."""


def shrink(spec: Spec) -> Spec:
    """The same study with few steps, questions and samples, one seed, and one value per axis.

    The baseline trains on every model and dataset that it has, the other arms on their first ones. Arms keep their
    methods; fractions, references and replay are moved only as far as the smaller batch and pool need. Pools are cut by
    `limits`, so the start policy stays the one that the full study uses.
    """
    data = spec.model_dump(mode="json", exclude_none=True)
    data["name"] = f"{spec.name}-smoke"
    for holder in (data, *data["arms"].values()):
        if "predictor" in holder:
            _predictor(holder["predictor"], spec.dataset)
    data["seeds"] = spec.seeds[:1]
    data["axes"] = {path: values[:1] for path, values in spec.axes.items() if not _falls_away(path, spec)}
    if _FRACTION in data["axes"]:
        data["axes"][_FRACTION] = [max(value, SIZES.least_fraction) for value in data["axes"][_FRACTION]]
    data.pop("budget", None)
    data["dataset"] = [_dataset(dataset) for dataset in spec.dataset]
    data["model"] = [_model(model, spec.dataset) for model in spec.model]
    cut_tokens = any(dataset.procedural is None for dataset in spec.dataset)
    _train(data["train"], cut_tokens)
    _evaluate(data["evaluate"])
    baseline = spec.report.baseline or next(iter(spec.arms))
    for name, arm in data["arms"].items():
        if name != baseline:
            arm["models"] = (spec.arms[name].models or [spec.model[0].label])[:1]
            arm["datasets"] = (spec.arms[name].datasets or [spec.dataset[0].label])[:1]
        arm.pop("budget", None)
        arm.pop("seeds", None)
        arm["train"] = {key: value for key, value in arm["train"].items() if key not in _SIZES}
        chosen = spec.arms[name].selection.smoke(SIZES)
        arm["selection"] = chosen.model_dump(mode="json", exclude_none=True)
        if "replay" in arm:
            fresh = max(1, round(arm["replay"]["fresh"] * QUESTIONS_PER_STEP))
            arm["replay"]["fresh"] = min(fresh, QUESTIONS_PER_STEP - 1) / QUESTIONS_PER_STEP
            size = GROUP_SIZE if arm["replay"]["unit"] == "rollout" else 1
            arm["replay"]["capacity"] = max(arm["replay"]["capacity"], QUESTIONS_PER_STEP * size)
            arm["replay"]["warm_up"] = min(arm["replay"]["warm_up"], STEPS - 1)
    if "sweep" in data:
        _sweep(data["sweep"], spec)
    return Spec.model_validate(data)


def stand_ins(spec: Spec) -> tuple[str, ...]:
    """One line for each hub model whose place a stand-in takes, and one that names the sets of made-up questions."""
    named = list(spec.model)
    for predictor in (spec.predictor, *(arm.predictor for arm in spec.arms.values())):
        if predictor is not None:
            named += [*predictor.policies, *([predictor.embedder] if predictor.embedder else [])]
    hubs = dict.fromkeys(str(resolved(model).hub) for model in named if model.stand_in)
    lines: list[str] = []
    if hubs:
        from repro.models.stand_in import describe_stand_in

        lines += map(describe_stand_in, hubs)
    sets = [dataset.label for dataset in spec.dataset if dataset.stand_in]
    sets += [one.label for one in spec.evaluate.benchmarks if one.stand_in and one.label not in sets]
    if sets:
        lines.append(
            f"note: made-up stand-in questions in the field layout of {', '.join(sets)}: --smoke fetches nothing from "
            f"the hub, and its numbers mean nothing"
        )
    return tuple(lines)


_FRACTION = "selection.fraction"
_SIZES = ("steps", "questions_per_step", "group_size", "minibatches", "max_prompt_tokens", "max_completion_tokens")
_FIXED = (
    *(f"train.{field}" for field in _SIZES),
    "train.rollout.",
    *("dataset.", "evaluate.", "budget.", "replay."),
)


def _falls_away(path: str, spec: Spec) -> bool:
    """Whether an axis or range of a sweep is over a field that a smoke run sets itself."""
    fields = {f"selection.{field}" for arm in spec.arms.values() for field in arm.selection.SMOKE_FIELDS}
    return path.startswith((*_FIXED, *fields))


def _dataset(dataset: DatasetSpec) -> dict[str, Any]:
    data = dataset.written_out()
    if on_hub(dataset):
        data["stand_in"] = True
    limits = {"train": POOL, "validation": VALIDATION, "test": TEST}
    data["limits"] = {key: min(limit, getattr(dataset.limits, key) or limit) for key, limit in limits.items()}
    return data


def _model(model: ModelSpec, datasets: list[DatasetSpec]) -> dict[str, Any]:
    from repro.models.policy import shipped_key
    from repro.models.warm_start import warm_start_key

    data = model.model_dump(mode="json", exclude_none=True)
    if (start := data.get("warm_start")) is not None:
        start |= {field: min(start[field], most) for field, most in SOLUTION_START.items()}
    if model.hub is not None or model.named is not None:
        data.pop("revision", None)
        return {**data, "stand_in": True, "trust_remote_code": False}
    if model.tiny is not None and any(warm_start_key(model.tiny, dataset) != shipped_key() for dataset in datasets):
        start = data["tiny"]["warm_start"]
        start["updates"] = min(start["updates"], WARM_START_UPDATES)
    return data


def _predictor(predictor: dict[str, Any], datasets: list[DatasetSpec]) -> None:
    embedder = predictor.get("embedder")
    if predictor.get("path") is not None:
        if embedder is None or embedder.get("hub", embedder.get("named")) is None:
            return
        del predictor["path"]  # its embeddings would come from the hub: a small one takes its place
        predictor["policies"] = [embedder]
    tokens = predictor["max_completion_tokens"]
    if any(dataset.procedural is None for dataset in datasets):
        tokens = min(tokens, TOKENS)
    predictor.update(questions=POOL, samples=2, policies=predictor["policies"][:2], max_completion_tokens=tokens)
    predictor["policies"] = [_model(ModelSpec.model_validate(policy), datasets) for policy in predictor["policies"]]
    if "embedder" in predictor:
        predictor["embedder"] = _model(ModelSpec.model_validate(predictor["embedder"]), datasets)
    predictor["fit"].update(epochs=2, batch_size=32, references=min(predictor["fit"]["references"], 16))


def _train(train: dict[str, Any], cut_tokens: bool) -> None:
    train.update(steps=STEPS, questions_per_step=QUESTIONS_PER_STEP, group_size=GROUP_SIZE, minibatches=MINIBATCHES)
    train.pop("rollout", None)  # a smoke run asks for nothing that the machine may lack
    train.pop("max_prompt_tokens", None)  # the tokens of a stand-in are bytes
    if cut_tokens:
        train["max_completion_tokens"] = min(train["max_completion_tokens"], TOKENS)


def _evaluate(evaluate: dict[str, Any]) -> None:
    for benchmark in evaluate["benchmarks"]:
        benchmark.update(samples=1, questions=min(benchmark.get("questions", TEST), TEST))
        if on_hub(Benchmark.model_validate(benchmark).dataset):
            benchmark["stand_in"] = True
    evaluate.update(every=1, samples=1, pool_samples=2, base_temperatures=evaluate["base_temperatures"][:1])
    evaluate["questions"] = min(evaluate.get("questions", TEST), TEST)
    evaluate["gradient_questions"] = min(evaluate["gradient_questions"], QUESTIONS_PER_STEP)
    evaluate["predictor_questions"] = min(evaluate["predictor_questions"], TEST)


def _sweep(sweep: dict[str, Any], spec: Spec) -> None:
    sweep.update(trials=2, batch=2, seeds=sweep["seeds"][:1])
    sweep.pop("pruner", None)  # one seed leaves nothing to stop
    space = {path: values for path, values in sweep["space"].items() if not _falls_away(path, spec)}
    if "float" in space.get(_FRACTION, {}):
        low, high = space[_FRACTION]["float"]
        low = min(max(low, SIZES.least_fraction), 0.5)
        space[_FRACTION]["float"] = [low, max(high, 2 * low)]
    elif _FRACTION in space:
        space[_FRACTION] = {"choice": [max(value, SIZES.least_fraction) for value in space[_FRACTION]["choice"]]}
    rates = {"choice": [1e-4, 4e-4]} if sweep.get("sampler") == "grid" else {"float": [1e-4, 4e-4], "log": True}
    sweep["space"] = space or {"train.learning_rate": rates}
