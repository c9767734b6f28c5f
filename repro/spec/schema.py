"""The schema of a spec: every field with its one-line help, its range and its default."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from repro.difficulty.predictor_spec import PredictorSpec
from repro.fields import (
    LEAST_RATE,
    LONGEST_COMPLETION,
    LONGEST_NAME,
    MOST_QUESTIONS,
    Scalar,
    Seed,
    Strict,
    Temperature,
    TopP,
)
from repro.models.model_spec import ModelSpec, Precision
from repro.models.rollout_spec import RolloutSpec
from repro.replay.replay_spec import ReplaySpec
from repro.selection.registry import AnySelection, selection_of
from repro.spec.budget_spec import Budget
from repro.spec.presets.registry import HELP as PRESET_HELP
from repro.spec.presets.registry import PresetName
from repro.spec.report_spec import ReportSpec
from repro.spec.sweep_spec import SweepSpec
from repro.tasks.benchmark_spec import Benchmark, label_problem
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.reward_spec import Terms, accuracy_terms

# ---------------------------------------------------------------- training and evaluation


class TrainSpec(Strict):
    """GRPO. A *step* is one generation batch; it makes `minibatches` optimizer *updates*."""

    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"gradient_checkpointing", "keep", "micro_batch"})

    steps: int = Field(40, ge=1, le=1_000_000, description="generation batches")
    questions_per_step: int = Field(32, ge=1, le=100_000, description="questions (groups) in a generation batch")
    group_size: int = Field(8, ge=2, le=10_000, description="completions per question")
    minibatches: int = Field(4, ge=1, le=10_000, description="optimizer updates per step")
    learning_rate: float = Field(
        2e-4,
        ge=LEAST_RATE,
        le=1,
        description="AdamW rate, at its highest",
        json_schema_extra={"x-usual": "1e-6 for large policies to 1e-3 for small ones"},
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="how the rate goes on after the warm-up: to 0 at the last update, or not at all"
    )
    warmup: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the updates over which the rate rises from 0",
        json_schema_extra={"x-usual": "0.05, a twentieth of the updates,"},
    )
    weight_decay: float = Field(0.0, ge=0, le=10, description="AdamW weight decay")
    max_grad_norm: float = Field(1.0, ge=1e-6, le=1e6, description="gradient clipping")
    temperature: Temperature = Field(1.0, description="sampling temperature of rollouts and probes")
    top_p: TopP = Field(1.0, description="nucleus of rollouts and probes")
    max_completion_tokens: int = Field(96, ge=1, le=LONGEST_COMPLETION, description="longest completion")
    max_prompt_tokens: int | None = Field(
        None, ge=1, le=LONGEST_COMPLETION, description="longest prompt of a training question (see dataset.too_long)"
    )
    loss: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = Field("grpo", description="TRL's loss_type")
    advantage_std: bool = Field(True, description="divide advantages by the group's standard deviation")
    clip: float = Field(0.2, gt=0, lt=1, description="half-width of the ratio clip")
    kl: float = Field(
        0.0, ge=0, le=100, description="weight of the KL term to the start policy: q - log q - 1 of q = start / policy"
    )
    min_spread: float = Field(
        0.0, ge=0, lt=1, description="a group whose rewards differ by at most so much has no gradient"
    )
    skip_zero_advantage: bool = Field(True, description="leave groups without gradient out of the update")
    stop_on: tuple[Literal["nan", "collapse", "no_signal"], ...] = Field(
        ("nan",),
        strict=False,
        description="what ends a run early: collapse (accuracy beyond noise below the start), no_signal (10 steps"
        " without an informative group); nan always does, since nothing can follow it",
    )
    rollout: RolloutSpec = Field(default_factory=RolloutSpec, description="what makes the completions")
    precision: Precision = Field(
        "float32", description="arithmetic of rollouts, evaluations and updates; weights and AdamW stay in model.dtype"
    )
    threads: int = Field(
        1, ge=1, le=1024, description="CPU threads of a job's arithmetic; another number gives other last digits"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations anew in the backward pass: less memory, more time, the same result"
    )
    keep: Literal["record", "policy", "checkpoints"] = Field(
        "policy",
        description="what a finished run keeps (record: what it measured, all that a report reads; policy: its weights "
        "too; checkpoints: the last two as well, six times the size of the policy in float32, from which it goes on "
        "where a file of it is damaged)",
    )
    micro_batch: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="most completions in one pass of an update (default: all of its minibatch): memory only",
    )

    @field_validator("stop_on")
    @classmethod
    def _nan_always(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """In one order, without repeats and with nan, so that what means the same is the same run."""
        return tuple(kind for kind in ("nan", "collapse", "no_signal") if kind == "nan" or kind in value)

    def result_fields(self) -> dict[str, Any]:
        """A KL term counts with its form: runs that TRL weighted by the ratio are other ones."""
        return super().result_fields() | ({"kl_form": "grpo"} if self.kl else {})

    @property
    def shares_out_steps(self) -> bool:
        """Whether the rate of an update depends on how many there will be."""
        return self.schedule != "constant" or self.warmup > 0

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


MAIN_SETS = ("test", "validation")
"""Sets with avg@k, entropy and greedy accuracy; further sets get one sample per problem."""
BENCHMARKS_MEAN = "benchmarks"
"""What a report calls the unweighted mean over `evaluate.benchmarks`."""


class EvaluateSpec(Strict):
    """Evaluation on held-out problems, with a generator of its own."""

    every: int = Field(
        10, ge=1, le=1_000_000, description="steps between evaluations (step 0 and the last are always evaluated)"
    )
    samples: int = Field(4, ge=1, le=10_000, description="k of avg@k")
    temperature: Temperature = Field(1.0, description="sampling temperature")
    top_p: TopP = Field(1.0, description="nucleus")
    questions: int | None = Field(None, ge=1, le=MOST_QUESTIONS, description="use only the first n questions of a set")
    sets: tuple[Literal["test", "validation", "extra"], ...] = Field(
        ("test", "extra"), strict=False, min_length=1, description="what is evaluated; sweeps look at validation only"
    )
    benchmarks: list[Benchmark] = Field(
        default_factory=list, description="further sets, evaluated at every evaluation; eval/benchmarks is their mean"
    )
    pool_samples: int = Field(
        8, ge=1, le=10_000, description="samples per training question for the start policy's mean rewards"
    )
    gradient_questions: int = Field(
        0,
        ge=0,
        le=MOST_QUESTIONS,
        description="pool questions whose gradient norm under the start policy is measured (Theorem 1)",
    )
    predictor_questions: int = Field(
        0,
        ge=0,
        le=MOST_QUESTIONS,
        description="uniform pool questions that a difficulty prediction is checked on at each evaluation",
    )
    base_temperatures: tuple[Temperature, ...] = Field(
        (0.3, 0.6), strict=False, description="further temperatures of the start policy's accuracy (greedy always is)"
    )

    @model_validator(mode="after")
    def _main_set(self) -> EvaluateSpec:
        if not {"test", "validation"} & set(self.sets):
            raise ValueError("sets needs test or validation: further sets alone have no greedy accuracy")
        if problem := label_problem(self.benchmarks):
            raise ValueError(problem)
        return self


# ---------------------------------------------------------------- arms


class ArmSpec(Strict):
    """One way to spend rollouts; arms are what a report compares."""

    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset({"train"})  # looked at as part of the train section

    extends: str | None = Field(None, description="another arm whose fields are inherited")
    selection: AnySelection = Field(default_factory=lambda: selection_of({}), description="how questions are chosen")
    replay: ReplaySpec | None = Field(None, description="rollout replay (off when absent)")
    preset: PresetName | None = Field(None, description=f"{PRESET_HELP}, in this arm")
    reward: Terms | None = Field(None, description="what this arm rewards, in place of the study's reward")
    predictor: PredictorSpec | None = Field(None, description="fields of the study's predictor that differ in this arm")
    train: dict[str, Scalar] = Field(default_factory=dict, description="train fields that differ in this arm")
    budget: Budget | None = Field(None, description="where this arm stops, in place of the study's budget or steps")
    models: list[str] | None = Field(None, min_length=1, description="labels of the models it runs on (default: all)")
    datasets: list[str] | None = Field(None, min_length=1, description="labels of its datasets (default: all)")
    seeds: list[Seed] | None = Field(
        None, min_length=1, description="those of the study's seeds it runs (default: all)"
    )


# ---------------------------------------------------------------- study


class Spec(Strict):
    """A study: arms compared on models and datasets over seeds."""

    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset({"axes"})  # looked at as values of the cells' fields

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=LONGEST_NAME,
        description="names the report folder and the experiment",
    )
    question: str | None = Field(None, description="what the study asks, in one sentence, for the report")
    model: list[ModelSpec] = Field(min_length=1, description="one policy or a list of them")
    dataset: list[DatasetSpec] = Field(min_length=1, description="one dataset or a list of them")
    train: TrainSpec = Field(default_factory=TrainSpec, description="GRPO, the same for all arms unless an arm differs")
    reward: Terms = Field(
        default_factory=accuracy_terms,
        description="what training rewards: accuracy, module:name of your own, or a list with weights",
    )
    evaluate: EvaluateSpec = Field(default_factory=EvaluateSpec, description="how accuracy is measured")
    preset: PresetName | None = Field(None, description=PRESET_HELP)
    predictor: PredictorSpec | None = Field(
        None, description="the difficulty predictor of arms that ask for a trained one"
    )
    arms: dict[str, ArmSpec] = Field(min_length=1, description="name -> arm")
    axes: dict[str, Annotated[list[Scalar], Field(min_length=1)]] = Field(
        default_factory=dict, description="dotted path -> values; axes multiply"
    )
    seeds: list[Seed] = Field(default_factory=lambda: [0, 1, 2], min_length=1, description="one run per arm and seed")
    budget: Budget | None = Field(None, description="stop after so many tokens or seconds instead of train.steps")
    sweep: SweepSpec | None = Field(None, description="an Optuna study over fields of an arm, or of each of several")
    report: ReportSpec = Field(default_factory=ReportSpec, description="what the report compares and shows")

    def seeds_of(self, arm: str) -> list[Seed]:
        """The seeds that an arm runs."""
        return self.arms[arm].seeds or self.seeds

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

    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset({"axis_point"})

    spec: str = Field(description="label: name of the spec that asked first")
    arm: str = Field(description="label: name of the arm")
    axis_point: dict[str, Scalar] = Field(default_factory=dict, description="label: values of the axes that apply")
    model: ModelSpec
    dataset: DatasetSpec
    train: TrainSpec
    evaluate: EvaluateSpec
    reward: Terms = Field(default_factory=accuracy_terms)
    selection: AnySelection
    predictor: PredictorSpec | None = None
    replay: ReplaySpec | None
    budget: Budget | None
    seed: Seed


ARM_SECTIONS: tuple[str, ...] = tuple(name for name in Cell.model_fields if name in ArmSpec.model_fields)
"""Sections of a cell that an arm may have of its own; the study or the matrix gives the others."""
ONLY_IN_ARMS: tuple[str, ...] = tuple(name for name in ARM_SECTIONS if name not in Spec.model_fields)
"""Those that a study has in its arms only."""
