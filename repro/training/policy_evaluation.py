"""One evaluation of the policy in training: the dataset's own sets, the benchmarks, and the series they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repro.errors import UserError
from repro.spec.schema import MAIN_SETS, Cell
from repro.tasks.problem import Problem, TaskData
from repro.tracking import series
from repro.training.base_policy import main_set
from repro.training.benchmarks import BenchmarkSet, benchmark_metrics, evaluate_benchmarks
from repro.training.evaluation import Evaluation, Sampler
from repro.training.randomness import EVALUATE, derive_seed


def evaluation_sets(cell: Cell, data: TaskData) -> dict[str, tuple[Problem, ...]]:
    """Set name -> problems, as far as the spec's `evaluate` asks for them."""
    sets: dict[str, tuple[Problem, ...]] = {}
    for name in cell.evaluate.sets:
        if name == "extra":
            sets |= data.extra
        else:
            sets[name] = data.test if name == "test" else data.validation
    limit = cell.evaluate.questions
    empty = [name for name, problems in sets.items() if not problems]
    if empty:
        raise UserError(f"evaluate.sets: the dataset has no {' and no '.join(empty)} questions")
    return {name: problems[:limit] for name, problems in sets.items()}


def evaluate_policy(
    cell: Cell,
    sampler: Sampler,
    sets: Mapping[str, tuple[Problem, ...]],
    benchmarks: Sequence[BenchmarkSet],
    last: bool,
) -> tuple[list[Evaluation], dict[str, float]]:
    """What the policy reaches after a step, and its `eval/...` series.

    The test or validation set and the benchmarks are sampled each time; further sets, and greedily, at the end only.
    The random numbers of a question's samples depend on the run's seed alone: arms and steps share them, so that much
    of the sampling noise is the same in both parts of a difference. Each estimate by itself is as it would be without.
    """
    wanted, results = cell.evaluate, []
    metrics: dict[str, float] = {}
    for position, (name, problems) in enumerate(sets.items()):
        main = name in MAIN_SETS
        if not main and not last:
            continue
        result = sampler.evaluate(
            name,
            problems,
            samples=wanted.samples if main else 1,
            temperature=wanted.temperature,
            top_p=wanted.top_p,
            seed=derive_seed(cell.seed, EVALUATE, position),
            greedy=main and last,
        )
        results.append(result)
        metrics |= evaluation_metrics(result, detailed=name == main_set(wanted.sets))
    further = evaluate_benchmarks(
        sampler,
        benchmarks,
        sets,
        results,
        wanted.top_p,
        lambda position: derive_seed(cell.seed, EVALUATE, 1000 + position),
    )
    metrics |= benchmark_metrics({result.set: result.accuracy for result in further}, benchmarks)
    return [*results, *further], metrics


def evaluation_metrics(result: Evaluation, detailed: bool) -> dict[str, float]:
    """The `eval/...` series of one evaluation; `detailed` for the main set."""
    metrics = {series.accuracy_of(result.set): result.accuracy}
    if detailed:
        metrics |= {series.PASS: result.solved, series.ENTROPY: result.entropy, series.TOKENS: result.mean_tokens}
        if result.greedy_accuracy is not None:
            metrics[series.GREEDY] = result.greedy_accuracy
    return metrics
