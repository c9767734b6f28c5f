"""`repro run`: trains what a study lacks, delivers it to MLflow and prints a summary."""

from __future__ import annotations

import contextlib
import logging
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.errors import UserError
from repro.files import parse_jsonl, write_atomically
from repro.launch.damaged import damage_of, print_damage, repairs_of
from repro.launch.delivery import MetricsDelivery
from repro.launch.display import duration, make_display, print_table
from repro.launch.health import print_health
from repro.launch.protocol import Outcome, Task, Watcher
from repro.launch.settled import Settled
from repro.launch.terminal import make_console
from repro.launch.where import Where
from repro.launch.worker import Target
from repro.masking import mask
from repro.numbers import t_interval
from repro.spec.schema import Cell
from repro.study.expand import ExpandedCell, expand_study
from repro.study.inputs import write_plan
from repro.study.load import LoadedSpec, resolved_yaml
from repro.tracking import series
from repro.tracking.address import public_address, resolve_store
from repro.tracking.aggregate import aggregate
from repro.tracking.client import check_store
from repro.tracking.labels import Labels
from repro.tracking.run_status import run_status
from repro.training.split import check_ranks


@dataclass(frozen=True)
class Options:
    """How a study runs; none of it changes a result."""

    runs_dir: Path
    where: Where
    fail_fast: bool = False
    store_uri: str | None = None
    target: Target | None = None  # default: repro.training.job.run_job


def run_study(
    loaded: LoadedSpec,
    runs_dir: Path,
    where: Where,
    fail_fast: bool = False,
    *,
    store_uri: str | None = None,
    console: Console | None = None,
    target: Target | None = None,
) -> int:
    """Train every cell of the study that is not finished, deliver all of them, and print a summary.

    Returns:
        0; 1 where a cell failed or was stopped, or a finished one has damaged files or is not in the MLflow store;
        128 + N where signal N ended it, 130 for Ctrl-C and 143 for SIGTERM (running it again goes on).

    Raises:
        UserError: a file that the spec names is missing, the store's address can never work, or the jobs cannot run
            where they should.
    """
    console = console or make_console()
    check_store(store_uri)
    options = Options(Path(runs_dir).absolute(), where, fail_fast, store_uri, target)
    spec = loaded.spec
    cells = in_training_order(expand_study(spec))
    place = options.runs_dir / "specs" / f"{spec.name}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, resolved_yaml(spec).encode())

    statuses = {cell.identity: run_status(options.runs_dir / cell.identity) for cell in cells}
    finished = sum(status == "finished" for status in statuses.values())
    damaged = sum(status == "damaged" for status in statuses.values())
    resumed = sum(status in ("failed", "killed") for status in statuses.values())
    console.print(
        f"{spec.name}: {len(cells)} cells, {finished} finished before"
        + (f", {damaged} damaged" if damaged else "")
        + (f", {resumed} to go on with after a failure or a stop" if resumed else "")
        + (f"; {len(cells) - finished - damaged} to train, {where.words()}" if finished + damaged < len(cells) else ""),
        highlight=False,
        soft_wrap=True,
    )
    with where.session():
        ended = run_cells(cells, spec.name, options, console)
    _print_arms([cell for cell in cells if cell.identity not in ended.damaged], options.runs_dir, console)
    _print_failures(ended.outcomes, console)
    print_health(cells, options.runs_dir, console)
    print_damage(ended.damaged, ended.repairs, console)
    _print_store(ended, spec.name, options, console)
    if ended.interrupted is not None:
        console.print("Stopped. The same command goes on from the last checkpoint of each cell.", highlight=False)
        return 128 + ended.interrupted
    failed = any(outcome.end in ("failed", "stopped", "not run") for outcome in ended.outcomes)
    return 1 if failed or ended.damaged or ended.incomplete else 0


