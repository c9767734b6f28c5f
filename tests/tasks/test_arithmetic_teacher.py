"""The teacher: habits and noise at the promised rates, held-out questions never shown."""

from __future__ import annotations

import numpy as np
import pytest

from repro.tasks.made.arithmetic import Arithmetic, ArithmeticTeacher, habitual
from repro.tasks.problem import AnswerFormat
from repro.tasks.task import role_of
from tests.tasks.chains import arithmetic_chain

TASK = Arithmetic()
RIGHT = ArithmeticTeacher(habit=0, noise_add=0, noise_subtract=0, noise_multiply=0, direct_answers=0, faultless=0)


@pytest.mark.parametrize(
    ("left", "operation", "right", "wrong"),
    [(3, "-", 9, 6), (35, "-", 9, 26), (35, "*", 7, 15), (12, "*", 4, 48), (9, "*", 9, 1), (99, "+", 9, 8)],
)
def test_the_habits_are_absolute_difference_and_dropped_carries(left, operation, right, wrong):
    assert habitual(left, operation, right) == wrong


def test_a_teacher_without_faults_writes_the_true_solution():
    rng = np.random.default_rng(0)
    for question, completion in TASK.lessons(RIGHT, 200, rng):
        assert completion == AnswerFormat("#").completion(TASK.solve(arithmetic_chain(question)))


def test_habit_and_noise_come_at_their_rates():
    n = 4000
    rng = np.random.default_rng(1)
    teacher = RIGHT.model_copy(update={"habit": 0.6})
    results = [TASK.imitated(arithmetic_chain("3-9?"), teacher, rng) for _ in range(n)]
    share = np.mean([text == "3-9=6#6" for text in results])
    assert set(results) == {"3-9=6#6", "3-9=94#94"}
    assert abs(share - 0.6) < 4 * np.sqrt(0.6 * 0.4 / n)
    noisy = RIGHT.model_copy(update={"noise_add": 0.3})
    wrong = np.mean([TASK.imitated(arithmetic_chain("3+9?"), noisy, rng) != "3+9=12#12" for _ in range(n)])
    assert abs(wrong - 0.3 * 99 / 100) < 4 * np.sqrt(0.3 * 0.7 / n)


def test_direct_answers_come_at_their_rate_and_end_where_the_steps_would():
    teacher = RIGHT.model_copy(update={"direct_answers": 0.25})
    rng = np.random.default_rng(2)
    completions = [TASK.imitated(arithmetic_chain("7*5-9?"), teacher, rng) for _ in range(4000)]
    assert set(completions) == {"7*5=35;35-9=26#26", "#26"}
    assert abs(np.mean([c == "#26" for c in completions]) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)


def test_a_wrong_step_is_carried_on():
    teacher = RIGHT.model_copy(update={"habit": 1.0})
    assert TASK.imitated(arithmetic_chain("3-9+5?"), teacher, np.random.default_rng(0)) == "3-9=6;6+5=11#11"


def test_lessons_avoid_every_held_out_question_and_stay_within_the_longest():
    rows = TASK.lessons(ArithmeticTeacher(longest=4), 3000, np.random.default_rng(3))
    assert {role_of(question) for question, _ in rows} == {"train"}
    lengths = np.bincount([len(arithmetic_chain(question)[1]) for question, _ in rows], minlength=6)
    assert lengths[0] == 0 and lengths[5] == 0
    assert all(abs(n - 750) < 4 * np.sqrt(3000 * 0.25 * 0.75) for n in lengths[1:5])


def test_the_first_share_of_the_lessons_is_faultless_and_the_rest_is_not():
    teacher = ArithmeticTeacher(habit=0.5, faultless=0.25, direct_answers=0.5)
    rows = TASK.lessons(teacher, 800, np.random.default_rng(4))
    right = [
        completion == AnswerFormat("#").completion(TASK.solve(arithmetic_chain(question)))
        for question, completion in rows
    ]
    assert all(right[:200])
    assert np.mean(right[200:]) < 0.5


def test_the_same_generator_gives_the_same_lessons():
    assert TASK.lessons(ArithmeticTeacher(), 50, np.random.default_rng(5)) == TASK.lessons(
        ArithmeticTeacher(), 50, np.random.default_rng(5)
    )
