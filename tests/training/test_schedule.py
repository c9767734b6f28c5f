"""The learning rate of every update, beside its formula."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from repro.errors import UserError
from repro.models.model_spec import ModelSpec, TinyModel
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Budget, Cell, EvaluateSpec, TrainSpec
from repro.study.load import parse_spec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.reward_spec import RewardTerm
from repro.tracking.journal import Journal
from repro.training.checkpoint import last_checkpoint
from repro.training.job import run_job

from .conftest import TRAIN

FULL = 1e-3
UPDATES = 6  # 3 steps of 2 minibatches


class Rates(TrainerCallback):
    """The rate that each update was made with."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:
        self.seen.append(optimizer.param_groups[0]["lr"])


def rate(schedule: str, warm: int, update: int, updates: int = UPDATES) -> float:
    """Before update `update` (from 0): rising linearly over `warm` updates, then falling to 0 after the last."""
    if update < warm:
        return FULL * update / warm
    done = (update - warm) / (updates - warm)
    return FULL * {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[schedule]


@pytest.mark.parametrize(
    ("schedule", "warmup", "warm", "micro"),
    [
        ("constant", 0.0, 0, None),
        ("constant", 0.34, 2, 3),
        ("linear", 0.0, 0, 3),
        ("linear", 0.34, 2, None),
        ("linear", 0.5, 3, None),
        ("cosine", 0.0, 0, None),
        ("cosine", 0.17, 1, 5),
    ],
)
def test_each_update_has_the_rate_of_the_schedule(make_trainer, schedule, warmup, warm, micro):
    """However many passes an update has."""
    rates = Rates()
    changes = {"schedule": schedule, "warmup": warmup, "learning_rate": FULL, "micro_batch": micro}
    trainer = make_trainer(train=TRAIN.model_copy(update=changes), callbacks=[rates])
    trainer.train()
    assert rates.seen == pytest.approx([rate(schedule, warm, update) for update in range(UPDATES)])


@pytest.mark.parametrize(("schedule", "stop"), [("constant", 1), ("linear", 1), ("linear", 2), ("cosine", 2)])
def test_a_run_that_ends_before_and_goes_on_later_has_the_rates_of_the_whole_schedule(make_trainer, schedule, stop):
    """In the warm-up and after it: nothing of the schedule begins anew, and nothing is squeezed into the steps left."""
    changes = {"schedule": schedule, "warmup": 0.5, "learning_rate": FULL}
    rates = Rates()
    cut = make_trainer(train=TRAIN.model_copy(update=changes), callbacks=[rates])
    on_step = cut.on_step

    def stopping(record):
        on_step(record)
        cut.control.should_training_stop = record.step == stop

    cut.on_step = stopping
    cut.train()
    assert rates.seen == pytest.approx([rate(schedule, 3, update) for update in range(2 * stop)])
    resumed = make_trainer(train=TRAIN.model_copy(update=changes), callbacks=[rates])
    checkpoint = last_checkpoint(Path(resumed.args.output_dir))
    resumed.restore(checkpoint)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert rates.seen == pytest.approx([rate(schedule, 3, update) for update in range(UPDATES)])


def test_a_budget_of_epochs_sets_the_schedule_and_a_run_that_stops_early_keeps_it(tmp_path, empty_store, monkeypatch):
    """24 questions, 3 passes, 6 a step: 12 steps of 2 updates are planned, and 10 without a signal end the run."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    (tmp_path / "flat_reward.py").write_text("def flat(completion, problem):\n    return 0.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    cell = Cell(
        spec="test",
        arm="arm",
        model=ModelSpec(tiny=TinyModel()),
        dataset=DatasetSpec(arithmetic=Arithmetic(pool=24, test=4, validation=0)),
        train=TrainSpec(
            questions_per_step=6,
            group_size=2,
            minibatches=2,
            max_completion_tokens=8,
            learning_rate=FULL,
            schedule="linear",
            warmup=0.25,
            stop_on=("no_signal",),
        ),
        evaluate=EvaluateSpec(every=20, samples=1, pool_samples=1, base_temperatures=()),
        selection=Uniform(method="uniform"),
        replay=None,
        budget=Budget(epochs=3),
        reward=[RewardTerm(reward="flat_reward:flat")],
        seed=0,
    )
    seen = []
    update = torch.optim.AdamW.step

    def watched(self, *arguments, **options):
        seen.append(self.param_groups[0]["lr"])
        return update(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run_job(cell, "run", tmp_path / "runs/run", tmp_path / "runs")
    assert Journal(tmp_path / "runs/run").finished
    assert seen == pytest.approx([rate("linear", 6, update, 24) for update in range(20)])


@pytest.mark.parametrize(("field", "value"), [("schedule", "linear"), ("warmup", 0.1)])
def test_a_schedule_needs_to_know_how_many_steps_there_are(field, value):
    study = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"a": {}}, "train": {field: value}}
    parse_spec({**study, "budget": {"epochs": 1}})
    with pytest.raises(UserError, match=rf"train.{field}: got .*with a budget, expected train.steps or budget.epochs"):
        parse_spec({**study, "budget": {"tokens": 1000}})
    axes = {"axes": {f"train.{field}": [value]}, "train": {}}
    with pytest.raises(UserError, match=f"{field}.*with a budget"):
        parse_spec({**study, **axes, "budget": {"seconds": 10}})


def test_a_selection_that_shares_out_steps_is_refused_on_an_axis_too():
    study = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"a": {}}, "budget": {"tokens": 1000}}
    arms = {"a": {"selection": {"method": "curriculum", "by": "confidence"}}}
    axes = {"selection.method": ["curriculum"]}
    with pytest.raises(UserError, match=r"axes\.selection\.method: got .curriculum. with a budget"):
        parse_spec({**study, "arms": arms, "axes": axes})


def test_a_method_on_an_axis_that_needs_another_field_is_refused():
    study = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"a": {}}}
    with pytest.raises(UserError, match=r"axes\.selection\.method: got .curriculum. with selection\.by: "):
        parse_spec({**study, "axes": {"selection.method": ["uniform", "curriculum"]}})