@dataclass(frozen=True)
class Ended:
    """How a set of cells ended."""

    outcomes: list[Outcome]
    interrupted: int | None  # the signal that ended it
    undelivered: tuple[Path, ...]  # runs that the MLflow store still lacks
    aggregated: bool  # the store has the figures over seeds
    damaged: dict[str, str] = field(default_factory=dict)  # identity of a finished run -> what is wrong and the cure
    repairs: dict[str, list[str]] = field(default_factory=dict)  # name of a run -> damage that its job mended

    @property
    def incomplete(self) -> bool:
        """The store lacks something that is on disk."""
        return bool(self.undelivered) or not self.aggregated


def run_cells(cells: Sequence[ExpandedCell], experiment: str, options: Options, console: Console) -> Ended:
    """Train cells and deliver each under every place it has in the study; aggregates follow.

    Finished runs whose files are damaged are neither trained nor delivered.
    """
    tasks = [Task(cell.cell, cell.identity, options.runs_dir / cell.identity) for cell in cells]
    labels = {cell.identity: labels_of(cell, experiment) for cell in cells}
    to_train = [task for task in tasks if run_status(task.run_dir) not in ("finished", "damaged")]
    waiting = {task.identity for task in to_train}
    damaged = damage_of(task for task in tasks if task.identity not in waiting)
    mended = {task.identity: len(repairs_of(task.run_dir)) for task in to_train}
    settled = Settled(experiment, options.runs_dir, options.store_uri)
    if not to_train and not damaged and settled.holds(tasks, labels):
        return Ended([], None, (), aggregated=True)
    for task in to_train:
        check_cell(task.cell, options.where)
    write_plan((task.cell, task.identity, task.run_dir) for task in to_train)
    with _log_to(console):
        delivery = MetricsDelivery(options.store_uri, lambda text: console.print(escape(text), highlight=False))
        for task in tasks:
            if task.identity not in waiting and task.identity not in damaged:
                delivery.send(task.run_dir, labels[task.identity])
        outcomes: list[Outcome] = []
        interrupted = None
        if to_train:
            launcher = options.where.launcher(
                options.runs_dir, target=options.target, fail_fast=options.fail_fast, store_uri=options.store_uri,
                note=lambda text: console.print(escape(text), highlight=False, soft_wrap=True),
            )  # fmt: skip
            with make_display(to_train, launcher.jobs, console) as display:
                outcomes = launcher.run(to_train, _Delivering(display, delivery, labels))
            interrupted = launcher.interrupted
        ended = _close(delivery, experiment, options, outcomes, interrupted)
    repairs = {_name(task): repairs_of(task.run_dir)[mended[task.identity] :] for task in to_train}
    ended = replace(ended, damaged=damaged | ended.damaged, repairs=repairs)
    if interrupted is None and not ended.incomplete and not ended.damaged:
        settled.note(tasks, labels)
    return ended


def deliver_cells(cells: Sequence[ExpandedCell], experiment: str, options: Options, console: Console) -> Ended:
    """Deliver cells that have ended, and the figures over their seeds; none is trained."""
    with _log_to(console):
        delivery = MetricsDelivery(options.store_uri, lambda text: console.print(escape(text), highlight=False))
        for cell in cells:
            delivery.send(options.runs_dir / cell.identity, labels_of(cell, experiment))
        return _close(delivery, experiment, options, [], None)


def _close(
    delivery: MetricsDelivery, experiment: str, options: Options, outcomes: list[Outcome], interrupted: int | None
) -> Ended:
    lacking = delivery.close(timeout=120.0 if interrupted is None else 5.0)
    aggregated = bool(lacking) or interrupted is not None or aggregate(experiment, options.store_uri)
    undelivered = tuple(dict.fromkeys(run_dir for run_dir, _ in lacking))
    damaged = {run_dir.name: text for run_dir, text in delivery.damaged.items()}
    return Ended(outcomes, interrupted, undelivered, aggregated, damaged)


