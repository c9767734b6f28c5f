"""Two processes of a run end at the same step where `train.stop_on` ends it, whatever each of them sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from repro.errors import UserError
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tracking.journal import Journal
from repro.training import health
from repro.training.health import Health
from repro.training.job import GRPOJob
from repro.training.ranks import Ranks
from repro.training.trainer import SelectiveGRPOTrainer

from .ranked import cell
from .test_ranks import shared, store  # noqa: F401 - fixtures
from .two import on_two

NO_SIGNAL: dict[str, Any] = {"max_completion_tokens": 1}  # no answer has one token
COLLAPSE: dict[str, Any] = {"learning_rate": 1.0}


def stopping(kind: str) -> Cell:
    easy = Arithmetic(pool=64, test=32, validation=8, easy=0.0, hard=0.0, max_steps=3)
    fields: dict[str, Any] = {"steps": 6, "questions_per_step": 4, "group_size": 4, "minibatches": 2}
    fields |= {"max_completion_tokens": 32, "stop_on": (kind,)}
    fields |= {"no_signal": NO_SIGNAL, "collapse": COLLAPSE}.get(kind, {})
    evaluate = EvaluateSpec(every=2, samples=2, pool_samples=2, base_temperatures=())
    data = DatasetSpec(arithmetic=easy)
    return cell(train=TrainSpec(**fields), dataset=data, evaluate=evaluate, selection=Uniform(), replay=None)


def stopped(ranks: Ranks, run_dir: Path, runs: Path, kind: str) -> dict[str, Any]:
    """Trains until the run is stopped. Rank 1 notices nothing of it by itself."""
    health.IDLE_STEPS = 2
    if not ranks.main:
        for name in ("generated", "evaluated", "updated"):
            setattr(Health, name, lambda *_: None)
    if kind == "nan" and not ranks.main:  # its own loss breaks, and with it the weights of both
        loss_of = SelectiveGRPOTrainer._compute_loss

        def broken(self: Any, *arguments: Any) -> torch.Tensor:
            return loss_of(self, *arguments) * torch.nan

        SelectiveGRPOTrainer._compute_loss = broken  # type: ignore[method-assign]
    job = GRPOJob(stopping(kind), run_dir.name, run_dir, runs, ranks)
    seen: dict[str, Any] = {}
    finish = job._finish

    def ends(step: int, weights: Any) -> None:
        seen["step"] = step
        finish(step, weights)

    job._finish = ends  # type: ignore[method-assign]
    try:
        job.run()
    except UserError as error:
        seen["error"] = str(error)
    return seen


@pytest.mark.parametrize("kind", ["no_signal", pytest.param("collapse", marks=pytest.mark.slow)])
def test_ranks_end_together_with_a_finished_run(tmp_path: Path, shared: Path, kind: str) -> None:  # noqa: F811
    run_dir = tmp_path / "runs/one"
    assert on_two(stopped, run_dir, shared, kind) == [{"step": 2}] * 2
    summary = Journal(run_dir).read_json("done.json")["summary"]
    assert (summary["steps"], summary["stopped"]) == (2, f"{kind} at step 2")


@pytest.mark.slow
def test_ranks_fail_together_where_the_loss_of_one_is_no_number(tmp_path: Path, shared: Path) -> None:  # noqa: F811
    run_dir = tmp_path / "runs/one"
    first, second = on_two(stopped, run_dir, shared, "nan")
    assert first == second and "training ended at step 1: the loss is NaN at step 1" in first["error"]
    assert not Journal(run_dir).finished
