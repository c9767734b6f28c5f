"""What happens around each update: it is timed, due evaluations run, and a run that is spent or went wrong ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

if TYPE_CHECKING:
    from repro.training.job import GRPOJob


class StepClock(TrainerCallback):
    """Times the updates, evaluates after the steps that are due, and ends a run that is spent or went wrong."""

    def __init__(self, job: GRPOJob) -> None:
        self.job = job

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.job.sampler.engine.policy_changed()  # a checkpoint may have been loaded

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.job.ledger.enter("train")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.job.ledger.leave()
        self.job.sampler.engine.policy_changed()
        cell = self.job.cell
        if state.global_step % cell.train.minibatches:
            return
        step = state.global_step // cell.train.minibatches
        last = self.job.health.stops() or step == self.job.steps or self.job.budget_used() >= 1
        if last or step % cell.evaluate.every == 0:
            last = self.job.evaluate(step, last)
        if last:
            control.should_training_stop = True
        control.should_save = step % cell.evaluate.every == 0
