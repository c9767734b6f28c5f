"""What of UFO-RL holds in these runs: each claim, the effect measured for it, and a verdict read off the interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from analysis.arms import find, matching
from analysis.claims import (
    MARGIN,
    VERDICTS,
    Claim,
    Published,
    claims_table,
    counted_apart,
    disagreeing,
    listed,
    measured,
)
from analysis.comparable import NOT_COMPARABLE
from analysis.effects import Effect, Values, difference, finals, zeros
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_number, published_table
from analysis.tables import Table
from analysis.text import number, plural
from analysis.ufo_rl.effects import at_budget, cheaper, steadier, time_saved, tracks
from analysis.ufo_rl.strategies import fraction, headline, samples

TRACKS = 0.3
"""Least rank correlation that counts as tracking (a medium effect by Cohen's convention)."""

READABLE = (
    "What could be read of it: the abstract, captions, the authors' release and its README with two numbers each of "
    "Tables 4 and 5, and a summary by others, from which the numbers of Table 6 and the order of Table 5 are. A place "
    "without a number: the claim is made there, its number could not be read."
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
    strategies, one_pass = Published("Table 5"), measured([cheaper(panels, ufo, middle)])
    ends, tracking = _both(against(ufo, [high, low])), measured([tracks(panels, ufo)])
    saved = {budget: beside_random(time_saved, budget) for budget in ("epochs", "steps")}
    calmer = measured([steadier(panels, full, ufo)])
    return (
        *matched,
        Claim("beats_random", "UFO beats a random subset of its size", strategies, 0.0, against(ufo, [random])),
        Claim("middle_best", "the middle of the confidence beats both ends", strategies, 0.0, ends),
        Claim("matches_pass_rate", "one pass matches the pass-rate middle", None, -MARGIN, against(ufo, [middle])),
        Claim("cheaper", f"one pass costs less than {_samples(panels, middle)}", _cheaper_published(), 1.0, one_pass),
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
    caption = (
        "A claim holds where the 95 % interval of each of its effects lies above the bar, does not hold where one lies "
        "below it, and is undecided otherwise. 'Matches' means at most "
        f"{number(100 * MARGIN, 0)} points lower; 'tracks' means Spearman's rho of {TRACKS:g} or more (averaged as "
        "Fisher's z). Differences and ratios are paired by seed and averaged inside each model and dataset. Over three "
        "of these or more the interval is a t-interval over their means, so that it speaks of other models and data "
        "too; over fewer, and by dataset, they are fixed and only seeds vary (Welch and Satterthwaite; rho: over the "
        "models), so a dataset can be clear where the whole is not. Held-out questions are the same for all arms and "
        "taken as fixed. Times include scoring. In favour: models and datasets whose own interval lies above the bar. "
        "Claims are judged one by one, with no correction for their number. Published: the place in the paper and its "
        f"numbers, for other policies and data. {READABLE}"
    )
    return [claims_table("ufo_rl.claims", "UFO-RL: what holds here", claims(panels), caption)]


# ---------------------------------------------------------------- in words


def answer(panels: Sequence[Measures]) -> tuple[str, ...]:
    """The study's answer in a few sentences, the first of which is the verdict; () where no claim could be checked."""
    found = [claim for claim in claims(panels) if claim.verdict != "not run"]
    if not found:
        return ()
    groups = {name: [claim for claim in found if claim.verdict == name] for name in VERDICTS}
    titles = {title for claim in found for effect in claim.effects for title in effect.panels}
    said = [f"**{counted_apart(found, 'UFO-RL')}**"]
    if groups["holds"]:
        said.append(f"What holds: {listed(groups['holds'])}.")
    if groups["does not hold"]:
        said.append(f"What does not hold: {listed(groups['does not hold'])}.")
    if groups["undecided"]:
        said.append(f"Left open by their intervals: {listed(groups['undecided'])}.")
    if groups[NOT_COMPARABLE]:
        said.append(f"Not comparable: {listed(groups[NOT_COMPARABLE])}.")
    apart = disagreeing(found)
    if apart:
        said.append(f"The tasks disagree: {apart}.")
    said += _control({claim.key: claim for claim in found})
    seeds = sorted({len(series.runs) for measures in panels for series in measures.panel.series})
    runs = plural(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    said.append(
        f"This is over {plural(len(titles), 'pair of model and dataset', 'pairs of model and dataset')}, {runs} each."
    )
    return tuple(said)


def _control(found: Mapping[str, Claim]) -> list[str]:
    """Whether a random subset explains what UFO shows."""
    said = []
    matches, random = found.get("matches_full"), found.get("beats_random")
    if matches is not None and matches.beside:
        control = matches.beside[0]
        text = f"A random subset of the same size ended at {control.text()} against full data"
        if matches.verdict == "holds" and control.pooled.clear_of(matches.bar) > 0 and random is not None:
            text += (
                ", so it matches as well, and UFO adds to it"
                if random.verdict == "holds"
                else ", so a match with full data says nothing for the score"
            )
        said.append(f"{text}.")
    time, ended = found.get("time_epochs"), found.get("matches_full_epochs")
    if time is not None and time.beside:
        arms = {"UFO": time.effects[0], "a random subset": time.beside[0]}
        said_of = [f"{name} took {effect.text()} less time" for name, effect in arms.items()]
        if ended is not None and ended.beside:
            finals_of = (ended.effects[0], ended.beside[0])
            said_of = [
                f"{text} and ended at {e.text()} against full data" for text, e in zip(said_of, finals_of, strict=True)
            ]
        said.append(f"At equal epochs {', '.join(said_of)}.")
    return said
