"""BOTS: Beta posteriors of pass rates, in which questions not rolled out follow those of two anchor policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from repro.draws import gumbel_top_k
from repro.selection.banded import start_scores
from repro.selection.base import Observation, Run, Selector
from repro.selection.history import FromHistory, array, column_rates, numbers
from repro.selection.method import Costs, Smoke
from repro.selection.stateful import StatefulSelector

PRIOR = 1.0  # alpha and beta at the start, and what forgetting goes back to
APART = 0.01  # anchors whose mean pass rates differ by less tell nothing of where the policy stands
SMOOTHING = 0.9  # of the policy's place between the anchors, from step to step
LARGE_ERROR = 0.25  # mean error of the interpolated pass rates at which adaptive_rho halves rho


class Bots(FromHistory):
    """BOTS (2510.26374): posteriors from own rewards and from pass rates interpolated between two anchors."""

    predicts: ClassVar[bool] = True
    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("samples",)

    method: Literal["bots"]
    weak: str | None = Field(
        None, description="column with a weak policy's pass rates, 0 to 1 (default: the start policy's, measured)"
    )
    strong: str | None = Field(
        None, description="column with a strong policy's pass rates, 0 to 1 (default: strong_rate for every question)"
    )
    samples: int = Field(8, ge=1, le=10_000, description="completions per question that measure the start policy")
    strong_rate: float = Field(
        1.0, ge=0, le=1, description="assumed pass rate of the strong anchor on every question (without strong)"
    )
    forget: float = Field(0.2, ge=0, le=1, description="lambda: share of the counts that returns to the prior per step")
    rho: float = Field(0.2, ge=0, le=1, description="weight of interpolated pass rates against own rewards")
    adaptive_rho: bool = Field(False, description="halve rho where the interpolation is 0.25 off or more, on average")
    target: float = Field(0.9, ge=0, le=1, description="p*: the pass rate to aim at")
    temperature: float = Field(
        0.5, ge=0, le=1000, description="tau of P(q) ~ exp(-|p - p*| / tau); 0: the nearest questions"
    )
    draw: Literal["posterior", "mean"] = Field(
        "posterior", description="p of a question: a draw from its posterior, or the mean of it"
    )

    def build(self, run: Run) -> Selector:
        """It learns of every question at every step."""
        return BotsSelector(self, run)

    @property
    def trains_on(self) -> str:
        """By its posterior."""
        return f"questions that earlier rewards and two anchor policies put near a pass rate of {self.target:g}"

    @property
    def title(self) -> str:
        """As its authors write it."""
        return "BOTS"

    @property
    def dataset_columns(self) -> dict[str, str]:
        """The anchors that the dataset holds."""
        named = {"weak": self.weak, "strong": self.strong}
        return {field: column for field, column in named.items() if column is not None}

    def without_effect(self) -> dict[str, str]:
        """What stands in for a column that is there."""
        out = {} if self.weak is None else {"samples": "weak names a column"}
        return out | ({} if self.strong is None else {"strong_rate": "strong names a column"})

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """The start policy's pass rates, where no column holds the weak anchor's."""
        return Costs(samples=self.samples if self.weak is None else 0)

    def smoke(self, sizes: Smoke) -> Self:
        """Few samples."""
        return self.model_copy(update={"samples": min(self.samples, sizes.group_size)})


class BotsSelector(StatefulSelector):
    """After every step, of all questions at once, with G completions a group:

    c     <- 0.9 c + 0.1 (mean pass rate seen - mean weak) / (mean strong - mean weak), the means over what was seen
    p'    = weak + c (strong - weak), cut to 0..1; the own pass rate where the question was seen
    alpha <- (1 - forget) alpha + forget + (1 - rho) right + rho p' G
    beta  <- (1 - forget) beta  + forget + (1 - rho) wrong + rho (1 - p') G

    with right = wrong = 0 of what was not seen, and the first c as it is measured.
    """

    def __init__(self, selection: Bots, run: Run) -> None:
        super().__init__(selection, run)
        self.selection, self.rho = selection, selection.rho
        self._alpha, self._beta = np.full(len(run.ids), PRIOR), np.full(len(run.ids), PRIOR)  # (N,) each
        self._weak: np.ndarray | None = None  # (N,)
        self._strong: np.ndarray | None = None  # (N,)
        self._place: float | None = None  # c: 0 at the weak anchor, 1 at the strong one

    def _anchors(self) -> tuple[np.ndarray, np.ndarray]:
        if self._weak is None or self._strong is None:
            own, run = self.selection, self.run
            if own.weak is None:
                self._weak = start_scores(run.resources.pass_rates(own.samples), run)
            else:
                self._weak = column_rates(run, "weak", own.weak)
            if own.strong is None:
                self._strong = np.full(len(self.ids), own.strong_rate)
            else:
                self._strong = column_rates(run, "strong", own.strong)
        return self._weak, self._strong

    def pick(self, n: int) -> np.ndarray:
        """Near the target by draws from the posteriors, or by their means."""
        self._anchors()
        mean = self._alpha / (self._alpha + self._beta)
        rates = mean if self.selection.draw == "mean" else self.generator.beta(self._alpha, self._beta)
        distance = np.abs(rates - self.selection.target)
        if self.selection.temperature == 0:
            chosen = self.ranked(distance)[:n]
        else:
            chosen = gumbel_top_k(-distance / self.selection.temperature, n, self.generator)
        self._metrics = {
            "posterior_mean": float(mean.mean()),
            "chosen_posterior_mean": float(mean[chosen].mean()),
            "posterior_count": float((self._alpha + self._beta).mean()),
            "rho": self.rho,
        }
        if self._place is not None:
            self._metrics["between_anchors"] = self._place
        return chosen

    def observe(self, observations: Sequence[Observation]) -> None:
        """Move the policy's place between the anchors, and all posteriors."""
        if not observations:
            return
        weak, strong = self._anchors()
        own, size = self.selection, self.run.group_size
        seen = np.array([one.index for one in observations])  # (B,)
        right = np.array([np.sum(one.rewards) for one in observations], dtype=np.float64)  # (B,)
        wrong = np.array([len(one.rewards) for one in observations]) - right  # (B,)
        rates = right / (right + wrong)  # (B,)
        gap = float(strong[seen].mean() - weak[seen].mean())
        if abs(gap) >= APART:
            place = float(rates.mean() - weak[seen].mean()) / gap
            self._place = place if self._place is None else SMOOTHING * self._place + (1 - SMOOTHING) * place
        expected = np.clip(weak + (self._place or 0.0) * (strong - weak), 0, 1)  # (N,)
        if own.adaptive_rho and float(np.abs(expected[seen] - rates).mean()) >= LARGE_ERROR:
            self.rho /= 2
        expected[seen] = rates
        for counts, found, share in ((self._alpha, right, expected), (self._beta, wrong, 1 - expected)):
            counts *= 1 - own.forget
            counts += own.forget * PRIOR + self.rho * share * size
            counts[seen] += (1 - self.rho) * found

    def predictions(self) -> np.ndarray | None:
        """(N,) means of the posteriors."""
        return None if self._weak is None else self._alpha / (self._alpha + self._beta)

    def learnt(self) -> dict[str, Any]:
        """Posteriors, anchors, the place between them and rho."""
        return {
            "alpha": self._alpha.tolist(),
            "beta": self._beta.tolist(),
            "weak": numbers(self._weak),
            "strong": numbers(self._strong),
            "place": self._place,
            "rho": self.rho,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it: the start policy is not measured again."""
        self._alpha, self._beta = np.array(state["alpha"], dtype=np.float64), np.array(state["beta"], dtype=np.float64)
        self._weak, self._strong = array(state["weak"]), array(state["strong"])
        self._place = None if state["place"] is None else float(state["place"])
        self.rho = float(state["rho"])
