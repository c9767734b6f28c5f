"""The third procedural task: right values, disjoint splits, the promised mixture, the same questions everywhere."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from repro.errors import UserError
from repro.tasks.dataset_spec import DatasetSpec, Variables
from repro.tasks.datasets import dataset_digest, load_dataset
from repro.tasks.procedural import HARD_STEPS, role_of
from repro.tasks.variables import (
    ALPHABET,
    EASY,
    NAMES,
    draw_chain,
    every_chain,
    make_variables,
    names_of,
    parse,
    question_of,
    solve,
)


def evaluated(question: str) -> dict[str, int]:
    """An independent account of the values: every assignment evaluated by Python, modulo 10."""
    values: dict[str, int] = {}
    for assignment in question.split(";")[:-1]:
        name, expression = assignment.split("=")
        values[name] = eval(expression, {}, dict(values)) % 10
    return values


def test_every_written_value_and_answer_is_what_python_computes():
    data = make_variables(Variables())
    for problem in (*data.train, *data.test, *data.validation, *data.extra["pool_like"]):
        values = evaluated(problem.question)
        names = list(values)
        start, *steps = re.split(r"(?=[-+*])", problem.solution)
        assert start == f"{names[1]}{values[names[1]]}"
        assert len(steps) == problem.metadata["steps"] == len(problem.metadata["operations"]) == len(values) - 2
        rows = zip(steps, problem.metadata["operations"], names[1:], names[2:], strict=False)
        for step, operation, left, name in rows:
            sign, right, value, target, result = re.fullmatch(r"([-+*])([a-l])(\d)=([a-l])(\d)", step).groups()
            assert f";{name}={left}{operation}{right};" in problem.question
            assert (sign, target) == (operation, name)
            assert (int(value), int(result)) == (values[right], values[name])
        assert problem.question.endswith(f";{names[-2]}{names[-1]}?")
        assert problem.answer == f"{values[names[-2]]}{values[names[-1]]}"
        assert data.verifier(data.answer_format.completion(problem), problem.answer)
        assert not data.verifier(data.answer_format.completion(problem), problem.answer[1:])
        assert set(problem.question + data.answer_format.completion(problem)) <= set(ALPHABET)


def test_the_documented_example_is_written_as_documented():
    data = make_variables(Variables(pool=8, test=1, validation=0))
    written = data.answer_format.completion(solve(parse("e=3;f=5;g=f-e;h=g*f;gh?")))
    assert written == "f5-e3=g2*f5=h0#20"


def test_the_right_operand_is_any_variable_before_the_left_one():
    rng = np.random.default_rng(0)
    rights: Counter[int] = Counter()
    for _ in range(6000):
        chain = draw_chain(rng, 3)
        names = names_of(chain)
        assert len(set(names)) == 5
        assert all(NAMES.index(b) == (NAMES.index(a) + 1) % 12 for a, b in pairwise(names))
        rights[names.index(chain[1][-1][2])] += 1
    assert set(rights) == {0, 1, 2}
    assert all(abs(n - 2000) < 4 * np.sqrt(6000 / 3 * 2 / 3) for n in rights.values())


def test_splits_are_disjoint_whatever_their_seeds():
    first, second = make_variables(Variables(seed=0)), make_variables(Variables(seed=1, test=512))
    parts = [
        {p.question for data in (first, second) for p in rows(data)}
        for rows in (
            lambda d: d.train,
            lambda d: d.test,
            lambda d: d.validation,
            lambda d: d.extra["pool_like"],
        )
    ]
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert [{role_of(question) for question in part} for part in parts] == [
        {"train"},
        {"test"},
        {"validation"},
        {"pool_like"},
    ]


def test_the_pool_is_mixed_as_asked_and_the_test_set_is_flat():
    data = make_variables(Variables(pool=1000, easy=0.2, hard=0.3, test=600))
    steps = Counter(p.metadata["steps"] for p in data.train)
    assert all(steps[n] == 75 for n in HARD_STEPS)
    assert len({p.question for p in data.train}) == 1000
    assert Counter(p.metadata["steps"] for p in data.test) == dict.fromkeys(range(1, 7), 100)
    easy = sum(p.metadata["steps"] <= 2 and set(p.metadata["operations"]) <= set(EASY) for p in data.train)
    assert easy >= 200


def test_the_list_of_chains_is_whole_and_what_draws_come_from():
    chains = every_chain(1)
    assert len(chains) == len(set(chains)) == 12 * 10 * 10 * 3
    assert len(every_chain(2, EASY)) == 12 * 10 * 10 * 2
    rng = np.random.default_rng(0)
    assert {draw_chain(rng, 1) for _ in range(2000)} <= set(chains)


@pytest.mark.parametrize(
    "text",
    [
        "e=3;f=5;g=f-e;fg",
        "e=3;f=5;g=f-e;g?",
        "e=3;f=5;g=f-e;eg?",
        "e=3;f=5;g=f-e?",
        "e=3;f=5;ef?",
        "e=3;g=e-e;eg?",
        "e=3;e=5;f=e+e;ef?",
        "e=3;f=5;g=e-f;fg?",
        "e=3;f=5;g=f-h;fg?",
        "e=3;f=5;g=f-f;fg?",
        "e=3;f=5;g=f-e;h=f-e;gh?",
        "e=3;f=5;f=f+e;ff?",
        "e=3;f=5;g=f/e;fg?",
        "e=3;f=15;g=f+e;fg?",
        "e=3;f=5;g=e+4?",
        "",
    ],
)
def test_what_is_no_question_is_refused(text):
    with pytest.raises(ValueError, match="is not a variables question"):
        parse(text)


def test_a_question_survives_parsing():
    assert question_of(parse("k=3;l=5;a=l-k;b=a*l;ab?")) == "k=3;l=5;a=l-k;b=a*l;ab?"


def test_more_questions_than_exist_are_refused_with_the_field():
    with pytest.raises(UserError, match=r"dataset\.variables: \d+ questions of 1 to 1 steps"):
        make_variables(Variables(test=5000, max_steps=1))


def test_another_process_makes_the_same_questions():
    code = (
        "from repro.tasks.dataset_spec import Variables; from repro.tasks.variables import make_variables;"
        "import hashlib;"
        "print(hashlib.sha256(repr(make_variables(Variables(pool=64)).train).encode()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert there == hashlib.sha256(repr(make_variables(Variables(pool=64)).train).encode()).hexdigest()


def test_a_spec_loads_it_and_its_digest_follows_its_fields():
    spec = DatasetSpec.model_validate({"variables": {"pool": 64}, "limits": {"test": 5}})
    data = load_dataset(spec)
    assert (data.name, len(data.train), len(data.test)) == ("variables", 64, 5)
    others = [{"variables": {"pool": 65}}, {"variables": {"pool": 64, "seed": 1}}, {"shuffle": {"pool": 64}}]
    digests = {dataset_digest(DatasetSpec.model_validate({**other, "limits": {"test": 5}})) for other in others}
    assert len(digests | {dataset_digest(spec)}) == 4
