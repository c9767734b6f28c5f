"""What a study says of the training that a diagnosis is about."""

from __future__ import annotations

from pathlib import Path

from repro.diagnose.design import Design, design_of
from repro.study.load import load_spec

ROOT = Path(__file__).parents[2]


def test_a_study_gives_its_training_and_the_first_arm_of_each_kind() -> None:
    design = design_of(load_spec(ROOT / "experiments" / "quickstart.yaml").spec)
    assert (design.target, design.fraction, design.prompt) == ("solution", 0.1, "default")
    assert (design.dots.references, design.dots.every, design.replay.fresh) == (16, 2, 0.5)
    assert (design.train.steps, design.train.questions_per_step, design.evaluate.samples) == (40, 32, 4)
    assert design.probing == 0.25
    assert design.window(1024) == 64 / 1024


def test_without_a_study_the_defaults_of_the_suite_count() -> None:
    design = Design()
    assert (design.target, design.subset, design.train.group_size) == ("final_answer", 0.1, 8)
    assert design.window(10) == 1.0
