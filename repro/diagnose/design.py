"""What a diagnosis assumes of the training that it speaks of: sizes, sampling, selection and replay."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from repro.replay.replay_spec import ReplaySpec
from repro.scoring.targets import ConfidencePrompt, Target
from repro.selection.bands import Band, CalibratedBand, CenterBand
from repro.selection.methods.confidence import Confidence
from repro.selection.methods.difficulty import Difficulty
from repro.spec.schema import EvaluateSpec, Spec, TrainSpec

SUBSET = 0.1
"""Share of the pool that a fixed subset keeps, unless a study says otherwise."""


@dataclass(frozen=True)
class Design:
    """Training as it would be. What no study says has the suite's defaults.

    `target`, `prompt`, `band` and `fraction` are those of UFO-RL's subset.
    """

    train: TrainSpec = field(default_factory=TrainSpec)
    evaluate: EvaluateSpec = field(default_factory=EvaluateSpec)
    dots: Difficulty = field(default_factory=lambda: Difficulty(method="difficulty"))
    replay: ReplaySpec = field(default_factory=lambda: ReplaySpec(fresh=0.5, capacity=32))
    target: Target = "final_answer"
    prompt: ConfidencePrompt = "default"
    band: Band = field(default_factory=CenterBand)
    fraction: float | None = SUBSET
    seeds: int = 3

    @property
    def subset(self) -> float:
        """Share of the pool that other fixed subsets keep."""
        return self.fraction or SUBSET

    @property
    def reference_samples(self) -> int:
        """Rollouts of one reference question."""
        return self.dots.samples or self.train.group_size

    @property
    def probing(self) -> float:
        """Rollouts of references over those of training, K / (mu B) where a reference is rolled out like a group."""
        train = self.train
        probes = self.dots.references * self.reference_samples / self.dots.every
        return probes / (train.questions_per_step * train.group_size)

    def window(self, pool: int) -> float:
        """Share of the pool that DOTS trains on between two predictions."""
        return min(1.0, self.dots.every * self.train.questions_per_step / pool)

    def record(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "train": self.train.model_dump(mode="json"),
            "target": self.target,
            "prompt": self.prompt,
            "band": self.band.model_dump(mode="json"),
            "fraction": self.fraction,
            "dots": self.dots.model_dump(mode="json"),
            "replay": self.replay.model_dump(mode="json"),
            "seeds": self.seeds,
        }


def design_of(study: Spec) -> Design:
    """What a study says: its training, and the first arm of each kind."""
    made = Design(train=study.train, evaluate=study.evaluate, seeds=len(study.seeds))
    found: set[str] = set()
    for arm in study.arms.values():
        one = arm.selection
        if isinstance(one, Confidence) and "ufo" not in found and isinstance(one.band, CenterBand | CalibratedBand):
            prompt: ConfidencePrompt = one.prompt or "default"
            made = replace(made, target=one.target, prompt=prompt, band=one.band, fraction=one.fraction)
            found.add("ufo")
        if isinstance(one, Difficulty) and "dots" not in found and one.predictor != "oracle":
            made = replace(made, dots=one)
            found.add("dots")
        if arm.replay is not None and "replay" not in found:
            made = replace(made, replay=arm.replay)
            found.add("replay")
    return made
