"""The schema of a trained difficulty predictor (DOTS): whose pass rates it learns from, its towers and their training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from repro.spec.models import ModelSpec
from repro.spec.strict import Strict


class TowersSpec(Strict):
    """The network over frozen embeddings."""

    width: int = Field(128, ge=1, description="width of every layer and of the projections (paper: 896)")
    layers: int = Field(3, ge=1, description="linear layers of a tower")
    dropout: float = Field(0.1, ge=0, lt=1, description="between layers, while training")
    shared: bool = Field(False, description="one adapter for questions and references (the paper's notation); off: two")
    calibration: Literal["slope_bias", "temperature_bias", "none"] = Field(
        "slope_bias",
        description="from the references' mean and deviation: sigmoid(w logit(d) + b) (paper), sigmoid(logit(d) / t + b)"
        " (its code), or the attention's average as it is",
    )


class FitSpec(Strict):
    """Training of the towers: soft-label binary cross-entropy, Adam, linear decay after a warm-up."""

    epochs: int = Field(20, ge=1, description="passes over all (policy, question) pairs")
    batch_size: int = Field(256, ge=1, description="pairs in a minibatch")
    learning_rate: float = Field(1e-3, gt=0, description="peak rate of Adam")
    references: int = Field(256, ge=2, description="references drawn anew for each minibatch")
    warm_up: float = Field(0.1, ge=0, lt=1, description="share of updates over which the rate rises")
    seed: int = Field(0, ge=0, description="seed of the weights, batches and references")


class PredictorSpec(Strict):
    """A trained predictor: a directory of `repro predictor train`, or the recipe it is built by (cached by content)."""

    path: str | None = Field(None, description="a directory written by `repro predictor train`")
    policies: list[ModelSpec] = Field(
        default_factory=list, description="whose pass rates are the labels; never the policy that is trained"
    )
    embedder: ModelSpec | None = Field(None, description="whose states embed the questions (default: the first policy)")
    questions: int = Field(3072, ge=32, description="questions that the policies answer for labels")
    samples: int = Field(8, ge=1, description="completions of each question and policy")
    temperature: float = Field(1.0, gt=0, description="sampling temperature of the labels")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus of the labels")
    max_completion_tokens: int = Field(96, ge=1, description="longest completion")
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

    def result_fields(self) -> dict[str, Any]:
        """What changes the predictor, for the identity of a run; the content of a path enters as a digest."""
        if self.path is not None:
            return {"path": True}
        skip = {"name", "path"}
        fields = self.model_dump(mode="json", exclude_none=True, exclude={"path", "policies", "embedder"})
        fields["policies"] = [p.model_dump(mode="json", exclude_none=True, exclude=skip) for p in self.policies]
        fields["embedder"] = self.embedding_model.model_dump(mode="json", exclude_none=True, exclude=skip)
        return fields
