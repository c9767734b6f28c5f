"""The schema of a policy: the embedded one with its warm start, a known name, a hub id or local files."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from repro.fields import LEAST_RATE, LONGEST_NAME, MOST_QUESTIONS, HubId, PathText, Seed, Strict, mistake, under
from repro.models.catalogue import MODEL_NAMES, ModelName
from repro.models.examples import Examples
from repro.tasks import registry
from repro.tasks.prompts import SYSTEM_PROMPTS
from repro.tasks.task import Task
from repro.words import nearest

Precision = Literal["float32", "bfloat16"]
"""Of arithmetic, whatever type the weights are kept in."""


class WarmStart(Strict):
    """Supervised start of the embedded policy (TRL SFTTrainer); cached by content."""

    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"teachers"})  # the one of the run's own task enters by itself

    updates: int = Field(2000, ge=1, le=10_000_000, description="optimizer updates")
    batch_size: int = Field(96, ge=1, le=100_000, description="examples per update")
    learning_rate: float = Field(4e-3, ge=LEAST_RATE, le=1, description="peak rate of the cosine schedule")
    seed: Seed = Field(0, description="seed of the weights and of the example order")
    teachers: dict[str, SerializeAsAny[Strict]] = Field(
        default_factory=dict, description="task -> how unreliable the solutions are that it teaches"
    )

    @field_validator("teachers", mode="before")
    @classmethod
    def _own_fields(cls, value: Any) -> Any:
        """Each task's fields checked by its own teacher; built-in tasks that are left out have their defaults."""
        if not isinstance(value, dict):
            return value
        found: dict[str, Strict] = {name: task.teacher() for name, task in registry.built_in().items()}
        for name, fields in value.items():
            try:
                task = registry.find(name)
            except ValueError as error:
                raise mistake(str(error), fields, name) from None
            try:
                found[registry.task_name(task)] = task.teacher.model_validate({} if fields is None else fields)
            except ValidationError as error:
                raise under(error, name) from None
        return found

    def teacher(self, task: Task) -> Strict:
        """The teacher of a task: as the spec writes it, else its defaults."""
        return self.teachers.get(registry.task_name(type(task))) or type(task).teacher()


class SolutionStart(Strict):
    """Supervised start of a pretrained model on the solutions of the training questions; cached by content."""

    updates: int = Field(50, ge=1, le=1_000_000, description="optimizer updates")
    batch_size: int = Field(8, ge=1, le=100_000, description="solutions per update")
    learning_rate: float = Field(5e-5, ge=LEAST_RATE, le=1, description="peak rate of the cosine schedule")
    seed: Seed = Field(0, description="seed of which questions are taken, and of their order")
    examples: int | None = Field(
        None, ge=1, le=MOST_QUESTIONS, description="training questions whose solutions are imitated (default: all)"
    )


class TinyModel(Strict):
    """The embedded policy: Qwen2 architecture from scratch, with a tokenizer of its own."""

    width: int = Field(96, ge=8, le=16_384, description="hidden size; a multiple of heads")
    layers: int = Field(2, ge=1, le=256, description="transformer blocks")
    heads: int = Field(3, ge=1, le=1024, description="attention heads")
    tokenizer: Literal["characters", "bpe"] = Field(
        "characters", description="characters for procedural tasks; bpe is trained on the dataset's text"
    )
    vocabulary: int = Field(
        1024, ge=64, le=1_000_000, description="size of the bpe vocabulary (ignored for characters)"
    )
    warm_start: WarmStart = Field(default_factory=WarmStart, description="supervised start before GRPO")

    def start_fields(self, task: Task | None) -> dict[str, Any]:
        """What decides the start policy on a task, None for other data: of the teachers, its own alone."""
        fields = self.model_dump(mode="json")
        del fields["warm_start"]["teachers"]
        if task is not None:
            fields["warm_start"]["teacher"] = self.warm_start.teacher(task).model_dump(mode="json")
        return fields

    @model_validator(mode="after")
    def _width_divides(self) -> TinyModel:
        if self.width % (2 * self.heads):
            raise ValueError(f"got width {self.width}, expected a multiple of 2 x heads ({2 * self.heads})")
        return self


