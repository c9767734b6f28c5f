"""The `budget` section of a spec: what ends a run in place of its steps."""

from __future__ import annotations

from pydantic import Field, model_validator

from repro.fields import Strict


class Budget(Strict):
    """Stop after so much instead of after `train.steps`."""

    tokens: int | None = Field(
        None, ge=1, le=10**15, description="generated tokens: rollouts, probes and selection sampling"
    )
    seconds: float | None = Field(None, ge=1e-3, le=1e9, description="wall seconds of the job, evaluation left out")
    epochs: float | None = Field(
        None, ge=1e-6, le=1e6, description="passes over the questions that the arm may draw from"
    )

    @model_validator(mode="after")
    def _one(self) -> Budget:
        given = [name for name in ("tokens", "seconds", "epochs") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"got {found}, expected exactly one of tokens, seconds, epochs")
        return self
