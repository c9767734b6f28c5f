"""What a job writes into its journal: the start policy as step 0, each step, and what was spent on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro.spec.schema import Cell
from repro.tasks.problem import TaskData
from repro.tasks.reward_spec import rewards_accuracy
from repro.tracking import series
from repro.tracking.journal import Journal
from repro.training.base_policy import main_set
from repro.training.benchmarks import BenchmarkSet, benchmark_metrics
from repro.training.evaluation import pass_share
from repro.training.ledger import Ledger, subtract
from repro.training.ranks import Ranks
from repro.training.record import StepRecord
from repro.training.system_metrics import SystemMetrics


class JobRecord:
    """Writes the rows of one run; what all ranks spent is written beside them, so every method is collective."""

    def __init__(self, cell: Cell, data: TaskData, journal: Journal, ledger: Ledger, ranks: Ranks) -> None:
        self.data, self.journal, self.ledger, self.ranks = data, journal, ledger, ranks
        self._rewards_accuracy = rewards_accuracy(cell.reward)
        self._main = main_set(cell.evaluate.sets)
        self._system = SystemMetrics()
        self._written: dict[str, Any] = {}  # what was spent, as far as it is written down

    def spent(self) -> Ledger:
        """What all ranks spent so far."""
        return self.ledger.over(self.ranks)

    def paid_before(self) -> None:
        """What is spent by now was written down by an earlier attempt."""
        self._written = self.spent().as_dict()

    def base(self, base: Mapping[str, Any], benchmarks: Sequence[BenchmarkSet]) -> None:
        """Step 0: the start policy as it was measured once for all cells that share it (see `describe_base`)."""
        metrics = {
            series.GREEDY: base["greedy"],
            series.ENTROPY: base["entropy"],
            series.TOKENS: base["mean_tokens"],
        }
        for evaluation in base["evaluations"]:
            result = dict(evaluation)
            if (name := result.pop("set")) == self._main:
                metrics[series.PASS] = pass_share(result["passes"], result["samples"])
            self.journal.record_evaluation(0, name, **result)
        metrics |= {series.accuracy_of(name): value for name, value in base["accuracy"].items()}
        metrics |= benchmark_metrics(base["accuracy"], benchmarks)
        self.journal.log(0, {**metrics, **self.spent().metrics()})
        self._write_spending(0)

    def step(self, record: StepRecord, more: Mapping[str, float]) -> None:
        """A step whose updates are done. `more`: metrics beside those of the record."""
        train = self.data.train
        known = [train[i].metadata.get("steps") for i in record.fresh]
        fresh = [train[i].id for i in record.fresh]
        self.journal.record_step(
            record.step,
            chosen=fresh,
            fresh=fresh,
            replayed=[train[i].id for i in record.replayed],
            predicted=record.predicted,
            pass_rate=record.mean_rewards,
            trains=None if self._rewards_accuracy else record.trains,
            steps_true=known if None not in known else None,
        )
        spent = self.spent()
        self.journal.log(record.step, {**record.metrics, **more, **spent.metrics()})
        self._write_spending(record.step)
        self.journal.record_system(record.step, self._system.sample())
        self.journal.write_json("ledger.json", spent.as_dict())

    def last_evaluation(self) -> dict[str, float]:
        """The `eval/...` series of the last evaluation that an earlier attempt wrote down."""
        rows = [row["metrics"] for row in self.journal.read_jsonl("metrics.jsonl") if series.TOKENS in row["metrics"]]
        return {name: value for name, value in rows[-1].items() if name.startswith(series.EVAL)} if rows else {}

    def _write_spending(self, step: int) -> None:
        now = self.spent().as_dict()
        for phase, amounts in subtract(now, self._written).items():
            self.journal.spent(step, phase, amounts)
        self._written = now
