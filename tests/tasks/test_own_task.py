"""Tasks from outside the package: what a class must give, what is checked of its questions, what enters a digest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro import plugins
from repro.errors import UserError
from repro.models.model_spec import TinyModel
from repro.models.warm_start import warm_start_key
from repro.tasks import AnswerFormat, Problem, Task
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest, load_dataset
from repro.tasks.registry import built_in, find, task_name
from repro.tasks.task import TaskVerifier, Teacher, role_of
from repro.testing import check_task
from tests.tasks.own import Sums, Words

SUMS = "tests.tasks.own:Sums"
TRAIN = next(question for question in map(str, range(99)) if role_of(question) == "train")


@pytest.mark.parametrize("name", list(built_in()))
def test_a_built_in_task_keeps_its_promises(name: str) -> None:
    check_task(built_in()[name](pool=64, validation=16, test=32))


@pytest.mark.parametrize(
    "task", [Sums(pool=64, validation=16, test=32), Sums(longest=6, seed=3), Words(pool=64, test=32)]
)
def test_a_task_of_ones_own_keeps_its_promises(task: Task) -> None:
    check_task(task)


def test_a_task_of_ones_own_may_write_its_answers_in_words() -> None:
    class Said(Sums):
        answer_format = AnswerFormat("The answer is ", "\n", between=". ", ending=".")

    data = Said(pool=16, validation=0, test=8).load()
    problem = data.test[0]
    assert data.answer_format.completion(problem) == f"{problem.solution}. The answer is {problem.answer}."
    for text in (data.answer_format.completion(problem), data.answer_format.direct(problem)):
        assert data.verifier(text, problem.answer) == 1
        assert data.verifier(text, f"1{problem.answer}") == 0
    _, lesson = Said().lessons(Teacher(slips=0), 1, np.random.default_rng(0))[0]
    assert re.fullmatch(r"(\d+\+\d+=\d+;?)+\. The answer is \d+\.", lesson)


def stream_of(*rows: Problem, endless: bool = False) -> Task:
    """A task whose questions are these rows."""

    class Listed(Task):
        def problems(self, split: str, generator: np.random.Generator) -> Iterator[Problem]:
            yield from rows
            while endless:
                yield from rows

    return Listed(pool=8, validation=0, test=1)


def rows_of_roles(**counts: int) -> list[Problem]:
    found = []
    for role, count in counts.items():
        found += [Problem.made(q, "1") for q in (f"{role} {i}" for i in range(500)) if role_of(q) == role][:count]
    return found


@pytest.mark.parametrize("endless", [False, True])
def test_too_few_questions_are_counted_whether_the_stream_ends_or_not(endless: bool) -> None:
    with pytest.raises(UserError, match=r"dataset\.listed: 8 questions .* train split, but only 5 different"):
        stream_of(*rows_of_roles(train=5, test=3), endless=endless).load()


def test_questions_of_other_splits_and_repeats_are_passed_over() -> None:
    rows = rows_of_roles(test=3, train=10, pool_like=2)
    data = stream_of(*rows, *rows).load()
    assert data.test == tuple(rows[:1]) and data.train == tuple(rows[3:11]) and data.validation == ()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([Problem.made(TRAIN, "1"), Problem.made(TRAIN, "2")], "comes with the answers '1' and '2'"),
        (["2+2?"], "`problems` gave '2\\+2\\?', expected"),
        ([Problem.made("", "1")], "gave the question '' with the answer '1', expected text"),
        ([Problem.made("3+3?", 6)], "gave the question '3\\+3\\?' with the answer 6, expected text"),
    ],
)
def test_faulty_problems_are_named(more: list[Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"dataset\.listed: .*{message}"):
        stream_of(*more, *rows_of_roles(test=1, train=9), endless=True).load()


def test_an_id_that_comes_twice_is_named_with_both_questions() -> None:
    test, *train = rows_of_roles(test=1, train=8)
    with pytest.raises(UserError, match=rf"the id 'a' belongs to '{test.question}' and to '{train[0].question}'"):
        stream_of(Problem("a", test.question, "1"), Problem("a", train[0].question, "1"), *train[1:]).load()


def test_a_question_in_two_splits_up_to_spaces_is_named() -> None:
    train = next(q for q in (f"sum {i}" for i in range(99)) if role_of(q) == "train" and role_of(f"{q} ") == "test")
    rows = rows_of_roles(train=8)
    with pytest.raises(UserError, match=rf"the question '{train}' is in test and in train"):
        stream_of(Problem("x", f"{train} ", "1"), Problem("y", train, "1"), *rows).load()


@pytest.mark.parametrize("grade", [1.5, -0.1, float("nan"), "yes", None])
def test_a_grade_outside_0_to_1_is_refused(grade: Any) -> None:
    class Odd(Sums):
        def grade(self, completion: str, answer: str) -> Any:
            return grade

    with pytest.raises(UserError, match=r"Odd\.grade: got .* for '#3', expected a number in \[0, 1\]"):
        TaskVerifier(Odd())("#3", "3")


def test_a_grade_may_be_a_fraction() -> None:
    verifier = Words(pool=8, validation=0, test=2).load().verifier
    assert (verifier("#abc", "abc"), verifier("#abx", "abc"), verifier("#", "abc")) == (1, pytest.approx(2 / 3), 0)


def test_the_default_lessons_are_right_at_first_and_then_end_in_the_answer_of_another_question() -> None:
    task, generator = Sums(), np.random.default_rng(0)
    rows = task.lessons(task.teacher(slips=0.25, faultless=0.5), 4000, generator)
    right = [sum(map(int, question[:-1].split("+"))) == int(text.rpartition("#")[2]) for question, text in rows]
    assert all(right[:2000])
    assert {role_of(question) for question, _ in rows} == {"train"}
    # A quarter slips, and the other question has the same sum now and then.
    assert 0.75 < np.mean(right[2000:]) < 0.75 + 4 * np.sqrt(0.25 * 0.75 / 2000) + 0.25 * 0.1
    assert all(text.partition("#")[0].endswith(f"={sum(map(int, q[:-1].split('+')))}") for q, text in rows)


def test_lessons_of_a_finite_task_go_round_and_none_at_all_are_told() -> None:
    task = stream_of(*rows_of_roles(test=1, train=3))
    assert len(task.lessons(task.teacher(), 20, np.random.default_rng(0))) == 20
    with pytest.raises(UserError, match="gives no question of the train split"):
        stream_of(*rows_of_roles(test=2)).lessons(task.teacher(), 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tests.tasks.own:NoVerb", "which lacks `problems`: expected def problems"),
        ("tests.tasks.own:Taken", "whose field 'limits' is one of the dataset"),
        ("tests.tasks.own:NoTask", "a class, but no subclass of repro.tasks.task.Task"),
        ("tests.tasks.own:function", "a function, not a subclass of repro.tasks.task.Task"),
        ("tests.tasks.own:NoLessons", "whose `teacher` has not the fields of the default lessons"),
        ("tests.tasks.own:Sum", "has no 'Sum', did you mean Sums?"),
        ("tests.tasks.owm:Sums", "there is no module 'tests.tasks.owm'"),
        ("arithmetik", r"got \"arithmetik\", expected a task or module:Name .*did you mean arithmetic"),
    ],
)
def test_a_class_that_cannot_serve_is_told_so(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find(name)


def test_an_entry_point_is_a_task_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("sums", SUMS, "repro.tasks")
    monkeypatch.setattr(plugins, "entry_points", lambda group: EntryPoints([point]).select(group=group))
    spec = DatasetSpec.model_validate({"task": "sums", "longest": 3})
    assert find("sums") is Sums and spec == DatasetSpec.model_validate({"task": SUMS, "longest": 3})
    assert DatasetSpec.model_validate("sums").label == "sums"


def test_a_dataset_holds_the_task_with_its_fields_beside_it() -> None:
    sizes = {"pool": 64, "validation": 8, "test": 16}
    fields = {"task": SUMS, **sizes, "longest": 3, "limits": {"train": 40}, "name": "adding"}
    spec = DatasetSpec.model_validate(fields)
    assert spec.procedural == Sums(pool=64, validation=8, test=16, longest=3)
    again = DatasetSpec.model_validate_json(spec.model_dump_json())
    assert again == spec and DatasetSpec.model_validate(spec.written_out()) == spec
    data = load_dataset(spec)
    assert (data.name, len(data.train), data.extra) == ("adding", 40, {})
    assert DatasetSpec.model_validate(SUMS).label == "sums"
    assert DatasetSpec.model_validate({"task": "arithmetic", "pool": 64}) == DatasetSpec.model_validate(
        {"arithmetic": {"pool": 64}}
    )


def test_a_question_digest_holds_fields_class_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (Path(__file__).parent / "own.py").read_text()
    names = {"plain": source, "commented": source + "\n# harder\n"}
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = {}
    for name, text in names.items():
        (tmp_path / f"own_{name}.py").write_text(text)
        digests[name] = dataset_digest(DatasetSpec.model_validate(f"own_{name}:Sums"))
    digests["field"] = dataset_digest(DatasetSpec.model_validate({"task": "own_plain:Sums", "longest": 5}))
    digests["class"] = dataset_digest(DatasetSpec.model_validate("own_plain:Words"))
    assert len(set(digests.values())) == len(digests)
    label = dataset_digest(DatasetSpec.model_validate({"task": "own_plain:Sums", "name": "other"}))
    assert label == digests["plain"]


def test_a_warm_start_on_a_task_of_ones_own_depends_on_its_fields_and_its_teacher_alone() -> None:
    sums = DatasetSpec.model_validate(SUMS)
    key = warm_start_key(TinyModel(), sums)

    def taught(**teachers: Any) -> TinyModel:
        return TinyModel.model_validate({"warm_start": {"teachers": teachers}})

    assert warm_start_key(taught(**{SUMS: {}, "arithmetic": {"habit": 0.1}}), sums) == key
    assert warm_start_key(taught(**{SUMS: {"slips": 0.1}}), sums) != key
    assert warm_start_key(TinyModel(), DatasetSpec.model_validate({"task": SUMS, "longest": 5})) != key


def test_a_subclass_of_a_built_in_task_is_another_task() -> None:
    class Easier(built_in()["arithmetic"]):  # type: ignore[misc]
        pass

    assert task_name(Easier) != "arithmetic"
    assert task_name(built_in()["arithmetic"]) == "arithmetic"
