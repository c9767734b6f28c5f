"""The procedural task: right answers, disjoint splits, the promised mixture."""

from __future__ import annotations

import re

import numpy as np
import pytest

from repro.errors import UserError
from repro.tasks.made.arithmetic import Arithmetic, question_of
from repro.tasks.task import role_of
from tests.tasks.chains import arithmetic_chain


def left_to_right(question: str) -> int:
    """An independent evaluation: Python's own arithmetic on a bracketed expression."""
    body = question.rstrip("?")
    tokens = re.findall(r"\d+|[+*-]", body)
    text = tokens[0]
    for operation, operand in zip(tokens[1::2], tokens[2::2], strict=True):
        text = f"(({text}){operation}{operand})%100"
    return int(eval(text, {"__builtins__": {}}))


def test_every_written_step_and_answer_is_what_python_computes():
    data = Arithmetic().load()
    for problem in (*data.train, *data.test, *data.validation, *data.extra["pool_like"]):
        assert int(problem.answer) == left_to_right(problem.question)
        value = int(problem.question[0])
        steps = problem.solution.split(";")
        assert len(steps) == problem.metadata["steps"] == len(problem.metadata["operations"])
        for step, operation in zip(steps, problem.metadata["operations"], strict=True):
            left, sign, right, result = re.fullmatch(r"(\d+)([+*-])(\d)=(\d+)", step).groups()
            assert int(left) == value and sign == operation
            value = int(result)
            assert value == left_to_right(f"{left}{sign}{right}")
        assert str(value) == problem.answer
        assert data.verifier(data.answer_format.completion(problem), problem.answer)
        assert set(problem.question + data.answer_format.completion(problem)) <= set(Arithmetic.alphabet)


def test_the_documented_example_is_written_as_documented():
    data = Arithmetic(pool=8, test=1, validation=0).load()
    problem = Arithmetic().solve(arithmetic_chain("7*5-9?"))
    assert data.answer_format.completion(problem) == "7*5=35;35-9=26#26"
    assert data.answer_format.direct(problem) == "#26"


def test_the_pool_has_the_asked_mixture_and_the_test_set_is_flat():
    spec = Arithmetic(pool=1000, easy=0.2, hard=0.3, test=240, max_steps=6)
    data = spec.load()
    steps = np.array([p.metadata["steps"] for p in data.train])
    assert len(steps) == 1000
    assert (steps > 6).sum() == 300 and steps.max() == 10
    trivial = sum(p.metadata["steps"] <= 2 and "*" not in p.metadata["operations"] for p in data.train)
    assert trivial >= 200
    counts = np.bincount([p.metadata["steps"] for p in data.test], minlength=7)[1:]
    assert counts.tolist() == [40] * 6


def test_a_length_that_runs_out_is_made_up_by_the_others():
    data = Arithmetic(test=1200, max_steps=6).load()
    counts = np.bincount([p.metadata["steps"] for p in data.test], minlength=7)[1:]
    everything = {question_of((a, ((op, b),))) for a in range(2, 10) for op in "+-*" for b in range(2, 10)}
    assert counts.sum() == 1200
    assert counts[0] == sum(role_of(q) == "test" for q in everything)
    assert counts[1:].max() - counts[1:].min() <= 1


def test_a_pool_that_does_not_exist_is_a_user_error():
    with pytest.raises(UserError, match=r"1 to 1 steps .* train split, but only \d+ distinct"):
        Arithmetic(pool=200, easy=0, hard=0, max_steps=1, test=1, validation=0).load()


@pytest.mark.parametrize(
    ("completion", "answer", "right"),
    [
        ("7*5=35;35-9=26#26", "26", True),
        ("#26", "26", True),
        ("# 26 ", "26", True),
        ("1#2#26", "26", True),
        ("7*5=35;35-9=26", "26", False),
        ("26", "26", False),
        ("#2", "26", False),
        ("#026", "26", False),
        ("#26#", "26", False),
        ("", "26", False),
    ],
)
def test_the_grade_reads_the_text_after_the_last_hash(completion, answer, right):
    assert Arithmetic().grade(completion, answer) is right


def test_roles_of_questions_are_frozen():
    assert [role_of(q) for q in ("7*5-9?", "2+2?", "3-9?", "9*9*9?", "2+3-4*5?", "8-8?")] == [
        "train",
        "train",
        "test",
        "pool_like",
        "test",
        "test",
    ]
