"""How often the verdicts and the ranks of a leaderboard are right, on made-up studies with a known truth.

    python benchmarks/leaderboard.py
    python benchmarks/leaderboard.py --studies 1000

The first table: studies of 20 arms that all equal the baseline, drawn from `repro.analysis.simulation.World` and judged
as a report does; how often any arm is called clear of the baseline, and how often an arm is. The second: arms whose
true means differ, on tasks that change what an arm does; how often the 95 % interval of a rank holds the true rank, how
wide it is, and how often an arm that is said to be among the best three with a chance of half or more is among them.
"""

from __future__ import annotations

import argparse

import numpy as np

from repro.analysis.leaderboard.ranks import BEST, Scores, ranked, ranks
from repro.analysis.simulation import Shape, study, verdicts

ARMS = 20
SHAPES = ((1, 1, 3), (3, 2, 3), (3, 2, 8))
"""Tasks, policies, seeds."""

NOISE = 0.1
"""Standard deviation of one seed, as a share of the baseline's gain."""

WORLDS = ((3, 2, 3, 0.1, 0.1), (3, 2, 8, 0.1, 0.1), (3, 2, 3, 0.3, 0.1), (3, 2, 3, 0.02, 0.1), (6, 2, 3, 0.1, 0.1),
          (1, 2, 3, 0.1, 0.0), (1, 2, 8, 0.1, 0.0))  # fmt: skip
"""Tasks, policies, seeds; standard deviations between arms, and of one arm between tasks."""


def false_verdicts(tasks: int, policies: int, seeds: int, studies: int, seed: int) -> tuple[float, float]:
    """Shares of studies with any clear arm, and of arms that are clear, where every arm equals the baseline."""
    draw, shape = np.random.default_rng(seed), Shape("", ARMS, tasks * policies, seeds, 8, 128, 4)
    found = np.array([verdicts(study(shape, [1.0] * ARMS, draw)) for _ in range(studies)])  # (studies, arms)
    return float((found != 0).any(axis=1).mean()), float((found != 0).mean())


def made_up(
    draw: np.random.Generator, tasks: int, policies: int, seeds: int, between_arms: float, between_tasks: float
) -> tuple[Scores, np.ndarray]:
    """The differences of a study to its baseline, the first arm, and the true ranks."""
    truth = np.append(0.0, draw.normal(0, between_arms, ARMS - 1))
    by_task = np.repeat(draw.normal(0, between_tasks, (ARMS, tasks)), policies, axis=1)
    runs = draw.normal(0, NOISE, (ARMS, tasks * policies, seeds))
    values = truth[:, None, None] + (by_task - by_task[:1])[:, :, None] + runs - runs[:1]
    names = tuple(f"task {place}" for place in range(tasks) for _ in range(policies))
    return Scores(tuple(map(str, range(ARMS))), names, values), ranked(truth[None])[0]


def coverage(world: tuple[int, int, int, float, float], studies: int, seed: int) -> tuple[float, float, float]:
    """Share of true ranks inside their interval, its mean width in ranks, and how often the likely best three are."""
    draw = np.random.default_rng(seed)
    inside, widths, likely = list[bool](), list[float](), list[bool]()
    for _ in range(studies):
        scores, truth = made_up(draw, *world)
        for one, true in zip(ranks(scores, draw).values(), truth, strict=True):
            inside.append(one.low <= true <= one.high)
            widths.append(one.high - one.low + 1)
            if one.best >= 0.5:
                likely.append(true <= BEST)
    return float(np.mean(inside)), float(np.mean(widths)), float(np.mean(likely)) if likely else float("nan")


def main() -> None:
    """Print both tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200, help="made-up studies for each number")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| tasks x policies x seeds | studies with a false verdict | arms with one |\n|:--|--:|--:|")
    for shape in SHAPES:
        any_arm, each = false_verdicts(*shape, options.studies, options.seed)
        print(f"| {' x '.join(map(str, shape))} | {100 * any_arm:.1f} % | {100 * each:.2f} % |", flush=True)
    print("\n| tasks x policies x seeds | between arms | between tasks | rank inside | ranks wide | best three |")
    print("|:--|--:|--:|--:|--:|--:|")
    for world in WORLDS:
        tasks, policies, seeds, arms, between = world
        inside, wide, likely = coverage(world, options.studies, options.seed)
        cells = [f"{100 * arms:.0f} %", f"{100 * between:.0f} %", f"{100 * inside:.0f} %", f"{wide:.1f}"]
        print(f"| {tasks} x {policies} x {seeds} | {' | '.join(cells)} | {100 * likely:.0f} % |", flush=True)


if __name__ == "__main__":
    main()
