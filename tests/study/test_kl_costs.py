"""What the KL term adds to a plan: a copy of the start policy, and its pass over what is rolled out."""

from __future__ import annotations

from typing import Any

import pytest

from repro.models.model_spec import LoraSpec, ModelSpec
from repro.replay.replay_spec import ReplaySpec
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.study.estimate import work_of
from repro.study.plan_notes import reference_notes
from repro.study.sizes import beyond_memory
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic


def cell(kl: float, **changes: Any) -> Cell:
    fields: dict[str, Any] = {
        "spec": "s",
        "arm": "a",
        "model": ModelSpec(hub="Qwen/Qwen2.5-1.5B", dtype="bfloat16"),
        "dataset": DatasetSpec(arithmetic=Arithmetic()),
        "train": TrainSpec(kl=kl, skip_zero_advantage=False, minibatches=1),
        "evaluate": EvaluateSpec(),
        "selection": {"method": "uniform"},
        "replay": None,
        "budget": None,
        "seed": 0,
    }
    return Cell(**(fields | changes))


def test_the_memory_of_the_reference_is_told_where_all_weights_are_trained():
    (note,) = reference_notes([cell(0.04), cell(0.04, seed=1), cell(0.0)])
    assert "Qwen2.5-1.5B 2.9 GiB more in each process" in note  # 1.54e9 weights of two bytes
    assert reference_notes([cell(0.0)]) == []
    adapted = ModelSpec(hub="Qwen/Qwen2.5-1.5B", lora=LoraSpec())
    assert reference_notes([cell(0.04, model=adapted)]) == []


@pytest.mark.parametrize(("replay", "fresh"), [(None, 32), (ReplaySpec(fresh=0.5), 16)])
def test_the_reference_passes_each_fresh_completion_once(replay, fresh):
    with_it, without = (work_of(cell(kl, replay=replay), 10, 0.0, 40.0, 60.0) for kl in (0.04, 0.0))
    assert with_it.scored - without.scored == 10 * fresh * 8 * (60 + 40)


def test_log_probs_of_the_reference_count_among_what_must_fit_in_memory():
    """2**34 tokens take 384 GiB with 24 bytes each and 448 with 28."""
    sizes = {"questions_per_step": 2**14, "group_size": 2**10, "max_completion_tokens": 2**10}
    for kl, bytes_each in ((0.0, 24), (0.04, 28)):
        train = TrainSpec(kl=kl, skip_zero_advantage=False, minibatches=1, **sizes)
        ((field, text),) = beyond_memory(cell(kl, train=train))
        assert field == "train.questions_per_step" and f"at {bytes_each} bytes each" in text
