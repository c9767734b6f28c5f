"""The schema of the trained difficulty predictor of DOTS: its towers and how they are fitted."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from repro.fields import LEAST_RATE, LONGEST_COMPLETION, MOST_QUESTIONS, PathText, Seed, Strict, Temperature, TopP
from repro.models.model_spec import ModelSpec


class TowersSpec(Strict):
    """Two towers over frozen embeddings, attention of a question over the references, calibration."""

    width: int = Field(128, ge=1, le=100_000, description="units of every layer (paper: 896)")
    layers: int = Field(3, ge=1, le=100, description="linear layers of a tower")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="between the layers, while fitting")
    shared: bool = Field(
        False, description="one adapter for questions and references (the paper's notation); off: two, as its code"
    )
    calibration: Literal["slope_bias", "temperature_bias", "none"] = Field(
        "slope_bias",
        description="of logit(d), from the references' mean and std: times a slope plus a bias (paper), or divided by a"
        " temperature of .01 to 10 plus a bias (its code)",
    )
    activation: Literal["gelu", "relu"] = Field("gelu", description="inside the calibration (its code: relu)")
    identity_start: bool = Field(
        True,
        description="the calibration starts as one that changes nothing; off: at random, as in the code",
    )
    clip: float = Field(
        1e-3, ge=1e-7, le=0.1, description="d is clipped to [clip, 1 - clip] before its logit (the code: 1e-4)"
    )
    deviation: Literal["population", "sample"] = Field(
        "population",
        description="std of the references' rates: divided by K (paper) or by K - 1 (its code)",
    )
    standardise: bool = Field(
        True,
        description="bring each feature of the embeddings to mean 0 and std 1 (neither paper nor code does)",
    )
    rates: Literal["failure_rate", "pass_rate"] = Field(
        "failure_rate", description="what the towers average and are fitted to: the paper's, or those of its code"
    )


class FitSpec(Strict):
    """How the towers learn from the pass rates of other policies."""

    epochs: int = Field(20, ge=1, le=100_000, description="passes over all (policy, question) pairs")
    batch_size: int = Field(256, ge=1, le=MOST_QUESTIONS, description="pairs of an update")
    learning_rate: float = Field(1e-3, ge=LEAST_RATE, le=1, description="of Adam, at its peak")
    references: int = Field(
        256,
        ge=2,
        le=MOST_QUESTIONS,
        description="references of an update, drawn anew for each; best what selection will use",
    )
    warm_up: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of the updates with a rising learning rate; it falls linearly to 0 after"
    )
    warm_up_most: int = Field(
        1_000_000, ge=1, le=1_000_000, description="updates that the warm-up takes at most (the code: 100)"
    )
    warm_up_from: Literal["first", "zero"] = Field(
        "first", description="the rate of the first update: a step of the warm-up, or 0 as in the code"
    )
    held_out: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.1, description="share of the questions that are held back, to record the loss on them (the code: 0)"
    )
    references_among: Literal["others", "all"] = Field(
        "others", description="references of an update: without the questions of its batch, or also those (the code)"
    )
    seed: Seed = Field(0, description="of weights, batches, references, dropout and the validation questions")


class PredictorSpec(Strict):
    """A trained predictor: a directory of `repro predictor train`, or the recipe it is built by (cached by content)."""

    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"path"})

    path: PathText | None = Field(None, description="a directory written by `repro predictor train`")
    policies: list[ModelSpec] = Field(
        default_factory=list, description="whose pass rates are the labels; never the policy that is trained"
    )
    embedder: ModelSpec | None = Field(None, description="whose states embed the questions (default: the first policy)")
    questions: int = Field(3072, ge=32, le=MOST_QUESTIONS, description="questions that the policies answer for labels")
    samples: int = Field(8, ge=1, le=10_000, description="completions of each question and policy")
    temperature: Temperature = Field(1.0, description="sampling temperature of the labels")
    top_p: TopP = Field(1.0, description="nucleus of the labels")
    max_completion_tokens: int = Field(96, ge=1, le=LONGEST_COMPLETION, description="longest completion")
    towers: TowersSpec = Field(default_factory=TowersSpec, description="the network")
    fit: FitSpec = Field(default_factory=FitSpec, description="its training")

    @model_validator(mode="after")
    def _one_source(self) -> PredictorSpec:
        if (self.path is None) == (not self.policies):
            found = "neither" if self.path is None else "both"
            raise ValueError(f"got {found}, expected exactly one of path and policies")
        labels = [policy.label for policy in self.policies]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"got policies labelled {', '.join(twice)} more than once, expected distinct names")
        return self

    @property
    def embedding_model(self) -> ModelSpec:
        """The model whose hidden states are the embeddings. Only where `policies` are given."""
        return self.embedder or self.policies[0]
