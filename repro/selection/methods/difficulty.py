"""DOTS: questions whose difficulty under the current policy, predicted from a few references, is near a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from repro.difficulty.estimators import Recalibration
from repro.fields import MOST_QUESTIONS
from repro.selection.base import Run, Selector
from repro.selection.difficulty_selector import DifficultySelector
from repro.selection.method import Costs, Mistake, Selection, Setting, Smoke
from repro.words import show


class Difficulty(Selection):
    """DOTS: predict every question's difficulty from a few reference rollouts; draw those near the target."""

    predicts: ClassVar[bool] = True
    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("references", "samples")

    method: Literal["difficulty"]
    target: float = Field(0.5, ge=0, le=1, description="alpha: the difficulty to aim at")
    measure: Literal["failure_rate", "pass_rate"] = Field(
        "failure_rate", description="what target counts: the paper's failure rate, or the pass rate of its code"
    )
    temperature: float = Field(1e-3, ge=1e-6, le=1e3, description="tau of P(q) ~ exp(-|d - alpha| / tau)")
    references: int = Field(
        16, ge=2, le=MOST_QUESTIONS, description="K: questions rolled out to measure the current difficulty"
    )
    every: int = Field(2, ge=1, le=1_000_000, description="mu: steps between refreshes")
    samples: int | None = Field(None, ge=2, le=10_000, description="rollouts per reference (default: group_size)")
    predictor: Literal["untrained", "trained", "oracle"] = Field(
        "untrained",
        description="untrained: raw embeddings of the start policy; trained: the study's `predictor`; oracle: the whole"
        " pool is rolled out at every refresh, a bound that no predictor can pass",
    )
    recalibration: Recalibration = Field(
        "left_out",
        description="line from prediction to truth, fitted on the references: leave-one-out and clipped, in sample as"
        " in the authors' code, or none as in the paper",
    )
    reuse_references: bool = Field(
        False, description="references near the target train with the rollouts that measured them"
    )
    reuse_by: Literal["measured", "predicted"] = Field(
        "measured",
        description="what of a reference lies near the target: its measured difficulty, if it has a gradient, or its"
        " predicted one (paper)",
    )
    reuse_within: float = Field(0.25, ge=0, le=1, description="how near to the target that is")

    def build(self, run: Run) -> Selector:
        """UserError where the pool has fewer questions than references."""
        return DifficultySelector(self, run)

    @property
    def trains_on(self) -> str:
        """By its target, as a pass rate."""
        rate = 1 - self.target if self.measure == "failure_rate" else self.target
        known = "measured" if self.predictor == "oracle" else "predicted"
        return f"questions whose {known} pass rate is near {rate:g}"

    @property
    def title(self) -> str:
        """DOTS, with what predicts where it is not the paper's way."""
        return "DOTS with an oracle" if self.predictor == "oracle" else "DOTS"

    @property
    def wants_predictor(self) -> bool:
        """With `predictor: trained`."""
        return self.predictor == "trained"

    @property
    def version(self) -> int:
        """2 where an oracle's references train: equally near ones are drawn."""
        return 2 if self.predictor == "oracle" and self.reuse_references else 1

    def references_of(self, pool: int | None) -> int:
        """K; an oracle measures all, so none is set apart."""
        return 0 if self.predictor == "oracle" else self.references

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """Without what says nothing: as many samples as a group has, references of an oracle, which of none train."""
        idle = {"references"} if self.predictor == "oracle" else set()
        idle |= set() if self.reuse_references else {"reuse_by", "reuse_within"}
        idle |= {"samples"} if self.samples == group_size else set()
        return {key: value for key, value in super().identity_fields(group_size).items() if key not in idle}

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """Probes at every refresh, and one pass that embeds the questions."""
        measured = pool or 0 if self.predictor == "oracle" else self.references
        return Costs(probes=measured * (self.samples or group_size), every=self.every, passes=True)

    def mistakes(self, setting: Setting) -> Iterator[Mistake]:
        """A predictor that is missing, a line that does not fit it, references that no group or pool can hold."""
        yield from super().mistakes(setting)
        if self.wants_predictor and not setting.predictor:
            yield Mistake(
                "predictor",
                'got "trained", expected a `predictor` section in the study: policies whose pass rates are the labels',
                ("predictor",),
            )
        if self.recalibration != "left_out" and not self.wants_predictor:
            yield Mistake(
                "recalibration",
                f"got {show(self.recalibration)} with predictor {self.predictor}, expected left_out: raw embeddings"
                " need the line that references left out in turn give, an oracle needs none",
                ("selection.predictor",),
            )
        if self.reuse_references and self.samples not in (None, setting.group_size):
            yield Mistake(
                "samples",
                f"got {self.samples} with reuse_references, expected none or group_size ({setting.group_size}):"
                " a reference that trains is a group",
                ("train.group_size",),
            )
        if setting.pool is not None and self.references_of(setting.pool) > setting.pool:
            text = f"got {self.references}, expected at most {setting.pool}, the questions of {setting.dataset}"
            yield Mistake("references", text)

    def idle(self, written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """References of an oracle; which references train, where none do."""
        if self.predictor == "oracle" and "references" in written:
            yield "references", "an oracle measures every question"
        for field in ("reuse_by", "reuse_within"):
            if not self.reuse_references and field in written:
                yield field, "reuse_references is off"

    def smoke(self, sizes: Smoke) -> Self:
        """Few references and rollouts; an oracle measures once."""
        samples = min(self.samples or sizes.group_size, sizes.group_size)
        changes: dict[str, Any] = {"samples": samples, "references": min(self.references, sizes.questions_per_step)}
        if self.predictor == "oracle":
            changes |= {"every": sizes.steps, "samples": 2}
        return self.model_copy(update=changes)

    @classmethod
    def fitting(cls, fields: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
        """The line belongs to a trained predictor only."""
        unfit = () if written.get("predictor") == "trained" else ("recalibration",)
        return {key: value for key, value in fields.items() if key not in unfit}
