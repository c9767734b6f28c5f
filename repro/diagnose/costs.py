"""What each selection costs in tokens and seconds, from what was measured, for the training that is planned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from repro.diagnose.choice import METHODS
from repro.diagnose.measured import Measured
from repro.selection.bands import CalibratedBand
from repro.selection.methods.pass_rate import PassRate


@dataclass(frozen=True)
class Cost:
    """Of a whole run: tokens that are passed, tokens that are generated, seconds of both here."""

    prefill: float
    generated: float
    seconds: float


@dataclass(frozen=True)
class Speed:
    """Measured here. Tokens per second are of the whole process: `generated` counts completion tokens alone, `scored`
    prompt and target tokens of the scoring pass, `trained` prompt and completion tokens of updates."""

    generated: float
    scored: float
    trained: float
    optimizer: float
    """Seconds of an optimizer step."""
    completion: float
    """Mean tokens of a completion."""
    prompt: float


def speed_of(measured: Measured) -> Speed:
    """The speeds and lengths that everything is reckoned with."""
    drawn, scored = measured.drawn, measured.scored
    return Speed(
        generated=float(drawn.tokens.sum()) / max(drawn.seconds, 1e-9),
        scored=(scored.tokens + scored.generated) / max(scored.seconds, 1e-9),
        trained=measured.updates.tokens_per_second,
        optimizer=measured.updates.optimizer_seconds,
        completion=float(drawn.tokens.mean()),
        prompt=float(drawn.prompts.mean()),
    )


def rollouts(measured: Measured) -> Cost:
    """The rollouts of a run that trains on all questions."""
    train = measured.design.train
    return _sampled(speed_of(measured), train.steps * train.questions_per_step * train.group_size)


def selection_costs(measured: Measured) -> Mapping[str, Cost]:
    """What choosing costs, by method of `METHODS`, over a whole run of `train.steps`.

    For `ufo` one pass over the pool, and the samples of a calibrated band; `PassRate`'s samples of every question for
    `hardest` and `oracle`; references at every refresh and one embedding of the pool for `dots`; a predictor without
    error costs the same.
    """
    design, speed, pool = measured.design, speed_of(measured), measured.pool
    scored = measured.scored
    share = pool / len(scored.indices)
    passed, greedy = scored.tokens * share, scored.generated * share
    samples = PassRate(method="pass_rate").samples
    refreshes = math.ceil(design.train.steps / design.dots.every)
    probes = _sampled(speed, refreshes * design.dots.references * design.reference_samples)
    embedded = speed.prompt * pool  # about: the bare question, without the prompt around it
    dots = Cost(probes.prefill + embedded, probes.generated, probes.seconds + embedded / speed.scored)
    rates = _sampled(speed, pool * samples)
    band = design.band
    labels = _sampled(speed, band.questions * band.samples if isinstance(band, CalibratedBand) else 0)
    found = {
        "ufo": Cost(passed + labels.prefill, greedy + labels.generated, scored.seconds * share + labels.seconds),
        "hardest": rates,
        "oracle": rates,
        "dots": dots,
        "dots_perfect": dots,
    }
    return {name: found.get(name, Cost(0.0, 0.0, 0.0)) for name in METHODS}


def _sampled(speed: Speed, completions: float) -> Cost:
    tokens = completions * speed.completion
    return Cost(completions * speed.prompt, tokens, tokens / speed.generated)
