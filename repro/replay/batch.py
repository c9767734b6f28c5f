"""How many groups of a step are rolled out and how many are replayed, when the buffer is short and when it is not."""

from __future__ import annotations

from dataclasses import dataclass

from repro.replay.replay_spec import ReplaySpec


@dataclass(frozen=True)
class Batch:
    """Groups of one step. With B asked for: fresh = delta B + warm_up + topped_up, fresh + replayed = B - shrunk."""

    fresh: int
    replayed: int
    warm_up: int = 0
    """Rolled out in place of replayed ones because the step belongs to the warm-up."""
    topped_up: int = 0
    """Rolled out in place of replayed ones because the buffer was short."""
    shrunk: int = 0
    """Missing from the batch because the buffer was short."""


def compose(replay: ReplaySpec, questions: int, group_size: int, minibatches: int, step: int, eligible: int) -> Batch:
    """The batch of a step (counted from 1) when `eligible` groups of the buffer may be drawn.

    `questions` is B. A batch that shrinks keeps its delta B fresh groups and so many replayed ones that its rows
    divide by `minibatches`: TRL would drop the remainder in silence. ValueError if no number of them does.
    """
    fresh = round(replay.fresh * questions)
    wanted = questions - fresh
    if step <= replay.warm_up:
        return Batch(questions, 0, warm_up=wanted)
    if eligible >= wanted:
        return Batch(fresh, wanted)
    if replay.short == "wait":
        return Batch(questions, 0, topped_up=wanted)
    if replay.short == "top_up":
        return Batch(fresh + wanted - eligible, eligible, topped_up=wanted - eligible)
    for replayed in range(eligible, -1, -1):
        if (fresh + replayed) * group_size % minibatches == 0:
            return Batch(fresh, replayed, shrunk=wanted - replayed)
    raise ValueError(f"{fresh} fresh groups of {group_size} do not divide by minibatches ({minibatches})")
