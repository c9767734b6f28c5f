"""The health of a run as its job keeps it: told in the log, written to `health.json`, the same on all ranks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from repro.errors import UserError
from repro.files import read_json
from repro.models.policy import Policy
from repro.spec.schema import Cell
from repro.tracking import series
from repro.tracking.journal import Journal
from repro.training.base_policy import main_set
from repro.training.evaluation import Evaluation
from repro.training.health import Health, TrainingWarning
from repro.training.health_rules import Measured
from repro.training.ranks import Ranks

FILE = "health.json"
"""{"warnings": [{"kind", "step", "what", "likely", "over", "text"}], "stopped": {"kind", "step"} or null}; absent
where there is nothing to tell."""


class HealthRecord:
    """Feeds a `Health` and keeps its warnings. What ends the run is decided by rank 0."""

    def __init__(self, cell: Cell, journal: Journal, ranks: Ranks) -> None:
        self.cell, self.journal, self.ranks = cell, journal, ranks
        self.health = Health(cell, main_set(cell.evaluate.sets))
        self._told = 0

    def restore(self) -> None:
        """Take in what the journal holds, which ends with the step to go on from."""
        rows = (self.journal.read_jsonl(name) for name in ("metrics.jsonl", "evaluations.jsonl"))
        self.health.replayed_from(*rows)
        self._told = len(self.health.warnings)
        self._write()

    def generated(self, step: int, metrics: Mapping[str, float]) -> None:
        """As `Health.generated`."""
        self.health.generated(step, metrics)
        self._tell()

    def evaluated(self, step: int, results: Sequence[Evaluation]) -> bool:
        """As `Health.evaluated`; whether the run is to end. UserError where the policy is broken. Collective."""
        for result in results:
            if result.set == self.health.main_set:
                self.health.evaluated(Measured(step, result.passes, result.samples, result.entropy))
        self._tell()
        return self.stops()

    def updated(self, step: int, metrics: Mapping[str, float]) -> None:
        """As `Health.updated`. UserError where the policy is broken. Collective."""
        self.health.updated(step, metrics)
        self._tell()
        self.stops()

    def stops(self) -> bool:
        """Whether `train.stop_on` ends the run here. UserError where nothing can follow. Collective."""
        stopped = self.ranks.shared(self.health.stopped)
        if stopped is not None and stopped.kind == "nan":
            raise UserError(_nothing_follows(stopped))
        return stopped is not None

    @contextmanager
    def sampling(self, policy: Policy, step: Callable[[], int]) -> Iterator[None]:
        """Tells the error of sampling from probabilities that are no numbers as what it is; `step`: the steps done."""
        try:
            yield
        except (FloatingPointError, RuntimeError) as error:
            told = isinstance(error, FloatingPointError) or "probability tensor contains" in str(error)
            broken = _broken(policy)
            if not told and not broken:
                raise
            warning = self.health.sampling_failed(step(), weights_finite=broken is False)
            self._tell()
            raise UserError(_nothing_follows(warning)) from error

    def ended(self) -> dict[str, str]:
        """As `Health.ended`; what the run's summary says of a run that was stopped."""
        self.health.ended()
        self._tell()
        self._write()
        stopped = self.health.stopped
        return {} if stopped is None else {"stopped": f"{stopped.kind} at step {stopped.step}"}

    @property
    def metrics(self) -> dict[str, float]:
        """`train/warnings`, where there are any."""
        return {series.WARNINGS: float(len(self.health.warnings))} if self.health.warnings else {}

    @property
    def latest(self) -> str:
        """The latest warning, for a progress line."""
        return self.health.latest

    def _tell(self) -> None:
        new = self.health.warnings[self._told :]
        self._told = len(self.health.warnings)
        if new and self.ranks.main:
            self._write()
            for warning in new:
                print(f"warning: step {warning.step}: {warning.text}", file=sys.stderr)  # noqa: T201

    def _write(self) -> None:
        if not self.ranks.main:
            return
        if self.health.warnings:
            self.journal.write_json(FILE, self.health.as_dict())
        else:
            (self.journal.run_dir / FILE).unlink(missing_ok=True)


def check_can_follow(run_dir: Path) -> None:
    """UserError where an earlier attempt of the run ended because its numbers were NaN or infinite.

    Its fields are the same and so are its steps: training it again would end there again.
    """
    found = read_json(run_dir / FILE) or {}
    if (found.get("stopped") or {}).get("kind") != "nan":
        return
    text = next(one["text"] for one in found["warnings"] if one["kind"] == "nan")
    raise UserError(
        f"training ended before: {text}. It is not tried again, because the same fields give the same steps: change "
        f"the field, or remove {run_dir} to train it anew"
    )


def _nothing_follows(warning: TrainingWarning) -> str:
    return f"training ended at step {warning.step}: {warning.text}. Nothing can follow it: change the field"


def _broken(policy: Policy) -> bool | None:
    """Whether some weights are no numbers; None where that cannot be told, e.g. because memory has run out."""
    try:
        return not all(bool(weight.isfinite().all()) for weight in policy.model.parameters())
    except RuntimeError:
        return None