def check_cell(cell: Cell, where: Where) -> None:
    """UserError where a cell cannot be trained by this launcher; called before any job starts."""
    check_ranks(cell, where.processes)
    rollout = cell.train.rollout
    at_a_time = where.jobs_at_a_time
    if rollout.engine == "vllm" and rollout.mode == "server" and at_a_time != 1:
        raise UserError(
            f'train.rollout.mode: got "server" with {at_a_time or "any number of"} jobs at a time, expected --jobs 1: '
            f"they would overwrite each other's weights on {rollout.server}"
        )


def labels_of(cell: ExpandedCell, experiment: str) -> list[Labels]:
    """What a study calls a cell: one set of labels per place, the cell's own first."""
    return [Labels(experiment, p.arm, p.model, p.dataset, p.seed, p.axis_point) for p in cell.places]


def in_training_order(cells: Sequence[ExpandedCell]) -> list[ExpandedCell]:
    """Seed by seed, so that a study that is stopped early has compared every arm, and neighbours share no cache.

    The seeds of an arm need the same scores and all cells of a model the same warm start: side by side, one would
    wait for the other to build it. So the seeds of an arm lie apart, and models and datasets alternate.
    """
    seeds: dict[int, int] = {}
    groups: dict[tuple[str, str], int] = {}
    position: dict[tuple[int, int], int] = defaultdict(int)
    keyed = []
    for cell in cells:
        seed = seeds.setdefault(cell.cell.seed, len(seeds))
        key = (cell.cell.model.model_dump_json(), cell.cell.dataset.model_dump_json())
        group = groups.setdefault(key, len(groups))
        keyed.append(((seed, position[seed, group], group), cell))
        position[seed, group] += 1
    return [cell for _, cell in sorted(keyed, key=lambda item: item[0])]


class _Delivering(Watcher):
    """Passes everything on to the display and delivers runs that have ended."""

    def __init__(self, display: Watcher, delivery: MetricsDelivery, labels: dict[str, list[Labels]]) -> None:
        self.display, self.delivery, self.labels = display, delivery, labels

    def started(self, task: Task) -> None:
        self.display.started(task)

    def waiting(self, task: Task) -> None:
        self.display.waiting(task)

    def retried(self, task: Task, why: str) -> None:
        self.display.retried(task, why)

    def ended(self, outcome: Outcome) -> None:
        self.display.ended(outcome)
        if outcome.end not in ("not run", "submitted"):
            self.delivery.send(outcome.task.run_dir, self.labels[outcome.task.identity])

    def stopping(self) -> None:
        self.display.stopping()

    def tick(self) -> None:
        self.display.tick()


