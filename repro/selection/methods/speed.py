"""SPEED: a few completions screen each question, and only those whose rewards differ get the rest of their group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field

from repro.errors import UserError
from repro.groups import has_spread
from repro.selection.base import Run, Selector
from repro.selection.method import Costs, Mistake, Selection, Setting, Smoke
from repro.selection.refill import Rewards, refill
from repro.selection.stateful import PassSelector


class Speed(Selection):
    """SPEED: screen questions with a few completions; those whose rewards differ get the rest of a group and train."""

    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("screening",)

    method: Literal["speed"]
    screening: int = Field(4, ge=1, le=10_000, description="completions that screen a question, fewer than group_size")
    most: int = Field(4, ge=1, le=10_000, description="batches of questions that a step screens at most")

    @property
    def trains_on(self) -> str:
        """What a screening lets pass."""
        return f"questions whose first {self.screening} completions get different rewards"

    @property
    def title(self) -> str:
        """As its authors call it."""
        return "SPEED"

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """At most `most` batches of questions screened a step, and the rest of a batch of groups."""
        return Costs(refill=1 + (self.most - 1) * self.screening / group_size)

    def build(self, run: Run) -> Selector:
        """UserError where nothing of a group is left after screening."""
        return SpeedSelector(self, run)

    def mistakes(self, setting: Setting) -> Iterator[Mistake]:
        """A screening that leaves nothing of a group, or that tells nothing."""
        yield from super().mistakes(setting)
        if self.screening >= setting.group_size:
            text = f"got {self.screening}, expected fewer than train.group_size ({setting.group_size})"
            yield Mistake("screening", text, ("train.group_size",))
        elif self.screening == 1 and setting.group_size > 2:  # a smoke run has groups of two
            yield Mistake("screening", "got 1, expected at least 2: the reward of one completion differs from no other")

    def smoke(self, sizes: Smoke) -> Self:
        """At most half a group: one completion of two, so that none is accepted and the batch is filled up."""
        return self.model_copy(update={"screening": min(self.screening, sizes.group_size // 2)})


class SpeedSelector(PassSelector):
    """Every step: screen as many new questions as are missing until enough have rewards that differ, then go on.

    The `n` questions of the batch get group_size - screening further completions in one call, and train with all of
    them, under the policy that made both parts. After `most` batches of questions the rest of the batch is filled with
    questions that were screened without success. Questions come in shuffled passes over the pool.

    Metrics: `tried` questions screened, `found` of them accepted, `found_share`, and the share of the batch's groups
    that have a gradient.
    """

    def __init__(self, selection: Speed, run: Run) -> None:
        if selection.screening >= run.group_size:
            raise UserError(
                f"selection.screening: {selection.screening}, expected fewer than the {run.group_size} completions of "
                f"a group; lower it or raise train.group_size"
            )
        super().__init__(selection, run, "order")
        self.selection = selection

    def pick(self, n: int) -> list[int]:
        """All of them have a whole group at hand, and train with that."""
        probe = self.run.resources.probe
        refilled = refill(
            n,
            min(self.selection.most * n, len(self.ids)),
            lambda count, tried: self._pass.take(count),  # a new pass may begin with a question tried
            lambda indices: probe(indices, self.selection.screening, keep=True),
            self._differs,
        )
        self._reused = refilled.batch(n)
        more = probe(self._reused, self.run.group_size - self.selection.screening, keep=True)
        groups = [refilled.rewards[index] + rest for index, rest in zip(self._reused, more, strict=True)]
        trains = sum(map(self._differs, groups))
        self._metrics = refilled.metrics() | {"continued_informative": trains / n}
        return self._reused

    def _differs(self, rewards: Rewards) -> bool:
        return has_spread(rewards, self.run.min_spread)
