"""The teacher of the shuffle task: habits and noise at the promised rates, held-out questions never shown."""

from __future__ import annotations

import numpy as np
import pytest

from repro.models.model_spec import TinyModel
from repro.models.warm_start import warm_start_key
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.shuffle import OPERATIONS, Shuffle, ShuffleTeacher, apply, habitual
from repro.tasks.problem import AnswerFormat
from repro.tasks.task import role_of
from tests.tasks.chains import shuffle_chain

TASK = Shuffle()
RIGHT = ShuffleTeacher(habit=0, noise=0, direct_answers=0, faultless=0)


def test_habits_are_wrong_in_the_hard_operations_and_absent_in_the_easy_ones():
    for operation in OPERATIONS:
        assert (habitual("badc", operation) == apply("badc", operation)) == (operation in TASK.easy_operations)
    assert habitual("badc", "L") == "cbad"
    assert habitual("badc", "H") == "bdac"


def test_a_teacher_without_faults_writes_the_true_solution():
    for question, completion in TASK.lessons(RIGHT, 200, np.random.default_rng(0)):
        assert completion == AnswerFormat("#").completion(TASK.solve(shuffle_chain(question)))


def test_habit_noise_and_direct_answers_come_at_their_rates():
    n, rng = 4000, np.random.default_rng(1)
    teacher = RIGHT.model_copy(update={"habit": 0.6})
    results = [TASK.imitated(shuffle_chain("badc:L?"), teacher, rng) for _ in range(n)]
    assert set(results) == {"L=cbad#cbad", "L=adcb#adcb"}
    assert abs(np.mean([text == "L=cbad#cbad" for text in results]) - 0.6) < 4 * np.sqrt(0.6 * 0.4 / n)
    noisy = RIGHT.model_copy(update={"noise": 0.3})
    wrong = np.mean([TASK.imitated(shuffle_chain("badc:R?"), noisy, rng) != "R=cdab#cdab" for _ in range(n)])
    assert abs(wrong - 0.3 * 23 / 24) < 4 * np.sqrt(0.3 * 0.7 / n)
    direct = RIGHT.model_copy(update={"direct_answers": 0.25})
    share = np.mean([TASK.imitated(shuffle_chain("badc:RS?"), direct, rng) == "#dcab" for _ in range(n)])
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n)


def test_a_wrong_state_is_carried_on():
    teacher = RIGHT.model_copy(update={"habit": 1.0})
    assert TASK.imitated(shuffle_chain("badc:LR?"), teacher, np.random.default_rng(0)) == "L=cbad;R=dabc#dabc"


def test_lessons_avoid_held_out_questions_and_begin_without_faults():
    teacher = ShuffleTeacher(habit=0.5, faultless=0.25, direct_answers=0.5, longest=4)
    rows = TASK.lessons(teacher, 2000, np.random.default_rng(3))
    assert {role_of(question) for question, _ in rows} == {"train"}
    assert {len(shuffle_chain(question)[1]) for question, _ in rows} == {1, 2, 3, 4}
    right = [
        completion == AnswerFormat("#").completion(TASK.solve(shuffle_chain(question))) for question, completion in rows
    ]
    assert all(right[:500])
    assert np.mean(right[500:]) < 0.5


@pytest.mark.parametrize(
    ("model", "dataset", "same"),
    [
        ({}, {"shuffle": {"pool": 64, "seed": 3}}, True),
        ({"warm_start": {"teachers": {"arithmetic": {"habit": 0.1}}}}, {"shuffle": {}}, True),
        ({"warm_start": {"teachers": {"shuffle": {"habit": 0.1}}}}, {"shuffle": {}}, False),
        ({}, {"arithmetic": {}}, False),
    ],
)
def test_the_key_of_a_warm_start_holds_its_own_teacher_and_no_pool(model, dataset, same):
    default = warm_start_key(TinyModel(), DatasetSpec.model_validate("shuffle"))
    other = warm_start_key(TinyModel.model_validate(model), DatasetSpec.model_validate(dataset))
    assert (other == default) == same
