"""The Optuna study of one arm on one model and dataset; reproducible in parallel, and resumable after any kill.

Trials are asked for in fixed batches and their results are given to Optuna in the order of their numbers: what is tried
next depends on finished batches only, not on which job was faster or on where a kill fell. A trial without an end, as a
kill leaves it, keeps its sampled values and is evaluated again; its finished seeds are finished runs, so nothing is
trained twice.

How a trial ends: COMPLETE with the mean over its seeds of each metric; PRUNED where the pruner stopped it after some
seeds; FAIL where a job failed twice or its values make no valid cell. The next call makes another trial for each that
failed.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.markup import escape

from repro.errors import UserError
from repro.files import DamagedError
from repro.launch.cells import Ended, Options, check_cell, deliver_cells, name_of, run_cells
from repro.launch.closing import lacking_words
from repro.launch.damaged import print_damage
from repro.masking import mask
from repro.models.model_spec import ModelSpec
from repro.spec.schema import Spec
from repro.study.expand import ExpandedCell
from repro.study.identity import Digests
from repro.study.inputs import Watched, cell_files
from repro.study.trial_cells import (
    base_cell,
    confirming_cells,
    experiment_name,
    merge,
    study_name,
    trial_cells,
    trial_name,
)
from repro.sweep.attempt import Attempt
from repro.sweep.objective import objective
from repro.sweep.pruning import stages, worse
from repro.sweep.records import trial_records
from repro.sweep.sampling import ask, open_study, trial_values
from repro.sweep.summary import front, print_summary, seeds, write_summary
from repro.tasks.dataset_spec import DatasetSpec
from repro.tracking.address import public_address, resolve_store
from repro.tracking.environment import describe_environment
from repro.tracking.run_status import run_status
from repro.tracking.trials import TrialRecord, record_trials
from repro.words import listed


class Search:
    """The Optuna study of one arm (by default the sweep's first) on one model and dataset."""

    study: optuna.Study  # opened by `run`

    def __init__(
        self,
        spec: Spec,
        model: ModelSpec,
        dataset: DatasetSpec,
        options: Options,
        console: Console,
        arm: str | None = None,
    ) -> None:
        assert spec.sweep is not None
        self.spec, self.sweep, self.model, self.dataset = spec, spec.sweep, model, dataset
        self.arm = arm or spec.sweep.arms[0]
        self.options, self.console = options, console
        self.digests = Digests()
        self.base = base_cell(spec, model, dataset, self.arm)
        self.records: list[TrialRecord] = []  # all trials, once `run` has made them
        self._run_costs: dict[str, dict[str, float]] = {}
        self.inputs = Watched(lambda: cell_files(self.base))
        self.inputs.all_read()  # it is the jobs that read them

    def check_first_trial(self) -> None:
        """UserError where trial 0 cannot run; nothing is written."""
        values = trial_values(self.sweep, 0, [])
        try:
            self._cells(0, values)
        except UserError as error:
            raise UserError(f"{error}\n  (this is the first trial of the sweep, with {json.dumps(values)})") from error

    def _cells(self, number: int, values: dict[str, Any]) -> list[ExpandedCell]:
        """The cells of a trial. UserError where its values make none, or none that can be trained here."""
        cells = trial_cells(self.spec, self.base, number, values, self.digests)
        for cell in cells:
            check_cell(cell.cell, self.options.where)
        return cells

    def _name(self, number: int) -> str:
        return trial_name(self.sweep, self.arm, number)

    @property
    def study_name(self) -> str:
        return study_name(self.spec, self.base, self.digests)

    # ------------------------------------------------------------ the loop

    def run(self) -> int:
        """Make the missing trials; exit code as `run_sweep`."""
        journal = self.options.runs_dir / "sweeps" / f"{self.spec.name}.journal"
        attributes = {"spec": self.spec.name, "arm": self.arm, "commit": describe_environment()["commit"] or ""}
        self.study = open_study(journal, self.study_name, self.sweep, attributes)
        done, failed_before = self._count(TrialState.COMPLETE, TrialState.PRUNED), self._count(TrialState.FAIL)
        self.console.print(
            f"{self.study_name}: {done} of {self.sweep.most_trials} trials done, {seeds(self.spec)} each, "
            f"batches of {self.sweep.batch}",
            highlight=False,
            soft_wrap=True,
        )
        while batch := self._next_batch(self.sweep.most_trials + failed_before):
            interrupted = self._evaluate(batch)
            if interrupted is not None:
                self.console.print("Stopped. The same command goes on with these trials.", highlight=False)
                return 128 + interrupted
        self._run_costs = {}
        self.records = self._records()
        delivered = self._deliver_all(self.records)
        summary = self.options.runs_dir / "sweeps" / f"{self.spec.name}.json"
        write_summary(summary, self.study, self.spec, self.arm, self.records)
        print_summary(self.study, self.spec, self.arm, self.records, self.console)
        return 1 if self._count(TrialState.FAIL) > failed_before or not delivered else 0

    @property
    def best(self) -> dict[str, Any] | None:
        """The values of the best trial; None before one has finished."""
        found = front(self.study)
        return dict(found[0].params) if found else None

    def confirm(self, carried: Mapping[str, Mapping[str, Any]]) -> int:
        """Train what the best trial is confirmed by; `carried` has the best values on other datasets by their labels.

        Returns 0, 1 where a run failed, or 128 and the signal that ended it.
        """
        found = front(self.study)
        if not found:
            return 0
        cells = confirming_cells(self.spec, self.model, self.dataset, found[0].params, self.digests, self.arm, carried)
        text = f"confirming {self._name(found[0].number)} on {len(self.spec.seeds)} fresh seeds"
        others = f", the best values of {listed(carried)}" if carried else ""
        self.console.print(f"{text}, beside {self.arm} as it stands{others} and the baseline", highlight=False)
        for cell in cells:
            check_cell(cell.cell, self.options.where)
        interrupted = self._train(merge(cells))
        if interrupted is not None:
            return 128 + interrupted
        failed = [cell for cell in cells if self._failed(cell)]
        for cell in failed:
            text = f"{name_of(cell.cell)} failed: see {self.options.runs_dir / cell.identity / 'error.txt'}"
            self.console.print(escape(text), style="yellow", highlight=False, soft_wrap=True)
        return 1 if failed else 0

    def _count(self, *states: TrialState) -> int:
        return sum(trial.state in states for trial in self.study.get_trials(deepcopy=False))

    def _next_batch(self, limit: int) -> list[Attempt]:
        """Trials that a kill left without an end, and new ones until the batch is full or there are `limit` in all."""
        trials = self.study.get_trials(deepcopy=False)
        numbers = [trial.number for trial in trials if trial.state == TrialState.RUNNING]
        size = self.sweep.batch
        room = -len(trials) % size if numbers else size - len(trials) % size
        numbers += range(len(trials), min(len(trials) + room, limit))
        return [Attempt(ask(self.study, self.sweep, number)) for number in numbers]

    # ------------------------------------------------------------ one batch

    def _evaluate(self, batch: list[Attempt]) -> int | None:
        """Train a batch and record how it ended. Returns the signal that ended it, None if it came to its end.

        UserError where a file that the cells read is not what it was when the sweep began.
        """
        self.inputs.check()
        for attempt in batch:
            try:
                attempt.cells = self._cells(attempt.trial.number, attempt.trial.params)
            except UserError as error:
                attempt.end, attempt.reason = TrialState.FAIL, mask(str(error))
        for stage in stages(self.sweep, self._count(TrialState.COMPLETE)):
            live = [attempt for attempt in batch if attempt.end is None]
            if not live:
                break
            cells = merge([attempt.cells[index] for attempt in live for index in stage])
            interrupted = self._train(cells)
            if interrupted is not None:
                return interrupted
            for attempt in live:
                self._take(attempt, stage)
        for attempt in batch:
            self._record_end(attempt)
        records = self._records({attempt.trial.number for attempt in batch})
        record_trials(records, self.options.runs_dir, self.options.store_uri)
        return None

    def _train(self, cells: list[ExpandedCell]) -> int | None:
        """Train cells, a second time at once where that may help; returns the signal that ended it.

        A job that was killed, or failed for the machine's sake, must not change which values are tried next.
        """
        ended = run_cells(cells, experiment_name(self.spec), self.options, self.console)
        lasting = {outcome.task.identity for outcome in ended.outcomes if outcome.lasting}
        failed = [cell for cell in cells if self._failed(cell) and cell.identity not in lasting]
        if ended.interrupted is None and failed and not _stopped(ended):
            self.console.print(f"{len(failed)} failed; each is tried once more", highlight=False)
            print_damage({}, ended.repairs, self.console)
            ended = run_cells(failed, experiment_name(self.spec), self.options, self.console)
        if ended.interrupted is None and _stopped(ended):
            return signal.SIGTERM  # by another program; the trial has not failed
        print_damage({}, ended.repairs, self.console)  # a damaged run ends the sweep where its value is read
        return ended.interrupted

    def _failed(self, cell: ExpandedCell) -> bool:
        return run_status(self.options.runs_dir / cell.identity) == "failed"

    def _take(self, attempt: Attempt, stage: list[int]) -> None:
        """Read the values of a stage's seeds and decide whether the trial goes on.

        Raises DamagedError where a run that had finished is damaged: the trial keeps its place until that is mended.
        """
        reported = self.study.get_trials(deepcopy=False)[attempt.trial.number].intermediate_values
        for index in stage:
            run_dir = self.options.runs_dir / attempt.cells[index].identity
            try:
                status = run_status(run_dir)
                if status not in ("finished", "damaged"):
                    raise ValueError(f"seed {self.sweep.seeds[index]} failed: see {run_dir / 'error.txt'}")
                attempt.values.append(tuple(objective(run_dir, metric) for metric, _ in self.sweep.objectives))
            except DamagedError:
                raise
            except ValueError as error:
                attempt.end, attempt.reason = TrialState.FAIL, str(error)
                return
            # Optuna takes reports with one metric only. A trial that is evaluated again has reported before.
            if len(self.sweep.objectives) == 1 and index not in reported:
                paired = self.sweep.stops_by == "wilcoxon"  # it compares seed by seed, the median means so far
                attempt.trial.report(attempt.values[-1][0] if paired else attempt.means[0], index)
        if self.sweep.stops_by != "none" and len(attempt.values) < len(attempt.cells) and attempt.trial.should_prune():
            attempt.end = TrialState.PRUNED
            mean = f"mean of {len(attempt.values)} of {len(attempt.cells)} seeds {attempt.means[0]:.4f}"
            attempt.reason = f"{mean}, {worse(self.sweep, self._best_name)}"

    def _best_name(self) -> str:
        return self._name(self.study.best_trial.number)

    def _record_end(self, attempt: Attempt) -> None:
        trial = attempt.trial
        # User attributes go first: a trial that has an end takes none.
        first = [values[0] for values in attempt.values]
        seeds = dict(zip(map(str, self.sweep.seeds), first, strict=False))
        trial.set_user_attr("seeds", seeds)
        trial.set_user_attr("reason", attempt.reason)
        trial.set_user_attr("identities", [cell.identity for cell in attempt.cells])
        if attempt.end is None:
            self.study.tell(trial, attempt.means)
        else:
            self.study.tell(trial, state=attempt.end)
        if attempt.end == TrialState.FAIL:
            text = f"{self._name(trial.number)} failed: {attempt.reason}"
            self.console.print(escape(text), style="yellow", highlight=False, soft_wrap=True)

    # ------------------------------------------------------------ MLflow

    def _deliver_all(self, trials: list[TrialRecord]) -> bool:
        """Give the store what it missed on the way, of earlier commands too; False, and said, where it lacks something.

        What it has costs a look at the run's own note of it.
        """
        cells = merge([cell for trial in self.study.get_trials(deepcopy=False) for cell in self._trained(trial)])
        ended = deliver_cells(cells, experiment_name(self.spec), self.options, self.console)
        store = resolve_store(self.options.store_uri)
        if ended.incomplete:
            text = lacking_words(ended, store)
        elif not record_trials(trials, self.options.runs_dir, self.options.store_uri):
            text = f"what the trials came to is not in {public_address(store)}; the same command delivers it"
        else:
            return True
        self.console.print(escape(text), style="yellow", highlight=False, soft_wrap=True)
        return False

    def _records(self, numbers: set[int] | None = None) -> list[TrialRecord]:
        trials, runs_dir = self.study.get_trials(deepcopy=False), self.options.runs_dir
        return trial_records(self.spec, self.base, trials, runs_dir, self.digests, self._run_costs, numbers)

    def _trained(self, trial: optuna.trial.FrozenTrial) -> list[ExpandedCell]:
        """The cells of a trial that have a run."""
        try:
            cells = trial_cells(self.spec, self.base, trial.number, trial.params, self.digests)
        except UserError:
            return []
        return [cell for cell in cells if (self.options.runs_dir / cell.identity / "cell.json").exists()]


def _stopped(ended: Ended) -> bool:
    """Whether another program stopped a job."""
    return any(outcome.end == "stopped" for outcome in ended.outcomes)