class LoraSpec(Strict):
    """Low-rank adapters beside frozen weights (PEFT's LoRA); they start as zero, so the start policy is the model's."""

    rank: int = Field(16, ge=1, le=65_536, description="rank of the update of each adapted layer")
    alpha: float = Field(32.0, ge=1e-6, le=1e6, description="the update counts alpha / rank times")
    dropout: float = Field(0.0, ge=0, lt=1, description="on an adapter's input in updates; rollouts go without")
    targets: tuple[str, ...] = Field(
        ("all-linear",), strict=False, min_length=1, description="names of adapted layers, e.g. q_proj; all-linear: all"
    )


SOURCES = ("tiny", "named", "hub", "path")
"""The fields that say where the weights come from."""


class ModelSpec(Strict):
    """A policy: exactly one of `tiny`, `named`, `hub` or `path`.

    The string `tiny` is short for `{tiny: {}}`, and a known name such as `smollm2` for `{named: smollm2}`.
    """

    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"name", "path"})

    tiny: TinyModel | None = Field(None, description="the embedded policy")
    named: ModelName | None = Field(
        None, description="a known model: smollm2 from its file where this machine has it, else from the hub"
    )
    hub: HubId | None = Field(None, description="a Hugging Face model id, e.g. Qwen/Qwen2.5-Math-1.5B")
    path: PathText | None = Field(
        None, description="a local directory saved by transformers, an adapter saved by PEFT, or a .gguf file"
    )
    revision: str | None = Field(None, description="commit, tag or branch on the hub")
    name: str | None = Field(
        None, max_length=LONGEST_NAME, description="label in tables and figures (default: derived)"
    )
    system_prompt: str | None = Field(
        None, description="system message where the tokenizer has a chat template; ufo_rl and dots_rr name the papers'"
    )
    examples: Examples = Field(
        default_factory=list, description="questions with whole answers that every prompt shows first, or {file: FILE}"
    )
    chat_template: str | None = Field(
        None,
        description="a Jinja file, or the template itself, in place of the tokenizer's; plain: no template, plain text",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="weights while training; small updates vanish in half precision (see train.precision)"
    )
    lora: LoraSpec | None = Field(None, description="train low-rank adapters in place of the weights (needs peft)")
    warm_start: SolutionStart | None = Field(
        None,
        description="supervised start on the dataset's solutions before GRPO; tiny has its own, tiny.warm_start",
    )
    trust_remote_code: bool = Field(False, description="run code shipped with the model: only if you trust it")
    stand_in: bool = Field(
        False,
        description="random weights in the architecture of the hub model, small and without a download (--smoke)",
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return value if not isinstance(value, str) else shorthand(value) or value

    @field_validator("system_prompt")
    @classmethod
    def _named_prompt(cls, value: str | None) -> str | None:
        """A paper's name becomes its prompt, so that nothing later depends on the name."""
        if value is None or value in SYSTEM_PROMPTS:
            return SYSTEM_PROMPTS.get(value or "")
        near = None if " " in value else nearest(value, SYSTEM_PROMPTS)  # a prompt has more than one word
        if near:
            raise ValueError(f"got {value!r}, expected a prompt or its name, did you mean {near}?")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> ModelSpec:
        given = [key for key in SOURCES if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"got {' and '.join(given) or 'none of them'}, expected exactly one of {', '.join(SOURCES)}"
            )
        on_hub = self.hub is not None or self.named is not None
        if self.revision is not None and not on_hub:
            raise ValueError(f"got revision {self.revision!r} without hub, expected both or neither")
        if self.stand_in and not on_hub:
            raise ValueError("got stand_in without hub, expected the id of the model that it stands in for")
        if self.warm_start is not None and self.tiny is not None:
            raise ValueError("got warm_start beside tiny, expected tiny.warm_start: the embedded policy has its own")
        return self

    @property
    def label(self) -> str:
        """Short name for tables and figures."""
        if self.name:
            return self.name
        if self.tiny:
            return f"tiny-{self.tiny.width}x{self.tiny.layers}"
        if self.named:
            return self.named
        return str(self.hub or self.path).rstrip("/").rsplit("/", 1)[-1].removesuffix(".gguf")


def shorthand(word: str) -> dict[str, Any] | None:
    """What a single word stands for as a model: the embedded policy or a known name; None for another word."""
    if word == "tiny":
        return {"tiny": {}}
    return {"named": word} if word in MODEL_NAMES else None
