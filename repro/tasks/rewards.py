"""What a reward is, and which one a name stands for: built in, installed, or `module:name` of the user's own.

A reward is a function of a completion and the problem that it answers, with values in [0, 1]:

    def score(completion: str, problem: Problem) -> float:
        return float(len(completion) <= 40)

or, where it has fields of its own, a subclass of `Reward`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from repro.fields import Strict
from repro.plugins import installed, is_door, load
from repro.tasks.problem import Problem
from repro.words import show, unknown

ACCURACY = "accuracy"
"""The dataset's own verdict on a completion, 0 or 1: the verifier of the dataset gives it."""

BUILT_IN = {
    "format": "repro.tasks.format_rewards:format_reward",
    "random": "repro.tasks.random_reward:RandomReward",
    "tag_count": "repro.tasks.format_rewards:tag_count_reward",
}
"""Further rewards of this package: name -> `module:name`."""

GROUP = "repro.rewards"
"""Entry points of this group are rewards: name -> `module:name`."""

OWN = ("reward", "weight")
"""Keys of a reward's section in a spec that are no fields of the reward itself."""

Score = Callable[[str, Problem], Any]
"""`score(completion, problem)`; whether its value is a number in [0, 1] is checked where it is used."""


class Reward(Strict):
    """Base of a reward with fields: an instance is called like a reward function.

        class Short(Reward):
            longest: int = Field(40, ge=1)

            def __call__(self, completion, problem):
                return float(len(completion) <= self.longest)

    Fields are checked by the class; those that differ from their default enter a run's identity.
    """

    def __call__(self, completion: str, problem: Problem) -> float:
        """The reward in [0, 1] of one completion."""
        raise NotImplementedError

    def many(self, completions: Sequence[str], problems: Sequence[Problem]) -> Sequence[float]:
        """The rewards of completions, each of its own problem; override it where a batch is cheaper."""
        return [self(completion, problem) for completion, problem in zip(completions, problems, strict=True)]


def find_reward(name: str) -> type[Reward] | Score:
    """The function or the subclass of `Reward` that a name of a spec stands for; not for `accuracy`.

    Raises:
        ValueError: no such name, module or function, or something that is no reward.
    """
    others = {**installed(GROUP), **BUILT_IN}
    door = others.get(name, name)
    if not is_door(door):
        names = [ACCURACY, *others]
        raise ValueError(unknown(name, names, "a reward or module:name of your own"))
    found = load(door, "a reward")
    if isinstance(found, type):
        return _checked_class(name, found)
    if not callable(found):
        raise ValueError(f"got {show(name)}, a value {show(found)}, expected a function of (completion, problem)")
    _check_signature(name, found, ("completion", "problem"))
    function: Score = found
    return function


def make_reward(name: str, fields: Mapping[str, Any]) -> Score:
    """The reward of a name with values of its own fields, ready to be called.

    Raises:
        ValueError: see `find_reward`; or fields for a function, which has none.
        pydantic.ValidationError: wrong fields, where the reward is a class.
    """
    found = find_reward(name)
    if isinstance(found, type) and issubclass(found, Reward):
        return found.model_validate(dict(fields))
    if fields:
        raise ValueError(
            f"got {', '.join(fields)} beside {show(name)}, a function without fields, expected only "
            f"{' and '.join(OWN)}: a reward with fields is a subclass of repro.tasks.rewards.Reward"
        )
    return found


def _checked_class(name: str, found: type) -> type[Reward]:
    if not issubclass(found, Reward):
        raise ValueError(
            f"got {show(name)}, a class that is no subclass of repro.tasks.rewards.Reward, expected one or a function "
            f"of (completion, problem)"
        )
    if found.__call__ is Reward.__call__ and found.many is Reward.many:
        raise ValueError(f"got {show(name)}, which has no __call__(self, completion, problem), expected a reward")
    if clash := [field for field in found.model_fields if field in OWN]:
        raise ValueError(f"got {show(name)} with a field {clash[0]}, expected another name: {clash[0]} has a meaning")
    if found.__call__ is not Reward.__call__:
        _check_signature(name, found.__call__, ("self", "completion", "problem"))
    return found


def _check_signature(name: str, function: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # written in C: only a call can tell
    try:
        signature.bind(*arguments)
    except TypeError as error:
        wanted = ", ".join(arguments)
        raise ValueError(f"got {show(name)} with the arguments {signature}, expected ({wanted}): {error}") from None
