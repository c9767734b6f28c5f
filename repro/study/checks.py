"""What the schema of one section cannot say: names that do not exist, and fields that contradict each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from repro.fields import LONGEST_NAME, Scalar
from repro.plugins import is_door, load
from repro.spec.artefacts import ARTEFACTS
from repro.spec.document import FieldPath, Problem
from repro.spec.presets.registry import PRESETS
from repro.spec.schema import BENCHMARKS_MEAN, MAIN_SETS, Spec
from repro.spec.sweep_spec import FloatRange, IntRange, Range, SweepSpec
from repro.study.cell_checks import CellCheck
from repro.study.points import points
from repro.study.raw_fields import all_paths, base_fields, has_path, with_fields
from repro.study.sizes import too_many_cells
from repro.tasks.catalogue import TRAINING_NAMES
from repro.words import listed, show, unknown

ARM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
ARM_NAMES: tuple[FieldPath, ...] = (("arms", "<names>"),)
"""What is said about names holds where an arm has faulty fields, but not where `arms` itself is faulty."""


def check(spec: Spec, data: dict[str, Any]) -> list[Problem]:
    """Every contradiction in a spec whose sections are valid by themselves; `data` is what the user wrote."""
    return [
        *_names(spec),
        *_main(spec),
        *_artefacts(spec),
        *_data(spec),
        *_repeats(spec),
        *_budget(spec, data),
        *_axes(spec),
        *_matrix(spec),
        *sweep_problems(spec),
    ]


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
    yield from _claims(spec)
    for key, labels in (
        ("models", [model.label for model in spec.model]),
        ("datasets", [dataset.label for dataset in spec.dataset]),
    ):
        for arm, fields in spec.arms.items():
            for index, label in enumerate(getattr(fields, key) or ()):
                if label not in labels:
                    text = unknown(label, labels, f"the label of one of the {key}")
                    yield Problem(("arms", arm, key, index), text, ((key.removesuffix("s"),),))
    if spec.sweep is not None:
        for index, name in enumerate(spec.sweep.arms):
            if name not in arms:
                at: tuple[int, ...] = (index,) if isinstance(spec.sweep.arm, list) else ()
                yield Problem(("sweep", "arm", *at), unknown(name, arms, "an arm"), ARM_NAMES)


def _claims(spec: Spec) -> Iterator[Problem]:
    """Arms of primary claims must be there, each claim once."""
    arms, seen = list(spec.arms), set[tuple[str, str, str]]()
    for index, claim in enumerate(spec.report.claims):
        place = ("report", "claims", index)
        against = claim.against or spec.report.baseline or arms[0]
        for field, name in (("arm", claim.arm), ("against", against)):
            if name not in arms:
                yield Problem((*place, field), unknown(name, arms, "an arm"), ARM_NAMES)
        if claim.arm == against:
            text = f"got {show(claim.arm)} against itself, expected two arms: say `against`, or another report.baseline"
            yield Problem((*place, "arm"), text)
        if (key := (claim.arm, against, claim.by)) in seen:
            yield Problem(place, f"got {show(claim.arm)} against {show(against)} by {claim.by} twice, expected it once")
        seen.add(key)


def _main(spec: Spec) -> Iterator[Problem]:
    """`report.main` must name a set that is evaluated at every evaluation, or the mean over several of them."""
    main, evaluate = spec.report.main, spec.evaluate
    own = [name for name in MAIN_SETS if name in evaluate.sets]
    labels = [benchmark.label for benchmark in evaluate.benchmarks]
    names = [*own, *([BENCHMARKS_MEAN] if labels else []), *labels]
    if main is None or main in names:
        return
    if main == BENCHMARKS_MEAN:
        text = "got benchmarks, the mean over evaluate.benchmarks, which is empty: list them, e.g. [gsm8k, math500]"
    elif main in MAIN_SETS:
        text = f"got {main}, which is not evaluated: add it to evaluate.sets"
    else:
        text = unknown(main, names, "a set that is evaluated at every evaluation")
    yield Problem(("report", "main"), text, (("evaluate",),))


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
    for name, arm in spec.arms.items():
        if arm.seeds is not None:
            lists.append((("arms", name, "seeds"), arm.seeds))
            foreign = sorted(set(arm.seeds) - set(spec.seeds))
            if foreign:
                text = f"got {listed(foreign)}, expected some of the study's seeds ({listed(spec.seeds)})"
                yield Problem(("arms", name, "seeds"), text, (("seeds",),))
    lists += [(("axes", path), values) for path, values in spec.axes.items()]
    if spec.sweep is not None:
        lists.append((("sweep", "seeds"), spec.sweep.seeds))
        shared = sorted(set(spec.seeds) & set(spec.sweep.seeds))
        if shared:
            text = f"got {listed(shared)}, expected seeds that the tables do not use (seeds: {show(spec.seeds)})"
            yield Problem(("sweep", "seeds"), text, (("seeds",),))
    for place, values in lists:
        twice = [value for value, count in Counter(map(show, values)).items() if count > 1]
        if twice:
            yield Problem(place, f"got {listed(twice)} more than once, expected distinct values")


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
    preset = PRESETS[spec.preset].nested(["budget"]).get("budget") if spec.preset else None
    whose = f" of preset {spec.preset}" if preset == spec.budget.model_dump(exclude_none=True) else ""
    for place in written:
        text = f"got steps beside a budget{whose}, expected only one of them: a budget stops the run instead of steps"
        yield Problem(place, text, (("budget",),))


# ---------------------------------------------------------------- axes and sizes


def _axes(spec: Spec) -> Iterator[Problem]:
    if not spec.axes:
        return
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
        row = CellCheck(spec, point.arm, {path: ("axes", path) for path in point.axis_point})
        yield from row.problems(point.draft()) if point.cell is None else row.sizes(point.cell)


def sweep_problems(spec: Spec) -> Iterator[Problem]:
    """What is wrong with a sweep: paths that an arm lacks, ends of ranges that make no valid cell, no questions."""
    sweep = spec.sweep
    if sweep is None or not set(sweep.arms) <= set(spec.arms):
        return
    for arm in sweep.arms:
        for base in _bases(spec, [arm]):
            yield from _space(spec, sweep, arm, base)
    for index, dataset in enumerate(spec.dataset):
        made = dataset.procedural
        held_back = made.validation if made else dataset.validation_fraction
        if not held_back:
            field = dataset.task_field("validation") if made else ("validation_fraction",)
            text = "got 0, expected more: a sweep looks at validation questions only"
            yield Problem(("dataset", index, *field), text, (("sweep",),))


def _space(spec: Spec, sweep: SweepSpec, arm: str, base: dict[str, Any]) -> Iterator[Problem]:
    for path, values in sweep.space.items():
        place: FieldPath = ("sweep", "space", path)
        if not has_path(base, path):
            text = unknown(path, all_paths(base), f"a path of arm {arm}")
            yield Problem(place, text, (("arms", arm), ("sweep", "arm")))
            continue
        row = CellCheck(spec, arm, {path: place})
        for value in _ends(values):
            yield from row.problems(with_fields(base, {path: value}))


def _ends(values: Range) -> tuple[Scalar, ...]:
    if isinstance(values, FloatRange):
        return values.float
    return values.int if isinstance(values, IntRange) else tuple(values.choice)
