"""A rank's replay buffer: making it, drawing groups from it, and joining these to the fresh rows of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from repro.replay.batch import Batch, compose
from repro.replay.buffer import Group, ReplayBuffer
from repro.replay.corrections import CORRECTIONS
from repro.replay.replay_spec import ReplaySpec
from repro.spec.schema import Cell, TrainSpec
from repro.training import merge
from repro.training.randomness import REPLAY, derive_seed
from repro.training.ranks import Ranks


def buffer_of(cell: Cell, ranks: Ranks) -> ReplayBuffer | None:
    """An empty buffer for one rank's share of the groups; None where the arm replays nothing."""
    if cell.replay is None:
        return None
    return ReplayBuffer.of(
        cell.replay.model_copy(update={"capacity": cell.replay.capacity // ranks.count}),
        derive_seed(*ranks.seed(cell.seed, REPLAY)),
        cell.train.min_spread,
        questions=cell.train.questions_per_step // ranks.count,
    )


def draw_groups(
    buffer: ReplayBuffer | None, replay: ReplaySpec | None, train: TrainSpec, ranks: Ranks, step: int
) -> tuple[Batch, list[Group]]:
    """One rank's batch, equally large on all: what the rank with the fewest groups to replay can make. Collective."""
    questions = train.questions_per_step // ranks.count
    if buffer is None or replay is None:
        return Batch(questions, 0), []
    eligible = min(ranks.gather(len(buffer.eligible(step))))
    batch = compose(replay, questions, train.group_size, train.minibatches, step, eligible)
    return batch, buffer.draw(batch.replayed, step)


def join_groups(
    output: dict[str, Any],
    groups: Sequence[Group],
    logps: Callable[[dict[str, Any]], torch.Tensor],
    pad_id: int,
    replay: ReplaySpec,
    clip: float,
    ranks: Ranks,
) -> tuple[dict[str, Any], dict[str, float]]:
    """TRL's batch with `groups` behind its rows, and how far these are off-policy (`merge.ratio_statistics`).

    `logps(rows)`: log-probs (R, T) of rows under the policy as it is now. Collective.
    """
    rows = merge.group_tensors(groups, pad_id, output["prompt_ids"].shape[1], output["completion_ids"].shape[1])
    rows = {key: value.to(output["completion_ids"].device) for key, value in rows.items()}
    output = merge.widen(output, pad_id, rows["prompt_ids"].shape[1], rows["completion_ids"].shape[1])
    old = logps(rows)  # the ratio pi_old / pi_behaviour is logged under every correction
    ratios = merge.ratio_statistics(rows, old, clip)
    corrected, advantages = CORRECTIONS[replay.correction].apply(rows, old)
    output = merge.join(output, {**rows, "old_per_token_logps": corrected, "advantages": advantages})
    tokens = output["num_items_in_batch"]  # TRL divides by those of all ranks
    output["num_items_in_batch"] = tokens.new_tensor(sum(ranks.gather(tokens.item())))
    return output, ratios
