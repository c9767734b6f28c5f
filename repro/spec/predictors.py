"""The schema of the trained difficulty predictor of DOTS: its towers and how they are fitted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from repro.spec.strict import Seed, Strict


class TowersSpec(Strict):
    """Two towers over frozen embeddings, attention of a question over the references, calibration."""

    width: int = Field(128, ge=1, description="units of every layer (paper: 896)")
    layers: int = Field(3, ge=1, description="linear layers of a tower")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="between the layers, while fitting")
    shared: bool = Field(
        False, description="one adapter for questions and references (the paper's notation); off: two, as its code"
    )
    calibration: Literal["slope_bias", "temperature_bias", "none"] = Field(
        "slope_bias",
        description="of logit(d), from the references' mean and std: times a slope plus a bias (paper), or divided by a"
        " temperature of .01 to 10 plus a bias (its code)",
    )


class FitSpec(Strict):
    """How the towers learn from the pass rates of other policies."""

    epochs: int = Field(20, ge=1, description="passes over all (policy, question) pairs")
    batch_size: int = Field(256, ge=1, description="pairs of an update")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam, at its peak")
    references: int = Field(
        256, ge=2, description="references of an update, drawn anew for each; best what selection will use"
    )
    warm_up: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of the updates with a rising learning rate; it falls linearly to 0 after"
    )
    seed: Seed = Field(0, description="of weights, batches, references, dropout and the validation questions")
