"""Which arms are worth running, and why, in plain sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from repro.analysis.diagnose.findings import Findings
from repro.analysis.text import brackets, joined, number, percent, spread
from repro.numbers import Interval
from repro.scoring.targets import Target
from repro.words import plural

Verdict = Literal["run", "control", "undecided", "leave out"]

LITTLE = 1.25
"""A bound of the saving below this is little: no study of a usual size would see it."""

WORTH = 1.05
"""A selection is worth running that needs at least so many times fewer tokens, beyond the noise."""

FASTER = 1.1
"""Replay is worth running where a step is at least so many times as fast, even if the timings are off."""

SIGNAL = 0.1
"""With fewer informative groups than this, a buffer of them hardly fills: replay is not advised."""

NOTHING = 0.02
"""Below this share of informative groups nothing trains."""

NAMES = {
    "uniform": "uniform",
    "random": "random {share}",
    "ufo": "UFO band, {share}",
    "hardest": "hardest {share}",
    "dots": "DOTS, predictor as measured",
    "dots_perfect": "DOTS, predictor without error",
    "oracle": "pass rate near one half, {share}",
    "replay": "replay on uniform questions",
    "dots_rr": "DOTS with replay",
}
"""What tables and figures call a method."""

TARGETS: dict[Target, str] = {
    "final_answer": "the gold answer",
    "solution": "the worked solution",
    "greedy_response": "the policy's greedy response",
}
"""What pages call the tokens whose probability a confidence is."""


ARMS = {
    "full": "`full`",
    "random": "`random`",
    "ufo": "`ufo`",
    "hardest": "`hardest`",
    "oracle": "`pass_rate` near one half",
    "dots": "`dots`",
    "replay": "`full` with replay",
    "dots_rr": "`dots_rr`",
}
"""Arms that can be run, in the order in which they are told."""

SUBSETS = ("ufo", "hardest", "oracle")


@dataclass(frozen=True)
class Advice:
    """What to do with an arm: its name among `ARMS`, what is advised, and why."""

    name: str
    verdict: Verdict
    why: str

    @property
    def arm(self) -> str:
        """The arm as people read it."""
        return ARMS[self.name]


def named(method: str, found: Findings) -> str:
    """The name of a method, with the share of the pool that it keeps."""
    return NAMES[method].format(share=f"{100 * found.measured.design.subset:g} %")


def headline(found: Findings) -> tuple[str, ...]:
    """Whether it is worth it here, in three sentences."""
    share, most = found.choices.shares["uniform"], found.bound
    groups = f"Under uniform sampling {percent(share)} of groups of {found.group_size} have a signal"
    if nothing_trains(share):
        return (
            f"**Not yet: hardly any group trains.** {groups}.",
            "No selection finds what is not there. Make the start policy solve some questions first: examples in the "
            "prompt, a warm start, easier questions or longer completions.",
        )
    limit = (
        f"the most that any selection could save is {number(most.tokens.value, 2)} times fewer tokens "
        f"{brackets(most.tokens, digits=2)}, {number(most.seconds.value, 2)} times less time "
        f"{brackets(most.seconds, digits=2)}"
    )
    good = [one.arm for one in advice(found) if one.verdict == "run"]
    if most.tokens.high < LITTLE:
        first = "**Hardly: there is little to save.**"
    elif good:
        first = f"**Yes, a study is worth it: {joined(good)}.**"
    else:
        first = "**Not clearly: nothing here beats uniform sampling beyond doubt.**"
    return f"{first} {groups}; {limit}.", _seeds(found)


def advice(found: Findings) -> tuple[Advice, ...]:
    """A line for every arm that could be run: what is compared against first, then the best advised."""
    lines = [Advice("full", "control", "what everything is compared with")]
    if nothing_trains(found.choices.shares["uniform"]):
        return tuple(lines)
    judged = [_selection(name, found) for name in ARMS if name in found.saved and name != "random"]
    judged += [_replay(name, found) for name in ARMS if name in found.replay]
    if any(one.name in SUBSETS and one.verdict != "leave out" for one in judged):
        why = "what any fixed subset of that size does, whichever questions are in it"
        lines.append(Advice("random", "control", why))
    order: tuple[Verdict, ...] = ("run", "undecided", "leave out")
    return (*lines, *sorted(judged, key=lambda one: order.index(one.verdict)))


def nothing_trains(share: Interval) -> bool:
    """Whether so few groups are informative that nothing can be chosen."""
    return math.isnan(share.value) or share.high < NOTHING or share.value == 0


def _selection(name: str, found: Findings) -> Advice:
    """By what it saves in tokens, with what it spends on choosing."""
    tokens = found.saved[name].tokens
    side = tokens.clear_of(1.0)
    verdict: Verdict = "leave out" if side < 0 else "run" if side > 0 and tokens.value >= WORTH else "undecided"
    spent = found.costs[name].generated / found.whole.generated
    choosing = f", for {number(100 * spent, 0)} % more tokens to choose" if spent >= 0.005 else ""
    why = (
        f"{number(100 * found.choices.shares[name].value, 0)} % of its groups have a signal{choosing}: "
        f"{spread(tokens, digits=2)} times fewer tokens"
    )
    return Advice(name, verdict, why)


def _replay(name: str, found: Findings) -> Advice:
    """By a step's time as DOTS + RR counts it, if its timings are off. What a stale group teaches is not known before
    training."""
    step = found.replay[name]
    filled, sure = found.choices.shares["uniform"].low >= SIGNAL, 1 / step.most_time >= FASTER
    verdict: Verdict = "leave out" if step.volume >= 1 else "run" if sure and filled else "undecided"
    within = not sure and step.volume < 1 and 1 / step.least_time >= FASTER
    noise = f", {number(100 * step.least_time, 0)} to {number(100 * step.most_time, 0)} % within the noise of timings"
    rare = "" if filled else f"; there may be under {100 * SIGNAL:g} % informative groups to fill the buffer with"
    why = (
        f"a step rolls out {number(100 * step.volume, 0)} % of the completions in {number(100 * step.step_time, 0)} % "
        f"of the time{noise if within else ''}; what replayed groups teach is not known before training{rare}"
    )
    return Advice(name, verdict, why)


def _seeds(found: Findings) -> str:
    power = found.power
    seen = f"{number(100 * power.seen[3])} points with 3 seeds"
    if power.bound <= 0.001:
        return f"A study sees a difference of {seen}; there is nothing to see."
    needed = "more than 1,000 seeds" if power.bound_seeds is None else plural(power.bound_seeds, "seed")
    return (
        f"If the baseline gains {number(100 * power.gain, 0)} points, even that makes a difference of "
        f"{number(100 * power.bound)} points in mean accuracy over training: to see it takes {needed}. A study sees "
        f"{seen}."
    )
