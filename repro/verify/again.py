"""The job that trains the first steps of a finished run once more, in a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from repro.spec.schema import Cell
from repro.tracking.store import DELIVERED_BY_LAUNCHER
from repro.training.job import GRPOJob
from repro.training.trainer import SelectiveGRPOTrainer


class FirstSteps(GRPOJob):
    """A job that ends after so many steps; up to there it does exactly what the whole one does."""

    def __init__(self, *arguments: Any, first: int) -> None:
        super().__init__(*arguments)
        self.first = first

    def _build_trainer(self, *arguments: Any) -> SelectiveGRPOTrainer:
        trainer = super()._build_trainer(*arguments)
        trainer.add_callback(_StopAfter(self.first * self.cell.train.minibatches))
        return trainer


class _StopAfter(TrainerCallback):
    """Ends the training after so many updates."""

    def __init__(self, updates: int) -> None:
        self.updates = updates

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= self.updates:
            control.should_training_stop = True


def first_steps(cell: Cell, identity: str, run_dir: Path, runs_dir: Path, *, steps: int) -> None:
    """Train `steps` steps of a cell and mark them finished; nothing goes to a store. Raises what goes wrong."""
    os.environ[DELIVERED_BY_LAUNCHER] = "1"
    job = FirstSteps(cell, identity, run_dir, runs_dir, first=steps)
    try:
        job.run()
    finally:
        if job.engine is not None:
            job.engine.close()
