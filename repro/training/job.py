"""One cell, start to finish: data, policy, selection, GRPO with evaluations and checkpoints, the record of it all."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PrinterCallback
from transformers.utils import logging as transformers_logging

from repro.arithmetic import settle, use_threads
from repro.errors import UserError
from repro.models.policy import Policy, load_policy, load_policy_weights, save_policy
from repro.models.prompted import Prompted
from repro.models.vllm_start import start_engine
from repro.selection.base import Selector
from repro.spec.schema import Cell
from repro.study.fit import fit_to_policy
from repro.study.inputs import INPUTS, CellInputs
from repro.study.params import run_params
from repro.tasks.datasets import load_dataset
from repro.tasks.problem import TaskData
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels
from repro.tracking.live import LiveDelivery
from repro.tracking.read_only import ReadOnlyJournal
from repro.training.base_policy import describe_base, main_set
from repro.training.benchmarks import BenchmarkSet, load_benchmarks
from repro.training.budget import BUDGET_STEPS, budget_used, nothing_left, planned_steps, steps_over
from repro.training.checkpoint import last_checkpoint, marker_of, tidy
from repro.training.config import grpo_config
from repro.training.data_record import data_record
from repro.training.evaluation import Sampler
from repro.training.health_record import HealthRecord, check_can_follow
from repro.training.job_record import JobRecord
from repro.training.ledger import Ledger
from repro.training.policy_evaluation import evaluate_policy, evaluation_sets
from repro.training.predictor_quality import PredictorQuality
from repro.training.prepare import cache_of
from repro.training.ranks import RankedCache, Ranks
from repro.training.repairs import cache_repairs_recorded
from repro.training.replaying import buffer_of
from repro.training.resources import PolicyResources
from repro.training.selection_record import selection_record
from repro.training.selector import build_selector
from repro.training.split import check_ranks
from repro.training.step_clock import StepClock
from repro.training.trainer import SelectiveGRPOTrainer, StepRecord
from repro.training.undecided import tell_undecided


class GRPOJob:
    """The parts of one cell and what happens to them at each step.

    With several ranks each has a job of its own, and all go the same way: rank 0 alone writes.
    """

    def __init__(self, cell: Cell, identity: str, run_dir: Path, runs_dir: Path, ranks: Ranks | None = None) -> None:
        self.cell, self.identity, self.run_dir, self.ranks = cell, identity, run_dir, ranks or Ranks()
        check_ranks(cell, self.ranks.count)
        transformers_logging.disable_progress_bar()  # its lock is a semaphore that a job's end would leave behind
        self.journal = Journal(run_dir) if self.ranks.main else ReadOnlyJournal(run_dir)
        use_threads(cell.train.threads)
        self.inputs = CellInputs(cell, identity, run_dir)
        self.ledger, self.cache = Ledger(), cache_of(cell, runs_dir, self.inputs.check)
        self.labels = Labels.of(cell)
        self.delivery = LiveDelivery(run_dir, self.labels)
        self.journal.start(cell, identity, self.labels, self.ranks.count, run_params(cell))
        self.journal.progress("loading")
        data, benchmarks = load_dataset(cell.dataset), load_benchmarks(cell.evaluate)
        inputs = self.inputs.record()
        self.journal.write_json(INPUTS, inputs)
        self.policy: Policy = load_policy(cell.model, cell.dataset, data, self.cache, self._say)
        self.policy.compute_in(cell.train.precision)
        self.data, self.benchmarks = self._fitting(data, benchmarks)
        digest = inputs["digests"]["dataset_digest"]
        self.journal.write_json("data.json", data_record(cell, self.data, self.benchmarks, digest))
        self.engine = start_engine(cell.train.rollout, cell.model, self.data, self.policy)
        self.sampler = self._sampler()
        self.resources = PolicyResources(
            cell, self.data, self.policy, self.sampler, self.ledger, self.cache, self.journal.progress
        )
        self.record = JobRecord(cell, self.data, self.journal, self.ledger, self.ranks)
        self.health = HealthRecord(cell, self.journal, self.ranks)
        self.steps = 0  # known in `run`, once it is known how many questions the arm may draw from
        self._evaluated: dict[str, float] = {}

    def _say(self, message: str, done: float) -> None:
        self.journal.progress(message, round(100 * done), 100)

    def _fitting(
        self, data: TaskData, benchmarks: tuple[BenchmarkSet, ...]
    ) -> tuple[TaskData, tuple[BenchmarkSet, ...]]:
        """The questions that the policy is asked; see `fit_to_policy`."""
        cell, further = self.cell, {one.name: one.problems for one in benchmarks}
        asked = Prompted.of(self.policy)
        kept, further = fit_to_policy(asked, cell.dataset, cell.train, cell.evaluate, data, further)
        return kept, tuple(replace(one, problems=further[one.name]) for one in benchmarks)

    def _sampler(self) -> Sampler:
        cell = self.cell
        return Sampler(
            self.policy.model,
            self.policy.tokenizer,
            self.data,
            self.policy.style,
            cell.train.max_completion_tokens,
            self.ledger,
            self.ranks,
            self.engine,
            cell.reward,
        )

    # ------------------------------------------------------------ run

    def run(self) -> None:
        """Train from the last checkpoint, or from the start policy, to the end; the marker is written last."""
        cell = self.cell
        self.ledger.add("warm_start", **_warm_start_amounts(self.policy))
        checkpoints = self.run_dir / "checkpoints"
        checkpoint = self.ranks.shared(self._last_checkpoint(checkpoints) if self.ranks.main else None)
        sets, cache = evaluation_sets(cell, self.data), RankedCache(self.cache, self.ranks)
        base = describe_base(
            cell, self.data, self.policy, self.resources, sets, cache, self.journal.progress, self.benchmarks
        )
        self.journal.write_json("base.json", base)
        self.journal.progress("selecting")
        selector = build_selector(cell, self.data, self.resources)
        self._predictions = PredictorQuality(cell, self.data, self.sampler, self.journal, selector)
        self.steps = steps_over(cell, self._questions(selector, checkpoint is not None)) or BUDGET_STEPS
        trainer = self._build_trainer(selector, checkpoints)
        step, weights = 0, None
        if checkpoint is None:
            self.journal.truncate(-1)
            self._prepare_selection(selector)
            if self.journal.read_jsonl("spent.jsonl"):
                self.record.paid_before()  # an attempt without a checkpoint has paid for this
            self.record.base(base, self.benchmarks)
        else:
            trainer.restore(checkpoint)
            marker = marker_of(checkpoint)
            step = marker["step"]
            self.journal.truncate(step, marker.get("rows"))
            self.record.paid_before()
            self._evaluated = self.record.last_evaluation()
        self.inputs.all_read()
        self.health.restore()
        if step < self.steps and self.budget_used() < 1 and not self.health.stops():
            with self.health.sampling(self.policy, lambda: trainer.step):
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            step, weights = trainer.step, trainer.gathered_weights()
        elif checkpoint is None:
            raise UserError(nothing_left(cell, self.record.spent()))
        else:  # killed between the last checkpoint and the marker: nothing is left to train
            load_policy_weights(self.policy, checkpoint)
        self._finish(step, weights)

    def _last_checkpoint(self, checkpoints: Path) -> Path | None:
        """The newest whole checkpoint that the run has the rows of; what cannot be used is told and removed."""
        there = bool(list(checkpoints.glob("checkpoint-*")))
        found = last_checkpoint(checkpoints, self.journal.lost, self.journal.repaired)
        if not there and self.journal.steps_recorded() > self.cell.evaluate.every:
            self.journal.repaired(f"{checkpoints} holds no checkpoint any more: the run begins anew")
        return found

    def _questions(self, selector: Selector, resumed: bool) -> int:
        """How many questions the arm may draw from; a resumed run reads what it selected."""
        if resumed:
            return len(self.journal.read_json("selection.json")["kept"])
        kept = selector.kept()
        return len(self.data.train) if kept is None else len(kept)

    def _prepare_selection(self, selector: Selector) -> None:
        """Compute an offline subset now, so that its cost comes before the first step, and write it down."""
        self.journal.write_json("selection.json", selection_record(self.cell, self.data, selector))

    def _build_trainer(self, selector: Selector, checkpoints: Path) -> SelectiveGRPOTrainer:
        cell = self.cell
        self.policy.trained.train()
        trainer = SelectiveGRPOTrainer(
            model=self.policy.trained,
            tokenizer=self.policy.tokenizer,
            problems=self.data.train,
            prompts=self.sampler.prompts(self.data.train),
            reply=self.policy.style.reply(self.policy.tokenizer),
            verifier=self.data.verifier,
            selector=selector,
            train=cell.train,
            args=grpo_config(
                cell.train,
                self.steps,
                cell.seed,
                checkpoints,
                cell.evaluate.every,
                self.ranks.count,
                cell.model.trust_remote_code,
            ),
            ledger=self.ledger,
            seed=cell.seed,
            on_step=self._on_step,
            on_generated=lambda record: self.health.generated(record.step, record.metrics),
            reward=cell.reward,
            kept=self.resources.kept,
            kept_logps=self.resources.kept_logps,
            engine=self.engine,
            buffer=buffer_of(cell, self.ranks),
            replay=cell.replay,
            placeholder_rows=cell.train.questions_per_step * min(self.steps, 64),
            callbacks=[StepClock(self)],
            marks=self.journal.marks,
            ranks=self.ranks,
        )
        trainer.remove_callback(PrinterCallback)
        self.resources.step = lambda: trainer.state.global_step // cell.train.minibatches + 1
        return trainer

    def _finish(self, step: int, weights: dict[str, Any] | None) -> None:
        """`weights`: those of a policy that is sharded over ranks."""
        spent = self.record.spent()
        if self.ranks.main:
            if self.cell.train.keep == "record":
                shutil.rmtree(self.run_dir / "policy", ignore_errors=True)  # of an attempt with another `keep`
            else:
                save_policy(self.policy, self.run_dir / "policy", weights)
        self.journal.write_json("ledger.json", spent.as_dict())
        stopped = self.health.ended()
        self.journal.progress("finished", step, step, self.health.latest)
        tell_undecided(self.data)
        self.inputs.check()
        self.journal.finish({"steps": step, **stopped, **self._evaluated, **spent.metrics()})
        if self.ranks.main:
            tidy(self.run_dir / "checkpoints", self.cell.train.keep == "checkpoints")

    # ------------------------------------------------------------ what happens at each step

    def evaluate(self, step: int, last: bool) -> bool:
        """Evaluate the policy as it is after a step: sampled accuracy each time, the rest at the end.

        Returns whether the run ends here, because it is the last step or because of what came out.
        """
        self.journal.progress("evaluating", step, self.steps, self.health.latest)
        self.inputs.check()  # a checkpoint follows, from which a later attempt goes on
        with self.ledger.phase("rollout"):  # the next rollouts need it too
            self.sampler.engine.synchronize()
        sets = evaluation_sets(self.cell, self.data)
        results, metrics = evaluate_policy(self.cell, self.sampler, sets, self.benchmarks, last)
        if self.health.evaluated(step, results) and not last:
            last = True  # the same completions, and what a last evaluation measures beside them
            results, metrics = evaluate_policy(self.cell, self.sampler, sets, self.benchmarks, last)
        for result in results:
            self.journal.record_evaluation(step, **result.as_dict())
            if result.set == main_set(self.cell.evaluate.sets):
                self.journal.record_completions(step, result.shown)
        metrics |= self._predictions.record(step)
        self._evaluated = metrics
        self.journal.log(step, metrics)
        if self.ranks.main:
            self.delivery.send()
        return last

    def _on_step(self, record: StepRecord) -> None:
        self.record.step(record, self.health.metrics)
        self.health.updated(record.step, record.metrics)
        planned = planned_steps(record.step, self.budget_used(), self.steps)
        self.journal.progress("training", record.step, planned, self.health.latest)

    def budget_used(self) -> float:
        """Share of a budget of tokens or seconds that is spent; 0 where steps end the run."""
        return budget_used(self.cell.budget, self.record.spent())


def _warm_start_amounts(policy: Policy) -> dict[str, float]:
    cost = policy.warm_start_cost
    return {"trained_tokens": int(cost["tokens"]), "flops": cost["flops"], "seconds": cost["seconds"]}


def run_job(cell: Cell, identity: str, run_dir: Path, runs_dir: Path, ranks: Ranks | None = None) -> None:
    """Train one cell in this process; its record goes to the run directory and, as it grows, to MLflow.

    Raises what goes wrong. A call on a run that was interrupted goes on from its last checkpoint. Where several
    processes train it together, each calls this with its `ranks`.
    """
    settle(rank=ranks is not None)
    check_can_follow(Path(run_dir))
    with cache_repairs_recorded(Path(run_dir), ranks):
        job = GRPOJob(cell, identity, Path(run_dir), Path(runs_dir), ranks)
        try:
            job.run()
        finally:
            if job.engine is not None:
                job.engine.close()
    if job.ranks.main:
        job.delivery.send(final=True)
