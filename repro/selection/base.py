"""The contract between a run and what chooses its questions: a selector's verbs, and the resources it may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from repro.scoring.targets import PromptKind, Target
from repro.selection.pool import new_generator
from repro.tasks.problem import Problem

if TYPE_CHECKING:
    from repro.difficulty.predictor import DifficultyPredictor


@dataclass(frozen=True)
class Observation:
    """The rewards of one freshly rolled-out group: `index` into the train split, one reward per completion."""

    index: int
    rewards: tuple[float, ...]


class Resources(Protocol):
    """What a selector may need to know about questions; every call is evaluated only when a selector makes it.

    Rows of every returned array belong to `ids`, in that order. Selectors match rows by id, never by position.
    Whoever implements this pays in the ledger for what a call costs.
    """

    @property
    def ids(self) -> Sequence[str]:
        """Question id of each row of the arrays below."""

    def confidences(self, target: Target, prompt: Literal["paper"] | None = None) -> np.ndarray:
        """(N,) s = exp(mean log P of a target token) under the start policy, in (0, 1] (UFO-RL).

        `prompt`: the release's, or that of rollouts (None).
        """

    def target_tokens(self, target: Target, prompt: Literal["paper"] | None = None) -> np.ndarray:
        """(N,) tokens of the targets behind `confidences`."""

    def pass_rates(self, samples: int, indices: Sequence[int] | None = None) -> np.ndarray:
        """(N,) mean reward of `samples` completions of the *start* policy, in [0, 1].

        With `indices` into the train split: of these questions only, in their order.
        """

    def prompt_scores(self, kind: PromptKind) -> np.ndarray:
        """(N,) in [0, 1], of the question's own tokens under the start policy: 1 / perplexity, or the mean entropy of
        their predictions as a share of log(vocabulary)."""

    def column(self, name: str) -> np.ndarray:
        """(N,) finite numbers of a column of the dataset. UserError where there is none of that name."""

    def categories(self, name: str) -> list[str]:
        """(N,) what a column of the dataset holds, text or number, as text. UserError where a question lacks it."""

    def probe(
        self, indices: Sequence[int], samples: int, *, keep: bool = False, paid: bool = True
    ) -> list[tuple[float, ...]]:
        """Rewards of `samples` completions per index under the *current* policy; indices into the train split.

        With `keep` the completions stay at hand until the step is over, so that those named by `Selector.reused`
        can train. Those of several calls of a step for one question add up, and must come to a group. What is not
        `paid` counts towards no budget: for bounds that no method can pass, not for methods.
        """

    def predictor(self) -> tuple[DifficultyPredictor, np.ndarray]:
        """The study's trained predictor and the (N, width) embeddings it reads."""

    def embeddings(self) -> np.ndarray:
        """(N, width) frozen mean-pooled last hidden states of the start policy over the question text."""


@dataclass(frozen=True)
class Run:
    """What a selector is built for: the questions in dataset order and the run that draws from them.

    ValueError for repeated ids.
    """

    problems: Sequence[Problem]
    seed: int
    resources: Resources
    group_size: int
    """Completions of a group."""
    steps: int | None = None
    """Steps of the run; None where spending ends it."""
    min_spread: float = 0.0
    """A group whose rewards differ by at most this has no gradient (`train.min_spread`)."""
    advantage_std: bool = True
    """Whether advantages are divided by the standard deviation of their group (`train.advantage_std`)."""

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.problems):
            raise ValueError(f"{len(self.problems)} questions but {len(set(self.ids))} distinct ids")

    @property
    def ids(self) -> tuple[str, ...]:
        """Question ids in dataset order: index i of a choice is `ids[i]`."""
        return tuple(problem.id for problem in self.problems)

    def generator(self, stream: str) -> np.random.Generator:
        """A generator for one purpose of this run; name the purpose."""
        return new_generator(self.seed, stream)


@dataclass(frozen=True)
class Attention:
    """Which references a prediction rests on. Indices into the train split."""

    references: np.ndarray  # (K,)
    pass_rates: np.ndarray  # (K,) measured, in [0, 1]
    weights: np.ndarray  # (Q, K), rows sum to 1


class Selector:
    """Chooses the questions of each step. Every verb but `choose` has a default.

    What could be got wrong: the object owns its randomness (no global generator), its `state_dict` is plain JSON and
    holds the generator, and a restored selector makes exactly the draws that the original would have made next.
    """

    def choose(self, n: int) -> list[int]:
        """`n` indices into the train split. Called once per step. UserError if the pool is too small.

        They are distinct, unless the method has `repeats_in_batch`.
        """
        raise NotImplementedError

    def observe(self, observations: Sequence[Observation]) -> None:
        """Learn from the fresh rollouts of the step just chosen (not called for probes and replayed groups)."""

    def state_dict(self) -> dict[str, Any]:
        """Everything `load_state_dict` needs to go on exactly here; JSON-able."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken. ValueError if it was taken from another method or another pool."""

    def reused(self) -> list[int]:
        """Indices of the latest choice that train with the completions of this step's probe."""
        return []

    def metrics(self) -> dict[str, float]:
        """Finite numbers about the latest choice; the trainer logs `name` as `select/name`."""
        return {}

    def predictions(self) -> np.ndarray | None:
        """(N,) latest predicted mean reward of every question in [0, 1], or None where nothing is predicted."""
        return None

    def attention(self, indices: Sequence[int]) -> Attention | None:
        """What the predictions of some questions (perhaps none) rest on; None where no references are attended to."""
        return None

    def kept(self) -> np.ndarray | None:
        """Sorted indices of an offline subset, or None where every question may be chosen."""
        return None

    def scores(self) -> np.ndarray | None:
        """(N,) the scores behind an offline subset or order (confidence, pass rate, ...), or None."""
        return None

    def target_tokens(self) -> np.ndarray | None:
        """(N,) tokens of the targets behind scores that are confidences, or None."""
        return None

    def center(self) -> float | None:
        """The score around which an offline subset was kept, or None where it has no centre."""
        return None
