"""What a verifier could not decide is seen: in the metrics of each step, and once at the end of a job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repro.spec.schema import TrainSpec
from repro.tasks.verify import MathVerifier
from repro.training.undecided import tell_undecided

BOMB = "9^{9^{9^9}}"
TRAIN = TrainSpec(steps=1, questions_per_step=2, group_size=4, minibatches=2, max_completion_tokens=12)


def test_a_step_records_how_many_completions_were_not_decided_and_a_job_warns_of_all(make_trainer, data):
    verifier = MathVerifier(seconds=0.1)
    trainer = make_trainer(train=TRAIN, verifier=verifier)
    trainer.grades.problems = [replace(problem, answer=BOMB) for problem in trainer.grades.problems]
    trainer.train()
    (record,) = trainer.records
    assert record.metrics["train/undecided"] == verifier.undecided["time"] > 0
    assert record.metrics["train/reward"] == 0
    with pytest.warns(UserWarning, match=rf"{verifier.undecided['time']} completions .* \(time\)"):
        tell_undecided(replace(data, verifier=verifier))
    verifier.close()


def test_nothing_is_said_where_everything_was_decided(make_trainer, data, recwarn):
    trainer = make_trainer(train=TRAIN, verifier=data.verifier)
    trainer.train()
    assert "train/undecided" not in trainer.records[0].metrics
    recwarn.clear()
    tell_undecided(data)
    tell_undecided(replace(data, verifier=MathVerifier()))
    assert not recwarn.list