@contextlib.contextmanager
def _log_to(console: Console) -> Iterator[None]:
    """Show warnings of the tracking room above the live table instead of through it."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.print(
                escape(mask(f"warning: {record.getMessage()}")), style="yellow", highlight=False, soft_wrap=True
            )

    logger, handler = logging.getLogger("repro.tracking"), Handler(logging.WARNING)
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


# ---------------------------------------------------------------- what came out


def _print_arms(cells: Sequence[ExpandedCell], runs_dir: Path, console: Console) -> None:
    """Accuracy per arm over the finished seeds. The report has more; this shows that it worked."""
    rows: dict[tuple[str, ...], list[tuple[float | None, float | None, float]]] = defaultdict(list)
    several = len({(p.model, p.dataset) for cell in cells for p in cell.places}) > 1
    for cell in sorted(cells, key=lambda cell: cell.cell.seed):
        run_dir = runs_dir / cell.identity
        if run_status(run_dir) != "finished":
            continue
        metrics = run_dir / "metrics.jsonl"
        lines = metrics.read_bytes().split(b"\n")[:-1] if metrics.exists() else []  # what follows the last is torn
        start, end = _value(lines, series.ACCURACY), _value(lines[::-1], series.ACCURACY)
        result = (start, end, _value(lines[::-1], series.SECONDS) or 0.0)
        for labels in labels_of(cell, ""):
            rows[(labels.model, labels.dataset, labels.arm_name)].append(result)
    if not rows:
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for name in (["model", "dataset"] if several else []) + ["arm"]:
        table.add_column(name, no_wrap=True)
    for name in ("seeds", "accuracy before", "after", "95 % interval", "training time"):
        table.add_column(name, justify="right", no_wrap=True)
    order = [labels for cell in cells for labels in labels_of(cell, "")]
    for key in dict.fromkeys((labels.model, labels.dataset, labels.arm_name) for labels in order):
        if key not in rows:
            continue
        before = [first for first, _, _ in rows[key] if first is not None]
        after = [last for _, last, _ in rows[key] if last is not None]
        interval = t_interval(after) if after else None
        between = f"{interval.low:.3f} .. {interval.high:.3f}" if interval and interval.n > 1 else ""
        table.add_row(
            *(key if several else key[2:]),
            str(len(rows[key])),
            f"{sum(before) / len(before):.3f}" if before else "",
            f"{interval.value:.3f}" if interval else "",
            between,
            _length([seconds for *_, seconds in rows[key]]),
        )
    print_table(table, console)


def _value(lines: Sequence[bytes], name: str) -> float | None:
    """The value of a series in the first of these lines that has it: few lines are read of many."""
    key = f'"{name}":'.encode()
    for line in lines:
        if key in line and name in (metrics := parse_jsonl(line + b"\n")[0]["metrics"]):
            return float(metrics[name])
    return None


def _length(seconds: Sequence[float]) -> str:
    mean = sum(seconds) / len(seconds)
    return f"{mean:.1f} s" if mean < 10 else duration(mean)


def _print_failures(outcomes: Sequence[Outcome], console: Console) -> None:
    failed = [outcome for outcome in outcomes if outcome.end == "failed"]
    if failed:
        console.print(f"{len(failed)} failed; the same command tries them again:", style="red", highlight=False)
    for outcome in failed:
        console.print(escape(f"  {_name(outcome.task)}: {outcome.reason}"), highlight=False, soft_wrap=True)
        if outcome.error is not None:
            console.print(escape(f"    {_short(outcome.error)}"), highlight=False, soft_wrap=True)
    submitted = sum(outcome.end == "submitted" for outcome in outcomes)
    if submitted:
        console.print(f"{submitted} submitted; the same command follows them and delivers the results", highlight=False)
    stopped = sum(outcome.end == "stopped" and bool(outcome.reason) for outcome in outcomes)
    if stopped:
        text = f"{stopped} stopped by another program; the same command goes on from their last checkpoints"
        console.print(text, style="red", highlight=False)
    left = sum(outcome.end == "not run" for outcome in outcomes)
    if left:
        console.print(f"{left} not started", highlight=False)


def _name(task: Task) -> str:
    name = Labels.of(task.cell)
    return f"{name.arm_name} seed {name.seed}"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _print_store(ended: Ended, experiment: str, options: Options, console: Console) -> None:
    uri = resolve_store(options.store_uri)
    if ended.incomplete:
        console.print(escape(lacking_words(ended, uri)), style="yellow", highlight=False, soft_wrap=True)
    elif uri.startswith("sqlite:"):
        text = f"MLflow experiment {experiment!r}: {shlex.join(['mlflow', 'ui', '--backend-store-uri', uri])}"
        console.print(escape(text), highlight=False, soft_wrap=True)
    else:
        console.print(escape(f"MLflow experiment {experiment!r} on {public_address(uri)}"), highlight=False)


def lacking_words(ended: Ended, uri: str) -> str:
    """What the store lacks and how it gets it."""
    store = public_address(uri)
    if not ended.undelivered:
        return f"the figures over seeds are not in {store}; the same command delivers them"
    count, names = len(ended.undelivered), [run_dir.name for run_dir in ended.undelivered]
    over = "finished" if all((run_dir / "done.json").exists() for run_dir in ended.undelivered) else "over"
    shown = ", ".join(names[:3]) + (f" and {count - 3} more" if count > 3 else "")
    subject, whose = ("runs are", "their") if count > 1 else ("run is", "its")
    return (
        f"{count} {subject} {over} but {whose} metrics are not in the MLflow store {store}: {shown}; "
        "the same command delivers them"
    )
