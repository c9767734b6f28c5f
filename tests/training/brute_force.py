"""GRPO's clipped loss with its KL term, written out token by token in double precision, and a log of a real run.

Nothing here is TRL's: policies are float64 copies that see one row at a time, adapters are added to the weights by
hand, advantages come from rewards, and the normalisers of the losses are those of their papers.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.func import functional_call
from trl.trainer import grpo_trainer

from repro.replay.group import Group
from repro.training import trainer as trainer_module


class Double:
    """A float64 copy of a policy as it is now. `trained` are its weights with a gradient, in the trainer's order."""

    def __init__(self, model: Any) -> None:
        plain = model.get_base_model() if hasattr(model, "peft_config") else model
        # A deep copy would keep a forward bound to the trainer's model.
        self.skeleton = type(plain)(copy.deepcopy(plain.config)).double().eval()
        self.held = {
            name: value.detach().double().clone().requires_grad_(value.requires_grad)
            for name, value in model.named_parameters()
        }
        self.trained = [value for value in self.held.values() if value.requires_grad]
        lora = model.peft_config["default"] if plain is not model else None
        self.scale = lora.lora_alpha / lora.r if lora is not None else 0.0

    def logits(self, tokens: Sequence[int]) -> torch.Tensor:
        """(T, V) of one row of tokens."""
        weights = {}
        for name, value in self.held.items():
            if ".lora_" not in name:
                weights[name.removeprefix("base_model.model.").replace(".base_layer", "")] = value
        for name, down in self.held.items():
            if ".lora_A." in name:
                up = self.held[name.replace(".lora_A.", ".lora_B.")]
                adapted = name.removeprefix("base_model.model.").partition(".lora_A.")[0] + ".weight"
                weights[adapted] = weights[adapted] + self.scale * (up @ down)
        ids = {"input_ids": torch.tensor([list(tokens)])}
        logits: torch.Tensor = functional_call(self.skeleton, weights, (), ids).logits[0]
        return logits


@dataclass
class Row:
    """One completion as it trains: its tokens, one advantage, and the log-probs of the policy that generated it."""

    prompt: list[int]
    completion: list[int]
    advantage: float
    behaviour: list[float]
    """Of a replayed row; empty for a fresh one, which the policy at the start of the step has generated."""
    replayed: bool


@dataclass
class Update:
    """One optimizer update of a real run: the policy before it, the rows it got, and the gradient it made."""

    step: int
    position: int
    """0 for the first update of its step."""
    reference: Double
    """The policy at the start of the run."""
    start: Double
    """The policy at the start of the step."""
    policy: Double
    """The policy before the update."""
    rows: list[Row]
    replayed: list[Row]
    """The replayed rows of all updates of the step."""
    tokens_in_batch: int
    gradient: list[torch.Tensor]


def token_logps(model: Double, row: Row, temperature: float) -> list[torch.Tensor]:
    """Log-prob of each completion token, one row at a time, so that no padding is involved."""
    logits = model.logits(row.prompt + row.completion)  # (P + T, V)
    out = []
    for position, token in enumerate(row.completion):
        scaled = logits[len(row.prompt) + position - 1] / temperature  # (V,)
        out.append(scaled[token] - torch.logsumexp(scaled, 0))
    return out


def token_loss(
    correction: str, now: torch.Tensor, old: float, behaviour: float, advantage: float, clip: float
) -> tuple[torch.Tensor, bool]:
    """Loss of one token and whether the clip holds back its gradient (DOTS + RR, replay loss, paper and code).

    A token that `second_moment` keeps trains as under `proximal`.
    """
    if correction == "none":
        ratio, centre = torch.exp(now - old), 1.0
    else:
        ratio = torch.exp(now - behaviour)
        centre = 1.0 if correction == "paper" else math.exp(old - behaviour)
    low, high = centre * (1 - clip), centre * (1 + clip)
    clipped = ratio if low <= ratio.item() <= high else torch.tensor(min(max(ratio.item(), low), high)).double()
    whole, held = ratio * advantage, clipped * advantage
    return (-held, True) if held.item() < whole.item() else (-whole, False)


def divergence(now: torch.Tensor, reference: float) -> torch.Tensor:
    """GRPO's estimate of the KL divergence from one token: q - log q - 1 with q = pi_reference / pi (DeepSeekMath)."""
    q = math.exp(reference) / torch.exp(now)
    return q - torch.log(q) - 1


def second_moment_cut(update: Update, train: Any, bound: float) -> float:
    """The largest squared log-ratio that trains: tokens leave one by one, the largest first, until the mean holds."""
    squares = []
    with torch.no_grad():
        for row in update.replayed:
            old = token_logps(update.start, row, train.temperature)
            squares += [(float(a) - b) ** 2 for a, b in zip(old, row.behaviour, strict=True)]
    squares.sort()
    while squares and math.fsum(squares) / len(squares) > bound:
        squares.pop()
    return squares[-1] if squares else -math.inf


