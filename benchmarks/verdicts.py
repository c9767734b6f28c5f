"""How often a report's verdicts are right: made-up studies of the shapes of the shipped specs, with a known truth.

    python benchmarks/verdicts.py
    python benchmarks/verdicts.py my_study.yaml --studies 2000

Every study is drawn from `analysis.simulation.World`, judged as a report judges it, and compared with the truth. The
first number is the chance that a study in which every arm equals the baseline calls any of them different. The others
are the chance that one arm which learns 1.25, 1.5 and 2 times as fast is called higher, beside others that equal the
baseline. A second table has studies of several tasks, drawn from many on which an arm helps more or less: how often the
interval over tasks, and the one over these pairs, holds the mean over all such tasks.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.estimates import over_tasks, over_these
from analysis.power import pooled, smallest_seen, spread_of
from analysis.simulation import Shape, by_task, study, verdicts
from analysis.study import headline_arms
from repro.spec.schema import Spec
from repro.study.estimate import likely_test
from repro.study.expand import expand
from repro.study.load import load_spec

ROOT = Path(__file__).parents[1]
SHIPPED = ("quickstart", "ufo_rl/tiny", "ufo_rl/gsm8k_tiny", "dots_rr/tiny")
FASTER = (1.25, 1.5, 2.0)
TASKS = ((3, 2, 3), (6, 1, 3))
"""Tasks, models of each, seeds."""
SPREADS = (0.1, 0.3)
"""Standard deviation between tasks of the logarithm of how much faster an arm learns."""


NULLS = 4
"""Times as many studies for the chance of a false verdict, which is to be told apart from 5 %."""


def shape_of(spec: Spec) -> Shape:
    """Primary claims, pairs of model and task, seeds, evaluations and questions of a spec."""
    cell = expand(spec)[0]
    questions = min(
        likely_test(cell.dataset), cell.dataset.limits.test or math.inf, cell.evaluate.questions or math.inf
    )
    return Shape(
        name=spec.name,
        arms=len(spec.report.claims) or max(1, len(headline_arms(spec)) - 1),
        pairs=len(spec.model) * len(spec.dataset),
        seeds=len(spec.seeds),
        evaluations=math.ceil(cell.train.steps / cell.evaluate.every),
        questions=int(questions) if math.isfinite(questions) else 500,
        samples=cell.evaluate.samples,
    )


def chance(shape: Shape, faster: list[float], studies: int, seed: int) -> float:
    """Share of studies that call the first arm higher, or any arm different where all equal the baseline."""
    draw = np.random.default_rng(seed)
    found = [verdicts(study(shape, faster, draw)) for _ in range(studies)]
    return sum(any(one) if faster[0] == 1 else one[0] > 0 for one in found) / studies


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


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="*", type=Path, help="default: the shipped specs that run without a GPU")
    parser.add_argument(
        "--studies",
        type=int,
        default=1000,
        help=f"made-up studies for each number; {NULLS} times as many for false ones",
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    paths = options.specs or [ROOT / "experiments" / f"{name}.yaml" for name in SHIPPED]
    print("| study | claims x pairs x seeds | evaluations | any false | 1.25x | 1.5x | 2x | seen, points |")
    print("|:--|:--|--:|--:|--:|--:|--:|--:|")
    for path in paths:
        shape = shape_of(load_spec(path).spec)
        others = [1.0] * (shape.arms - 1)
        false = chance(shape, [1.0, *others], NULLS * options.studies, options.seed)
        numbers = [chance(shape, [faster, *others], options.studies, options.seed) for faster in FASTER]
        cells = [f"{100 * false:.1f} %", *(f"{100 * number:.0f} %" for number in numbers)]
        size = f"{shape.arms} x {shape.pairs} x {shape.seeds}"
        seen = f"{100 * difference_seen(shape, options.seed):.1f}"
        print(f"| {shape.name} | {size} | {shape.evaluations} | {' | '.join(cells)} | {seen} |", flush=True)
    print_coverage(options.studies, options.seed)


if __name__ == "__main__":
    main()
