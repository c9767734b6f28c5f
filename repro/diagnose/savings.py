"""What selection and replay could save, in generated tokens and in time, for as many informative groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from repro.diagnose.choice import Choices
from repro.diagnose.costs import Cost, Speed, rollouts, selection_costs, speed_of
from repro.diagnose.design import Design
from repro.diagnose.measured import Measured
from repro.diagnose.signal import spread_of
from repro.numbers import Interval

TIMING = 0.2
"""By which share a timing of a minute is taken to be off: other processes share the machine."""


@dataclass(frozen=True)
class Times:
    """Seconds of one group: to roll it out, and to train on it."""

    rollout: float
    update: float
    """Its share of the optimizer's steps included."""
    dense: bool
    """Whether updates pass groups without a gradient too (`train.skip_zero_advantage` is off)."""

    @property
    def share(self) -> float:
        """Of rollouts in a step in which every group trains, in [0, 1]."""
        return self.rollout / (self.rollout + self.update)

    def off_by(self, error: float) -> tuple[float, float]:
        """The least and the largest `share` if both timings may be off by this share of them, in (0, 1)."""
        least, most = self.rollout * (1 - error), self.rollout * (1 + error)
        return least / (least + self.update * (1 + error)), most / (most + self.update * (1 - error))

    def informative(self, share: np.ndarray, rolled_out: float = 1.0) -> np.ndarray:
        """Seconds for each informative group where a `share` (D,) of the groups is, and a group costs `rolled_out`
        times its rollouts; infinite for a share of 0."""
        with np.errstate(divide="ignore"):
            update = self.update / share if self.dense else self.update
            return np.asarray(self.rollout * rolled_out / share + update)


@dataclass(frozen=True)
class Saved:
    """How many times fewer tokens, and how many times less time, a method needs for as many informative groups as
    uniform sampling, with what it spends on choosing. Below 1 it needs more."""

    tokens: Interval
    seconds: Interval


@dataclass(frozen=True)
class ReplayStep:
    """A step with replay beside one without.

    `volume`: completions of a step over those without replay or selection, delta + K / (mu B). `step_time`: the step's
    time over the other's where both train on whole batches, as DOTS + RR counts; `least_time` and `most_time` if the
    timings behind it are off by `TIMING`. `most`: the saving if a replayed group teaches as much as a fresh one, which
    is the most it can.
    """

    volume: float
    step_time: float
    least_time: float
    most_time: float
    most: Saved


def group_times(design: Design, speed: Speed) -> Times:
    """Seconds of one group at the measured speeds."""
    train = design.train
    rows = train.group_size * (speed.prompt + speed.completion)
    steps = train.minibatches * speed.optimizer / train.questions_per_step
    rolled_out = train.group_size * speed.completion / speed.generated
    return Times(rolled_out, rows / speed.trained + steps, not train.skip_zero_advantage)


def bound(found: Choices, times: Times) -> Saved:
    """The most that any selection could save: every group informative and nothing spent on choosing. In tokens that is
    1 / share of uniform sampling."""
    return _saved(found, np.ones(1), 1.0, 1.0, times)


def saved(measured: Measured, found: Choices) -> Mapping[str, Saved]:
    """For every method but uniform sampling.

    A method of share a, whose choosing costs a part c of the rollouts, rolls out (1 + c) / a groups for an informative
    one; uniform sampling 1 / its own share. Time adds the update of that group.
    """
    times = group_times(measured.design, speed_of(measured))
    whole, costs = rollouts(measured), selection_costs(measured)
    return {
        name: _saved(found, draws, *_more(costs[name], whole), times)
        for name, draws in found.draws.items()
        if name != "uniform"
    }


def replay_steps(measured: Measured, found: Choices) -> Mapping[str, ReplayStep]:
    """Replay on uniform questions (`replay`), and on those that DOTS chooses (`dots_rr`).

    Of a batch, delta B groups are fresh, and those that fill it up are all informative and cost no rollouts: it trains
    delta a + (1 - delta) of its groups for delta + K / (mu B) of the rollouts.
    """
    design = measured.design
    times, whole = group_times(design, speed_of(measured)), rollouts(measured)
    fresh, probes = design.replay.fresh, _more(selection_costs(measured)["dots"], whole)
    out = {}
    for name, source, tokens, seconds in (
        ("replay", "uniform", fresh, fresh),
        ("dots_rr", "dots", fresh + probes[0] - 1, fresh + probes[1] - 1),
    ):
        volume = fresh + (design.probing if source == "dots" else 0.0)
        trained = fresh * found.draws[source] + 1 - fresh
        most = _saved(found, trained, tokens, seconds, times)
        shares = times.share, *times.off_by(TIMING)
        step, *ends = (1 - share * (1 - volume) for share in shares)
        out[name] = ReplayStep(volume, step, min(ends), max(ends), most)
    return out


def _more(cost: Cost, whole: Cost) -> tuple[float, float]:
    """(tokens, seconds) of rollouts with choosing, over those without."""
    return 1 + cost.generated / whole.generated, 1 + cost.seconds / whole.seconds


def _saved(found: Choices, share: np.ndarray, tokens: float, seconds: float, times: Times) -> Saved:
    """`share` (1 + D,): of informative groups of the method, the value first; `tokens`, `seconds`: how many times those
    of its rollouts it spends, choosing included."""
    uniform = found.draws["uniform"]  # (1 + D,)
    base = np.where(uniform > 0, uniform, np.nan)
    questions = found.shares["uniform"].n
    return Saved(
        spread_of(share / base / tokens, questions),
        spread_of(times.informative(base) / times.informative(share, seconds), questions),
    )
