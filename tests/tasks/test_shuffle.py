"""The second procedural task: right states, disjoint splits, the promised mixture, the same questions everywhere."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from repro.errors import UserError
from repro.tasks.chains import HARD_STEPS
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest, load_dataset
from repro.tasks.made.shuffle import LETTERS, Shuffle
from tests.tasks.chains import shuffle_chain


def moved(state: str, operation: str) -> str:
    """An independent account of the operations, by slices."""
    return {
        "R": state[::-1],
        "S": state[1] + state[0] + state[2:],
        "L": state[1:] + state[:1],
        "H": state[2:] + state[:2],
    }[operation]


def test_every_written_state_and_answer_follows_from_the_one_before():
    data = Shuffle().load()
    for problem in (*data.train, *data.test, *data.validation, *data.extra["pool_like"]):
        state, operations = problem.question[:4], problem.question[5:-1]
        steps = problem.solution.split(";")
        assert len(steps) == problem.metadata["steps"] == len(operations)
        assert problem.metadata["operations"] == operations
        for step, operation in zip(steps, operations, strict=True):
            sign, result = re.fullmatch(r"([RSLH])=([a-h]{4})", step).groups()
            assert sign == operation
            assert result == moved(state, operation)
            state = result
        assert problem.answer == state
        assert data.verifier(data.answer_format.completion(problem), problem.answer)
        assert not data.verifier(data.answer_format.completion(problem), state[::-1])
        assert set(problem.question + data.answer_format.completion(problem)) <= set(Shuffle.alphabet)


def test_the_documented_example_is_written_as_documented():
    data = Shuffle(pool=8, test=1, validation=0).load()
    assert data.answer_format.completion(Shuffle().solve(shuffle_chain("badc:RLS?"))) == "R=cdab;L=dabc;S=adbc#adbc"


def test_the_pool_is_mixed_as_asked_and_the_test_set_is_flat():
    data = Shuffle(pool=1000, easy=0.2, hard=0.3, test=600).load()
    steps = Counter(p.metadata["steps"] for p in data.train)
    assert sum(steps[n] for n in HARD_STEPS) == 300
    assert all(steps[n] == 75 for n in HARD_STEPS)
    assert len({p.question for p in data.train}) == 1000
    assert Counter(p.metadata["steps"] for p in data.test) == dict.fromkeys(range(1, 7), 100)
    easy = sum(
        p.metadata["steps"] <= 2 and set(p.metadata["operations"]) <= set(Shuffle.easy_operations) for p in data.train
    )
    assert easy >= 200


def test_the_list_of_chains_is_what_draws_come_from():
    chains = Shuffle().every(1, Shuffle.operations)
    assert len(chains) == len(set(chains)) == 8 * 7 * 6 * 5 * 4
    rng = np.random.default_rng(0)
    assert {Shuffle().draw(rng, 1, Shuffle.operations) for _ in range(2000)} <= set(chains)
    firsts = Counter(Shuffle().draw(rng, 2, Shuffle.operations)[0][0] for _ in range(8000))
    assert set(firsts) == set(LETTERS)
    assert all(abs(n - 1000) < 5 * np.sqrt(8000 / 8 * 7 / 8) for n in firsts.values())


def test_more_questions_than_exist_are_refused_with_the_field():
    with pytest.raises(UserError, match=r"dataset\.shuffle: \d+ questions of 1 to 1 steps"):
        Shuffle(test=5000, max_steps=1).load()


def test_a_spec_loads_it_and_its_digest_follows_its_fields():
    spec = DatasetSpec.model_validate({"shuffle": {"pool": 64}, "limits": {"test": 5}})
    data = load_dataset(spec)
    assert (data.name, len(data.train), len(data.test)) == ("shuffle", 64, 5)
    others = [{"shuffle": {"pool": 65}}, {"shuffle": {"pool": 64, "seed": 1}}, {"arithmetic": {"pool": 64}}]
    digests = {dataset_digest(DatasetSpec.model_validate({**other, "limits": {"test": 5}})) for other in others}
    assert len(digests | {dataset_digest(spec)}) == 4
