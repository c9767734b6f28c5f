"""A small untrained policy, a few questions, and rewards that depend on the text alone."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PrinterCallback

from repro.models.adapters import attach_adapter
from repro.models.model_spec import LoraSpec, TinyModel
from repro.models.tiny import build_tiny
from repro.models.tokenizers import character_tokenizer
from repro.replay.buffer import ReplayBuffer
from repro.spec.schema import ReplaySpec, TrainSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.training.config import grpo_config
from repro.training.ledger import Ledger
from repro.training.trainer import SelectiveGRPOTrainer, StepRecord
from tests.selection.worlds import uniform

torch.set_num_threads(1)

TRAIN = TrainSpec(steps=3, questions_per_step=4, group_size=4, minibatches=2, max_completion_tokens=12)


def coin(completion: str, answer: str) -> bool:
    """Right about half the time, by the text alone, so that groups have different rewards."""
    return zlib.crc32(completion.encode()) % 2 == 0


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return character_tokenizer(Arithmetic.alphabet)


@pytest.fixture(scope="session")
def data() -> Any:
    return Arithmetic(pool=32, test=8, validation=0).load()


@pytest.fixture(scope="session")
def start_policy(tokenizer: Any) -> Any:
    return build_tiny(TinyModel(width=24, layers=2, heads=3), tokenizer, 64)


@pytest.fixture
def make_trainer(tmp_path: Path, tokenizer: Any, data: Any, start_policy: Any) -> Callable[..., SelectiveGRPOTrainer]:
    """`make_trainer(train=..., replay=..., verifier=..., folder=...)`; records of steps are in `.records`."""

    def make(
        train: TrainSpec = TRAIN,
        replay: ReplaySpec | None = None,
        verifier: Callable[[str, str], bool] = coin,
        folder: str = "run",
        placeholder_steps: int = 2,
        lora: LoraSpec | None = None,
        **options: Any,
    ) -> SelectiveGRPOTrainer:
        records: list[StepRecord] = []
        remote_code = options.pop("remote_code", False)
        model = copy.deepcopy(start_policy)
        if lora is not None:
            model = attach_adapter(model, lora, "start", None)
        trainer = SelectiveGRPOTrainer(
            model=model,
            tokenizer=tokenizer,
            problems=data.train,
            prompts=[problem.question for problem in data.train],
            verifier=verifier,
            selector=options.pop("selector", None) or uniform([problem.id for problem in data.train], 0),
            train=train,
            args=grpo_config(train, train.steps, 0, tmp_path / folder, save_every=1, remote_code=remote_code),
            ledger=Ledger(),
            seed=options.pop("seed", 0),
            on_step=records.append,
            buffer=ReplayBuffer.of(replay, 0, train.min_spread) if replay else None,
            replay=replay,
            placeholder_rows=train.questions_per_step * placeholder_steps,
            **options,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.records = records
        return trainer

    return make
