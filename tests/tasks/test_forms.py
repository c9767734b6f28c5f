"""Answers in the form of the gold answer, and only where both say the same kind of thing."""

from __future__ import annotations

import pytest

from repro.tasks.answers import tidy
from repro.tasks.forms import in_form_of
from repro.tasks.intervals import as_intervals


@pytest.mark.parametrize(
    ("answer", "name", "intervals"),
    [
        ("2 < x <= 5", "x", "(2,5]"),
        (r"5 \geq x > 2", "x", "(2,5]"),
        ("x < 5", "x", r"(-\infty,5)"),
        (r"5 \le x", "x", r"[5,\infty)"),
        ("5 > x", "x", r"(-\infty,5)"),
        (r"x<-1 \text{ or } x\geq 3", "x", r"(-\infty,-1)\cup [3,\infty)"),
        (r"\theta > \frac{1}{2}", r"\theta", r"(\frac{1}{2},\infty)"),
        (r"k \in (2,5]", "k", "(2,5]"),
    ],
)
def test_inequalities_of_one_variable_are_intervals(answer, name, intervals):
    assert as_intervals(tidy(answer)) == (name, intervals)


@pytest.mark.parametrize(
    "answer", ["x = 5", "2 < 5", "x < y < z", "x < 1 or y > 2", "5", "(2,5)", "1 < x > 2", "<", "x <"]
)
def test_what_is_no_inequality_of_one_variable_is_none(answer):
    found = as_intervals(tidy(answer))
    assert found is None or found[0] == "y"  # of `x < y < z`, whose bounds are no numbers


@pytest.mark.parametrize(
    ("gold", "answer", "form"),
    [
        (r"[2,\infty)", r"x \ge 2", r"[2,\infty)"),
        ("(1,-2)", "y = -2, x = 1", "(1,-2)"),
        ("(1,-2)", r"x=1 \text{ and } y=-2", "(1,-2)"),
        ("(1,-2)", "P(1,-2)", "(1,-2)"),
        ("72", r"\textbf{(B)} 72", "72"),
        ("72", "(B) 72", "72"),
        ("y=2x+1", "The line is y = 2x + 1", "y = 2x + 1"),
        (r"(-\infty,-1)\cup(3,\infty)", r"(-\infty,-1) U (3,\infty)", r"(-\infty,-1)\cup (3,\infty)"),
        ("5", r"\cancel{5}", ""),
        ("5", r"\phantom{5}", ""),
    ],
)
def test_an_answer_takes_the_form_of_the_gold_answer(gold, answer, form):
    assert in_form_of(tidy(gold), tidy(answer))[1] == form


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("B", "(B) 72"),
        ("(1,-2)", "x = 1"),
        ("(1,-2)", "x = 1, y = -2, z = 3"),
        ("y=2x+1", "The line is not y = 2x + 1"),
        ("y=2x+1", "It is y = 2x + 1 or anything"),
        (r"\text{Tuesday}", "The day is Tuesday"),
        ("7", r"1 \leq x \leq 10"),
        (r"x \geq 2", r"k \geq 2"),
    ],
)
def test_other_answers_stay_as_they_are(gold, answer):
    assert in_form_of(tidy(gold), tidy(answer))[1] == tidy(answer)
