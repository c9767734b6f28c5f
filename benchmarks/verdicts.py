"""How often a report's verdicts are right: made-up studies of the shapes of the shipped specs, with a known truth.

    python benchmarks/verdicts.py
    python benchmarks/verdicts.py my_study.yaml --studies 2000

Every study is drawn from `repro.analysis.simulation.World`, judged as a report judges it, and compared with the truth.
The first number is the chance that a study in which every arm equals the baseline calls any of them different. The
others are the chance that one arm which learns 1.25, 1.5 and 2 times as fast is called higher, beside others that equal
the baseline. A second table has studies of several tasks, drawn from many on which an arm helps more or less: how often
the interval over tasks, and the one over these pairs, holds the mean over all such tasks.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from repro.analysis.estimates import over_tasks, over_these
from repro.analysis.power import pooled, smallest_seen, spread_of
from repro.analysis.simulation import Shape, by_task, study, verdicts
from repro.spec.schema import Cell, Spec
from repro.study.claimed import claimed
from repro.study.estimate import estimate, likely_test
from repro.study.load import load_spec
from repro.study.neighbours import Neighbours
from repro.study.points import Point

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
STEPS = {"beyond/leaderboard": 34, "beyond/thresholds_dots_rr": 34, "beyond/thresholds_ufo": 34}
"""Steps that the baseline of a spec took within its budget of tokens."""
FASTER = (1.25, 1.5, 2.0)
TASKS = ((3, 2, 3), (6, 1, 3))
"""Tasks, models of each, seeds."""
SPREADS = (0.1, 0.3)
"""Standard deviation between tasks of the logarithm of how much faster an arm learns."""


NULLS = 8
"""Times as many studies for the chance of a false verdict, which is to be told apart from 5 %."""


def shipped() -> dict[str, Spec]:
    """The shipped studies whose policies come with the package: name -> spec."""
    found = {}
    for path in sorted(EXPERIMENTS.rglob("*.yaml")):
        if path.parent.name != "accelerate":
            spec = load_spec(path).spec
            if all(model.tiny is not None or model.named == "smollm2" for model in spec.model):
                found[path.relative_to(EXPERIMENTS).with_suffix("").as_posix()] = spec
    return found


def shape_of(name: str, spec: Spec) -> Shape | None:
    """Claims, pairs of model and task, seeds, evaluations and questions of a spec; None where it compares nothing.

    Of claims with unlike pairs or seeds those of the one with the fewest count.
    """
    compared = claimed(spec)
    if not compared:
        return None
    cell = Point(spec, spec.model[0], spec.dataset[0], compared[0].against, {}, None).valid()
    questions = min(
        likely_test(cell.dataset), cell.dataset.limits.test or math.inf, cell.evaluate.questions or math.inf
    )
    return Shape(
        name=name,
        arms=len(compared),
        pairs=min(one.pairs for one in compared),
        seeds=min(one.seeds for one in compared),
        evaluations=math.ceil(_steps(name, cell) / cell.evaluate.every),
        questions=int(questions) if math.isfinite(questions) else 500,
        samples=cell.evaluate.samples,
    )


def _steps(name: str, cell: Cell) -> int:
    return STEPS.get(name) or estimate(cell, Neighbours(())).steps or cell.train.steps


def count(shape: Shape, faster: list[float], studies: int, seed: int) -> int:
    """Studies that call the first arm higher, or any arm different where all equal the baseline."""
    draw = np.random.default_rng(seed)
    found = [verdicts(study(shape, faster, draw)) for _ in range(studies)]
    return sum(any(one) if faster[0] == 1 else one[0] > 0 for one in found)


def difference_seen(shape: Shape, seed: int) -> float:
    """The smallest difference in mean accuracy over training that such a study sees with a chance of 80 %."""
    draw = np.random.default_rng(seed)
    wide = Shape("", 1, 1, 8, shape.evaluations, shape.questions, shape.samples)
    spreads = [spread_of(study(wide, [1.0], draw)[0][0].differences()) for _ in range(40)]
    mean = pooled([one for one in spreads if one is not None])
    return math.inf if mean is None else smallest_seen(mean, shape.seeds, shape.arms, shape.pairs)


def coverage(tasks: int, models: int, seeds: int, spread: float, studies: int, seed: int) -> tuple[float, float]:
    """Shares of studies whose interval over tasks, and over pairs, holds the mean over all tasks."""
    draw, shape = np.random.default_rng(seed), Shape("", 1, models, seeds, 8, 256, 4)
    wide = replace(shape, pairs=1)
    truth = float(np.mean([one.value for task in by_task(wide, 1500, FASTER[0], spread, draw) for one in task]))
    hits = np.zeros(2)
    for _ in range(studies):
        found = by_task(shape, tasks, FASTER[0], spread, draw)
        for place, mean in enumerate((over_tasks(found), over_these([one for task in found for one in task]))):
            interval = mean.interval()
            hits[place] += interval.low <= truth <= interval.high
    return float(hits[0]) / studies, float(hits[1]) / studies


def print_coverage(studies: int, seed: int) -> None:
    """The table of intervals over tasks."""
    print("\n| tasks x models x seeds | spread between tasks | over tasks | over these pairs |")
    print("|:--|--:|--:|--:|")
    for tasks, models, seeds in TASKS:
        for spread in SPREADS:
            cells = [f"{100 * share:.0f} %" for share in coverage(tasks, models, seeds, spread, studies, seed)]
            size = f"{tasks} x {models} x {seeds}"
            print(f"| {size} | {100 * spread:.0f} % | {' | '.join(cells)} |", flush=True)


def within(count: int, studies: int) -> str:
    """`4.8 % (3.9 to 5.8)`: a share and its 95 % interval by Clopper and Pearson."""
    from scipy.stats import binomtest

    found = binomtest(count, studies).proportion_ci(0.95)
    return f"{100 * count / studies:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def studies_of(shape: Shape, studies: int) -> int:
    """How many are made up of a shape: of many pairs fewer, for they take as many times longer."""
    return max(1, studies // shape.pairs)


def row(shape: Shape, studies: int, seed: int) -> tuple[str, int]:
    """(row of the shape in the first table, its false verdicts)."""
    others = [1.0] * (shape.arms - 1)
    false = count(shape, [1.0, *others], NULLS * studies, seed)
    chances = [count(shape, [faster, *others], studies, seed) / studies for faster in FASTER]
    cells = [shape.name, f"{shape.arms} x {shape.pairs} x {shape.seeds}", f"{shape.evaluations}"]
    cells += [within(false, NULLS * studies), *(f"{100 * one:.0f} %" for one in chances)]
    return f"| {' | '.join([*cells, f'{100 * difference_seen(shape, seed):.1f}'])} |", false


def print_verdicts(shapes: Sequence[Shape], studies: int, seed: int) -> None:
    """The table of verdicts on each shape, then the false ones over all shapes."""
    print("| study | claims x pairs x seeds | evaluations | any false | 1.25x | 1.5x | 2x | seen, points |")
    print("|:--|:--|--:|--:|--:|--:|--:|--:|")
    wrong = 0
    for shape in shapes:
        text, false = row(shape, studies_of(shape, studies), seed)
        print(text, flush=True)
        wrong += false
    whole = sum(NULLS * studies_of(shape, studies) for shape in shapes)
    print(f"\nAny false, all shapes together: {within(wrong, whole)}")


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="*", type=Path, help="default: the shipped specs that run without a model hub")
    parser.add_argument(
        "--studies",
        type=int,
        default=1000,
        help=f"made-up studies for each number, divided by the pairs of a study; {NULLS} times as many for false ones",
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    specs = {path.stem: load_spec(path).spec for path in options.specs} or shipped()
    shapes = {name: shape_of(name, spec) for name, spec in specs.items()}
    silent = [f"{name} (nothing compared)" for name, shape in shapes.items() if shape is None]
    silent += [f"{name} (one seed)" for name, shape in shapes.items() if shape and shape.seeds < 2]
    deciding = [shape for shape in shapes.values() if shape and shape.seeds > 1]
    if deciding:
        print_verdicts(deciding, options.studies, options.seed)
    if silent:
        print(f"Decide nothing: {', '.join(silent)}")
    print_coverage(options.studies, options.seed)


if __name__ == "__main__":
    main()
