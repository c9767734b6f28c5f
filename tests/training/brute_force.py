"""GRPO's clipped loss with replayed rows written out token by token in double precision, and a log of a real run."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from trl.trainer import grpo_trainer

from repro.replay.buffer import Group


@dataclass
class Row:
    """One completion as it trains: its tokens, one advantage, and the log-probs of the policy that generated it."""

    prompt: list[int]
    completion: list[int]
    advantage: float
    behaviour: list[float]
    replayed: bool


@dataclass
class Update:
    """One optimizer update of a real run: the policy before it, the rows it got, and the gradient it made."""

    step: int
    position: int
    """0 for the first update of its step."""
    start: torch.nn.Module
    """The policy at the start of the step, float64."""
    policy: torch.nn.Module
    """The policy before the update, float64."""
    rows: list[Row]
    tokens_in_batch: int
    gradient: list[torch.Tensor]


def token_logps(model: torch.nn.Module, row: Row, temperature: float) -> list[torch.Tensor]:
    """Log-prob of each completion token, one row at a time, so that no padding is involved."""
    logits = model(input_ids=torch.tensor([row.prompt + row.completion])).logits[0]  # (P + T, V)
    out = []
    for position, token in enumerate(row.completion):
        scaled = logits[len(row.prompt) + position - 1] / temperature  # (V,)
        out.append(scaled[token] - torch.logsumexp(scaled, 0))
    return out


def token_loss(
    correction: str, now: torch.Tensor, old: float, behaviour: float, advantage: float, clip: float
) -> tuple[torch.Tensor, bool]:
    """Loss of one token and whether the clip holds back its gradient (DOTS + RR, replay loss, paper and code)."""
    if correction == "none":
        ratio, centre = torch.exp(now - old), 1.0
    else:
        ratio = torch.exp(now - behaviour)
        centre = 1.0 if correction == "paper" else math.exp(old - behaviour)
    low, high = centre * (1 - clip), centre * (1 + clip)
    clipped = ratio if low <= ratio.item() <= high else torch.tensor(min(max(ratio.item(), low), high)).double()
    whole, held = ratio * advantage, clipped * advantage
    return (-held, True) if held.item() < whole.item() else (-whole, False)


def gradient(update: Update, correction: str, train: Any) -> tuple[list[torch.Tensor], dict[str, float]]:
    """The gradient of an update by the definitions, and what its tokens were like.

    Every row counts in the normalisers, those without advantage too. `train`: the TrainSpec.
    """
    facts = {"clipped": 0, "fresh_ratio": 0.0, "replayed_ratio": 0.0}
    rows: list[list[torch.Tensor]] = []
    for row in update.rows:
        now = token_logps(update.policy, row, train.temperature)
        with torch.no_grad():
            old = [float(value) for value in token_logps(update.start, row, train.temperature)]
        behaviour = row.behaviour if row.replayed else old
        losses = []
        for token in range(len(row.completion)):
            loss, held = token_loss(correction, now[token], old[token], behaviour[token], row.advantage, train.clip)
            losses.append(loss)
            facts["clipped"] += held
            name = "replayed_ratio" if row.replayed else "fresh_ratio"
            facts[name] = max(facts[name], abs(math.exp(now[token].item() - behaviour[token]) - 1))
        rows.append(losses)
    tokens = sum(len(losses) for losses in rows)
    if train.loss == "grpo":
        total = sum(sum(losses) / len(losses) for losses in rows) / len(rows)
    elif train.loss == "bnpo":
        total = sum(sum(losses) for losses in rows) / tokens
    elif train.loss == "dr_grpo":
        total = sum(sum(losses) for losses in rows) / (len(rows) * train.max_completion_tokens)
    else:
        assert train.loss == "dapo"  # over the tokens of the generation batch, shared among its minibatches
        total = sum(sum(losses) for losses in rows) * train.minibatches / update.tokens_in_batch
    update.policy.zero_grad()
    total.backward()
    return [parameter.grad for parameter in update.policy.parameters()], facts


def group_rows(group: Group, replayed: bool, advantage_std: bool) -> list[Row]:
    """The rows of a group, advantages from its rewards and not from what it stores."""
    rewards = np.asarray(group.rewards)
    advantages = rewards - rewards.mean()
    if advantage_std:
        advantages = advantages / (rewards.std(ddof=1) + 1e-4)  # as TRL divides
    return [
        Row(group.prompt_ids.tolist(), tokens.tolist(), float(advantage), logps.astype(float).tolist(), replayed)
        for tokens, advantage, logps in zip(group.completion_ids, advantages, group.behaviour_logps, strict=True)
    ]


def double(model: Any) -> torch.nn.Module:
    """A float64 policy with the same weights (a deep copy would keep a forward bound to the trainer's model)."""
    made = type(model)(copy.deepcopy(model.config)).double()
    made.load_state_dict(model.state_dict())
    return made


def recorded_run(trainer: Any, monkeypatch: Any) -> list[Update]:
    """Trains for real and logs every update. TRL shuffles rows: they are numbered on the way, and checked by tokens."""
    updates: list[Update] = []
    made: list[Group] = []
    now: dict[str, Any] = {}
    add, with_replay, training_step = trainer.buffer.add, trainer._with_replay, trainer.training_step
    shuffle = grpo_trainer.shuffle_sequence_dict
    size, std = trainer.args.steps_per_generation, trainer.train_spec.advantage_std

    def added(groups: list[Group]) -> int:
        made[:] = groups
        return add(groups)

    def joined(output: dict[str, Any], replayed: list[Group], *rest: Any) -> dict[str, Any]:
        result = with_replay(output, replayed, *rest)
        now["rows"] = [row for group in made for row in group_rows(group, False, std)]
        now["rows"] += [row for group in replayed for row in group_rows(group, True, std)]
        now["start"] = double(trainer.model)
        return result

    def shuffled(batch: dict[str, Any]) -> dict[str, Any]:
        assert len(batch["completion_ids"]) == len(now["rows"])
        mixed = shuffle({**batch, "number": torch.arange(len(now["rows"]))})
        order = mixed.pop("number").tolist()
        for position, number in enumerate(order):
            row, prompt = now["rows"][number], mixed["prompt_mask"][position].bool()
            assert row.prompt == mixed["prompt_ids"][position][prompt].tolist()
            completion = mixed["completion_mask"][position].bool()
            assert row.completion == mixed["completion_ids"][position][completion].tolist()
        now["order"] = order
        return mixed

    def stepped(*arguments: Any) -> torch.Tensor:
        before, position = double(trainer.model), trainer.state.global_step
        loss = training_step(*arguments)
        share = len(now["order"]) // size
        numbers = now["order"][position % size * share : (position % size + 1) * share]
        tokens = sum(len(row.completion) for row in now["rows"])
        gradient = [parameter.grad.clone() for parameter in trainer.model.parameters()]
        rows = [now["rows"][number] for number in numbers]
        updates.append(Update(position // size + 1, position % size, now["start"], before, rows, tokens, gradient))
        return loss

    trainer.buffer.add, trainer._with_replay, trainer.training_step = added, joined, stepped
    monkeypatch.setattr(grpo_trainer, "shuffle_sequence_dict", shuffled)
    trainer.train()
    return updates
