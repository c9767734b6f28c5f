"""`repro sweep`: an Optuna study over fields of one arm; reproducible in parallel, and resumable after any kill.

Trials are asked for in fixed batches and told in the order of their numbers, and each has a sampler seeded by its
number: what is tried next depends on finished batches only, not on which job was faster or on where a kill fell.
A trial without an end, as a kill leaves it, keeps its sampled values and is evaluated again; its finished seeds are
finished runs, so nothing is trained twice.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from rich.console import Console
from rich.markup import escape

from repro.canonical import digest
from repro.errors import UserError
from repro.launch.options import Where
from repro.launch.places import PRELOAD, session
from repro.launch.run import Options, labels_of, run_cells
from repro.launch.worker import Target
from repro.models.model_spec import ModelSpec
from repro.spec.schema import Cell, Spec
from repro.study.expand import ExpandedCell, Place, base_fields
from repro.study.identity import identity
from repro.study.load import LoadedSpec
from repro.sweep.objective import objective
from repro.sweep.summary import print_summary, seeds, write_summary
from repro.sweep.trial import arm_name, distributions, experiment_name, trial_cells
from repro.tasks.dataset_spec import DatasetSpec
from repro.tracking.journal import run_status
from repro.tracking.labels import Labels
from repro.tracking.trials import TrialRecord, record_trials

if TYPE_CHECKING:
    import optuna

PRUNER_STARTUP = 5  # finished trials before a trial can be stopped for being below their median


def run_sweep(
    loaded: LoadedSpec,
    runs_dir: Path,
    where: Where,
    *,
    store_uri: str | None = None,
    console: Console | None = None,
    target: Target | None = None,
    preload: Sequence[str] = PRELOAD,
) -> int:
    """Make the trials that the sweep lacks, and print the best.

    Returns:
        0; 1 where a trial failed; 130 or 143 where Ctrl-C or SIGTERM ended it (running it again goes on).

    Raises:
        UserError: the spec has no sweep, or another command runs it.
    """
    spec, console = loaded.spec, console or Console()
    if spec.sweep is None:
        raise UserError(f"{loaded.path}: got no sweep section, expected one with arm and space")
    options = Options(Path(runs_dir).absolute(), where, False, store_uri, target, preload)
    folder = options.runs_dir / "sweeps"
    folder.mkdir(parents=True, exist_ok=True)
    code = 0
    try:
        with FileLock(folder / f"{spec.name}.lock", timeout=0), session(where):
            for model, dataset in itertools.product(spec.model, spec.dataset):
                search = Search(spec, model, dataset, options, console)
                ended = search.run()
                if ended > 1:
                    return ended
                code = max(code, ended)
    except Timeout as error:
        raise UserError(
            f"another command runs the sweep of {spec.name} in {options.runs_dir}: let it finish"
        ) from error
    return code


@dataclass
class Attempt:
    """A trial in the making."""

    trial: optuna.Trial
    cells: list[ExpandedCell] = field(default_factory=list)
    values: list[float] = field(default_factory=list)  # one per seed so far
    end: optuna.trial.TrialState | None = None
    reason: str = ""


class Search:
    """The Optuna study of one model and one dataset."""

    def __init__(self, spec: Spec, model: ModelSpec, dataset: DatasetSpec, options: Options, console: Console) -> None:
        assert spec.sweep is not None
        self.spec, self.sweep, self.model, self.dataset = spec, spec.sweep, model, dataset
        self.options, self.console = options, console
        self.space = distributions(self.sweep.space)
        self.study = self._open()

    def _open(self) -> optuna.Study:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        backend = JournalFileBackend(str(self.options.runs_dir / "sweeps" / f"{self.spec.name}.journal"))
        return optuna.create_study(
            storage=JournalStorage(backend),
            study_name=self.study_name,
            direction=self.sweep.direction,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=PRUNER_STARTUP, n_warmup_steps=0),
            load_if_exists=True,
        )

    @property
    def study_name(self) -> str:
        """Changes with everything that changes what a trial means, the content of local files included; more trials,
        other labels or another place of the same files go on with the study."""
        fields = base_fields(self.spec, self.model, self.dataset, self.sweep.arm)
        cell = Cell.model_validate({**fields, "seed": 0, "spec": self.spec.name, "arm": self.sweep.arm})
        search = self.sweep.model_dump(mode="json", exclude={"trials", "arm"})
        name = f"{self.spec.name} {self.model.label} {self.dataset.label}"
        return f"{name} {digest({'cell': identity(cell), 'search': search}, 8)}"

    # ------------------------------------------------------------ the loop

    def run(self) -> int:
        """Make the missing trials; exit code as `run_sweep`."""
        done, failed_before = self._useful(), self._count("FAIL")
        self.console.print(
            f"{self.study_name}: {done} of {self.sweep.trials} trials done, {seeds(self.spec)} each, "
            f"batches of {self.sweep.batch}",
            highlight=False,
            soft_wrap=True,
        )
        while batch := self._next_batch(self.sweep.trials + failed_before):
            interrupted = self._evaluate(batch)
            if interrupted is not None:
                self.console.print("Stopped. The same command goes on with these trials.", highlight=False)
                return 128 + interrupted
        everything = [self._record(trial) for trial in self.study.get_trials(deepcopy=False)]
        record_trials(everything, self.options.runs_dir, self.options.store_uri)  # what the store missed on the way
        write_summary(self.options.runs_dir / "sweeps" / f"{self.spec.name}.json", self.study, self.spec, everything)
        print_summary(self.study, self.spec, self.console)
        return 1 if self._count("FAIL") > failed_before else 0

    def _count(self, *states: str) -> int:
        return sum(trial.state.name in states for trial in self.study.get_trials(deepcopy=False))

    def _useful(self) -> int:
        return self._count("COMPLETE", "PRUNED")

    def _next_batch(self, limit: int) -> list[Attempt]:
        """Trials that a kill left without an end, and new ones until the batch is full or there are `limit` in all."""
        import optuna

        trials = self.study.get_trials(deepcopy=False)
        batch = [optuna.Trial(self.study, t._trial_id) for t in trials if t.state == optuna.trial.TrialState.RUNNING]
        size = self.sweep.batch
        room = -len(trials) % size if batch else size - len(trials) % size
        for number in range(len(trials), min(len(trials) + room, limit)):
            self.study.sampler = self._sampler(number)
            batch.append(self.study.ask(self.space))
        return [Attempt(trial) for trial in batch]

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """The sampler of one trial: its draws depend on its number, not on those made before a kill."""
        import numpy as np
        import optuna

        seed = int(np.random.SeedSequence([self.sweep.sampler_seed, number]).generate_state(1)[0])
        # The constant liar keeps the trials of one batch apart.
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)

    # ------------------------------------------------------------ one batch

    def _evaluate(self, batch: list[Attempt]) -> int | None:
        """Train and tell a batch. Returns the signal that ended it, None if it came to its end."""
        from optuna.trial import TrialState

        for attempt in batch:
            try:
                attempt.cells = trial_cells(
                    self.spec, self.model, self.dataset, attempt.trial.number, attempt.trial.params
                )
            except UserError as error:
                attempt.end, attempt.reason = TrialState.PRUNED, str(error)
        for stage in self._stages():
            live = [attempt for attempt in batch if attempt.end is None]
            cells = merge([attempt.cells[index] for attempt in live for index in stage])
            ended = run_cells(cells, experiment_name(self.spec), self.options, self.console)
            if ended.interrupted is not None:
                return ended.interrupted
            for attempt in live:
                self._take(attempt, stage)
        for attempt in batch:
            self._tell(attempt)
        frozen = {trial.number: trial for trial in self.study.get_trials(deepcopy=False)}
        records = [self._record(frozen[attempt.trial.number]) for attempt in batch]
        record_trials(records, self.options.runs_dir, self.options.store_uri)
        return None

    def _stages(self) -> list[list[int]]:
        """Which seeds (by position) run together: one by one where the pruner may stop a trial in between."""
        seeds = list(range(len(self.sweep.seeds)))
        return [[seed] for seed in seeds] if self._count("COMPLETE") >= PRUNER_STARTUP else [seeds]

    def _take(self, attempt: Attempt, stage: list[int]) -> None:
        """Read the values of a stage's seeds and decide whether the trial goes on."""
        from optuna.trial import TrialState

        reported = self.study.get_trials(deepcopy=False)[attempt.trial.number].intermediate_values
        for index in stage:
            run_dir = self.options.runs_dir / attempt.cells[index].identity
            try:
                if run_status(run_dir) != "finished":
                    raise ValueError(f"seed {self.sweep.seeds[index]} failed: see {run_dir / 'error.txt'}")
                attempt.values.append(objective(run_dir, self.sweep.metric))
            except ValueError as error:
                attempt.end, attempt.reason = TrialState.FAIL, str(error)
                return
            if index not in reported:  # a trial that is evaluated again has reported before
                attempt.trial.report(sum(attempt.values) / len(attempt.values), index)
        if len(attempt.values) < len(attempt.cells) and attempt.trial.should_prune():
            mean = sum(attempt.values) / len(attempt.values)
            attempt.end = TrialState.PRUNED
            attempt.reason = f"mean of {len(attempt.values)} of {len(attempt.cells)} seeds {mean:.4f}, below the median"

    def _tell(self, attempt: Attempt) -> None:
        from optuna.trial import TrialState

        trial = attempt.trial
        # User attributes go first: a trial that has an end takes none.
        seeds = dict(zip(map(str, self.sweep.seeds), attempt.values, strict=False))
        trial.set_user_attr("seeds", seeds)
        trial.set_user_attr("reason", attempt.reason)
        trial.set_user_attr("identities", [cell.identity for cell in attempt.cells])
        if attempt.end is None:
            self.study.tell(trial, sum(attempt.values) / len(attempt.values))
        else:
            self.study.tell(trial, state=attempt.end)
        if attempt.end == TrialState.FAIL or (attempt.end == TrialState.PRUNED and not attempt.values):
            text = f"{arm_name(trial.number)} {attempt.end.name.lower()}: {attempt.reason}"
            self.console.print(escape(text), style="yellow", highlight=False, soft_wrap=True)

    # ------------------------------------------------------------ MLflow

    def _record(self, trial: optuna.trial.FrozenTrial) -> TrialRecord:
        params: dict[str, Any] = trial.params
        try:
            cell = trial_cells(self.spec, self.model, self.dataset, trial.number, params)[0]
            labels = labels_of(cell, experiment_name(self.spec))[0]
            fields = json.loads(cell.cell.model_dump_json())
        except UserError:
            names = (arm_name(trial.number), self.model.label, self.dataset.label)
            labels, fields = Labels(experiment_name(self.spec), *names, seed=0, axis=params), None
        return TrialRecord(
            number=trial.number,
            state=trial.state.name.lower(),
            labels=labels,
            params=params,
            cell=fields,
            value=trial.value,
            reason=trial.user_attrs.get("reason", ""),
            seed_values={int(seed): value for seed, value in trial.user_attrs.get("seeds", {}).items()},
        )


def merge(cells: Sequence[ExpandedCell]) -> list[ExpandedCell]:
    """Each training once: trials with the same values are places of one cell."""
    found: dict[str, tuple[ExpandedCell, list[Place]]] = {}
    for cell in cells:
        found.setdefault(cell.identity, (cell, []))[1].extend(cell.places)
    return [ExpandedCell(cell.cell, identity, tuple(places)) for identity, (cell, places) in found.items()]
