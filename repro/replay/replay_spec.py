"""The fields of rollout replay, and which of them go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from repro.fields import Strict, mistake
from repro.replay.corrections import CORRECTIONS
from repro.replay.second_moment import BOUND

if TYPE_CHECKING:
    CorrectionName = str
else:  # the names themselves, so that messages and the JSON schema list them
    CorrectionName = Literal[tuple(CORRECTIONS)]


class ReplaySpec(Strict):
    """Rollout replay: fill part of each batch with recent informative groups, or with single completions of them."""

    unit: Literal["group", "rollout"] = Field(
        "group",
        description="what is held and drawn: whole groups, or rollout: single completions, each with its advantage",
    )
    fresh: float = Field(0.5, gt=0, lt=1, description="delta: share of the batch that is rolled out anew")
    capacity: int = Field(
        32, ge=1, le=1_000_000, description="C: groups, or with unit rollout completions, that the FIFO buffer holds"
    )
    correction: CorrectionName = Field(
        "paper", description="; ".join(f"{each.name}: {each.help}" for each in CORRECTIONS.values())
    )
    second_moment: float = Field(
        BOUND,
        ge=1e-6,
        le=100,
        description="of correction second_moment: the most that the mean squared log-ratio of the replayed tokens that"
        " train may be",
    )
    draw: Literal["uniform", "prioritised"] = Field(
        "uniform",
        description="prioritised: in proportion to the variance of a group's rewards, of a completion to |advantage|",
    )
    tau_age: float | None = Field(
        None, ge=0.01, le=1_000_000, description="prioritised: weights times exp(-age / tau_age), age in steps"
    )
    max_age: int | None = Field(
        None, ge=1, le=1_000_000, description="groups or completions older than so many steps leave the buffer"
    )
    short: Literal["top_up", "wait", "shrink"] = Field(
        "top_up", description="a buffer that is short: fresh questions fill up, replay waits, or the batch shrinks"
    )
    filter: Literal["insertion", "draw", "trimming"] = Field(
        "insertion",
        description="where what has no gradient is left out: when they are made; at the draw, so that they take up"
        " capacity; or before the oldest leave, which then keeps C - delta B and adds the step's (the authors' code,"
        " of groups only)",
    )
    per_question: Literal["all", "latest"] = Field(
        "all", description="latest: only a question's newest group, or completions of it, is drawn"
    )
    warm_up: int = Field(0, ge=0, le=1_000_000, description="first so many steps all fresh")

    @model_validator(mode="after")
    def _go_together(self) -> ReplaySpec:
        if self.unit == "rollout" and self.filter == "trimming":
            text = "got trimming with unit rollout, expected insertion or draw: the authors' code trims groups"
            raise mistake(text, self.filter, "filter")
        if self.tau_age is not None and self.draw != "prioritised":
            text = (
                f"got {self.tau_age:g} with draw uniform, expected draw prioritised: it changes the weights of the draw"
            )
            raise mistake(text, self.tau_age, "tau_age")
        if self.second_moment != BOUND and not CORRECTIONS[self.correction].masks:
            masking = next(each.name for each in CORRECTIONS.values() if each.masks)
            text = f"got {self.second_moment:g} with correction {self.correction}, expected correction {masking}"
            raise mistake(text, self.second_moment, "second_moment")
        return self
