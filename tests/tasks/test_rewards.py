"""Rewards by name: what a name stands for, how several combine, and which mistakes are told before anything runs."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.errors import UserError
from repro.plugins import source_digest
from repro.study.load import load_spec, parse_spec
from repro.tasks import rewards as rewards_module
from repro.tasks.grading import Grader
from repro.tasks.problem import Problem
from repro.tasks.reward_spec import RewardTerm, describe_reward, reward_fields, term_labels
from repro.tasks.rewards import Reward, find_reward
from repro.testing import check_reward

SOURCE = '''
import itertools
import numpy as np
from pydantic import Field
from repro.tasks.problem import Problem
from repro.tasks.rewards import Reward


def score(completion: str, problem: Problem) -> float:
    return min(len(completion), 3) / 3


def right(completion, problem):
    return completion == problem.answer


def value(completion, problem):
    given = {"nan": float("nan"), "two": 2, "below": -0.1, "text": "1", "none": None, "half": np.float32(0.5)}
    return given[completion]


def breaks(completion, problem):
    return 1 / 0


def one_argument(completion):
    return 1.0


counter = itertools.count()


def moody(completion, problem):
    return next(counter) % 2


class Short(Reward):
    """Short completions."""

    longest: int = Field(40, ge=1, description="characters")

    def __call__(self, completion, problem):
        return float(len(completion) <= self.longest)


class Share(Reward):
    """Depends on the whole batch, as it must not."""

    def many(self, completions, problems):
        return [1 / len(completions)] * len(completions)


class TooFew(Reward):
    def many(self, completions, problems):
        return []


class Silent(Reward):
    longest: int = 3


class Heavy(Reward):
    weight: float = 1.0

    def __call__(self, completion, problem):
        return 1.0


class Plain:
    pass


number = 3
'''

PROBLEMS = [Problem("q1", "1+1?", "2"), Problem("q2", "2+2?", "4")]


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`mine`: a module of rewards outside the package."""
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return path


def never(completion: str, answer: str) -> bool:
    raise AssertionError("nobody asked for verdicts")


def equal(completion: str, answer: str) -> bool:
    return completion == answer


def term(reward: str, **fields: Any) -> RewardTerm:
    return RewardTerm.model_validate({"reward": reward, **fields})


