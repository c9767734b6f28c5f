"""A rank's replay buffer: making it, drawing groups from it, and joining these to the fresh rows of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from repro.replay.batch import Batch, compose
from repro.replay.buffer import ReplayBuffer
from repro.replay.corrections import CORRECTIONS
from repro.replay.group import Group
from repro.replay.replay_spec import ReplaySpec
from repro.replay.second_moment import largest_kept
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
    """TRL's batch with `groups` behind its rows, and how far these are off-policy (`merge.ratio_statistics`, and what
    `_mask` adds).

    `logps(rows)`: log-probs (R, T) of rows under the policy as it is now. Collective.
    """
    rows = merge.group_tensors(groups, pad_id, output["prompt_ids"].shape[1], output["completion_ids"].shape[1])
    rows = {key: value.to(output["completion_ids"].device) for key, value in rows.items()}
    output = merge.widen(output, pad_id, rows["prompt_ids"].shape[1], rows["completion_ids"].shape[1])
    old = logps(rows)  # the ratio pi_old / pi_behaviour is logged under every correction
    ratios = merge.ratio_statistics(rows, old, clip)
    correction = CORRECTIONS[replay.correction]
    corrected, advantages = correction.apply(rows, old)
    if correction.masks:
        masked, told = _mask(rows, old, replay.second_moment, ranks)
        advantages, ratios = advantages.masked_fill(masked, 0.0), {**ratios, **told}
    output = merge.join(output, {**rows, "old_per_token_logps": corrected, "advantages": advantages})
    tokens = output["num_items_in_batch"]  # TRL divides by those of all ranks
    output["num_items_in_batch"] = tokens.new_tensor(sum(ranks.gather(tokens.item())))
    return output, ratios


def _mask(
    rows: dict[str, torch.Tensor], old: torch.Tensor, bound: float, ranks: Ranks
) -> tuple[torch.Tensor, dict[str, float]]:
    """Which tokens (R, T) of replayed rows do not train, padding included, and numbers about them. Collective.

    The mean squared log-ratio of the others, over the batch of all ranks, is at most `bound`. A token that does not
    train keeps its place in TRL's normalisers, as in M2PO's objective, whose mask stands under the sum and not under
    its divisor. `masked`: their share; `second_moment`: the mean square of all replayed tokens, before any is left out.
    """
    squares, tokens = merge.squared_log_ratios(rows, old), rows["completion_mask"].bool()  # (R, T)
    own = squares[tokens].cpu().numpy()
    most = largest_kept(np.concatenate(ranks.gather(own)), bound)
    masked = squares > most
    told = {"masked": masked[tokens].double().mean().item(), "second_moment": float(own.mean())}
    return masked | ~tokens, told
