"""The schema of a policy: the embedded one with its warm start, a hub id or a local directory."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from repro.spec.strict import Strict


class Teacher(Strict):
    """The unreliable teacher that the embedded policy imitates in its warm start (arithmetic only)."""

    habit: float = Field(0.6, ge=0, le=1, description="probability of a systematic wrong habit in - and * steps")
    noise_add: float = Field(0.05, ge=0, le=1, description="probability that the result of a + step is random")
    noise_subtract: float = Field(0.08, ge=0, le=1, description="the same for a - step")
    noise_multiply: float = Field(0.12, ge=0, le=1, description="the same for a * step")
    direct_answers: float = Field(0.10, ge=0, lt=1, description="share of examples that skip the written steps")
    longest: int = Field(6, ge=1, le=10, description="most steps in an example; longer questions are unfamiliar")
    faultless: float = Field(
        0.6, ge=0, le=1, description="share of the examples, the first ones, without habits, noise and direct answers"
    )


class ShuffleTeacher(Strict):
    """The unreliable teacher of the shuffle task."""

    habit: float = Field(0.6, ge=0, le=1, description="probability of a systematic wrong habit in a step that has one")
    noise: float = Field(0.08, ge=0, le=1, description="probability that the state after a step is random")
    direct_answers: float = Field(0.10, ge=0, lt=1, description="share of examples that skip the written steps")
    longest: int = Field(6, ge=1, le=10, description="most steps in an example; longer questions are unfamiliar")
    faultless: float = Field(
        0.6, ge=0, le=1, description="share of the examples, the first ones, without habits, noise and direct answers"
    )


class VariablesTeacher(Strict):
    """The unreliable teacher of the variables task."""

    habit: float = Field(0.6, ge=0, le=1, description="probability of a systematic wrong habit in - and * steps")
    noise: float = Field(0.08, ge=0, le=1, description="probability that the result of a step is random")
    direct_answers: float = Field(0.10, ge=0, lt=1, description="share of examples that skip the written steps")
    longest: int = Field(6, ge=1, le=10, description="most steps in an example; longer questions are unfamiliar")
    faultless: float = Field(
        0.6, ge=0, le=1, description="share of the examples, the first ones, without habits, noise and direct answers"
    )


class WarmStart(Strict):
    """Supervised start of the embedded policy (TRL SFTTrainer); cached by content."""

    updates: int = Field(2000, ge=1, description="optimizer updates")
    batch_size: int = Field(96, ge=1, description="examples per update")
    learning_rate: float = Field(4e-3, gt=0, description="peak rate of the cosine schedule")
    seed: int = Field(0, ge=0, description="seed of the weights and of the example order")
    teacher: Teacher = Field(default_factory=Teacher, description="how unreliable the imitated arithmetic is")
    shuffle: ShuffleTeacher = Field(default_factory=ShuffleTeacher, description="the same for the shuffle task")
    variables: VariablesTeacher = Field(default_factory=VariablesTeacher, description="the same for the variables task")


class TinyModel(Strict):
    """The embedded policy: Qwen2 architecture from scratch, with a tokenizer of its own."""

    width: int = Field(96, ge=8, description="hidden size; a multiple of heads")
    layers: int = Field(2, ge=1, description="transformer blocks")
    heads: int = Field(3, ge=1, description="attention heads")
    tokenizer: Literal["characters", "bpe"] = Field(
        "characters", description="characters for procedural tasks; bpe is trained on the dataset's text"
    )
    vocabulary: int = Field(1024, ge=64, description="size of the bpe vocabulary (ignored for characters)")
    warm_start: WarmStart = Field(default_factory=WarmStart, description="supervised start before GRPO")

    @model_validator(mode="after")
    def _width_divides(self) -> TinyModel:
        if self.width % (2 * self.heads):
            raise ValueError(f"got width {self.width}, expected a multiple of 2 x heads ({2 * self.heads})")
        return self


class ModelSpec(Strict):
    """A policy: exactly one of `tiny`, `hub` or `path`. The string `tiny` is short for `{tiny: {}}`."""

    tiny: TinyModel | None = Field(None, description="the embedded policy")
    hub: str | None = Field(None, description="a Hugging Face model id, e.g. Qwen/Qwen2.5-Math-1.5B")
    path: str | None = Field(None, description="a local directory saved by transformers")
    revision: str | None = Field(None, description="commit, tag or branch of the hub id")
    name: str | None = Field(None, description="label in tables and figures (default: derived)")
    system_prompt: str | None = Field(None, description="system message where the tokenizer has a chat template")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="weights while training")
    trust_remote_code: bool = Field(False, description="run code shipped with the model: only if you trust it")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {value: {}} if value == "tiny" else value

    @model_validator(mode="after")
    def _one_source(self) -> ModelSpec:
        given = [key for key in ("tiny", "hub", "path") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"got {' and '.join(given) or 'none of them'}, expected exactly one of tiny, hub, path")
        if self.revision is not None and self.hub is None:
            raise ValueError(f"got revision {self.revision!r} without hub, expected both or neither")
        return self

    @property
    def label(self) -> str:
        """Short name for tables and figures."""
        if self.name:
            return self.name
        if self.tiny:
            return f"tiny-{self.tiny.width}x{self.tiny.layers}"
        return str(self.hub or self.path).rstrip("/").rsplit("/", 1)[-1]
