"""The tables of a diagnosis."""

from __future__ import annotations

import pandas as pd

from repro.analysis.diagnose.advice import FASTER, TARGETS, WORTH, advice, named
from repro.analysis.diagnose.findings import Findings
from repro.analysis.diagnose.screen import WORDS
from repro.analysis.tables import Table, numbers
from repro.analysis.text import amount, number, percent, seconds, spread
from repro.diagnose.choice import METHODS
from repro.diagnose.savings import TIMING
from repro.words import plural


def arms(found: Findings) -> Table:
    """Which arms are worth running, and why."""
    lines = advice(found)
    return Table(
        "arms",
        "Which arms are worth running",
        ("arm", "advice", "why"),
        [
            (one.arm, f"**{WORDS[one.verdict]}**" if one.verdict == "run" else WORDS[one.verdict], one.why)
            for one in lines
        ],
        pd.DataFrame([{"arm": one.arm, "advice": one.verdict, "why": one.why} for one in lines]),
        "By the factor in tokens for as many informative groups as uniform sampling trains on, at the start of "
        f"training. Worth running: its interval lies above 1 and it is at least {WORTH:g}. Leave out: the interval "
        f"lies below 1. Replay: worth running where a step is {FASTER:g} times as fast even if each timing is off by "
        f"{100 * TIMING:g} %, undecided where that is within their noise. What a group teaches beyond "
        "having a signal is in none of this.",
        left=3,
    )


def signal(found: Findings) -> Table:
    """Groups without a signal under uniform sampling, by group size."""
    rows, data = [], []
    for size, share in found.silent.items():
        how = "counted" if size <= found.samples else f"beta model beyond {found.samples} samples"
        rows.append((str(size), percent(share), how))
        data.append({"group_size": size, **numbers("without_signal", share), "how": how})
    caption = f"Mean of p^G + (1 − p)^G over questions, from all subsets of {found.samples} samples: no bias."
    if found.model is not None:
        check = found.model
        caption += (
            f" Beyond them the share at {check.samples} times the ratio that a beta distribution of pass rates gives. "
            f"Carried in the same way from {check.samples // 2} to {check.samples} samples it gives "
            f"{number(100 * check.carried)} %, measured are {number(100 * check.measured)} %; of 200 pools drawn from "
            f"that distribution {number(100 * check.p, 0)} % fit it no better."
        )
    return Table(
        "signal",
        "Groups without a signal under uniform sampling",
        ("completions in a group", "without a signal", "how"),
        rows,
        pd.DataFrame(data),
        caption,
        left=1,
    )


def methods(found: Findings) -> Table:
    """Share of informative groups, saving and cost by method."""
    rows, data = [], []
    for name in METHODS:
        if name not in found.choices.shares:
            continue
        share, cost, one = found.choices.shares[name], found.costs[name], found.saved.get(name)
        rows.append(
            (
                named(name, found),
                percent(share),
                "" if one is None else spread(one.tokens, digits=2),
                "" if one is None else spread(one.seconds, digits=2),
                amount(cost.prefill),
                amount(cost.generated),
                seconds(cost.seconds),
            )
        )
        data.append({"method": name, **numbers("informative", share)})
        data[-1] |= numbers("tokens_factor", one and one.tokens) | numbers("seconds_factor", one and one.seconds)
        data[-1] |= {"prefill": cost.prefill, "generated": cost.generated, "seconds": cost.seconds}
    train, picks = found.measured.design.train, found.choices
    modelled = ""
    if train.group_size > picks.judging:
        modelled = f" Groups of {train.group_size} from the {picks.judging} samples that judge: by the beta model."
    return Table(
        "methods",
        "What each method would train on, and what choosing costs",
        (
            "method",
            "groups with a signal",
            "times fewer tokens",
            "times less time",
            "prefill tokens",
            "generated tokens",
            "seconds",
        ),
        rows,
        pd.DataFrame(data),
        f"The last three columns are of choosing alone, over {train.steps} steps of {train.questions_per_step} "
        f"questions x {train.group_size} completions, whose rollouts generate {amount(found.whole.generated)} tokens "
        f"in {seconds(found.whole.seconds)} s here. Factors include them. DOTS draws "
        f"{number(100 * found.measured.design.window(found.measured.pool))} % of the pool between two predictions, "
        f"from {found.measured.design.dots.references} references; its prediction and the measured pass rate correlate "
        f"at {spread(found.choices.predictor, digits=2)} by rank (interval over draws of references).{modelled}",
        emphasis=frozenset({0}),
    )