def gradient(
    update: Update, correction: str, train: Any, bound: float = 0.04
) -> tuple[list[torch.Tensor], dict[str, float]]:
    """The gradient of an update by the definitions, and what its tokens were like.

    Every row counts in the normalisers, those without advantage too, and every token, those that `bound` leaves out
    under `second_moment` too. `train`: the TrainSpec.
    """
    facts = {"clipped": 0, "fresh_ratio": 0.0, "replayed_ratio": 0.0, "divergence": 0.0, "masked": 0, "kept": 0}
    most = second_moment_cut(update, train, bound) if correction == "second_moment" else math.inf
    rows: list[list[torch.Tensor]] = []
    for row in update.rows:
        now = token_logps(update.policy, row, train.temperature)
        with torch.no_grad():
            old = [float(value) for value in token_logps(update.start, row, train.temperature)]
            reference = [float(value) for value in token_logps(update.reference, row, train.temperature)]
        behaviour = row.behaviour if row.replayed else old
        losses = []
        for token in range(len(row.completion)):
            masked = row.replayed and (old[token] - behaviour[token]) ** 2 > most + 1e-6
            advantage = 0.0 if masked else row.advantage
            facts["masked" if masked else "kept"] += row.replayed
            loss, held = token_loss(correction, now[token], old[token], behaviour[token], advantage, train.clip)
            apart = divergence(now[token], reference[token])
            losses.append(loss + train.kl * apart)
            facts["clipped"] += held
            facts["divergence"] = max(facts["divergence"], apart.item())
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
    return list(torch.autograd.grad(total, update.policy.trained)), facts


def advantages(rewards: Sequence[float], std: bool, min_spread: float) -> np.ndarray:
    """(G,) of a group: reward - mean, divided by the sample deviation + 1e-4, as TRL does; 0 without a spread."""
    if max(rewards) - min(rewards) <= min_spread:
        return np.zeros(len(rewards))
    found = np.asarray(rewards) - np.mean(rewards)
    return found / (np.std(rewards, ddof=1) + 1e-4) if std else found


def replayed_rows(group: Group, std: bool, min_spread: float) -> list[Row]:
    """The rows of a replayed group, advantages from its rewards and not from what it stores."""
    return [
        Row(group.prompt_ids.tolist(), tokens.tolist(), float(advantage), logps.astype(float).tolist(), True)
        for tokens, advantage, logps in zip(
            group.completion_ids,
            advantages(group.rewards.tolist(), std, min_spread),
            group.behaviour_logps,
            strict=True,
        )
    ]


def recorded_run(trainer: Any, monkeypatch: Any) -> list[Update]:
    """Trains for real and logs every update. TRL shuffles rows: they are numbered on the way, and checked by tokens."""
    updates: list[Update] = []
    drawn: list[Group] = []
    now: dict[str, Any] = {"passes": 0}
    reference = Double(trainer.model)
    generate, training_step = trainer._generate_and_score_completions, trainer.training_step
    shuffle, draw = grpo_trainer.shuffle_sequence_dict, trainer_module.draw_groups
    train, passes = trainer.train_spec, trainer.args.gradient_accumulation_steps

    def drew(*arguments: Any) -> Any:
        batch, groups = draw(*arguments)
        drawn[:] = groups
        return batch, groups

    def generated(inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = generate(inputs)
        spread = (train.advantage_std, train.min_spread)
        old = [row for group in drawn for row in replayed_rows(group, *spread)]
        fresh = [value for group in trainer.grades.groups(train.group_size) for value in advantages(group, *spread)]
        tokens = [_tokens(output, number) for number in range(len(fresh))]
        now["rows"] = [Row(*row, float(value), [], False) for row, value in zip(tokens, fresh, strict=True)] + old
        now["start"] = Double(trainer.model)
        return output

    def shuffled(batch: dict[str, Any]) -> dict[str, Any]:
        assert len(batch["completion_ids"]) == len(now["rows"])
        mixed: dict[str, Any] = shuffle({**batch, "number": torch.arange(len(now["rows"]))})
        order = mixed.pop("number").tolist()
        for position, number in enumerate(order):
            row = now["rows"][number]
            assert (row.prompt, row.completion) == _tokens(mixed, position)
        now["order"] = order
        return mixed

    def stepped(*arguments: Any) -> torch.Tensor:
        position = trainer.state.global_step
        if now["passes"] == 0:
            now["before"] = Double(trainer.model)
        loss: torch.Tensor = training_step(*arguments)
        now["passes"] += 1
        if now["passes"] == passes:
            now["passes"] = 0
            share, nth = len(now["order"]) // train.minibatches, position % train.minibatches
            numbers = now["order"][nth * share : (nth + 1) * share]
            tokens = sum(len(row.completion) for row in now["rows"])
            replayed = [row for row in now["rows"] if row.replayed]
            made = [value.grad.clone() for value in trainer.model.parameters() if value.requires_grad]
            rows = [now["rows"][number] for number in numbers]
            step = position // train.minibatches + 1
            updates.append(Update(step, nth, reference, now["start"], now["before"], rows, replayed, tokens, made))
        return loss

    trainer._generate_and_score_completions, trainer.training_step = generated, stepped
    monkeypatch.setattr(trainer_module, "draw_groups", drew)
    monkeypatch.setattr(grpo_trainer, "shuffle_sequence_dict", shuffled)
    trainer.train()
    return updates


def _tokens(batch: dict[str, Any], row: int) -> tuple[list[int], list[int]]:
    prompt, completion = batch["prompt_mask"][row].bool(), batch["completion_mask"][row].bool()
    return batch["prompt_ids"][row][prompt].tolist(), batch["completion_ids"][row][completion].tolist()
