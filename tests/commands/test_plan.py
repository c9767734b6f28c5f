"""What `plan` says of the differences that a study could see."""

from __future__ import annotations

import pytest

from repro.commands.plan import could_see
from repro.study.expand import expand
from tests.conftest import Load

SPEC = "arms: {full: {}, less: {train: {steps: 9}}}\nevaluate: {questions: %d, samples: 1}\nseeds: [0, 1]\n"


@pytest.mark.parametrize(("questions", "said"), [(4, "no true difference is seen"), (256, "a true difference of ")])
def test_a_difference_that_no_accuracy_can_have_is_none(load: Load, questions: int, said: str) -> None:
    spec = load(SPEC % questions).spec
    assert said in could_see(spec, next(iter(expand(spec))))
