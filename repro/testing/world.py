"""Made-up questions with known pass rates: what a selection can be tested on without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.predictor_spec import TowersSpec
from repro.errors import UserError
from repro.selection.base import Run
from repro.tasks.problem import Problem
from repro.words import unknown

KINDS = ("add", "divide", "multiply")


class World:
    """`count` questions whose pass rate is a smooth function of their embedding.

    A probe returns the pass rate itself, rounded to whole rewards; `drift` is added to every pass rate after it. With
    `alike` all questions have one embedding, one pass rate and the same metadata.
    """

    def __init__(
        self, count: int = 120, width: int = 8, seed: int = 0, drift: float = 0.0, *, alike: bool = False
    ) -> None:
        rng = np.random.default_rng(seed)
        self._ids = [f"q{i:04d}" for i in range(count)]
        self._embeddings = rng.normal(size=(1 if alike else count, width))
        if alike:
            self._embeddings = 0.0 * self._embeddings.repeat(count, axis=0)
        self.rates = 1 / (1 + np.exp(-2.5 * self._embeddings[:, 0]))  # (N,)
        self.drift = drift
        self.problems = [
            Problem(name, f"question {name}", "0", metadata={"steps": row % 7, "kind": KINDS[row % 3]})
            for name, row in zip(self._ids, [0] * count if alike else range(count), strict=True)
        ]
        self.asked: list[str] = []
        """Verbs that were called, in order."""
        self.kept: Counter[int] = Counter()
        """Completions of each question that were to stay at hand; whoever drives the steps empties it between them."""
        self.probes: list[tuple[list[int], list[tuple[float, ...]]]] = []

    @property
    def ids(self) -> Sequence[str]:
        return self._ids

    def confidences(self, target: str, prompt: str | None = None) -> np.ndarray:
        self.asked.append(f"confidences {target}" + (f" {prompt}" if prompt else ""))
        return np.clip(self.rates, 1e-6, 1)

    def pass_rates(self, samples: int, indices: Sequence[int] | None = None) -> np.ndarray:
        self.asked.append(f"pass_rates {samples}" + (f" of {len(indices)}" if indices is not None else ""))
        return (np.round(self.rates * samples) / samples)[slice(None) if indices is None else list(indices)]

    def prompt_scores(self, kind: str) -> np.ndarray:
        self.asked.append(f"prompt {kind}")
        return np.clip(self.rates, 1e-6, 1) ** (2 if kind == "perplexity" else 0.5)

    def target_tokens(self, target: str, prompt: str | None = None) -> np.ndarray:
        """1 to 3 tokens a target."""
        self.asked.append(f"target_tokens {target}")
        return 1 + np.arange(len(self._ids)) % 3

    def column(self, name: str) -> np.ndarray:
        """`steps`, 0 to 6, or pass rates of a `weak` and a `strong` policy; UserError for any other."""
        self.asked.append(f"column {name}")
        steps = np.array([problem.metadata["steps"] for problem in self.problems], dtype=np.float64)
        columns = {"steps": steps, "weak": self.rates / 2, "strong": np.sqrt(self.rates)}
        if name not in columns:
            raise UserError(f"selection.column: {unknown(name, list(columns), 'a numeric column of the dataset')}")
        return columns[name]

    def categories(self, name: str) -> list[str]:
        """`steps` or `kind` as text; UserError for any other."""
        self.asked.append(f"categories {name}")
        if name not in ("steps", "kind"):
            raise UserError(f"selection.category: {unknown(name, ['kind', 'steps'], 'a column of the dataset')}")
        return [str(problem.metadata[name]) for problem in self.problems]

    def probe(
        self, indices: Sequence[int], samples: int, *, keep: bool = False, paid: bool = True
    ) -> list[tuple[float, ...]]:
        self.asked.append("probe" if paid else "unpaid probe")
        self.kept.update({int(i): samples for i in indices} if keep else {})
        rows = [tuple(float(i < round(self.rates[q] * samples)) for i in range(samples)) for q in indices]
        self.rates = np.clip(self.rates + self.drift, 0, 1)
        self.probes.append((list(indices), rows))
        return rows

    def predictor(self) -> tuple[DifficultyPredictor, np.ndarray]:
        self.asked.append("predictor")
        import torch

        from repro.difficulty.towers import Towers

        with torch.random.fork_rng():
            torch.manual_seed(0)
            towers = Towers(self._embeddings.shape[1], TowersSpec(width=16, layers=1, calibration="none"))
        return DifficultyPredictor(towers, embedder="world", provenance={}, training={}), self._embeddings

    def embeddings(self) -> np.ndarray:
        self.asked.append("embeddings")
        return self._embeddings

    def run(self, seed: int = 0, group_size: int = 8, steps: int | None = 30, min_spread: float = 0.0) -> Run:
        """What a selection is built for, in this world."""
        return Run(self.problems, seed, self, group_size, steps, min_spread)
