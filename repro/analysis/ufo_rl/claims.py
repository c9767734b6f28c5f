"""What of UFO-RL holds in these runs: each claim, the effect measured for it, and a verdict read off the interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from repro.analysis.arms import find, matching
from repro.analysis.claims import MARGIN, NOT_MEASURED, Claim, Published, claims_table, counted_apart, measured
from repro.analysis.effects import Effect, Values, difference, finals, zeros
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_number, published_table
from repro.analysis.tables import Table
from repro.analysis.text import number
from repro.analysis.ufo_rl.effects import at_budget, cheaper, steadier, time_saved, tracks
from repro.analysis.ufo_rl.strategies import fraction, headline, samples

TRACKS = 0.3
"""Least rank correlation that counts as tracking (a medium effect by Cohen's convention)."""

READABLE = (
    "What could be read of it: the abstract, captions, the authors' release and its README with two numbers each of "
    "Tables 4 and 5, and a summary by others, from which the numbers of Table 6 and the order of Table 5 are. A place "
    "without a number: the claim is made there."
)

_STABLE = Published("abstract", "more stable, the measure is not named")


# ---------------------------------------------------------------- claims


def claims(panels: Sequence[Measures]) -> tuple[Claim, ...]:
    """Every claim with what these runs say of it."""
    arms = headline(panels)
    full, random, ufo = arms.get("full"), arms.get("random"), arms.get("confidence middle")
    high, low = arms.get("confidence high"), arms.get("confidence low")
    middle, hardest = arms.get("pass_rate middle"), arms.get("pass_rate low")
    series = next((s for m in panels if (s := find(m, ufo)) is not None), None)
    size = fraction(series) if series is not None else None
    stop = matching(series)[0] if series is not None else "steps"

    def against(ours: str | None, others: Iterable[str | None], values: Values = finals) -> tuple[Effect, ...]:
        return measured(difference(panels, ours, other, values) for other in others if ours and other)

    def beside_random(measure: Callable[..., Effect | None], budget: str) -> tuple[tuple[Effect, ...], ...]:
        kinds = ("confidence middle", "random")
        own, control = (measured([measure(panels, name, budget, size)]) for name in kinds)
        return own, control if own else ()

    fewer = against(full, [ufo], zeros)

    def panels_of(label: str | None) -> int:
        return sum(find(measures, label) is not None for measures in panels)

    rivals = [arms[name] for name in arms if name not in ("full", "pass_rate low")]
    rivals = [label for label in rivals if panels_of(label) >= panels_of(hardest)]
    matched = [
        Claim(
            "matches_full" if budget == stop else f"matches_full_{budget}",
            f"UFO matches full data at equal {budget}",
            Published("abstract, Table 5", _match_published()) if budget == "epochs" else None,
            -MARGIN,
            *beside_random(at_budget, budget),
        )
        for budget in dict.fromkeys((stop, "epochs", "tokens"))
    ]
    hard = Published("arXiv 2508.14094", "best of its subsets")
    strategies, (counted, timed) = Published("Table 5"), cheaper(panels, ufo, middle)
    ends, tracking = _both(against(ufo, [high, low])), measured([tracks(panels, ufo)])
    saved = {budget: beside_random(time_saved, budget) for budget in ("epochs", "steps")}
    calmer = measured([steadier(panels, full, ufo)])
    return (
        *matched,
        Claim("beats_random", "UFO beats a random subset of its size", strategies, 0.0, against(ufo, [random])),
        Claim("middle_best", "the middle of the confidence beats both ends", strategies, 0.0, ends),
        Claim("matches_pass_rate", "one pass matches the pass-rate middle", None, -MARGIN, against(ufo, [middle])),
        Claim(
            "cheaper",
            f"one pass costs less than {_samples(panels, middle)}",
            _cheaper_published(),
            1.0,
            measured([counted]),
            measured([timed]),
        ),
        Claim("tracks_pass_rate", "confidence tracks the pass rate", Published("Table 2"), TRACKS, tracking),
        Claim("hardest_best", "the hardest questions are the best subset", hard, 0.0, against(hardest, rivals)),
        Claim("time_epochs", "UFO saves time at equal epochs", _time_published(), 1.0, *saved["epochs"]),
        Claim("time_steps", "UFO saves time at equal steps", None, 1.0, *saved["steps"]),
        Claim("fewer_zero", "UFO has fewer groups without gradient than full data", None, 0.0, fewer),
        Claim("steadier", "UFO varies less over seeds than full data", _STABLE, 1.0, calmer),
    )


def _match_published() -> str:
    """UFO - full data as published."""
    table = published_table("ufo_rl", "table_5").set_index("arm")["value"]
    gained = float(table["UFO 10%"]) - float(table["full data"])
    return f"{number(gained, 2, sign=True)} points (2 of 1,319 items)"


def _cheaper_published() -> Published:
    """The ratio of the published seconds of sampling to one pass, and the largest ratio claimed."""
    table = published_table("ufo_rl", "table_4")
    timed = table[table["metric"] == "scoring_seconds"]["value"]
    largest = table[table["metric"] != "scoring_seconds"]["value"].max()
    ratio = number(float(timed.max() / timed.min()), 0)
    return Published("abstract, Table 4", f"{ratio}×, up to {number(float(largest), 0)}×")


def _time_published() -> Published:
    """Full data ÷ UFO in seconds of training, and the largest ratio claimed."""
    most = published_number("ufo_rl", "abstract", "max_training_speedup")
    ratios = [
        float(part["value"].max() / part["value"].min())
        for _, part in published_table("ufo_rl", "table_6").groupby("model")
    ]
    least, largest = number(min(ratios), 1), number(max(ratios), 1)
    return Published("abstract, Table 6", f"up to {number(most, 0)}×; {least}× and {largest}×")


def _samples(panels: Sequence[Measures], label: str | None) -> str:
    """`8 samples a question`: what the arm of that label pays for."""
    series = next((s for m in panels if (s := find(m, label)) is not None), None)
    return f"{samples(series)} samples a question" if series is not None else "samples"


def _both(effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """A claim about two ends is not judged by one of them."""
    return effects if len(effects) == 2 else ()


def table(panels: Sequence[Measures]) -> list[Table | Picture]:
    """One row per claim."""
    notes = (
        f"'Matches' means at most {number(100 * MARGIN, 0)} points lower; 'tracks' means Spearman's rho of {TRACKS:g} "
        "or more (averaged as Fisher's z).",
        "Held-out questions are the same for all arms and taken as fixed. Times include scoring.",
        f"Published: the place in the paper and its numbers, for other policies and data. {READABLE}",
    )
    found = claims(panels)
    checked = [claim for claim in found if claim.verdict != NOT_MEASURED]
    caption = counted_apart(checked, "UFO-RL")
    return [claims_table("ufo_rl.claims", "UFO-RL: what holds here", found, caption, notes)]
