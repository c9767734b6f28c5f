"""Numbers and short texts that a row has beside question and answer, as columns of the dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.errors import UserError
from repro.tasks.columns import LONGEST_CATEGORY, categories_of, column_of
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_questions
from repro.tasks.problem import Problem


def load(folder: Path, rows: list[dict[str, Any]]) -> tuple[Problem, ...]:
    path = folder / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"question": f"{i}?", "answer": "1", **row}) + "\n" for i, row in enumerate(rows))
    )
    return load_questions(DatasetSpec(path=str(path)))[0]


def test_numbers_of_rows_are_kept_also_inside_nested_fields(tmp_path: Path) -> None:
    rows = [{"difficulty": d, "info": {"rate": d / 4, "deep": {"n": -d}}} for d in (3, 1, 2)]
    problems = load(tmp_path, rows)
    assert column_of(problems, "difficulty").tolist() == [3.0, 1.0, 2.0]
    assert column_of(problems, "info.rate").tolist() == [0.75, 0.25, 0.5]
    assert column_of(problems, "info.deep.n").tolist() == [-3.0, -1.0, -2.0]
    assert column_of(problems, "info.rate").dtype == np.float64


def test_text_truth_lists_and_nothing_are_no_numbers(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, [{"level": "3", "hard": True, "list": [1], "none": None, "n": 0}])
    assert problem.metadata == {"level": "3", "n": 0}


def test_a_column_that_is_not_there_or_not_whole_is_told(tmp_path: Path) -> None:
    problems = load(tmp_path, [{"difficulty": 1.5}, {"difficulty": "hard"}, {}])
    with pytest.raises(UserError, match=r"got \"dificulty\", expected a numeric column of the dataset.*difficulty"):
        column_of(problems, "dificulty")
    with pytest.raises(UserError, match=f"missing for 2 of 3 questions; the first is '{problems[1].id}'"):
        column_of(problems, "difficulty")
    with pytest.raises(UserError, match="a numeric column of the dataset, which has none"):
        column_of(load(tmp_path, [{}]), "difficulty")


def test_made_up_rows_have_whatever_column_is_asked_for(tmp_path: Path) -> None:
    problems = load(tmp_path, [{"rate": i / 4} for i in range(40)])
    made = column_of(problems, "difficulty", stand_in=True)
    assert set(made) <= set(range(10)) and len(set(made)) > 5
    assert made.tolist() == column_of(problems, "difficulty", stand_in=True).tolist()
    assert column_of(problems, "rate", stand_in=True)[:3].tolist() == [0.0, 0.25, 0.5], "its own where it has them"


def test_categories_are_texts_or_numbers_of_any_column(tmp_path: Path) -> None:
    rows = [{"level": 3, "info": {"subject": " algebra "}}, {"level": 2.5, "info": {"subject": "geometry"}}]
    problems = load(tmp_path, rows)
    assert categories_of(problems, "level") == ["3", "2.5"]
    assert categories_of(problems, "info.subject") == ["algebra", "geometry"]
    assert all(set(problem.metadata) == {"level", "info.subject"} for problem in problems), "question and answer apart"


def test_a_category_that_is_not_there_or_not_whole_is_told(tmp_path: Path) -> None:
    problems = load(tmp_path, [{"subject": "algebra"}, {"subject": "x" * (LONGEST_CATEGORY + 1)}, {}])
    with pytest.raises(UserError, match=r"got \"subjct\", expected a column of numbers or short texts.*subject"):
        categories_of(problems, "subjct")
    with pytest.raises(UserError, match=f"missing for 2 of 3 questions; the first is '{problems[1].id}'"):
        categories_of(problems, "subject")
    made = categories_of(problems, "source", stand_in=True)
    assert set(made) <= set("0123456789") and len(made) == 3
