"""The schema of a spec: every field with its one-line help, its range and its default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Fraction = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Scalar = bool | int | float | str | None


class Strict(BaseModel):
    """Base of every spec section: unknown keys are errors, instances are immutable, nothing is coerced.

    (`"3"` is no number and `yes` no boolean; a whole number may stand for a float.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, strict=True)


# ---------------------------------------------------------------- model


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


class WarmStart(Strict):
    """Supervised start of the embedded policy (TRL SFTTrainer); cached by content."""

    updates: int = Field(2000, ge=1, description="optimizer updates")
    batch_size: int = Field(96, ge=1, description="examples per update")
    learning_rate: float = Field(4e-3, gt=0, description="peak rate of the cosine schedule")
    seed: int = Field(0, ge=0, description="seed of the weights and of the example order")
    teacher: Teacher = Field(default_factory=Teacher, description="how unreliable the imitated solutions are")


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


# ---------------------------------------------------------------- dataset


class Arithmetic(Strict):
    """Procedural left-to-right arithmetic modulo 100 with a written chain of steps."""

    pool: int = Field(1024, ge=8, description="training questions")
    validation: int = Field(128, ge=0, description="questions that sweeps and tuning may look at")
    test: int = Field(256, ge=1, description="held-out 1-6-step questions of the headline accuracy")
    easy: float = Field(0.15, ge=0, le=1, description="share of the pool that is trivially easy")
    hard: float = Field(0.35, ge=0, le=1, description="share of the pool with 7-10 steps, almost never solved")
    max_steps: int = Field(6, ge=1, le=10, description="longest chain of the remaining pool and of the test set")
    seed: int = Field(0, ge=0, description="seed of the questions")

    @model_validator(mode="after")
    def _shares(self) -> Arithmetic:
        if self.easy + self.hard > 1:
            raise ValueError(f"got easy + hard = {self.easy + self.hard:g}, expected at most 1")
        return self


class Limits(Strict):
    """Use only the first questions of a split (fixed order, so every arm sees the same ones)."""

    train: int | None = Field(None, ge=1, description="training questions (the pool)")
    validation: int | None = Field(None, ge=1, description="validation questions")
    test: int | None = Field(None, ge=1, description="test questions")


class DatasetSpec(Strict):
    """Questions with known answers: exactly one of `arithmetic`, `named`, `hub` or `path`.

    The strings `arithmetic` and `gsm8k` are short for `{arithmetic: {}}` and `{named: gsm8k}`.
    """

    arithmetic: Arithmetic | None = Field(None, description="the embedded procedural task")
    named: Literal["gsm8k"] | None = Field(None, description="a dataset whose fields are known; offline via REPRO_DATA")
    hub: str | None = Field(None, description="a Hugging Face dataset id")
    path: str | None = Field(None, description="a .jsonl, .json or .parquet file, or a directory with train/test files")
    config: str | None = Field(None, description="configuration of the hub dataset")
    revision: str | None = Field(None, description="commit, tag or branch of the hub dataset")
    train_split: str = Field("train", description="hub split or file stem for training")
    test_split: str | None = Field("test", description="hub split or file stem for testing; none: cut from train")
    test_path: str | None = Field(None, description="a separate local file with the test questions")
    question: str = Field("question", description="field with the question")
    answer: str = Field("answer", description="field with the gold answer (text after #### where present)")
    solution: str | None = Field(None, description="field with a worked solution")
    id: str | None = Field(None, description="field with a unique id (default: a digest of the question)")
    validation_fraction: float = Field(0.1, ge=0, lt=1, description="share of train held back for validation")
    limits: Limits = Field(default_factory=Limits, description="use only the first n questions of a split")
    name: str | None = Field(None, description="label in tables and figures (default: derived)")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if value == "arithmetic":
            return {"arithmetic": {}}
        return {"named": value} if value == "gsm8k" else value

    @model_validator(mode="after")
    def _one_source(self) -> DatasetSpec:
        given = [k for k in ("arithmetic", "named", "hub", "path") if getattr(self, k) is not None]
        if len(given) != 1 and given != ["named", "path"]:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"got {found}, expected exactly one of arithmetic, named, hub, path")
        return self

    @property
    def label(self) -> str:
        """Short name for tables and figures."""
        if self.name:
            return self.name
        if self.arithmetic:
            return "arithmetic"
        return self.named or str(self.hub or self.path).rstrip("/").rsplit("/", 1)[-1].split(".")[0]


