"""The reward of a study: inherited by arms, part of a run's identity, and apart from what contradicts it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from repro.errors import UserError
from repro.spec.schema import Cell, Spec
from repro.study.expand import expand, matrix
from repro.study.identity import identity
from repro.study.load import load_spec, parse_spec, resolved_yaml
from repro.study.smoke import shrink
from tests.study.test_identity import Fixed

SOURCE = """
from repro.tasks.rewards import Reward


def score(completion, problem):
    return 0.5


class Short(Reward):
    longest: int = 40

    def __call__(self, completion, problem):
        return float(len(completion) <= self.longest)


class Long(Reward):
    shortest: int = 3

    def __call__(self, completion, problem):
        return float(len(completion) >= self.shortest)
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`liking`: rewards outside the package."""
    path = tmp_path / "liking.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "liking", raising=False)
    return path


def study(text: str) -> Spec:
    return parse_spec({"name": "x", "model": "tiny", "dataset": "arithmetic", "seeds": [0], **yaml.safe_load(text)})


def cell(reward: Any = "accuracy", **train: Any) -> Cell:
    return expand(parse_spec({**BASE, "reward": reward, "train": train}, "spec"))[0]


BASE: dict[str, Any] = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"a": None}}


def reward_of(spec: Spec) -> dict[str, list[dict[str, Any]]]:
    return {place.arm: [term.model_dump() for term in cell.reward] for place, cell in matrix(spec)}


def test_an_arm_has_the_reward_of_the_study_unless_it_has_its_own() -> None:
    spec = study("reward: liking:score\narms: {a: , b: {reward: accuracy}, c: {extends: b, reward: [liking:Short]}}")
    assert {arm: terms[0]["reward"] for arm, terms in reward_of(spec).items()} == {
        "a": "liking:score",
        "b": "accuracy",
        "c": "liking:Short",
    }


def test_an_arm_changes_a_field_of_the_inherited_reward_or_replaces_it_with_its_fields() -> None:
    spec = study(
        "arms:\n  a: {reward: {reward: liking:Short, longest: 5, weight: 2}}\n  b: {extends: a, reward: {longest: 9}}\n"
        "  c: {extends: a, reward: {reward: liking:Long}}"
    )
    assert reward_of(spec) == {
        "a": [{"reward": "liking:Short", "weight": 2.0, "longest": 5}],
        "b": [{"reward": "liking:Short", "weight": 2.0, "longest": 9}],
        "c": [{"reward": "liking:Long", "weight": 1.0}],
    }


def test_rewards_may_be_an_axis_whose_mistakes_are_told_there() -> None:
    spec = study("arms: {a: }\naxes: {reward: [accuracy, liking:score]}")
    assert [cell.reward[0].reward for cell in expand(spec)] == ["accuracy", "liking:score"]
    with pytest.raises(UserError, match=r"axes\.reward: .*liking has no 'scor', did you mean score"):
        study("arms: {a: }\naxes: {reward: [accuracy, liking:scor]}")


def test_a_resolved_and_a_smoke_study_keep_their_rewards(tmp_path: Path) -> None:
    spec = study("reward: {reward: liking:Short, longest: 5}\narms: {a: , b: {reward: [accuracy, liking:score]}}")
    (tmp_path / "again.yaml").write_text(resolved_yaml(spec))
    assert load_spec(tmp_path / "again.yaml").spec == spec
    assert reward_of(shrink(spec)) == reward_of(spec)


def test_accuracy_however_it_is_written_is_the_run_without_a_reward() -> None:
    plain = identity(expand(parse_spec(BASE))[0], Fixed())
    assert {identity(cell(reward), Fixed()) for reward in ("accuracy", {"weight": 3}, ["accuracy"])} == {plain}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("accuracy", "liking:score", False),
        ("liking:score", {"reward": "liking:score", "weight": 5}, True),
        ("liking:Short", {"reward": "liking:Short", "longest": 40}, True),
        ("liking:Short", {"reward": "liking:Short", "longest": 41}, False),
        (["accuracy", "liking:score"], [{"weight": 3}, {"reward": "liking:score", "weight": 3}], True),
        (["accuracy", "liking:score"], [{"weight": 2}, "liking:score"], False),
    ],
)
def test_what_changes_a_reward_changes_the_identity_and_nothing_else_does(one: Any, other: Any, same: bool) -> None:
    assert (identity(cell(one), Fixed()) == identity(cell(other), Fixed())) is same


def test_another_source_of_a_reward_is_another_run(module: Path) -> None:
    before = identity(cell("liking:score"), Fixed())
    module.write_text(SOURCE.replace("0.5", "0.25"))
    assert identity(cell("liking:score"), Fixed()) != before


def test_min_spread_is_part_of_a_run_only_where_rewards_can_lie_between() -> None:
    scored = {identity(cell("liking:score", min_spread=least), Fixed()) for least in (0, 0.1)}
    assert len(scored) == 2
    spec = study("train: {min_spread: 0.1}\narms: {a: , b: {reward: liking:score}}")
    found = {place.arm: identity(cell, Fixed()) for place, cell in matrix(spec)}
    assert found == {"a": identity(cell(), Fixed()), "b": identity(cell("liking:score", min_spread=0.1), Fixed())}


def test_a_wrong_reward_is_the_only_mistake_where_others_rest_on_it() -> None:
    with pytest.raises(UserError) as error:
        study("arms: {a: {reward: liking:scor, train: {min_spread: 0.1}}}")
    assert str(error.value) == "spec: arms.a.reward: got 'liking:scor', but liking has no 'scor', did you mean score?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {min_spread: 0.1}\narms: {a: }", "train.min_spread: got 0.1 where accuracy is rewarded, expected 0"),
        (
            "arms: {a: {train: {min_spread: 0.1}}, b: {reward: liking:score}}",
            "arms.a.train.min_spread: got 0.1 where accuracy is rewarded",
        ),
        ("train: {min_spread: 1}\narms: {a: }", "train.min_spread: got 1, expected a number >= 0 and < 1"),
        (
            "evaluate: {gradient_questions: 4}\nreward: liking:score\narms: {a: }",
            "evaluate.gradient_questions: got 4 where score is rewarded, expected 0",
        ),
    ],
)
def test_settings_that_make_no_sense_for_a_reward_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        study(text)
    assert message in str(error.value)
