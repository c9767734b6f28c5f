"""The third procedural task: right values, disjoint splits, the promised mixture, the same questions everywhere."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from repro.errors import UserError
from repro.tasks.chains import HARD_STEPS
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest, load_dataset
from repro.tasks.made.variables import NAMES, Variables, names_of
from tests.tasks.chains import variables_chain


def evaluated(question: str) -> dict[str, int]:
    """An independent account of the values: every assignment evaluated by Python, modulo 10."""
    values: dict[str, int] = {}
    for assignment in question.split(";")[:-1]:
        name, expression = assignment.split("=")
        values[name] = eval(expression, {}, dict(values)) % 10
    return values


def test_every_written_value_and_answer_is_what_python_computes():
    data = Variables().load()
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
        assert set(problem.question + data.answer_format.completion(problem)) <= set(Variables.alphabet)


def test_the_documented_example_is_written_as_documented():
    data = Variables(pool=8, test=1, validation=0).load()
    written = data.answer_format.completion(Variables().solve(variables_chain("e=3;f=5;g=f-e;h=g*f;gh?")))
    assert written == "f5-e3=g2*f5=h0#20"


def test_the_right_operand_is_any_variable_before_the_left_one():
    rng = np.random.default_rng(0)
    rights: Counter[int] = Counter()
    for _ in range(6000):
        chain = Variables().draw(rng, 3, Variables.operations)
        names = names_of(chain)
        assert len(set(names)) == 5
        assert all(NAMES.index(b) == (NAMES.index(a) + 1) % 12 for a, b in pairwise(names))
        rights[names.index(chain[1][-1][2])] += 1
    assert set(rights) == {0, 1, 2}
    assert all(abs(n - 2000) < 4 * np.sqrt(6000 / 3 * 2 / 3) for n in rights.values())


def test_the_pool_is_mixed_as_asked_and_the_test_set_is_flat():
    data = Variables(pool=1000, easy=0.2, hard=0.3, test=600).load()
    steps = Counter(p.metadata["steps"] for p in data.train)
    assert all(steps[n] == 75 for n in HARD_STEPS)
    assert len({p.question for p in data.train}) == 1000
    assert Counter(p.metadata["steps"] for p in data.test) == dict.fromkeys(range(1, 7), 100)
    easy = sum(
        p.metadata["steps"] <= 2 and set(p.metadata["operations"]) <= set(Variables.easy_operations) for p in data.train
    )
    assert easy >= 200


def test_the_list_of_chains_is_whole_and_what_draws_come_from():
    chains = Variables().every(1, Variables.operations)
    assert len(chains) == len(set(chains)) == 12 * 10 * 10 * 3
    assert len(Variables().every(2, Variables.easy_operations)) == 12 * 10 * 10 * 2
    rng = np.random.default_rng(0)
    assert {Variables().draw(rng, 1, Variables.operations) for _ in range(2000)} <= set(chains)


def test_more_questions_than_exist_are_refused_with_the_field():
    with pytest.raises(UserError, match=r"dataset\.variables: \d+ questions of 1 to 1 steps"):
        Variables(test=5000, max_steps=1).load()


def test_a_spec_loads_it_and_its_digest_follows_its_fields():
    spec = DatasetSpec.model_validate({"variables": {"pool": 64}, "limits": {"test": 5}})
    data = load_dataset(spec)
    assert (data.name, len(data.train), len(data.test)) == ("variables", 64, 5)
    others = [{"variables": {"pool": 65}}, {"variables": {"pool": 64, "seed": 1}}, {"shuffle": {"pool": 64}}]
    digests = {dataset_digest(DatasetSpec.model_validate({**other, "limits": {"test": 5}})) for other in others}
    assert len(digests | {dataset_digest(spec)}) == 4
