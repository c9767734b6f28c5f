"""The schema of every way to choose questions, and of the bands of a score that offline methods keep."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from repro.fields import Fraction, Strict
from repro.scoring.targets import Target


class CenterBand(Strict):
    """The items nearest a centre; how many is the `fraction` beside it."""

    center: Literal["mean", "median"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "mean", description="of the scores, or a value on their scale"
    )


class CalibratedBand(Strict):
    """The items nearest the score at which a measured pass rate is expected: the `fraction` beside it.

    A few questions are rolled out under the start policy; a monotone fit of pass rate on score finds the centre.
    """

    pass_rate: float = Field(ge=0, le=1, description="the pass rate whose score is the centre, e.g. 0.5")
    questions: int = Field(64, ge=8, description="questions rolled out to calibrate")
    samples: int = Field(8, ge=1, description="completions of each")


class EndBand(Strict):
    """The items at one end of the score; the words `highest` and `lowest` are short for it."""

    end: Literal["highest", "lowest"] = Field(description="which end; how many is the fraction beside it")


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
    for key, kind in (("end", EndBand), ("pass_rate", CalibratedBand), ("low", RangeBand), ("high", RangeBand)):
        if isinstance(value, kind) or (isinstance(value, dict) and key in value):
            return f"<{kind.__name__}>"
    return "<CenterBand>"


Band = Annotated[
    Annotated[CenterBand, Tag("<CenterBand>")]
    | Annotated[CalibratedBand, Tag("<CalibratedBand>")]
    | Annotated[EndBand, Tag("<EndBand>")]
    | Annotated[RangeBand, Tag("<RangeBand>")],
    Discriminator(_band_kind),
]


class Uniform(Strict):
    """Every question equally often: plain GRPO."""

    method: Literal["uniform"] = "uniform"


class RandomSubset(Strict):
    """A fixed random subset: the control of every selected subset of the same size."""

    method: Literal["random"]
    fraction: Fraction = Field(0.1, description="share of the pool that is kept")


Ends = dict[str, tuple[str, str]]


class Banded(Strict):
    """What the methods that keep a band of a score share.

    A method may have further names for one of its bands: `method: easiest` is `method: pass_rate, band: highest`.
    """

    ENDS: ClassVar[Ends] = {}
    """Short name of a method -> the method's own name and the end of its scores."""

    band: Band = Field(default_factory=CenterBand, description="which scores are kept")
    fraction: Fraction | None = Field(None, description="share kept (default 0.1); not with low/high")

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = dict(value)
        method = value.get("method")
        if isinstance(method, str) and method in cls.ENDS:
            if "band" in value:
                raise ValueError(f"got a band with method {method}, expected none: the method is a band by its name")
            value["method"], value["band"] = cls.ENDS[method]
        if isinstance(value.get("band"), str):
            value["band"] = {"end": value["band"]}
        band = value.get("band")
        bounded = isinstance(band, RangeBand) or (isinstance(band, dict) and ("low" in band or "high" in band))
        if value.get("fraction") is None and not bounded:
            value["fraction"] = 0.1
        return value

    @model_validator(mode="after")
    def _fraction_with_center(self) -> Banded:
        if isinstance(self.band, RangeBand) and self.fraction is not None:
            raise ValueError(
                f"got fraction {self.fraction:g} with a band of low and high, expected one of them: the band fixes"
                " the size; fraction goes with the other bands"
            )
        return self


TARGET_HELP = "the tokens whose probability is the confidence"


class Confidence(Banded):
    """UFO-RL: one teacher-forced pass of the start policy; keep the middle of the confidence."""

    ENDS: ClassVar[Ends] = {
        "high_confidence": ("confidence", "highest"),
        "low_confidence": ("confidence", "lowest"),
    }

    method: Literal["confidence", "high_confidence", "low_confidence"] = Field(
        description="high_confidence and low_confidence: confidence with the band highest, lowest"
    )
    target: Target = Field("final_answer", description=TARGET_HELP)
    prompt: Literal["paper"] | None = Field(
        None, description="paper: the release's system prompt and <answer> tag (default: the prompt of rollouts)"
    )


