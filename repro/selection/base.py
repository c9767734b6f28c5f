"""What every way of choosing questions promises: the five verbs of a selector and the resources it may ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from repro.selection.selection_spec import Target

if TYPE_CHECKING:
    from repro.difficulty.predictor import DifficultyPredictor

PromptKind = Literal["perplexity", "entropy"]


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

    def pass_rates(self, samples: int, indices: Sequence[int] | None = None) -> np.ndarray:
        """(N,) share of `samples` completions of the *start* policy that are right, in [0, 1].

        With `indices` into the train split: of these questions only, in their order.
        """

    def prompt_scores(self, kind: PromptKind) -> np.ndarray:
        """(N,) in [0, 1], of the question's own tokens under the start policy: 1 / perplexity, or the mean entropy of
        their predictions as a share of log(vocabulary)."""

    def probe(self, indices: Sequence[int], samples: int, *, keep: bool = False) -> list[tuple[float, ...]]:
        """Rewards of `samples` completions per index under the *current* policy; indices into the train split.

        With `keep` the completions stay at hand until the step is over, so that those named by `Selector.reused`
        can train.
        """

    def predictor(self) -> tuple[DifficultyPredictor, np.ndarray]:
        """The study's trained predictor and the (N, width) embeddings it reads."""

    def embeddings(self) -> np.ndarray:
        """(N, width) frozen mean-pooled last hidden states of the start policy over the question text."""


@dataclass(frozen=True)
class Attention:
    """Which references a prediction rests on. Indices into the train split."""

    references: np.ndarray  # (K,)
    pass_rates: np.ndarray  # (K,) measured, in [0, 1]
    weights: np.ndarray  # (Q, K), rows sum to 1


class Selector:
    """Chooses the questions of each step. Every verb but `choose` has a default, so a trivial selector is ten lines.

    What could be got wrong: the object owns its randomness (no global generator), its `state_dict` is plain JSON and
    holds the generator, and a restored selector makes exactly the draws that the original would have made next.
    """

    def choose(self, n: int) -> list[int]:
        """`n` distinct indices into the train split. Called once per step. UserError if the pool is too small."""
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
        """(N,) latest predicted pass rate of every question in [0, 1], or None where nothing is predicted."""
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

    def center(self) -> float | None:
        """The score around which an offline subset was kept, or None where it has no centre."""
        return None


def new_generator(seed: int, stream: int) -> np.random.Generator:
    """A PCG64 generator for one purpose (`stream`) of one run (`seed`): streams of a seed are independent."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def pool_digest(ids: Sequence[str]) -> str:
    """Short digest of the pool's ids in order: a state taken on another pool must not be loaded."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]


def check_state(state: dict[str, Any], method: str, pool: str) -> None:
    """ValueError unless `state` was taken from `method` on `pool`."""
    for name, expected in (("method", method), ("pool", pool)):
        if state.get(name) != expected:
            raise ValueError(f"selector state has {name} {state.get(name)!r}, expected {expected!r}")


def align(values: np.ndarray, rows: Sequence[str], ids: Sequence[str]) -> np.ndarray:
    """Reorder the rows of `values` (which belong to `rows`) to the order of `ids`.

    ValueError if a row has no id, an id occurs twice, or an id has no row: a row in the wrong place is silent
    otherwise.
    """
    values = np.asarray(values)
    if len(values) != len(rows):
        raise ValueError(f"{len(values)} rows of values for {len(rows)} row ids")
    position = {name: row for row, name in enumerate(rows)}
    if len(position) != len(rows):
        raise ValueError(f"row ids are not unique: {len(rows)} rows, {len(position)} distinct ids")
    missing = [name for name in ids if name not in position]
    if missing:
        raise ValueError(f"{len(missing)} of {len(ids)} questions have no row, the first is {missing[0]!r}")
    return values[[position[name] for name in ids]]
