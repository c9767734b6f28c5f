"""The answer of a study of DOTS + RR in a few sentences: does selection save, does replay, do they add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.claims import Claim, counted, disagreeing, listed
from analysis.dots_rr.arms import DOTS, DOTS_RR, RR
from analysis.dots_rr.claims import KEYS, claims
from analysis.dots_rr.effects import AXES
from analysis.dots_rr.split import Split, split
from analysis.measures import Measures
from analysis.text import joined, plural

TOGETHER = {"holds": "They add up", "does not hold": "They do not add up", "undecided": "Whether they add up is open"}
LONG = 3
"""Claims that are told with their numbers; of more only the names."""


def answer(panels: Sequence[Measures]) -> tuple[str, ...]:
    """The verdict first; () where DOTS+RR, DOTS and RR were not compared with GRPO on any model and dataset."""
    found = {claim.key: claim for claim in claims(panels) if claim.verdict != "not run"}
    if not any(f"{key}_{axis}" in found for key in KEYS.values() for axis in AXES):
        return ()
    said = [f"**To reach GRPO's accuracy, {_verdict(found)}.**", *_amounts(found), *_step(found), *_ahead(found)]
    said += [*_shares(found, split(panels)), *_carries(found)]
    headline = {f"{key}_{axis}" for key in (*KEYS.values(), "lead") for axis in AXES}
    said += _others([claim for key, claim in found.items() if key not in headline | {"rr_cheaper", "rr_accuracy"}])
    apart = disagreeing([claim for key, claim in found.items() if key in ("effective", "rr_accuracy", "lead_tokens")])
    if apart:
        said.append(f"The tasks disagree: {apart}.")
    titles = {title for claim in found.values() for effect in claim.effects for title in effect.panels}
    seeds = sorted({len(series.runs) for measures in panels for series in measures.panel.series})
    runs = plural(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    pairs = plural(len(titles), "pair of model and dataset", "pairs of model and dataset")
    said.append(f"Of {plural(len(found), 'claim')} checked, {joined(counted(list(found.values())))}; {pairs}, {runs}.")
    return tuple(said)


def _verdict(found: Mapping[str, Claim]) -> str:
    """What each part saves, costs and leaves open, all three parts in one sentence."""
    out = []
    for part in (DOTS_RR, DOTS, RR):
        by_verdict: dict[str, list[str]] = {}
        for axis in AXES:
            claim = found.get(f"{KEYS[part]}_{axis}")
            if claim is not None:
                by_verdict.setdefault(claim.verdict, []).append(axis)
        name = {DOTS: "selection alone (DOTS)", RR: "replay alone (RR)"}.get(part, part)
        words = {"holds": "saves {}", "does not hold": "needs more {}", "undecided": "is undecided by {}"}
        told_of = [words[key].format(joined(by_verdict[key])) for key in words if key in by_verdict]
        out.append(f"{name} {joined(told_of) or 'did not run'}")
    return "; ".join(out)


def _amounts(found: Mapping[str, Claim]) -> list[str]:
    """How many times less each part needed on each axis, and what is published."""
    out = []
    for part in (DOTS_RR, DOTS, RR):
        told_of = [
            f"{claim.effects[0].text()} by {axis}"
            for axis in AXES
            if (claim := found.get(f"{KEYS[part]}_{axis}")) is not None
        ]
        if told_of:
            out.append(f"{part} {joined(told_of)}")
    total = found.get("dots_rr_seconds")
    published = f"; published for DOTS+RR in time: {total.published}" if total else ""
    return [f"GRPO's need ÷ theirs: {'; '.join(out)}{published}."] if out else []


def _step(found: Mapping[str, Claim]) -> list[str]:
    """What replay does to a step, and to accuracy."""
    cheaper, cost = found.get("rr_cheaper"), found.get("rr_accuracy")
    if cheaper is None or cost is None:
        return []
    price = {"holds": "cheaper", "does not hold": "dearer, not cheaper,"}.get(
        cheaper.verdict, "neither clearly cheaper"
    )
    if cheaper.verdict == "undecided":
        price += " nor dearer"
    loss = {"holds": "costs no accuracy", "does not hold": "costs accuracy"}.get(cost.verdict, "may cost accuracy")
    step = f"RR alone makes a step {price} (GRPO's time ÷ its own {cheaper.effects[0].text()})"
    return [f"{step} and {loss} at equal steps ({cost.effects[0].text()} against GRPO)."]


def _ahead(found: Mapping[str, Claim]) -> list[str]:
    """Mean accuracy over training against GRPO; an arm that is not ahead is named, whichever it is."""
    ahead: list[str] = []
    behind: list[str] = []
    names = (DOTS_RR, DOTS, RR)
    for axis in ("steps", "tokens"):
        claim = found.get(f"lead_{axis}")
        if claim is None:
            continue
        for part, effect in zip(names, (*claim.effects, *claim.beside[:2]), strict=False):
            side = effect.pooled.clear_of(claim.bar)
            text = f"{part} at equal {axis} ({effect.text()})"
            if side > 0:
                ahead.append(text)
            else:
                behind.append(f"{text[:-1]}{', clearly below' if side < 0 else ''})")
    said = []
    if ahead:
        said.append(f"Ahead of GRPO in mean accuracy over training: {joined(ahead)}.")
    if behind:
        said.append(f"Not ahead of GRPO: {joined(behind)}.")
    return said


def _shares(found: Mapping[str, Claim], splits: Sequence[Split]) -> list[str]:
    """Whether the two add up, and what each contributes."""
    said = []
    claim = found.get("add_up")
    if claim is not None:
        beyond = [f"{effect.text()} by {axis}" for effect, axis in zip(claim.effects, AXES, strict=True)]
        said.append(f"{TOGETHER[claim.verdict]}: in mean accuracy, both against the sum of each, {joined(beyond)}.")
    by_kind = {kind: [one for one in splits if one.kind == kind] for kind in ("target", "accuracy")}
    everywhere = max((len(one.effects["whole"].panels) for one in splits), default=0)
    reached = [one for one in by_kind["target"] if len(one.effects["whole"].panels) == everywhere]
    # Where DOTS or DOTS+RR sometimes never got there, times would speak of the other places alone.
    told_of = [
        f"{one.axis} {one.effects['selection'].text()} from selection and {one.effects['replay'].text()} from replay "
        f"make {one.effects['whole'].text()}"
        for one in (by_kind["target"] if len(reached) == len(AXES) else by_kind["accuracy"])
    ]
    lead = "Of what DOTS+RR needs less" if len(reached) == len(AXES) else "Of its lead in mean accuracy over training"
    return [*said, f"{lead}, by {'; by '.join(told_of)}."] if told_of else said


def _carries(found: Mapping[str, Claim]) -> list[str]:
    """On how many models and datasets the saving of DOTS+RR is clear by itself, and on which it is not."""
    told_of = []
    for axis in AXES:
        claim = found.get(f"dots_rr_{axis}")
        if claim is None:
            continue
        clear, shared = claim.places
        if not shared:
            continue
        against = [title for title in shared if claim.effects[0].panels[title].clear_of(claim.bar) < 0]
        more = f" (clearly the other way on {joined(against)})" if against else ""
        told_of.append(f"{axis} on {len(clear)} of {len(shared)}{more}")
    return [f"Taken one by one, models and data show DOTS+RR's saving in {'; in '.join(told_of)}."] if told_of else []


def _others(found: Sequence[Claim]) -> list[str]:
    """The claims that no sentence before names."""
    said = []
    for name, lead in (
        ("holds", "Beside that holds"),
        ("does not hold", "What does not hold"),
        ("undecided", "Left open"),
    ):
        claimed = [claim for claim in found if claim.verdict == name and claim.key != "add_up"]
        if claimed:
            full = len(claimed) <= LONG or name == "does not hold"
            said.append(f"{lead}: {listed(claimed) if full else '; '.join(_merged([c.short for c in claimed]))}.")
    return said


def _merged(shorts: Sequence[str]) -> list[str]:
    """`x at equal steps`, `x at equal tokens` -> `x at equal steps and tokens`."""
    axes: dict[str, list[str]] = {}
    for short in shorts:
        stem, _, axis = short.partition(" at equal ")
        axes.setdefault(stem, []).append(axis)
    return [f"{stem} at equal {joined(found)}" if any(found) else stem for stem, found in axes.items()]
