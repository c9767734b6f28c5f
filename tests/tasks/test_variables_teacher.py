"""The teacher of the variables task: habits and noise at the promised rates, held-out questions never shown."""

from __future__ import annotations

import numpy as np
import pytest

from repro.models.model_spec import TinyModel
from repro.models.warm_start import warm_start_key
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.variables import Variables, VariablesTeacher
from repro.tasks.problem import AnswerFormat
from repro.tasks.task import role_of
from tests.tasks.chains import variables_chain

TASK = Variables()
RIGHT = VariablesTeacher(habit=0, noise=0, direct_answers=0, faultless=0)
HABITUAL = RIGHT.model_copy(update={"habit": 1.0})


@pytest.mark.parametrize(
    ("question", "written"),
    [
        ("e=5;f=3;g=f-e;fg?", "f3-e5=g2#32"),  # the sign is lost
        ("e=3;f=5;g=f-e;fg?", "f5-e3=g2#52"),  # right: nothing is negative
        ("e=3;f=5;g=f*e;fg?", "f5*e3=g5#55"),  # right: the one named stands just before the left operand
        ("e=3;f=5;g=f+e;h=g*e;gh?", "f5+e3=g8*f5=h0#80"),  # the variable before the left operand, not the one named
        ("e=3;f=5;g=f+e;h=g*f;gh?", "f5+e3=g8*f5=h0#80"),  # right again
        ("e=3;f=1;g=f+e;h=g-e;i=h+g;hi?", "f1+e3=g4-f1=h3+g4=i7#37"),  # a wrong value is carried on
    ],
)
def test_the_habits_are_as_described(question, written):
    assert TASK.imitated(variables_chain(question), HABITUAL, np.random.default_rng(0)) == written


def test_easy_questions_show_no_habit():
    rng = np.random.default_rng(0)
    for _ in range(200):
        chain = TASK.draw(rng, 4, TASK.easy_operations)
        assert TASK.imitated(chain, HABITUAL, rng) == AnswerFormat("#").completion(TASK.solve(chain))


def test_a_teacher_without_faults_writes_the_true_solution():
    for question, completion in TASK.lessons(RIGHT, 200, np.random.default_rng(0)):
        assert completion == AnswerFormat("#").completion(TASK.solve(variables_chain(question)))


def test_habit_noise_and_direct_answers_come_at_their_rates():
    n, rng = 4000, np.random.default_rng(1)
    teacher = RIGHT.model_copy(update={"habit": 0.6})
    for question, wrong, right in (
        ("e=5;f=3;g=f-e;fg?", "f3-e5=g2#32", "f3-e5=g8#38"),
        ("e=4;f=2;g=f+e;h=g*e;gh?", "f2+e4=g6*f2=h2#62", "f2+e4=g6*e4=h4#64"),
    ):
        results = [TASK.imitated(variables_chain(question), teacher, rng) for _ in range(n)]
        assert set(results) == {wrong, right}
        assert abs(np.mean([text == wrong for text in results]) - 0.6) < 4 * np.sqrt(0.6 * 0.4 / n)
    noisy = RIGHT.model_copy(update={"noise": 0.3})
    slips = np.mean(
        [TASK.imitated(variables_chain("e=3;f=5;g=f+e;fg?"), noisy, rng) != "f5+e3=g8#58" for _ in range(n)]
    )
    assert abs(slips - 0.3 * 9 / 10) < 4 * np.sqrt(0.3 * 0.7 / n)
    direct = RIGHT.model_copy(update={"direct_answers": 0.25})
    share = np.mean([TASK.imitated(variables_chain("e=3;f=5;g=f+e;fg?"), direct, rng) == "#58" for _ in range(n)])
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n)


def test_lessons_avoid_held_out_questions_and_begin_without_faults():
    teacher = VariablesTeacher(habit=0.5, faultless=0.25, direct_answers=0.5, longest=4)
    rows = TASK.lessons(teacher, 2000, np.random.default_rng(3))
    assert {role_of(question) for question, _ in rows} == {"train"}
    assert {len(variables_chain(question)[1]) for question, _ in rows} == {1, 2, 3, 4}
    right = [
        completion == AnswerFormat("#").completion(TASK.solve(variables_chain(question)))
        for question, completion in rows
    ]
    assert all(right[:500])
    assert np.mean(right[500:]) < 0.5


@pytest.mark.parametrize(
    ("model", "dataset", "same"),
    [
        ({}, {"variables": {"pool": 64, "seed": 3}}, True),
        (
            {"warm_start": {"teachers": {"arithmetic": {"habit": 0.1}, "shuffle": {"habit": 0.1}}}},
            {"variables": {}},
            True,
        ),
        ({"warm_start": {"teachers": {"variables": {"habit": 0.1}}}}, {"variables": {}}, False),
        ({}, {"shuffle": {}}, False),
    ],
)
def test_the_key_of_a_warm_start_holds_its_own_teacher_and_no_pool(model, dataset, same):
    default = warm_start_key(TinyModel(), DatasetSpec.model_validate("variables"))
    other = warm_start_key(TinyModel.model_validate(model), DatasetSpec.model_validate(dataset))
    assert (other == default) == same
