"""The learning rate of every update, beside its formula."""

from __future__ import annotations

import math
from typing import Any

import pytest
from transformers import TrainerCallback

from repro.errors import UserError
from repro.study.load import parse_spec

from .conftest import TRAIN

FULL = 1e-3
UPDATES = 6  # 3 steps of 2 minibatches


class Rates(TrainerCallback):
    """The rate that each update was made with."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:
        self.seen.append(optimizer.param_groups[0]["lr"])


def rate(schedule: str, warm: int, update: int) -> float:
    """Before update `update` (from 0): rising linearly over `warm` updates, then falling to 0 after the last."""
    if update < warm:
        return FULL * update / warm
    done = (update - warm) / (UPDATES - warm)
    return FULL * {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[schedule]


@pytest.mark.parametrize(("warmup", "warm"), [(0.0, 0), (0.34, 2)])
@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_each_update_has_the_rate_of_the_schedule(make_trainer, schedule, warmup, warm):
    rates = Rates()
    changes = {"schedule": schedule, "warmup": warmup, "learning_rate": FULL, "skip_zero_advantage": False}
    trainer = make_trainer(train=TRAIN.model_copy(update=changes))
    trainer.add_callback(rates)
    trainer.train()
    assert rates.seen == pytest.approx([rate(schedule, warm, update) for update in range(UPDATES)])


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
