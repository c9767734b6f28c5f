"""Further evaluation sets of a run: loaded once, evaluated whenever an evaluation is due, and their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from repro.errors import UserError
from repro.spec.schema import EvaluateSpec
from repro.tasks.datasets import read_test
from repro.tasks.problem import Dropped, Problem
from repro.tracking import series
from repro.training.evaluation import Evaluation, Sampler


@dataclass(frozen=True)
class BenchmarkSet:
    """The questions of one benchmark and how it is sampled."""

    name: str
    problems: tuple[Problem, ...]
    samples: int
    temperature: float
    top_p: float
    dropped: tuple[Dropped, ...] = ()
    """Rows that were left out."""


def load_benchmarks(evaluate: EvaluateSpec) -> tuple[BenchmarkSet, ...]:
    """The benchmarks of a spec in its order. Raises UserError naming the benchmark, its file, item and field."""
    loaded = []
    for benchmark in evaluate.benchmarks:
        try:
            read = read_test(benchmark.dataset)
        except UserError as error:
            raise UserError(f"evaluate.benchmarks: {benchmark.label}: {error}") from error
        sampling = benchmark.sampling(evaluate)
        problems = tuple(read.problems[: sampling.pop("questions")])
        dropped = tuple(replace(one, set=benchmark.label) for one in read.dropped)
        loaded.append(BenchmarkSet(benchmark.label, problems, **sampling, dropped=dropped))
    return tuple(loaded)


def evaluate_benchmarks(
    sampler: Sampler,
    benchmarks: Sequence[BenchmarkSet],
    sets: Mapping[str, tuple[Problem, ...]],
    results: Sequence[Evaluation],
    top_p: float,
    seed: Callable[[int], int],
) -> list[Evaluation]:
    """One evaluation per benchmark, without greedy completions; `seed` gives the seed of each position.

    A benchmark with the same questions and sampling as one of the dataset's own `sets`, of which `results` are this
    step's evaluations (at nucleus `top_p`), is not sampled a second time: its record is that one's.
    """
    found = []
    for position, benchmark in enumerate(benchmarks):
        same = next((result for result in results if _same(benchmark, sets[result.set], result, top_p)), None)
        if same is not None:
            ids = dict(zip((p.id for p in sets[same.set]), (p.id for p in benchmark.problems), strict=True))
            passes = {ids[known]: count for known, count in same.passes.items()}
            found.append(replace(same, set=benchmark.name, passes=passes, greedy=None))
            continue
        found.append(
            sampler.evaluate(
                benchmark.name,
                benchmark.problems,
                benchmark.samples,
                benchmark.temperature,
                benchmark.top_p,
                seed(position),
                greedy=False,
            )
        )
    return found


def _same(benchmark: BenchmarkSet, problems: tuple[Problem, ...], result: Evaluation, top_p: float) -> bool:
    sampling = (benchmark.samples, benchmark.temperature, benchmark.top_p)
    asked = [(problem.question, problem.answer) for problem in benchmark.problems]
    return sampling == (result.samples, result.temperature, top_p) and asked == [
        (problem.question, problem.answer) for problem in problems
    ]


def benchmark_metrics(accuracy: Mapping[str, float], benchmarks: Sequence[BenchmarkSet]) -> dict[str, float]:
    """`eval/<name>` of each benchmark and `eval/benchmarks`, their unweighted mean; empty without benchmarks."""
    scores = {benchmark.name: accuracy[benchmark.name] for benchmark in benchmarks}
    if not scores:
        return {}
    mean = sum(scores.values()) / len(scores)
    return {**{series.accuracy_of(name): score for name, score in scores.items()}, series.BENCHMARKS: mean}