def limits(found: Findings) -> Table:
    """The most that selection and replay could save, and the seeds to see it."""
    power, times = found.power, found.times
    most = {"selection: every group informative, choosing free": found.bound}
    most |= {
        f"{named(name, found)}: every replayed group as good as new": one.most for name, one in found.replay.items()
    }
    rows = [(what, spread(one.tokens, digits=2), spread(one.seconds, digits=2)) for what, one in most.items()]
    data = [
        {"what": what, **numbers("tokens_factor", one.tokens), **numbers("seconds_factor", one.seconds)}
        for what, one in most.items()
    ]
    steps = "; ".join(
        f"{named(name, found)} {number(step.volume, 2)} of the rollouts and {number(step.step_time, 2)} of the time"
        for name, step in found.replay.items()
    )
    seen = ", ".join(f"{number(100 * one)} points with {seeds}" for seeds, one in power.seen.items())
    needed = ", ".join(
        f"{100 * one:g} points take {'more than 1,000 seeds' if count is None else plural(count, 'seed')}"
        for one, count in power.needed.items()
    )
    return Table(
        "limits",
        "The most that could be saved",
        ("what", "times fewer tokens", "times less time"),
        rows,
        pd.DataFrame(data),
        f"For as many informative groups as uniform sampling trains on. A group takes {seconds(times.rollout)} s of "
        f"rollouts and {seconds(times.update)} s of updates. A step beside one of GRPO, as DOTS + RR counts: {steps}. "
        f"Smallest differences that are seen with so many seeds: {seen} ({power.questions} held-out questions x "
        f"{power.samples} samples; if seeds differ by 2.5 points, since this policy has no runs yet); {needed}.",
    )


def tracking(found: Findings) -> Table:
    """Confidence against pass rate."""
    track = found.tracking
    target = found.measured.design.target
    others = [(TARGETS[name], spread(one, digits=2)) for name, one in found.other_targets.items()]
    rows = [
        (f"Spearman's rho of s and pass rate, s over {TARGETS[target]}", spread(track.rho, digits=2)),
        *((f"the same, s over {name}", told) for name, told in others),
        (f"the first, corrected for the noise of {found.samples} samples", spread(track.corrected, digits=2)),
        ("AUROC of UFO-RL's score for questions solved sometimes", spread(track.auroc, digits=2)),
        ("rho of s and the tokens of its target", spread(track.length, digits=2)),
        ("rho of s and pass rate at equal length", spread(track.beside_length, digits=2)),
        ("mean distance of s and pass rate, points", number(100 * track.error)),
        ("reliability of the measured pass rates", spread(track.reliability, digits=2)),
    ]
    keys = ("rho", "corrected", "auroc", "length", "beside_length")
    data = [{"what": key, "target": target, **numbers("value", getattr(track, key))} for key in keys]
    data += [{"what": "rho", "target": name, **numbers("value", one)} for name, one in found.other_targets.items()]
    caption = (
        f"s is the confidence in {TARGETS[target]} (`--target {target}`), by which the band chooses here; rows that "
        "name no other target are about it. Intervals over questions (bootstrap). The last row is the rank correlation "
        "of two such measurements."
    )
    return Table(
        "tracking", "Does confidence track the pass rate?", ("what", "value"), rows, pd.DataFrame(data), caption
    )
