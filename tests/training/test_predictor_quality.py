"""What is written about predictions: uniform questions that are no references, what was measured on them, the cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.errors import UserError
from repro.models.model_spec import ModelSpec, TinyModel
from repro.selection.method import Selection
from repro.selection.methods.difficulty import Difficulty
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.prompts import PromptStyle
from repro.tracking.journal import Journal
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.predictor_quality import PredictorQuality
from tests.selection.worlds import build_selector

from .conftest import coin
from .test_resume import Probe

DOTS = Difficulty(method="difficulty", references=6, every=2)


@pytest.fixture
def make(tmp_path: Path, tokenizer: Any, data: Any, start_policy: Any) -> Callable[..., PredictorQuality]:
    """`make(selection, questions, folder)` over 32 questions, the selector before its first choice."""

    def quality_of(selection: Selection = DOTS, questions: int = 20, folder: str = "run") -> PredictorQuality:
        cell = Cell(
            spec="test",
            arm="arm",
            model=ModelSpec(tiny=TinyModel()),
            dataset=DatasetSpec(arithmetic=Arithmetic(pool=32, test=8, validation=0)),
            train=TrainSpec(max_completion_tokens=12),
            evaluate=EvaluateSpec(predictor_questions=questions, pool_samples=3),
            selection=selection,
            replay=None,
            budget=None,
            seed=0,
        )
        ids = [problem.id for problem in data.train]
        task = replace(data, verifier=coin)
        sampler = Sampler(start_policy, tokenizer, task, PromptStyle(), 12, Ledger())
        selector = build_selector(selection, ids, 0, Probe(ids), 4)  # type: ignore[arg-type]
        return PredictorQuality(cell, task, sampler, Journal(tmp_path / folder), selector)

    return quality_of


def test_predictions_are_checked_on_questions_that_are_no_references(make: Any, data: Any) -> None:
    checked = make(questions=26)  # all that are left of 32
    assert checked.record(0) == {}, "nothing is predicted before the first choice"
    checked.selector.choose(4)
    before = checked.selector.state_dict()
    metrics = checked.record(2)
    assert checked.selector.state_dict() == before
    (row,) = checked.journal.read_jsonl("predictions.jsonl")
    ids = [problem.id for problem in data.train]
    references = set(before["references"])
    assert {ids.index(name) for name in row["ids"]} == set(range(32)) - references
    assert (row["step"], row["samples"]) == (2, 3)
    assert row["predicted"] == [checked.selector.predictions()[ids.index(name)] for name in row["ids"]]
    assert set(np.round(np.array(row["measured"]) * 3, 9)) <= {0, 1, 2, 3} and len(set(row["measured"])) > 1
    assert metrics["eval/predictor_pearson"] == pytest.approx(np.corrcoef(row["predicted"], row["measured"])[0, 1])
    spent = checked.sampler.ledger.as_dict()
    assert spent["evaluate"]["completions"] == 26 * 3 and spent["probe"]["completions"] == 0


def test_the_questions_change_with_the_step_and_repeat_with_the_seed(make: Any) -> None:
    first, second = make(folder="a"), make(folder="b")
    for checked in (first, second):
        checked.selector.choose(4)
    first.record(2), first.record(4), second.record(4)
    one, two = (row["ids"] for row in first.journal.read_jsonl("predictions.jsonl"))
    (again,) = second.journal.read_jsonl("predictions.jsonl")
    assert set(one) != set(two) and len(set(one)) == 20
    assert again["ids"] == two
    assert again["measured"] == first.journal.read_jsonl("predictions.jsonl")[1]["measured"]


def test_examples_of_attention_name_the_references_that_made_the_prediction(make: Any, data: Any) -> None:
    checked = make()
    checked.selector.choose(4)
    checked.record(2)
    shown = checked.journal.read_json("attention.json")
    (row,) = checked.journal.read_jsonl("predictions.jsonl")
    predicted = [example["predicted"] for example in shown["examples"]]
    assert shown["step"] == 2 and predicted == sorted(predicted)
    assert (predicted[0], predicted[-1]) == (min(row["predicted"]), max(row["predicted"]))
    questions = [problem.question for problem in data.train]
    state = checked.selector.state_dict()
    truth = {questions[i]: 1 - rate for i, rate in zip(state["references"], state["truth"], strict=True)}
    for example in shown["examples"]:
        references = example["references"]
        weights = [reference["weight"] for reference in references]
        assert sum(weights) == pytest.approx(1) and weights == sorted(weights, reverse=True)
        assert {r["question"]: r["pass_rate"] for r in references} == pytest.approx(truth)
        assert example["measured"] == row["measured"][row["ids"].index(example["id"])]
    # The line moves every attention mean away from the references' mean by one factor.
    mean = float(np.mean(list(truth.values())))
    raw = np.array([sum(r["weight"] * r["pass_rate"] for r in e["references"]) for e in shown["examples"]])
    clear = (np.array(predicted) > 1e-9) & (np.array(predicted) < 1 - 1e-9)
    slopes = ((np.array(predicted) - mean) / (raw - mean))[clear]
    assert len(slopes) >= 2 and slopes == pytest.approx([slopes[0]] * len(slopes))


def test_a_selector_that_predicts_nothing_writes_nothing(make: Any) -> None:
    checked = make(Uniform())
    checked.selector.choose(4)
    assert checked.record(2) == {}
    assert not checked.journal.run_dir.exists()


def test_an_oracle_is_checked_on_the_whole_pool_and_attends_to_nothing(make: Any) -> None:
    checked = make(Difficulty(method="difficulty", predictor="oracle"), questions=32)
    checked.selector.choose(4)
    assert "eval/predictor_mae" in checked.record(2)
    assert checked.journal.read_json("attention.json") is None


def test_more_questions_than_the_pool_has_beside_the_references_are_a_mistake_of_the_user(make: Any) -> None:
    with pytest.raises(UserError, match=r"evaluate\.predictor_questions: 27, expected at most 26"):
        make(questions=27)
