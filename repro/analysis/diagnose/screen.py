"""A diagnosis as one screen of plain text, the answer first."""

from __future__ import annotations

from textwrap import wrap

from repro.analysis.diagnose.advice import TARGETS, Verdict, advice, headline, named
from repro.analysis.diagnose.findings import Findings
from repro.analysis.text import amount, number, percent, seconds, spread
from repro.diagnose.choice import METHODS

WORDS: dict[Verdict, str] = {
    "run": "worth running",
    "control": "control",
    "undecided": "undecided",
    "leave out": "leave out",
}


WIDTH = 120


def screen(found: Findings) -> str:
    """The text."""
    lines = [line for text in headline(found) for line in wrap(_plain(text), WIDTH)]
    lines += ["", "Arms"]
    lines += [f"  {WORDS[one.verdict]:15}{_plain(one.arm)}: {one.why}" for one in advice(found)]
    lines += ["", "Groups without a signal under uniform sampling"]
    lines += [f"  G = {size:<3} {percent(share)}{_model(found, size)}" for size, share in found.silent.items()]
    lines += ["", "What each method would train on at the start"]
    lines += [f"  {'':38}{'informative':>22}  {'fewer tokens':>22}  prefill, generated to choose"]
    for method in METHODS:
        if method in found.choices.shares:
            share, cost = found.choices.shares[method], found.costs[method]
            saved = spread(found.saved[method].tokens, digits=2) if method in found.saved else ""
            spent = f"{amount(cost.prefill)}, {amount(cost.generated)}" if cost.prefill else "nothing"
            lines.append(f"  {named(method, found):38}{percent(share):>22}  {saved:>22}  {spent}")
    track, power = found.tracking, found.power
    others = "".join(f" ({TARGETS[name]}: {spread(one, digits=2)})" for name, one in found.other_targets.items())
    lines += [
        f"  (the rollouts of {found.measured.design.train.steps} steps: {amount(found.whole.generated)} tokens, "
        f"{seconds(found.whole.seconds)} s; predictor: rank correlation {spread(found.choices.predictor, digits=2)})",
        "",
        f"Confidence in {TARGETS[found.measured.design.target]} and pass rate: Spearman "
        f"{spread(track.rho, digits=2)}{others}, corrected for the noise of {found.samples} "
        f"samples {spread(track.corrected, digits=2)};",
        f"  AUROC for 0 < p < 1 {spread(track.auroc, digits=2)}; s and length of the target "
        f"{spread(track.length, digits=2)}; s misses the pass rate by {number(100 * track.error)} points",
        "Seeds: "
        + ", ".join(f"{count} see {number(100 * one)} points" for count, one in power.seen.items())
        + f" (if seeds differ by 2.5 points; {power.questions} held-out questions x {power.samples} samples)",
        "",
        basis(found),
    ]
    return "\n".join(lines)


def basis(found: Findings) -> str:
    """What it rests on, in one line."""
    made = found.measured
    scored = f"{len(made.scored.indices):,} of {made.pool:,} questions scored in one pass"
    drawn = f"{len(made.drawn):,} drawn uniformly x {found.samples} completions"
    train = made.design.train
    return (
        f"{scored} ({seconds(made.scored.seconds)} s), {drawn} at temperature {train.temperature:g} "
        f"({seconds(made.drawn.seconds)} s), {len(made.in_band)} of the band; pass rate "
        f"{number(100 * float(made.drawn.rates.mean()))} %"
    )


def _model(found: Findings, size: int) -> str:
    if size <= found.samples:
        return ""
    check = found.model
    if check is None:
        return "  (rewards are not 0 or 1: not known beyond the samples)"
    return (
        f"  (beta model beyond {found.samples} samples; carried from {check.samples // 2} to {check.samples} it gives "
        f"{number(100 * check.carried)} %, measured {number(100 * check.measured)} %)"
    )


def _plain(text: str) -> str:
    return text.replace("**", "").replace("`", "")
