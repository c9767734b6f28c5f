"""Fields of a spec that say what a run rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from repro.fields import Strict
from repro.plugins import source_digest
from repro.tasks.rewards import ACCURACY, BUILT_IN, Reward, Score, find_reward, make_reward


class RewardTerm(Strict):
    """One reward with its weight; every other key is a field of the reward's own class, which checks it."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"x-own-fields": "reward"})

    reward: str = Field(ACCURACY, description="accuracy, an installed reward, or module:name of your own")
    weight: float = Field(1.0, ge=1e-6, le=1e6, description="share of the total; weights are divided by their sum")

    @property
    def own_fields(self) -> dict[str, Any]:
        """The values that the spec gives to fields of the reward's own class."""
        return dict(self.model_extra or {})

    @property
    def is_accuracy(self) -> bool:
        """Whether it is the dataset's own verdict."""
        return self.reward == ACCURACY

    @property
    def label(self) -> str:
        """`score` for `my_pkg.rewards:score`: what tables and metrics call it."""
        return self.reward.rpartition(":")[2]

    def make(self) -> Score:
        """The reward itself, ready to be called; not for accuracy, which a dataset's verifier gives.

        Raises ValueError (pydantic's for wrong fields) as `make_reward`.
        """
        return make_reward(self.reward, self.own_fields)

    @model_validator(mode="after")
    def _known(self) -> RewardTerm:
        if not self.is_accuracy:
            self.make()
        elif self.own_fields:
            raise ValueError(f"got {', '.join(self.own_fields)} beside accuracy, expected only reward and weight")
        return self


def as_terms(value: Any) -> Any:
    """`my_pkg.rewards:score`, a mapping or a list of both, as a list of mappings; anything else as it is."""
    items = value if isinstance(value, list | tuple) else [value]
    return [{"reward": item} if isinstance(item, str) else item for item in items]


def _distinct(terms: list[RewardTerm]) -> list[RewardTerm]:
    seen: list[tuple[str, dict[str, Any]]] = []
    for term in terms:
        if (term.reward, term.own_fields) in seen:
            raise ValueError(f"got {term.reward} twice, expected different rewards: give one of them a larger weight")
        seen.append((term.reward, term.own_fields))
    return terms


Terms = Annotated[list[RewardTerm], Field(min_length=1), AfterValidator(_distinct), BeforeValidator(as_terms)]
"""Rewards whose weighted mean is the reward of a run: a word, a mapping or a list of both in a spec."""


def accuracy_terms() -> list[RewardTerm]:
    """What is rewarded where a spec says nothing: the dataset's own verdict."""
    return [RewardTerm()]


def rewards_accuracy(terms: Sequence[RewardTerm]) -> bool:
    """Whether the reward of a run is the dataset's own verdict, 0 or 1, and nothing else."""
    return all(term.is_accuracy for term in terms)


def shares(terms: Sequence[RewardTerm]) -> list[float]:
    """The weights of terms divided by their sum."""
    total = sum(term.weight for term in terms)
    return [term.weight / total for term in terms]


def term_labels(terms: Sequence[RewardTerm]) -> list[str]:
    """A label of each term, the second of two equal ones with a number: `short`, `short_2`."""
    counts: Counter[str] = Counter()
    labels = []
    for term in terms:
        counts[term.label] += 1
        labels.append(term.label if counts[term.label] == 1 else f"{term.label}_{counts[term.label]}")
    return labels


def describe_reward(terms: Sequence[RewardTerm]) -> str:
    """`accuracy`, `score`, or `0.67 accuracy + 0.33 score`: what a report calls the reward of a run."""
    labels = term_labels(terms)
    if len(terms) == 1:
        return labels[0]
    return " + ".join(f"{share:.2g} {label}" for share, label in zip(shares(terms), labels, strict=True))


def reward_fields(terms: Sequence[RewardTerm]) -> list[dict[str, Any]]:
    """What of a reward changes a result, JSON-able; nothing where accuracy is the reward, as by default.

    The code of a reward enters a run's identity as a digest beside it.
    """
    if rewards_accuracy(terms):
        return []
    found = []
    for term, share in zip(terms, shares(terms), strict=True):
        made = None if term.is_accuracy else term.make()
        own = made.result_fields() if isinstance(made, Reward) else {}
        found.append({"reward": term.reward, "share": share, **({"fields": own} if own else {})})
    return found


def reward_key(terms: Sequence[RewardTerm]) -> dict[str, Any]:
    """What a cache key of measured rewards must hold: fields and code of the reward; nothing where it is accuracy."""
    fields = reward_fields(terms)
    return {"reward": fields, "reward_digests": reward_digests(terms)} if fields else {}


def reward_digests(terms: Sequence[RewardTerm]) -> dict[str, str]:
    """Digests of the source of rewards that are no part of this package."""
    names = [term.reward for term in terms if not term.is_accuracy and term.reward not in BUILT_IN]
    return {name: source_digest(find_reward(name)) for name in names}