def study(**changes: Any) -> Any:
    return parse_spec({"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"a": None}, **changes})


# ---------------------------------------------------------------- grading


def test_the_default_is_the_verdict_of_the_dataset() -> None:
    grades = Grader().grade(equal, ["2", "3"], PROBLEMS)
    assert (grades.rewards, grades.parts, grades.verdicts) == ([1.0, 0.0], {}, [1.0, 0.0])


def test_a_reward_of_ones_own_is_asked_with_the_problem_and_no_verifier() -> None:
    assert Grader([term("mine:score")]).grade(never, ["", "ab"], PROBLEMS).rewards == [0.0, 2 / 3]
    assert Grader([term("mine:right")]).grade(never, ["2", "2"], PROBLEMS).rewards == [1.0, 0.0]


def test_verdicts_are_told_beside_another_reward_where_they_are_asked_for() -> None:
    grades = Grader([term("mine:score")]).grade(equal, ["2", "44"], PROBLEMS, verdicts=True)
    assert (grades.rewards, grades.verdicts) == ([1 / 3, 2 / 3], [1.0, 0.0])


def test_the_total_is_the_mean_weighted_by_shares_and_stays_in_range() -> None:
    terms = [term("accuracy", weight=3), term("mine:score", weight=1)]
    grades = Grader(terms).grade(equal, ["2", "123"], PROBLEMS)
    assert grades.rewards == [0.75 + 0.25 / 3, 0.25]
    assert grades.parts == {"accuracy": [1.0, 0.0], "score": [1 / 3, 1.0]}
    many = [term("accuracy"), *(term("mine:Short", longest=n, weight=0.1 * n) for n in range(1, 30))]
    assert max(Grader(many).grade(lambda *_: True, ["1"], PROBLEMS[:1]).rewards) == 1.0


def test_the_weight_of_a_single_reward_changes_nothing_not_even_the_last_bit() -> None:
    assert Grader([term("mine:score", weight=0.1)]).grade(never, ["ab"], PROBLEMS[:1]).rewards == [2 / 3]


@pytest.mark.parametrize(
    ("completion", "found"),
    [
        ("nan", "got nan"),
        ("two", "got 2"),
        ("below", "got -0.1"),
        ("text", "got '1' (str)"),
        ("none", "got None (None"),
    ],
)
def test_a_value_that_is_no_number_in_range_names_reward_value_and_question(completion: str, found: str) -> None:
    with pytest.raises(UserError) as error:
        Grader([term("mine:value")]).grade(never, ["half", completion], PROBLEMS)
    assert str(error.value).startswith(f"reward mine:value: {found}")
    assert "question 'q2' (\"2+2?\")" in str(error.value) and "a number from 0 to 1" in str(error.value)


def test_numbers_of_numpy_and_booleans_are_numbers() -> None:
    assert Grader([term("mine:value")]).grade(never, ["half"], PROBLEMS[:1]).rewards == [0.5]


def test_a_reward_that_fails_names_the_question_and_its_own_line(module: Path) -> None:
    line = SOURCE.splitlines().index("    return 1 / 0") + 1
    with pytest.raises(UserError, match=rf"mine:breaks fails on question 'q1' .*ZeroDivisionError.*mine\.py:{line}\)"):
        Grader([term("mine:breaks")]).grade(never, ["x"], PROBLEMS[:1])


def test_a_batch_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(UserError, match="mine:TooFew: got 0 values for 2 completions"):
        Grader([term("mine:TooFew")]).grade(never, ["x", "y"], PROBLEMS)


# ---------------------------------------------------------------- names and fields


def test_a_class_is_called_with_its_fields() -> None:
    assert Grader([term("mine:Short", longest=2)]).grade(never, ["ab", "abc"], PROBLEMS).rewards == [1.0, 0.0]


def test_an_installed_reward_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {"brief": "mine:Short"}
    monkeypatch.setattr(rewards_module, "installed", lambda group: points if group == "repro.rewards" else {})
    assert find_reward("brief").__name__ == "Short"
    assert describe_reward([term("brief", longest=2)]) == "brief"


@pytest.mark.parametrize(
    ("reward", "text"),
    [
        (
            "acuracy",
            'reward: got "acuracy", expected a reward or module:name of your own (accuracy, format, random, '
            "tag_count), did you mean accuracy?",
        ),
        ("mine:scor", "mine has no 'scor', did you mean score?"),
        ("nobody:score", "there is no module 'nobody'"),
        (
            "mine:one_argument",
            'got "mine:one_argument" with the arguments (completion), expected (completion, problem)',
        ),
        ("mine:Silent", "has no __call__(self, completion, problem)"),
        ("mine:Plain", "no subclass of repro.tasks.rewards.Reward"),
        ("mine:Heavy", "with a field weight"),
        ("mine:number", "expected a function of (completion, problem)"),
        ({"reward": "mine:Short", "longest": 0}, "reward.longest: got 0, expected a whole number >= 1"),
        ({"reward": "mine:Short", "longst": 1}, "did you mean longest?"),
        ({"reward": "mine:score", "longest": 1}, "a function without fields"),
        ({"reward": "accuracy", "longest": 1}, "got longest beside accuracy"),
        ({"reward": "mine:score", "weight": 0}, "reward.weight: got 0, expected a number >= 1e-06"),
        (["mine:score", {"reward": "mine:score", "weight": 2}], "got mine:score twice"),
        ([], "got [], expected text or a mapping with reward, weight or a list of at least 1 of them"),
        (["accuracy", {"reward": "mine:Short", "longest": "x"}], 'reward.1.longest: got "x", expected a whole number'),
    ],
)
def test_a_mistake_in_a_reward_is_told_where_it_stands(reward: Any, text: str) -> None:
    for changes in ({"reward": reward}, {"arms": {"a": {"reward": reward}}}):
        with pytest.raises(UserError) as error:
            study(**changes)
        assert text in str(error.value)


def test_a_module_beside_the_spec_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "beside.py").write_text("def score(completion, problem):\n    return 1.0\n")
    (folder / "spec.yaml").write_text("name: x\nmodel: tiny\ndataset: arithmetic\nreward: beside:score\narms: {a: }\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    assert load_spec(folder / "spec.yaml").spec.reward == [term("beside:score")]


# ---------------------------------------------------------------- what a report and an identity say of it


def test_labels_are_short_and_distinct() -> None:
    terms = [term("accuracy", weight=2), term("mine:Short"), term("mine:Short", longest=3)]
    assert term_labels(terms) == ["accuracy", "Short", "Short_2"]
    assert describe_reward(terms) == "0.5 accuracy + 0.25 Short + 0.25 Short_2"


def test_accuracy_leaves_no_trace_and_defaults_of_a_reward_leave_none_of_theirs() -> None:
    assert reward_fields([term("accuracy", weight=7)]) == []
    assert reward_fields([term("mine:Short", longest=40, weight=3)]) == [{"reward": "mine:Short", "share": 1.0}]
    assert reward_fields([term("accuracy"), term("mine:Short", longest=2)]) == [
        {"reward": "accuracy", "share": 0.5},
        {"reward": "mine:Short", "share": 0.5, "fields": {"longest": 2}},
    ]


# ---------------------------------------------------------------- conformance


@pytest.mark.parametrize("reward", ["mine:score", "mine:right", {"reward": "mine:Short", "longest": 2}])
def test_a_good_reward_passes_the_conformance_check(reward: Any) -> None:
    check_reward(reward, PROBLEMS, ["2", "", "a long completion"])


@pytest.mark.parametrize("reward", ["mine:moody", "mine:Share"])
def test_a_reward_that_is_not_the_same_every_time_is_found_out(reward: str) -> None:
    with pytest.raises(AssertionError, match=f"{reward}: question 'q1'"):
        check_reward(reward, PROBLEMS, ["a", "b", "c"])


def test_the_check_refuses_what_training_would_refuse() -> None:
    with pytest.raises(UserError, match="got nan for question 'q1'"):
        check_reward("mine:value", PROBLEMS, ["nan"])
    with pytest.raises(ValueError, match="0 completions"):
        check_reward("mine:score", PROBLEMS, [])
    with pytest.raises(ValueError, match="got accuracy"):
        check_reward("accuracy", PROBLEMS, ["2"])


def test_the_source_of_a_reward_is_what_its_digest_is_of(module: Path) -> None:
    before = source_digest(find_reward("mine:score"))
    module.write_text(SOURCE.replace("/ 3", "/ 4"))
    assert source_digest(find_reward("mine:score")) != before


def test_the_base_class_has_no_reward_of_its_own() -> None:
    with pytest.raises(NotImplementedError):
        Reward()("x", PROBLEMS[0])
    assert math.isclose(np.mean(Grader([term("mine:score")]).grade(never, ["a"] * 2, PROBLEMS).rewards), 1 / 3)
