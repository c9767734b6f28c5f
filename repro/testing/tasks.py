"""What every task of made-up questions promises, as a check for pytest: it raises AssertionError where one is broken.

def test_my_task_keeps_its_promises():
    check_task(Mine(pool=64, validation=8, test=16))
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable

import numpy as np

from repro.canonical import digest
from repro.tasks.problem import Problem, TaskData, same_question
from repro.tasks.registry import find, question_content, task_name
from repro.tasks.task import Task, role_of

LESSONS = 400
ELSEWHERE = """
import json, sys
from repro.testing.tasks import content_digest
from repro.tasks.registry import find
name, fields = json.loads(sys.argv[1])
print(content_digest(find(name).model_validate(fields).load()))
"""


def check_task(task: Task) -> None:
    """Every promise of a task, on its own sizes; some seconds. The first that is broken raises AssertionError."""
    found_by_its_name(task)
    same_fields_same_questions(task)
    same_questions_in_another_process(task)
    sizes_as_asked(task)
    splits_apart(task)
    graded_right(task)
    no_global_generator(task)
    lessons_of_train_alone(task)


def found_by_its_name(task: Task) -> None:
    """A spec can name it, its fields survive being written out, and an identity can hold its source."""
    name = task_name(type(task))
    assert find(name) is type(task), f"{name} names another class"
    assert type(task).model_validate(json.loads(task.model_dump_json())) == task, "its fields do not survive a spec"
    digest(question_content(task))


def same_fields_same_questions(task: Task) -> None:
    """Two tasks of the same fields have the same questions; one of another seed has others."""
    again, other = task.model_copy(), task.model_copy(update={"seed": task.seed + 1})
    first = content_digest(task.load())
    assert content_digest(again.load()) == first, "the same fields gave other questions: draw from `generator` alone"
    assert content_digest(other.load()) != first, "another seed gave the same questions: draw from `generator`"


def same_questions_in_another_process(task: Task) -> None:
    """Another process with other hash seeds has the same questions: no order of a set, no `hash` of text."""
    asked = json.dumps([task_name(type(task)), task.model_dump(mode="json")])
    seeds = {"PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    there = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, asked], capture_output=True, text=True, env={**os.environ, **seeds}
    )
    assert there.returncode == 0, there.stderr
    assert there.stdout.strip() == content_digest(task.load()), "another process has other questions"


def sizes_as_asked(task: Task) -> None:
    """Each split has as many questions as its field says."""
    data = task.load()
    sizes = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    assert sizes == {"train": task.pool, "validation": task.validation, "test": task.test}


def splits_apart(task: Task) -> None:
    """No question in two splits, each in the split of its digest, no id twice."""
    splits = _splits(task.load())
    questions = [same_question(problem.question) for problems in splits.values() for problem in problems]
    ids = [problem.id for problems in splits.values() for problem in problems]
    assert len(set(questions)) == len(questions), "a question is there twice"
    assert len(set(ids)) == len(ids), "an id is there twice"
    for split, problems in splits.items():
        wrong = [problem.question for problem in problems if role_of(problem.question) != split]
        assert not wrong, f"{wrong[0]!r} is in {split}, where it does not belong"


def graded_right(task: Task) -> None:
    """The gold answer, with its solution and alone, gets 1; the answer of another question and no answer get less."""
    data = task.load()
    for problem in data.test:
        for text in (data.answer_format.completion(problem), data.answer_format.direct(problem)):
            assert data.verifier(text, problem.answer) == 1, f"{text!r} does not get 1 for {problem.question!r}"
        assert data.verifier("", problem.answer) < 1, f"an empty completion gets 1 for {problem.question!r}"
    answers = {problem.answer for problem in data.test}
    assert len(answers) > 1, "all test questions have one answer"
    for problem in data.test:
        other = next(answer for answer in sorted(answers) if answer != problem.answer)
        text = f"{data.answer_format.answer_prefix}{other}"
        assert data.verifier(text, problem.answer) < 1, f"{text!r} gets 1 where {problem.answer!r} is right"


def no_global_generator(task: Task) -> None:
    """NumPy's global generator is not moved."""
    before = str(np.random.get_state(legacy=False))  # noqa: NPY002
    task.load()
    task.lessons(task.teacher(), 16, np.random.default_rng(0))
    assert str(np.random.get_state(legacy=False)) == before, "the global generator has moved"  # noqa: NPY002


def lessons_of_train_alone(task: Task) -> None:
    """Lessons are as many as asked, repeat with the generator, hold train questions alone."""
    teacher = task.teacher()
    rows = task.lessons(teacher, LESSONS, np.random.default_rng(1))
    assert len(rows) == LESSONS
    assert rows == task.lessons(teacher, LESSONS, np.random.default_rng(1)), "the same generator gave other lessons"
    held_out = [question for question, _ in rows if role_of(question) != "train"]
    assert not held_out, f"a lesson shows {held_out[0]!r}, a question of the {role_of(held_out[0])} split"
    if task.alphabet is not None:
        beyond = set("".join(question + completion for question, completion in rows)) - set(task.alphabet)
        assert not beyond, f"lessons hold {sorted(beyond)}, which the alphabet lacks"


def content_digest(data: TaskData) -> str:
    """A digest of all questions with their answers and solutions."""
    return digest({split: [_plain(problem) for problem in problems] for split, problems in _splits(data).items()})


def _plain(problem: Problem) -> list[str]:
    return [problem.id, problem.question, problem.answer, problem.solution]


def _splits(data: TaskData) -> dict[str, Iterable[Problem]]:
    return {"train": data.train, "validation": data.validation, "test": data.test, **data.extra}
