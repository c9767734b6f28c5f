"""Everything that a diagnosis concludes from what was measured, before any training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from repro.analysis.diagnose.confidence import Tracking, rho, tracking
from repro.analysis.power import Spread, seeds_needed, smallest_seen, typical
from repro.diagnose.choice import Choices, choices
from repro.diagnose.costs import Cost, Speed, rollouts, selection_costs, speed_of
from repro.diagnose.measured import Measured
from repro.diagnose.model import ModelCheck, check_model
from repro.diagnose.savings import ReplayStep, Saved, Times, bound, group_times, replay_steps, saved
from repro.diagnose.signal import resamples, share_of, silent_share
from repro.numbers import Interval
from repro.scoring.targets import Target

GROUPS = (4, 8, 16)
"""Group sizes that everybody asks about; that of the training is added."""

GAIN = 0.2
"""Accuracy that the baseline is taken to gain, where nobody says otherwise."""

QUESTIONS = 256
"""Held-out questions, where nobody says otherwise."""

SEEDS = (3, 5, 10)
DIFFERENCES = (0.02, 0.05)


@dataclass(frozen=True)
class Power:
    """What a study could see, at a cautious noise (`repro.analysis.power.typical`).

    `seen`: seeds -> the smallest difference of mean accuracy over training. `needed`: difference -> seeds, None for
    more than a thousand. `bound`: the difference that the bound of the saving makes if the baseline gains `gain` evenly
    and an arm f times as fast stops where the baseline does: gain / 2 (1 - 1 / f).
    """

    questions: int
    samples: int
    spread: Spread
    seen: Mapping[int, float]
    needed: Mapping[float, int | None]
    gain: float
    bound: float
    bound_seeds: int | None


@dataclass(frozen=True)
class Findings:
    """The answers; every share is of groups of `measured.design.train.group_size` completions unless it says which."""

    name: str
    measured: Measured
    silent: Mapping[int, Interval]  # group size -> share of groups without signal under uniform sampling
    model: ModelCheck | None  # of what carries `silent` beyond K
    tracking: Tracking
    other_targets: Mapping[Target, Interval]  # rho of the confidence over another target and the pass rate
    choices: Choices
    costs: Mapping[str, Cost]
    whole: Cost
    speed: Speed
    times: Times
    bound: Saved
    saved: Mapping[str, Saved]
    replay: Mapping[str, ReplayStep]
    power: Power

    @property
    def samples(self) -> int:
        """K."""
        return int(self.measured.drawn.rewards.shape[1])

    @property
    def group_size(self) -> int:
        """G of the training."""
        return self.measured.design.train.group_size

    def record(self) -> dict[str, Any]:
        """Everything as JSON: numbers that are not known are null."""
        made = self.measured
        whole = {
            "name": self.name,
            **made.said,
            "design": made.design.record(),
            "pool": made.pool,
            "scored": {"questions": len(made.scored.indices), "passes": 1, "seconds": made.scored.seconds},
            "sampled": {
                "questions": len(made.drawn),
                "samples": self.samples,
                "seconds": made.drawn.seconds,
                "pass_rate": float(made.drawn.rates.mean()),
                "in_band": len(made.in_band),
            },
            **{
                field.name: getattr(self, field.name)
                for field in dataclasses.fields(self)
                if field.name not in ("name", "measured")
            },
        }
        plain = dict(_plain(whole))
        del plain["choices"]["draws"]  # resamples, which anybody makes again from the seed
        return plain


def find(name: str, measured: Measured, seed: int, gain: float = GAIN) -> Findings:
    """Conclude; a function of what was measured and of `seed`, which draws the resamples."""
    design, drawn = measured.design, measured.drawn
    spread, count = design.train.min_spread, len(drawn)
    weights = resamples(np.random.default_rng([seed, 41]), count)
    sizes = sorted({*GROUPS, design.train.group_size})
    silent = {size: share_of(silent_share(drawn.rewards, size, weights, spread), count) for size in sizes}
    chosen = choices(design, measured.pool, drawn.rewards, measured.in_band.rewards, measured.embeddings, seed)
    place = measured.place(drawn.indices)
    times = group_times(design, speed_of(measured))
    most = bound(chosen, times)
    beyond = max(sizes) > drawn.rewards.shape[1]
    return Findings(
        name=name,
        measured=measured,
        silent=silent,
        model=check_model(drawn.rewards, np.random.default_rng([seed, 43])) if beyond else None,
        tracking=tracking(
            measured.scored.s[place],
            drawn.rewards,
            measured.scored.target_tokens[place],
            np.random.default_rng([seed, 47]),
        ),
        other_targets={
            target: rho(s, drawn.rewards, np.random.default_rng([seed, 53]))
            for target, s in measured.other_targets.items()
        },
        choices=chosen,
        costs=selection_costs(measured),
        whole=rollouts(measured),
        speed=speed_of(measured),
        times=times,
        bound=most,
        saved=saved(measured, chosen),
        replay=replay_steps(measured, chosen),
        power=_power(measured, most.tokens.value, gain),
    )


def _power(measured: Measured, most: float, gain: float) -> Power:
    evaluate = measured.design.evaluate
    questions = evaluate.questions or QUESTIONS
    spread = typical(questions, evaluate.samples)
    difference = gain / 2 * (1 - 1 / most) if math.isfinite(most) else gain / 2
    return Power(
        questions=questions,
        samples=evaluate.samples,
        spread=spread,
        seen={seeds: smallest_seen(spread, seeds) for seeds in SEEDS},
        needed={one: seeds_needed(spread, one) for one in DIFFERENCES},
        gain=gain,
        bound=difference,
        bound_seeds=seeds_needed(spread, difference) if difference > 0.001 else None,
    )


def _plain(value: Any) -> Any:
    """JSON has no NaN, no infinity and no keys but text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {f"{key:g}" if isinstance(key, float) else str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return None  # resamples
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value