# ---------------------------------------------------------------- training and evaluation


class TrainSpec(Strict):
    """GRPO. A *step* is one generation batch; it makes `minibatches` optimizer *updates*."""

    steps: int = Field(40, ge=1, description="generation batches")
    questions_per_step: int = Field(32, ge=1, description="questions (groups) in a generation batch")
    group_size: int = Field(8, ge=2, description="completions per question")
    minibatches: int = Field(4, ge=1, description="optimizer updates per step")
    learning_rate: float = Field(2e-4, gt=0, description="constant AdamW rate")
    weight_decay: float = Field(0.0, ge=0, description="AdamW weight decay")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient clipping")
    temperature: float = Field(1.0, gt=0, description="sampling temperature of rollouts and probes")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus of rollouts and probes")
    max_completion_tokens: int = Field(96, ge=1, description="longest completion")
    loss: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = Field("grpo", description="TRL's loss_type")
    advantage_std: bool = Field(True, description="divide advantages by the group's standard deviation")
    clip: float = Field(0.2, gt=0, lt=1, description="half-width of the ratio clip")
    kl: float = Field(0.0, ge=0, description="weight of the KL term to the start policy")
    skip_zero_advantage: bool = Field(True, description="leave groups without gradient out of the update")

    @model_validator(mode="after")
    def _divides(self) -> TrainSpec:
        rows = self.questions_per_step * self.group_size
        if rows % self.minibatches:
            raise ValueError(
                f"got questions_per_step x group_size = {rows} rows, expected a multiple of minibatches"
                f" ({self.minibatches})"
            )
        if self.skip_zero_advantage and self.kl > 0:
            raise ValueError(
                f"got kl {self.kl:g} with skip_zero_advantage, expected one of them off: the KL term has a gradient"
                " in groups without advantage too"
            )
        return self


class EvaluateSpec(Strict):
    """Evaluation on held-out problems, with a generator of its own."""

    every: int = Field(10, ge=1, description="steps between evaluations (step 0 and the last are always evaluated)")
    samples: int = Field(4, ge=1, description="k of avg@k")
    temperature: float = Field(1.0, gt=0, description="sampling temperature")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus")
    questions: int | None = Field(None, ge=1, description="use only the first n questions of a set")
    sets: tuple[Literal["test", "validation", "extra"], ...] = Field(
        ("test", "extra"), strict=False, min_length=1, description="what is evaluated; sweeps look at validation only"
    )
    pool_samples: int = Field(8, ge=1, description="samples per training question for the start policy's pass rates")
    base_temperatures: tuple[float, ...] = Field(
        (0.3, 0.6), strict=False, description="further temperatures of the start policy's accuracy (greedy always is)"
    )

    @model_validator(mode="after")
    def _main_set(self) -> EvaluateSpec:
        if not {"test", "validation"} & set(self.sets):
            raise ValueError("sets needs test or validation: further sets alone have no greedy accuracy")
        return self


# ---------------------------------------------------------------- arms


class CenterBand(Strict):
    """The items nearest a centre; how many is the `fraction` beside it."""

    center: Literal["mean", "median"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "mean", description="of the scores, or a value on their scale"
    )


class RangeBand(Strict):
    """The items between two bounds, as values of the score or as quantiles of it."""

    low: float = Field(ge=0, le=1, description="lower bound")
    high: float = Field(ge=0, le=1, description="upper bound")
    scale: Literal["value", "quantile"] = Field("value", description="what the bounds count: scores or ranks")

    @model_validator(mode="after")
    def _ordered(self) -> RangeBand:
        if self.low >= self.high:
            raise ValueError(f"got low {self.low:g} and high {self.high:g}, expected low < high")
        return self


def _band_kind(value: Any) -> str:
    bounded = isinstance(value, RangeBand) or (isinstance(value, dict) and ("low" in value or "high" in value))
    return "<bounds>" if bounded else "<center>"


Band = Annotated[
    Annotated[CenterBand, Tag("<center>")] | Annotated[RangeBand, Tag("<bounds>")], Discriminator(_band_kind)
]


class Uniform(Strict):
    """Every question equally often: plain GRPO."""

    method: Literal["uniform"] = "uniform"


