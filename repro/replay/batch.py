"""How many groups of a step are rolled out and what is replayed, when the buffer is short and when it is not."""

from __future__ import annotations

from dataclasses import dataclass

from repro.replay.replay_spec import ReplaySpec


@dataclass(frozen=True)
class Batch:
    """What a step is made of. `fresh`, `warm_up` and `topped_up` count groups, `replayed` and `shrunk` what the buffer
    holds: groups, or completions, G to a group.

    With B groups asked for: fresh = delta B + warm_up + topped_up, and fresh + replayed = B - shrunk in one unit.
    """

    fresh: int
    replayed: int
    warm_up: int = 0
    """Rolled out in place of replayed ones because the step belongs to the warm-up."""
    topped_up: int = 0
    """Rolled out in place of replayed ones because the buffer was short."""
    shrunk: int = 0
    """Missing from the batch because the buffer was short."""


def replayed_of(replay: ReplaySpec, questions: int, group_size: int) -> int:
    """What a whole batch replays of a buffer that holds enough, in its unit: groups or completions."""
    groups = questions - round(replay.fresh * questions)
    return groups * group_size if replay.unit == "rollout" else groups


def compose(replay: ReplaySpec, questions: int, group_size: int, minibatches: int, step: int, eligible: int) -> Batch:
    """The batch of a step (counted from 1) when `eligible` groups, or completions, of the buffer may be drawn.

    `questions` is B. What is rolled out is whole groups always: where completions are short, one group of G tops up for
    up to G of them, and the batch keeps its B G rows. A batch that shrinks keeps its delta B fresh groups and so much
    of the replayed that its rows divide by `minibatches`: TRL would drop the remainder in silence. ValueError if
    nothing of it does.
    """
    fresh, wanted = round(replay.fresh * questions), replayed_of(replay, questions, group_size)
    missing = questions - fresh  # groups
    if step <= replay.warm_up:
        return Batch(questions, 0, warm_up=missing)
    if eligible >= wanted:
        return Batch(fresh, wanted)
    if replay.short == "wait":
        return Batch(questions, 0, topped_up=missing)
    group = wanted // missing  # what a group is in the unit of the buffer: 1, or its completions
    if replay.short == "top_up":
        topped_up = missing - eligible // group
        return Batch(fresh + topped_up, wanted - topped_up * group, topped_up=topped_up)
    rows = group_size // group  # of what is replayed once
    for replayed in range(eligible, -1, -1):
        if (fresh * group_size + replayed * rows) % minibatches == 0:
            return Batch(fresh, replayed, shrunk=wanted - replayed)
    raise ValueError(f"{fresh} fresh groups of {group_size} do not divide by minibatches ({minibatches})")
