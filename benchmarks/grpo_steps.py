"""GRPO steps of one arm on a policy that is left as it was, and what the ledger says after each of them."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from racing import settle
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback

from repro.cache import Cache
from repro.models.policy import Policy
from repro.replay.buffer import ReplayBuffer
from repro.selection.base import Run
from repro.spec.schema import Cell
from repro.study.expand import expand
from repro.study.load import parse_spec
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle
from repro.training.config import grpo_config
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.record import StepRecord
from repro.training.resources import PolicyResources
from repro.training.trainer import SelectiveGRPOTrainer

AfterStep = Callable[[int, PreTrainedModel, Ledger], bool]
"""`after_step(step, model, ledger)`, outside all clocks: whether the run ends here."""


class Steps(NamedTuple):
    """`ledgers[i]` is the ledger as a dict after step i + 1, `records[i]` what that step was made of."""

    ledgers: list[dict[str, dict[str, float]]]
    records: list[StepRecord]


def arm(train: dict[str, Any], seed: int = 0, **fields: Any) -> Cell:
    """The cell of one arm (selection, replay, ...) on the embedded policy and task."""
    study = {"name": "steps", "model": "tiny", "dataset": "arithmetic", "train": train, "seeds": [seed]}
    (cell,) = expand(parse_spec({**study, "arms": {"arm": fields}}))
    return cell


def grpo_steps(cell: Cell, policy: Policy, data: TaskData, after_step: AfterStep | None = None) -> Steps:
    """Run the steps of a cell on a copy of `policy` and the training questions of `data`, whatever the cell names."""
    ledger, found = Ledger(), Steps([], [])
    model = copy.deepcopy(policy.model).train()
    # Embeddings and scores are those of the start policy, as in a run; a folder of its own makes every run pay.
    with tempfile.TemporaryDirectory() as folder:
        sampler = Sampler(model, policy.tokenizer, data, PromptStyle(), cell.train.max_completion_tokens, ledger)
        start = replace(policy, model=policy.model)
        resources = PolicyResources(cell, data, start, sampler, ledger, Cache(Path(folder) / "cache"))
        clock = _Clock(ledger, cell.train.minibatches, model, found, after_step)
        trainer = SelectiveGRPOTrainer(
            model=model,
            tokenizer=policy.tokenizer,
            problems=data.train,
            prompts=sampler.prompts(data.train),
            verifier=data.verifier,
            selector=cell.selection.build(
                Run(data.train, cell.seed, resources, cell.train.group_size, cell.train.steps)
            ),
            train=cell.train,
            args=grpo_config(cell.train, cell.train.steps, cell.seed, Path(folder), save_every=100_000),
            ledger=ledger,
            seed=cell.seed,
            on_step=found.records.append,
            kept=resources.kept,
            buffer=None
            if cell.replay is None
            else ReplayBuffer.of(
                cell.replay, cell.seed, cell.train.min_spread, questions=cell.train.questions_per_step
            ),
            replay=cell.replay,
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        resources.step = lambda: trainer.state.global_step // cell.train.minibatches + 1
        trainer.train()
    return found


class _Clock(TrainerCallback):
    """Charges the updates to the phase `train`; rollouts and probes inside it charge themselves."""

    def __init__(
        self, ledger: Ledger, minibatches: int, model: PreTrainedModel, found: Steps, after_step: AfterStep | None
    ) -> None:
        self.ledger, self.minibatches, self.model = ledger, minibatches, model
        self.found, self.after_step = found, after_step

    def on_step_begin(self, *_: object, **__: object) -> None:
        settle()
        self.ledger.enter("train")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: object) -> None:
        settle()
        self.ledger.leave()
        control.should_save = False  # the last step would be, and nobody resumes this
        if state.global_step % self.minibatches:
            return
        self.found.ledgers.append(self.ledger.as_dict())
        step = state.global_step // self.minibatches
        if self.after_step is not None and self.after_step(step, self.model, self.ledger):
            control.should_training_stop = True
