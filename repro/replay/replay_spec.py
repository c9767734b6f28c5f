"""The fields of rollout replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from repro.fields import Strict
from repro.replay.corrections import CORRECTIONS

if TYPE_CHECKING:
    CorrectionName = str
else:  # the names themselves, so that messages and the JSON schema list them
    CorrectionName = Literal[tuple(CORRECTIONS)]


class ReplaySpec(Strict):
    """Rollout replay: fill part of each batch with recent informative groups."""

    fresh: float = Field(0.5, gt=0, lt=1, description="delta: share of the batch that is rolled out anew")
    capacity: int = Field(32, ge=1, le=1_000_000, description="C: groups the FIFO buffer holds")
    correction: CorrectionName = Field(
        "paper", description="; ".join(f"{each.name}: {each.help}" for each in CORRECTIONS.values())
    )
    draw: Literal["uniform", "prioritised"] = Field(
        "uniform", description="prioritised: in proportion to the variance of a group's rewards"
    )
    max_age: int | None = Field(
        None, ge=1, le=1_000_000, description="groups older than so many steps leave the buffer"
    )
    short: Literal["top_up", "wait", "shrink"] = Field(
        "top_up", description="a buffer short of groups: fresh questions fill up, replay waits, or the batch shrinks"
    )
    filter: Literal["insertion", "draw", "trimming"] = Field(
        "insertion",
        description="where groups without gradient are left out: when they are made; at the draw, so that they take up"
        " capacity; or before the oldest leave, which then keeps C - delta B and adds the step's (the authors' code)",
    )
    per_question: Literal["all", "latest"] = Field("all", description="latest: only a question's newest group is drawn")
    warm_up: int = Field(0, ge=0, le=1_000_000, description="first so many steps all fresh")
