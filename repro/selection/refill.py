"""Rolls out new questions until enough groups of a batch are worth training on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Rewards = tuple[float, ...]


@dataclass
class Refilled:
    """The questions that a step has rolled out, in the order in which it did."""

    found: list[int] = field(default_factory=list)
    """Those that are wanted."""
    others: list[int] = field(default_factory=list)
    rewards: dict[int, Rewards] = field(default_factory=dict)
    """Of all of them."""
    rounds: list[list[int]] = field(default_factory=list)
    """What each call has rolled out."""

    @property
    def tried(self) -> int:
        """How many questions were rolled out."""
        return len(self.rewards)

    def batch(self, n: int) -> list[int]:
        """The first `n` that are wanted; where these are fewer, others fill up, the first tried first."""
        return (self.found + self.others)[:n]

    def metrics(self) -> dict[str, float]:
        """`tried` questions, `found` of them wanted, `found_share`."""
        found = len(self.found)
        return {"tried": float(self.tried), "found": float(found), "found_share": found / self.tried}


def refill(
    n: int,
    most: int,
    take: Callable[[int, set[int]], Sequence[int]],
    roll_out: Callable[[list[int]], Sequence[Rewards]],
    wanted: Callable[[Rewards], bool],
    size: Callable[[int, Refilled], int] = lambda missing, refilled: missing,
) -> Refilled:
    """Rolls out different questions until at least `n` groups are wanted or `most` questions have been tried.

    Args:
        n, most: 1 <= n <= most; `most` is at most the size of the pool.
        take: `take(k, tried)` gives at most k questions in an order of its own; those tried before are left out. It has
            to come to new ones after a while.
        roll_out: the rewards of some questions.
        wanted: whether a group is worth training on.
        size: `size(missing, refilled)`: how many questions the next call rolls out, given how many groups are missing.
            At least `missing`, and no more than may be tried, are rolled out. Of more than are missing, some may be
            wanted and not needed.
    """
    out = Refilled()
    while len(out.found) < n and out.tried < most:
        missing = n - len(out.found)
        asked = min(max(missing, size(missing, out)), most - out.tried)
        tried = set(out.rewards)
        fresh = [index for index in take(asked, tried) if index not in tried]
        if not fresh:
            continue
        for index, rewards in zip(fresh, roll_out(fresh), strict=True):
            out.rewards[index] = rewards
            (out.found if wanted(rewards) else out.others).append(index)
        out.rounds.append(fresh)
    return out