class PassRate(Banded):
    """Multi-sample accuracy of the start policy; keep a band of it."""

    ENDS: ClassVar[Ends] = {
        "easiest": ("pass_rate", "highest"),
        "hardest": ("pass_rate", "lowest"),
    }

    method: Literal["pass_rate", "easiest", "hardest"] = Field(
        description="easiest and hardest: pass_rate with the band highest, lowest"
    )
    samples: int = Field(8, ge=1, description="completions per question that measure the pass rate")


class PromptPerplexity(Banded):
    """Label-free: how probable the question's own tokens are, as 1 / perplexity; keep a band of it."""

    method: Literal["prompt_perplexity"]


class PromptEntropy(Banded):
    """Label-free: the mean entropy of the next token over the question, as a share of log(vocabulary)."""

    method: Literal["prompt_entropy"]


class Curriculum(Strict):
    """The whole pool in order of a score of the start policy, stage by stage over the steps of the run."""

    method: Literal["curriculum"]
    by: Literal["confidence", "pass_rate"] = Field(description="the score that orders the questions; high is easy")
    order: Literal["easy_to_hard", "hard_to_easy"] = Field("easy_to_hard", description="which end comes first")
    stages: int = Field(10, ge=2, description="quantiles of the score, each trained on for as many steps")
    target: Target = Field("final_answer", description=f"{TARGET_HELP} (by: confidence)")
    samples: int = Field(8, ge=1, description="completions per question (by: pass_rate)")


Source = Literal["untrained", "trained", "oracle"]


class Difficulty(Strict):
    """DOTS: predict every question's difficulty from a few reference rollouts; draw those near the target."""

    method: Literal["difficulty"]
    target: float = Field(0.5, ge=0, le=1, description="alpha: the difficulty to aim at")
    measure: Literal["failure_rate", "pass_rate"] = Field(
        "failure_rate", description="what target counts: the paper's failure rate, or the pass rate of its code"
    )
    temperature: float = Field(1e-3, gt=0, description="tau of P(q) ~ exp(-|d - alpha| / tau)")
    references: int = Field(16, ge=2, description="K: questions rolled out to measure the current difficulty")
    every: int = Field(2, ge=1, description="mu: steps between refreshes")
    samples: int | None = Field(None, ge=2, description="rollouts per reference (default: group_size)")
    predictor: Source = Field(
        "untrained",
        description="untrained: raw embeddings of the start policy; trained: the study's `predictor`; oracle: the whole"
        " pool is rolled out at every refresh, a bound that no predictor can pass",
    )
    recalibration: Literal["left_out", "in_sample", "none"] = Field(
        "left_out",
        description="line from prediction to truth, fitted on the references: leave-one-out and clipped, in sample as"
        " in the authors' code, or none as in the paper",
    )
    reuse_references: bool = Field(
        False, description="references measured near the target train with the rollouts that measured them"
    )


class Dynamic(Strict):
    """Dynamic sampling (DAPO): roll out uniform questions until enough groups have a gradient."""

    method: Literal["dynamic"]
    most: int = Field(4, ge=1, description="batches of questions that a step rolls out at most")


SELECTIONS: tuple[type[Strict], ...] = (
    Uniform,
    RandomSubset,
    Confidence,
    PassRate,
    PromptPerplexity,
    PromptEntropy,
    Curriculum,
    Difficulty,
    Dynamic,
)
Selection = Annotated[
    Uniform
    | RandomSubset
    | Confidence
    | PassRate
    | PromptPerplexity
    | PromptEntropy
    | Curriculum
    | Difficulty
    | Dynamic,
    Field(discriminator="method"),
]