class RandomSubset(Strict):
    """A fixed random subset: the control of every selected subset of the same size."""

    method: Literal["random"]
    fraction: Fraction = Field(0.1, description="share of the pool that is kept")


class Banded(Strict):
    """What the methods that keep a band of a score share."""

    band: Band = Field(default_factory=CenterBand, description="which scores are kept")
    fraction: Fraction | None = Field(None, description="share kept around a centre (default 0.1); not with low/high")

    @model_validator(mode="before")
    @classmethod
    def _default_fraction(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("fraction") is None:
            band = value.get("band")
            if not (isinstance(band, dict) and ("low" in band or "high" in band)) and not isinstance(band, RangeBand):
                return {**value, "fraction": 0.1}
        return value

    @model_validator(mode="after")
    def _fraction_with_center(self) -> Banded:
        if isinstance(self.band, RangeBand) and self.fraction is not None:
            raise ValueError(
                f"got fraction {self.fraction:g} with a band of low and high, expected one of them: the band fixes"
                " the size; fraction goes with band.center"
            )
        return self


class Confidence(Banded):
    """UFO-RL: one teacher-forced pass of the start policy; keep the middle of the confidence."""

    method: Literal["confidence"]
    target: Literal["final_answer", "solution", "greedy_response"] = Field(
        "final_answer", description="the tokens whose probability is the confidence"
    )


class PassRate(Banded):
    """Multi-sample accuracy of the start policy; keep a band of it."""

    method: Literal["pass_rate"]
    samples: int = Field(8, ge=1, description="completions per question that measure the pass rate")


class Difficulty(Strict):
    """DOTS: predict every question's difficulty from a few reference rollouts; draw those near the target."""

    method: Literal["difficulty"]
    target: float = Field(0.5, ge=0, le=1, description="alpha: the failure rate to aim at")
    temperature: float = Field(1e-3, gt=0, description="tau of P(q) ~ exp(-|d - alpha| / tau)")
    references: int = Field(16, ge=2, description="K: questions rolled out to measure the current difficulty")
    every: int = Field(2, ge=1, description="mu: steps between refreshes")
    samples: int | None = Field(None, ge=2, description="rollouts per reference (default: group_size)")


Selection = Annotated[Uniform | RandomSubset | Confidence | PassRate | Difficulty, Field(discriminator="method")]
SELECTIONS: tuple[type[Strict], ...] = (Uniform, RandomSubset, Confidence, PassRate, Difficulty)


class ReplaySpec(Strict):
    """Rollout replay: fill part of each batch with recent informative groups."""

    fresh: float = Field(0.5, gt=0, lt=1, description="delta: share of the batch that is rolled out anew")
    capacity: int = Field(32, ge=1, description="C: groups the FIFO buffer holds")
    correction: Literal["paper", "proximal", "none"] = Field(
        "paper", description="paper: clip pi/pi_behaviour around 1; proximal: around pi_old/pi_behaviour; none"
    )


class ArmSpec(Strict):
    """One way to spend rollouts; arms are what a report compares."""

    extends: str | None = Field(None, description="another arm whose fields are inherited")
    selection: Selection = Field(default_factory=Uniform, description="how questions are chosen")
    replay: ReplaySpec | None = Field(None, description="rollout replay (off when absent)")
    train: dict[str, Scalar] = Field(default_factory=dict, description="train fields that differ in this arm")


# ---------------------------------------------------------------- study


class Budget(Strict):
    """Stop after so much instead of after `train.steps`."""

    tokens: int | None = Field(None, ge=1, description="generated tokens: rollouts, probes and selection sampling")
    seconds: float | None = Field(None, gt=0, description="wall seconds of the job, evaluation left out")

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if (self.tokens is None) == (self.seconds is None):
            raise ValueError("got both or neither, expected exactly one of tokens, seconds")
        return self


def _check_range(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"got low {low:g} and high {high:g}, expected low < high")
    if log and low <= 0:
        raise ValueError(f"got log with low {low:g}, expected low > 0")


class FloatRange(Strict):
    """Real numbers between two bounds."""

    float: Annotated[tuple[float, float], Field(strict=False, description="low and high, both included")]
    log: bool = Field(False, description="uniform in the logarithm")

    @model_validator(mode="after")
    def _ordered(self) -> FloatRange:
        _check_range(*self.float, self.log)
        return self


class IntRange(Strict):
    """Whole numbers between two bounds."""

    int: Annotated[tuple[int, int], Field(strict=False, description="low and high, both included")]
    log: bool = Field(False, description="uniform in the logarithm")

    @model_validator(mode="after")
    def _ordered(self) -> IntRange:
        _check_range(*self.int, self.log)
        return self


class Choice(Strict):
    """One of the listed values."""

    choice: list[Scalar] = Field(min_length=1, description="the values")


def _range_kind(value: Any) -> str | None:
    kinds: dict[str, type[Strict]] = {"float": FloatRange, "int": IntRange, "choice": Choice}
    for name, kind in kinds.items():
        if isinstance(value, kind) or (isinstance(value, dict) and name in value):
            return f"<{name}>"
    return None


Range = Annotated[
    Annotated[FloatRange, Tag("<float>")] | Annotated[IntRange, Tag("<int>")] | Annotated[Choice, Tag("<choice>")],
    Discriminator(_range_kind),
]


class SweepSpec(Strict):
    """An Optuna study over fields of one arm; it looks at validation questions only."""

    arm: str = Field(description="the arm whose fields are searched")
    space: dict[str, Range] = Field(min_length=1, description="dotted path -> range")
    metric: Literal["validation_accuracy", "validation_accuracy_auc"] = Field(
        "validation_accuracy", description="at the end, or averaged over the run (auc); mean over seeds"
    )
    direction: Literal["maximize", "minimize"] = Field("maximize", description="of the metric")
    trials: int = Field(20, ge=1, description="trials in total; a resumed study makes the missing ones")
    batch: int = Field(2, ge=1, description="trials asked at once: fixes the outcome of a parallel sweep")
    seeds: list[Seed] = Field(default_factory=lambda: [1000, 1001], min_length=1, description="not those of the tables")
    sampler_seed: int = Field(0, ge=0, description="seed of Optuna's sampler")


class ReportSpec(Strict):
    """What the report compares and shows."""

    baseline: str | None = Field(None, description="the arm that the others are compared with (default: the first)")
    target: float | None = Field(None, gt=0, lt=1, description="accuracy of time-to-target (default: baseline's final)")
    artefacts: list[str] = Field(default_factory=list, description="paper tables and figures, e.g. dots_rr.table_1")


class Spec(Strict):
    """A study: arms compared on models and datasets over seeds."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="names the report folder and the experiment")
    question: str | None = Field(None, description="what the study asks, in one sentence, for the report")
    model: list[ModelSpec] = Field(min_length=1, description="one policy or a list of them")
    dataset: list[DatasetSpec] = Field(min_length=1, description="one dataset or a list of them")
    train: TrainSpec = Field(default_factory=TrainSpec, description="GRPO, the same for all arms unless an arm differs")
    evaluate: EvaluateSpec = Field(default_factory=EvaluateSpec, description="how accuracy is measured")
    arms: dict[str, ArmSpec] = Field(min_length=1, description="name -> arm")
    axes: dict[str, Annotated[list[Scalar], Field(min_length=1)]] = Field(
        default_factory=dict, description="dotted path -> values; axes multiply"
    )
    seeds: list[Seed] = Field(default_factory=lambda: [0, 1, 2], min_length=1, description="one run per arm and seed")
    budget: Budget | None = Field(None, description="stop after so many tokens or seconds instead of train.steps")
    sweep: SweepSpec | None = Field(None, description="an Optuna study over fields of one arm")
    report: ReportSpec = Field(default_factory=ReportSpec, description="what the report compares and shows")

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value = dict(value)
            for key in ("model", "dataset"):
                if key in value and not isinstance(value[key], list):
                    value[key] = [value[key]]
        return value


class Cell(Strict):
    """One GRPO job, fully resolved: what a worker needs and nothing else. Labels do not enter its identity."""

    spec: str = Field(description="label: name of the spec that asked first")
    arm: str = Field(description="label: name of the arm")
    axis_point: dict[str, Scalar] = Field(default_factory=dict, description="label: values of the axes that apply")
    model: ModelSpec
    dataset: DatasetSpec
    train: TrainSpec
    evaluate: EvaluateSpec
    selection: Selection
    replay: ReplaySpec | None
    budget: Budget | None
    seed: Seed
