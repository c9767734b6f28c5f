"""Joins replayed groups to the fresh rows of a generation batch, as TRL's trainer expects them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from repro.replay.group import Group

LOGPS = ("old_per_token_logps", "ref_per_token_logps")
"""Log-probs (R, T) of a batch: those of the ratio, and where there is a KL term those of its reference."""
REFERENCE_FILL = -1e4
"""Reference log-prob in padding: exp(reference - policy) is 0 there. Where it overflowed, it would be NaN under the
mask, since infinity times 0 is no number."""


def without_padding(output: dict[str, Any]) -> torch.Tensor:
    """The reference log-probs (R, T) of TRL's batch with `REFERENCE_FILL` in their padding."""
    found: torch.Tensor = output["ref_per_token_logps"]
    return found.masked_fill(output["completion_mask"] == 0, REFERENCE_FILL)


def fresh_groups(
    output: dict[str, Any], questions: Sequence[int], rewards: Sequence[Sequence[float]], step: int
) -> list[Group]:
    """The groups of a fresh batch, rows in the order of `questions`, with the log-probs of the policy that made them.

    `output` is TRL's, with `old_per_token_logps` of the policy at the start of the step and, where there is a KL term,
    `ref_per_token_logps` of its reference.
    """
    prompt_mask, mask = output["prompt_mask"].bool().cpu(), output["completion_mask"].bool().cpu()  # (R, P), (R, T)
    reference = output.get("ref_per_token_logps")  # (R, T)
    groups, first = [], 0
    for question, group_rewards in zip(questions, rewards, strict=True):
        rows = range(first, first + len(group_rewards))
        groups.append(
            Group(
                question=question,
                prompt_ids=output["prompt_ids"][first].cpu()[prompt_mask[first]].numpy(),
                completion_ids=[output["completion_ids"][r].cpu()[mask[r]].numpy() for r in rows],
                rewards=np.asarray(group_rewards),
                advantages=output["advantages"][first : rows.stop].cpu().numpy(),
                behaviour_logps=[output["old_per_token_logps"][r].cpu()[mask[r]].float().numpy() for r in rows],
                step=step,
                reference_logps=None
                if reference is None
                else [reference[r].cpu()[mask[r]].float().numpy() for r in rows],
            )
        )
        first = rows.stop
    return groups


def pad_left(rows: Sequence[np.ndarray], width: int, value: int) -> torch.Tensor:
    """(len(rows), width) int64, values at the right."""
    out = torch.full((len(rows), width), value, dtype=torch.long)  # (R, width)
    for i, row in enumerate(rows):
        out[i, width - len(row) :] = torch.tensor(row, dtype=torch.long)
    return out


def pad_right(rows: Sequence[np.ndarray], width: int, value: float, dtype: torch.dtype) -> torch.Tensor:
    """(len(rows), width), values at the left."""
    out = torch.full((len(rows), width), value, dtype=dtype)  # (R, width)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row, dtype=dtype)
    return out


def group_tensors(groups: Sequence[Group], pad_id: int, prompt_width: int, width: int) -> dict[str, torch.Tensor]:
    """Rows of whole groups, in order: R = sum of group sizes, P >= prompt_width, T >= width columns.

    With `ref_per_token_logps` (R, T) where the groups have them.
    """
    prompts = [group.prompt_ids for group in groups for _ in group.completion_ids]
    completions = [ids for group in groups for ids in group.completion_ids]
    behaviour = [logps for group in groups for logps in group.behaviour_logps]
    prompt_width = max([prompt_width, *(len(p) for p in prompts)])
    width = max([width, *(len(c) for c in completions)])
    reference = [logps for group in groups for logps in group.reference_logps or ()]
    more = {"ref_per_token_logps": pad_right(reference, width, REFERENCE_FILL, torch.float32)} if reference else {}
    return {
        **more,
        "prompt_ids": pad_left(prompts, prompt_width, pad_id),  # (R, P)
        "prompt_mask": pad_left([np.ones_like(p) for p in prompts], prompt_width, 0),  # (R, P)
        "completion_ids": pad_right(completions, width, pad_id, torch.long),  # (R, T)
        "completion_mask": pad_right([np.ones(len(c)) for c in completions], width, 0, torch.int),  # (R, T)
        "advantages": torch.tensor(np.concatenate([g.advantages for g in groups]), dtype=torch.float32),  # (R,)
        "behaviour_logps": pad_right(behaviour, width, 0.0, torch.float32),  # (R, T)
    }


def widen(rows: dict[str, Any], pad_id: int, prompt_width: int, width: int) -> dict[str, Any]:
    """Pad the fresh rows' columns to (prompt_width, width)."""
    out = dict(rows)
    left = prompt_width - rows["prompt_ids"].shape[1]
    right = width - rows["completion_ids"].shape[1]
    prompt_fill = {"prompt_ids": pad_id, "prompt_mask": 0}
    completion_fill = {"completion_ids": pad_id, "ref_per_token_logps": REFERENCE_FILL}
    for key, value in prompt_fill.items():
        out[key] = torch.nn.functional.pad(rows[key], (left, 0), value=value)
    for key in ("completion_ids", "completion_mask", *LOGPS):
        if key in rows:
            out[key] = torch.nn.functional.pad(rows[key], (0, right), value=completion_fill.get(key, 0))
    return out


def ratio_statistics(replayed: dict[str, torch.Tensor], old_logps: torch.Tensor, clip: float) -> dict[str, float]:
    """How far replayed tokens are off-policy: pi_old / pi_behaviour, its mean, maximum and share outside 1 +- clip."""
    ratio = (old_logps - replayed["behaviour_logps"])[replayed["completion_mask"].bool()].exp()  # (tokens,)
    return {
        "ratio_mean": ratio.mean().item(),
        "ratio_max": ratio.max().item(),
        "ratio_outside": ((ratio - 1).abs() > clip).float().mean().item(),
    }


def squared_log_ratios(replayed: dict[str, torch.Tensor], old_logps: torch.Tensor) -> torch.Tensor:
    """(log pi_old / pi_behaviour)^2 of replayed tokens, (R, T) float64; 0 in padding."""
    ratio = (old_logps.double() - replayed["behaviour_logps"].double()) * replayed["completion_mask"]  # (R, T)
    return ratio**2


def join(fresh: dict[str, Any], replayed: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Fresh rows followed by replayed rows; `num_items_in_batch` counts the completion tokens of both.

    Both need `old_per_token_logps` and equal column counts (see `widen`). Advantages become (B, T) if either part's
    are per token.
    """
    first, second = fresh["advantages"], replayed["advantages"]
    width = fresh["completion_ids"].shape[1]
    if first.dim() != second.dim():
        first, second = (a.unsqueeze(1).expand(-1, width) if a.dim() == 1 else a for a in (first, second))
    out = dict(fresh)
    for key in ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", *LOGPS):
        if key in fresh:
            out[key] = torch.cat([fresh[key], replayed[key].to(fresh[key])])
    out["advantages"] = torch.cat([first, second])  # (B,) or (B, T)
    out["num_items_in_batch"] = out["completion_mask"].sum()
    return out
