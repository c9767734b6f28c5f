"""Everything that a diagnosis measures, within its time: scores, samples, embeddings, speeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from repro.diagnose.design import Design
from repro.diagnose.sampling import LEAST, Asking, Completes, Sampled, order_of, samples_for
from repro.diagnose.scoring import Scored, score_pool
from repro.diagnose.updates import UpdateSpeed, update_speed
from repro.errors import UserError
from repro.scoring.keys import Asked
from repro.scoring.scorer import Opened, Scorer
from repro.scoring.targets import Target
from repro.selection.bands import Band, CalibratedBand, band_center, band_indices, calibrated_center
from repro.selection.pool import new_generator
from repro.selection.ties import tie_places
from repro.tasks.problem import Problem

SCORING, UNIFORM, BAND = 0.2, 0.55, 0.15
"""Shares of the time. What is left loads the policy, embeds the questions and measures the updates."""

OTHER_TARGETS = 0.03
"""Share of the time up to which another target of the confidence is scored too."""

IN_BAND = 0.25
"""As many questions of UFO-RL's band are sampled, over those that are drawn uniformly at most, where time allows."""

FEWEST = 16
"""Questions of a pool below which nothing can be said."""


@dataclass(frozen=True)
class Limits:
    """`seconds` of the whole; `questions` drawn uniformly at most; `samples` of each, None for as the time allows."""

    seconds: float
    questions: int
    samples: int | None = None


@dataclass(frozen=True)
class Measured:
    """What was measured of one policy on one pool.

    `drawn` is a uniform sample of the scored questions, `in_band` one of those that UFO-RL's band keeps; questions may
    be in both. `kept` (M,) says which scored questions the band keeps.
    """

    design: Design
    pool: int
    scored: Scored
    kept: np.ndarray
    drawn: Sampled
    in_band: Sampled
    embeddings: np.ndarray  # (n, width) of the drawn questions
    updates: UpdateSpeed
    other_targets: Mapping[Target, np.ndarray] = field(default_factory=dict)
    """s (n,) of the drawn questions over what else one pass can score, where that is cheap."""
    said: Mapping[str, Any] = field(default_factory=dict)  # policy, questions, machine: for the record

    def place(self, indices: np.ndarray) -> np.ndarray:
        """Rows of the scores that belong to these questions of the pool."""
        return np.searchsorted(self.scored.indices, indices)


@dataclass(frozen=True)
class Tools:
    """What measures: `asked` names scores of questions of the pool over a target, `embedded` their embeddings."""

    scorer: Scorer
    asked: Callable[[Sequence[int], Target], Asked]
    embedded: Callable[[Sequence[int]], Asked]
    opened: Callable[[], Opened]
    sampler: Callable[[], Completes]
    say: Callable[[str], None]


def measure(
    design: Design,
    problems: Sequence[Problem],
    tools: Tools,
    fields: Mapping[str, Any],
    limits: Limits,
    seed: int,
    said: Mapping[str, Any],
) -> Measured:
    """Measure, or take from the cache what has been measured. UserError for a pool of fewer than `FEWEST` questions.

    `fields` decide the completions (see `Asking`).
    """
    if len(problems) < FEWEST:
        raise UserError(f"--dataset: it has {len(problems)} questions, expected at least {FEWEST} to say anything")
    order = order_of(len(problems), seed)
    scored = score_pool(
        tools.scorer, lambda rows: tools.asked(rows, design.target), tools.opened, order, SCORING * limits.seconds
    )
    asking = Asking(tools.scorer.cache, problems, fields, tools.sampler, tools.say)
    known = order[np.isin(order, scored.indices)]
    pace = asking.pace(known.tolist())
    samples = limits.samples or samples_for(pace, UNIFORM * limits.seconds)
    drawn = asking.sample(known.tolist(), samples, pace, UNIFORM * limits.seconds, limits.questions, LEAST)
    kept = np.zeros(len(scored.indices), dtype=bool)
    places = tie_places([problems[i].id for i in scored.indices], new_generator(seed, "ties"))
    kept[band_indices(scored.s, design.band, design.fraction, places, _center(design.band, scored, drawn))] = True
    inside = known[np.isin(known, scored.indices[kept])]  # in a random order, those that were drawn first
    already = np.isin(inside, drawn.indices)
    wanted = max(0, round(IN_BAND * limits.questions) - int(already.sum()))
    left = inside[~already].tolist()
    more = asking.sample(left, samples, pace, BAND * limits.seconds, wanted, 0)
    in_band = _both(drawn, np.isin(drawn.indices, inside), more)
    rows = np.sort(drawn.indices)
    vectors = tools.scorer.stored(tools.embedded(rows.tolist()), tools.opened).columns["embedding"]
    updates = update_speed(
        tools.scorer.cache,
        {"policy": fields["policy"]},
        lambda: tools.opened().model,
        max(1, round(float(drawn.prompts.mean()))),
        max(1, round(float(drawn.tokens.mean()))),
    )
    return Measured(
        design=design,
        pool=len(problems),
        scored=scored,
        kept=kept,
        drawn=drawn,
        in_band=in_band,
        embeddings=vectors[np.searchsorted(rows, drawn.indices)],
        updates=updates,
        other_targets=_other_targets(design, problems, tools, drawn.indices, scored, limits),
        said=said,
    )


def _other_targets(
    design: Design, problems: Sequence[Problem], tools: Tools, drawn: np.ndarray, scored: Scored, limits: Limits
) -> Mapping[Target, np.ndarray]:
    """s of the drawn questions (n,) over the gold answer and the worked solution, whichever is not the target itself.

    A pass over these questions alone, where all have what it needs and it takes a small part of the time. Of a solution
    it is taken to cost three times as much as of an answer.
    """
    pass_seconds = 3 * scored.seconds * len(drawn) / len(scored.indices)
    if pass_seconds > OTHER_TARGETS * limits.seconds:
        return {}
    rows = np.sort(drawn)
    texts: dict[Target, list[str]] = {
        "final_answer": [problems[i].answer for i in rows],
        "solution": [problems[i].solution for i in rows],
    }
    found: dict[Target, np.ndarray] = {}
    for target, needed in texts.items():
        if target != design.target and all(text.strip() for text in needed):
            stored = tools.scorer.stored(tools.asked(rows.tolist(), target), tools.opened)
            found[target] = np.exp(stored.columns["confidence"])[np.searchsorted(rows, drawn)]
    return found


def _center(band: Band, scored: Scored, drawn: Sampled) -> float | None:
    """The centre of a calibrated band, from as many of the drawn questions as it asks for; None for other bands."""
    if not isinstance(band, CalibratedBand):
        return band_center(scored.s, band)
    rows, rates = drawn.indices[: band.questions], drawn.rewards[: band.questions].mean(axis=1)
    return calibrated_center(scored.s[np.searchsorted(scored.indices, rows)], rates, band.pass_rate)


def _both(drawn: Sampled, inside: np.ndarray, more: Sampled) -> Sampled:
    """The drawn questions that are `inside` the band, and further ones of it."""
    return Sampled(
        np.concatenate([drawn.indices[inside], more.indices]),
        np.concatenate([drawn.rewards[inside], more.rewards]),
        np.concatenate([drawn.tokens[inside], more.tokens]),
        np.concatenate([drawn.prompts[inside], more.prompts]),
        more.seconds,
    )
