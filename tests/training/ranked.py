"""A cell and a trainer for the tests that train with two processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repro.models.model_spec import ModelSpec, TinyModel
from repro.models.tiny import build_tiny
from repro.models.tokenizers import character_tokenizer
from repro.replay.buffer import ReplayBuffer
from repro.replay.replay_spec import ReplaySpec
from repro.selection.base import Selector
from repro.selection.methods.difficulty import Difficulty
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.problem import Problem
from repro.training.config import grpo_config
from repro.training.ledger import Ledger
from repro.training.ranks import Ranks
from repro.training.record import StepRecord
from repro.training.trainer import SelectiveGRPOTrainer

from .conftest import coin

CONFIGS = Path(__file__).parents[2] / "experiments" / "accelerate"
HALF = ReplaySpec(fresh=0.5, capacity=8)


def trainer_of(
    folder: Path,
    ranks: Ranks,
    train: TrainSpec,
    selector: Selector,
    verifier: Any = coin,
    replay: ReplaySpec | None = None,
    problems: Sequence[Problem] | None = None,
    start: Path | None = None,
) -> Any:
    """The trainer of `conftest.make_trainer` as one of several ranks; records of steps are in `.records`.

    `start`: where its policy is saved, from which the reference of a KL term is loaded.
    """
    tokenizer = character_tokenizer(Arithmetic.alphabet)
    problems = problems or Arithmetic(pool=32, test=8, validation=0).load().train
    records: list[StepRecord] = []
    model = build_tiny(TinyModel(width=24, layers=2, heads=3), tokenizer, 64)
    if start is not None:
        model.config._name_or_path = str(start)
    trainer = SelectiveGRPOTrainer(
        model=model,
        tokenizer=tokenizer,
        problems=problems,
        prompts=[problem.question for problem in problems],
        verifier=verifier,
        selector=selector,
        train=train,
        args=grpo_config(train, train.steps, 0, folder, save_every=1, processes=ranks.count),
        ledger=Ledger(),
        seed=0,
        on_step=records.append,
        buffer=ReplayBuffer.of(replay, 0) if replay else None,
        replay=replay,
        ranks=ranks,
    )
    trainer.records = records  # type: ignore[attr-defined]
    return trainer


def cell(**changes: Any) -> Cell:
    fields: dict[str, Any] = {
        "spec": "test",
        "arm": "arm",
        "model": ModelSpec(tiny=TinyModel()),  # the shipped one, whose groups have unlike rewards
        "dataset": DatasetSpec(arithmetic=Arithmetic(pool=64, test=9, validation=8, easy=0.0, hard=0.0, max_steps=3)),
        "train": TrainSpec(steps=6, questions_per_step=4, group_size=4, minibatches=2, max_completion_tokens=32),
        "evaluate": EvaluateSpec(every=2, samples=2, pool_samples=2, base_temperatures=()),
        "selection": Difficulty(method="difficulty", references=5, every=2),
        "replay": HALF,
        "budget": None,
        "seed": 0,
    }
    return Cell(**(fields | changes))
