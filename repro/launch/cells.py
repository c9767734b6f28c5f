"""Trains a set of cells and delivers them to the MLflow store; `run` and `sweep` do both through this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from repro.cache import Cache
from repro.errors import UserError
from repro.launch.damaged import damage_of, repairs_of
from repro.launch.delivery import Delivering, MetricsDelivery
from repro.launch.display import make_display
from repro.launch.fetching import check_fetchable
from repro.launch.leftovers import remove_leftovers
from repro.launch.protocol import Outcome, Task
from repro.launch.settled import Settled
from repro.launch.terminal import warnings_on
from repro.launch.where import Where
from repro.launch.worker import Target
from repro.spec.schema import Cell
from repro.study.expand import ExpandedCell
from repro.study.inputs import write_plan
from repro.study.scored import check_scored
from repro.tracking.aggregate import aggregate
from repro.tracking.failure import reason_in
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
    before = {task.identity: reason_in(task.run_dir) for task in to_train}
    settled = Settled(experiment, options.runs_dir, options.store_uri)
    if not to_train and not damaged and settled.holds(tasks, labels):
        return Ended([], None, (), aggregated=True)
    for task in to_train:
        check_cell(task.cell, options.where)
    if options.target is None:
        check_scored((task.cell for task in to_train), Cache(options.runs_dir / "cache"))
        if options.where.here:
            check_fetchable((task.cell for task in to_train), options.runs_dir)
    write_plan((task.cell, task.identity, task.run_dir) for task in to_train)
    with warnings_on(console):
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
                outcomes = launcher.run(to_train, Delivering(display, delivery, labels))
            outcomes = [_compared(outcome, before[outcome.task.identity]) for outcome in outcomes]
            interrupted = launcher.interrupted
        ended = _close(delivery, experiment, options, outcomes, interrupted)
    remove_leftovers(task for task in tasks if task.identity not in damaged | ended.damaged)
    repairs = {name_of(task.cell): repairs_of(task.run_dir)[mended[task.identity] :] for task in to_train}
    ended = replace(ended, damaged=damaged | ended.damaged, repairs=repairs)
    if interrupted is None and not ended.incomplete and not ended.damaged:
        settled.note(tasks, labels)
    return ended


def deliver_cells(cells: Sequence[ExpandedCell], experiment: str, options: Options, console: Console) -> Ended:
    """Deliver cells that have ended, and the figures over their seeds; none is trained."""
    with warnings_on(console):
        delivery = MetricsDelivery(options.store_uri, lambda text: console.print(escape(text), highlight=False))
        for cell in cells:
            delivery.send(options.runs_dir / cell.identity, labels_of(cell, experiment))
        return _close(delivery, experiment, options, [], None)


def _close(
    delivery: MetricsDelivery, experiment: str, options: Options, outcomes: list[Outcome], interrupted: int | None
) -> Ended:
    lacking = delivery.close(limit=None if interrupted is None else 5.0)
    aggregated = bool(lacking) or interrupted is not None or aggregate(experiment, options.store_uri)
    undelivered = tuple(dict.fromkeys(run_dir for run_dir, _ in lacking))
    damaged = {run_dir.name: text for run_dir, text in delivery.damaged.items()}
    return Ended(outcomes, interrupted, undelivered, aggregated, damaged)


def _compared(outcome: Outcome, before: str) -> Outcome:
    """An outcome with a note where the attempt before failed, too, for the reason `before`, which is the same."""
    return replace(outcome, again=outcome.end == "failed" and outcome.reason == before)


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


def name_of(cell: Cell) -> str:
    """What the closing lines call a cell, e.g. `dots seed 0`."""
    labels = Labels.of(cell)
    return f"{labels.arm_name} seed {labels.seed}"
