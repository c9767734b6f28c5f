"""A cell whose policy starts on the solutions of its questions: what it costs, what it starts from, and its record."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.spec.schema import EvaluateSpec, TrainSpec
from repro.tracking.journal import Journal
from repro.training.job import run_job
from repro.training.prepare import cache_of, check_prepared, prepare

from .test_job import cell, store  # noqa: F401

START = {"updates": 6, "batch_size": 4, "learning_rate": 1e-3}


def model(**fields: object) -> ModelSpec:
    return ModelSpec.model_validate({"named": "smollm2", "stand_in": True, "warm_start": START, **fields})


def test_its_cost_is_in_the_ledger_of_each_run_whoever_made_it(tmp_path: Path) -> None:
    train = TrainSpec(steps=1, questions_per_step=2, group_size=2, minibatches=1, max_completion_tokens=4)
    evaluate = EvaluateSpec(samples=1, questions=2, pool_samples=1, base_temperatures=())
    for seed, name in enumerate(("first", "second")):
        one = cell(model=model(), train=train, evaluate=evaluate, seed=seed)
        run_job(one, name, tmp_path / name, tmp_path)
        journal = Journal(tmp_path / name)
        assert journal.finished
        record = journal.read_json("base.json")["warm_start"]
        spent = journal.read_json("ledger.json")["warm_start"]
        assert spent["trained_tokens"] == record["cost"]["tokens"] > 0
        assert spent["flops"] == pytest.approx(record["cost"]["flops"])
        assert spent["seconds"] == pytest.approx(record["cost"]["seconds"])
    assert len([path for path in (tmp_path / "cache" / "warm_start").glob("*") if path.name[0] != "."]) == 1


def test_ranks_start_with_it_built(tmp_path: Path) -> None:
    one = cell(model=model())
    cache = cache_of(one, tmp_path)
    with pytest.raises(UserError, match=r"model: the warm start of 'smollm2' is not in .*run --processes N` builds it"):
        check_prepared(one, cache)
    prepare(one, cache)
    check_prepared(one, cache)
