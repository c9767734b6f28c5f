"""The random reward: as likely as its chance says, blind to the answer, and the same wherever it is asked."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from repro.errors import UserError
from repro.study.load import parse_spec
from repro.tasks.grading import Grader
from repro.tasks.problem import Problem
from repro.tasks.reward_spec import RewardTerm, describe_reward, reward_digests, reward_fields
from repro.testing import check_reward

PROBLEM, OTHER = Problem("a", "2+2", "4"), Problem("b", "3+3", "6")
TEXTS = [f"completion number {number}" for number in range(4000)]


def term(**fields: object) -> RewardTerm:
    return RewardTerm.model_validate({"reward": "random", **fields})


def rewards(texts: list[str] = TEXTS, problem: Problem = PROBLEM, **fields: object) -> np.ndarray:
    graded = Grader([term(**fields)]).grade(lambda c, a: 1, texts, [problem] * len(texts))
    return np.array(graded.rewards)


def test_it_keeps_the_promises_of_a_reward() -> None:
    check_reward("random", [PROBLEM, OTHER], TEXTS[:5])


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_the_share_of_ones_is_the_chance_within_four_standard_errors(chance: float) -> None:
    found = rewards(chance=chance)
    assert set(found) == {0.0, 1.0}
    assert abs(found.mean() - chance) < 4 * (chance * (1 - chance) / len(found)) ** 0.5


def test_a_right_answer_is_rewarded_no_more_often_than_a_wrong_one() -> None:
    right, wrong = ([f"{text}, so #### {answer}" for text in TEXTS] for answer in ("4", "5"))
    assert abs(rewards(right).mean() - rewards(wrong).mean()) < 4 * (0.5 / len(TEXTS)) ** 0.5


def test_question_seed_and_text_each_draw_anew() -> None:
    first = rewards()
    for other in (rewards(problem=OTHER), rewards(seed=1), rewards([f"{text}." for text in TEXTS])):
        assert 0.45 < (first == other).mean() < 0.55


def test_a_smaller_chance_rewards_some_of_the_same_completions() -> None:
    assert (rewards(chance=0.2) <= rewards(chance=0.6)).all()


def test_the_order_and_the_process_change_nothing() -> None:
    here = rewards(TEXTS[:20]).tolist()
    assert rewards(TEXTS[19::-1]).tolist() == here[::-1]
    code = "from tests.tasks.test_random_reward import *; print(rewards(TEXTS[:20]).tolist())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == str(here)


def test_no_shared_generator_is_touched() -> None:
    random.seed(3)
    expected = random.random()
    random.seed(3)
    rewards(TEXTS[:20])
    assert random.random() == expected


def test_a_text_that_is_no_valid_unicode_has_a_reward() -> None:
    assert rewards(["\ud800"]).tolist() in ([0.0], [1.0])


def test_it_enters_an_identity_by_its_fields_and_has_a_name_in_reports() -> None:
    assert reward_fields([term()]) == [{"reward": "random", "share": 1.0}]
    assert reward_fields([term(chance=0.1)]) == [{"reward": "random", "share": 1.0, "fields": {"chance": 0.1}}]
    assert reward_digests([term()]) == {}
    assert describe_reward([term()]) == "random"


def test_a_chance_that_leaves_nothing_to_chance_is_refused() -> None:
    study = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"a": None}}
    with pytest.raises(UserError, match=r"reward\.chance: got 1.*expected a number > 0 and < 1"):
        parse_spec({**study, "reward": {"reward": "random", "chance": 1}})
