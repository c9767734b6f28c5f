"""The answer of a study of DOTS + RR in a few sentences: what it saves, what selection alone, what replay changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.claims import Claim, counted_apart, disagreeing, listed
from analysis.comparable import NOT_COMPARABLE
from analysis.dots_rr.arms import DOTS, DOTS_RR, RR
from analysis.dots_rr.claims import KEYS, claims
from analysis.dots_rr.effects import AXES
from analysis.dots_rr.split import Split, split
from analysis.measures import Measures
from analysis.text import joined, plural

TOGETHER = {
    "holds": "They add up",
    "does not hold": "They do not add up",
    "undecided": "Whether they add up is open",
    NOT_COMPARABLE: "Whether they add up cannot be compared",
}
LONG = 3
"""Claims that are told with their numbers; of more only the names."""

TOLD = (
    *(f"{key}_{axis}" for key in (*KEYS.values(), "lead") for axis in AXES),
    *("step_cheaper", "replay_accuracy", "replay_time", "rr_time", "rr_accuracy", "add_up"),
)
"""Claims that have sentences of their own."""

APART = ("effective", "replay_accuracy", "rr_accuracy", "lead_tokens")
"""Claims of which it is told where datasets disagree."""


def answer(panels: Sequence[Measures]) -> tuple[str, ...]:
    """The verdict first; () where DOTS+RR, DOTS and RR were not compared with GRPO on any model and dataset."""
    found = {claim.key: claim for claim in claims(panels) if claim.verdict != "not run"}
    if not any(f"{key}_{axis}" in found for key in KEYS.values() for axis in AXES):
        return ()
    said = [f"**{_verdict(found)}**", *_amounts(found), *_on_top(found), *_ahead(found)]
    said += [*_shares(found, split(panels)), *_carries(found), *_replay_alone(found)]
    said += _others([claim for key, claim in found.items() if key not in TOLD])
    apart = disagreeing([claim for key, claim in found.items() if key in APART])
    if apart:
        said.append(f"The tasks disagree: {apart}.")
    titles = {title for claim in found.values() for effect in claim.effects for title in effect.panels}
    seeds = sorted({len(series.runs) for measures in panels for series in measures.panel.series})
    runs = plural(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    pairs = plural(len(titles), "pair of model and dataset", "pairs of model and dataset")
    said.append(f"{counted_apart(list(found.values()), 'DOTS + RR')} This is over {pairs}, {runs}.")
    return tuple(said)


def _verdict(found: Mapping[str, Claim]) -> str:
    """What the paper claims: DOTS+RR and DOTS against GRPO, and replay on top of DOTS."""
    told_of = [f"DOTS+RR {_saves(found, DOTS_RR)}", f"selection alone (DOTS) {_saves(found, DOTS)}"]
    return f"To reach GRPO's accuracy, {'; '.join(told_of)}. Replay on top of DOTS {_changes(found, 'replay')}."


def _saves(found: Mapping[str, Claim], part: str) -> str:
    """`saves tokens and is undecided by steps`: what one part needs of each axis on the way to GRPO's accuracy."""
    by_verdict: dict[str, list[str]] = {}
    for axis in AXES:
        claim = found.get(f"{KEYS[part]}_{axis}")
        if claim is not None:
            by_verdict.setdefault(claim.verdict, []).append(axis)
    words = {"holds": "saves {}", "does not hold": "needs more {}", "undecided": "is undecided by {}"}
    words[NOT_COMPARABLE] = f"is {NOT_COMPARABLE} by {{}}"
    return joined([words[key].format(joined(by_verdict[key])) for key in words if key in by_verdict]) or "did not run"


def _changes(found: Mapping[str, Claim], key: str) -> str:
    """`saves time per step and keeps accuracy`: of replay on top of DOTS, or alone."""
    time, accuracy = found.get(f"{key}_time"), found.get(f"{key}_accuracy")
    if time is None or accuracy is None:
        return "did not run"
    spent = {"holds": "saves time per step", "does not hold": "takes more time per step"}
    cost = {"holds": "keeps accuracy", "does not hold": "costs accuracy"}
    said = spent.get(time.verdict, "may or may not save time per step")
    return f"{said} and {cost.get(accuracy.verdict, 'may cost accuracy')}"


def _amounts(found: Mapping[str, Claim]) -> list[str]:
    """How many times less each part needed on each axis, and what is published."""
    out = []
    for part in (DOTS_RR, DOTS):
        told_of = []
        for axis in AXES:
            claim = found.get(f"{KEYS[part]}_{axis}")
            if claim is not None:
                published = f" (published {claim.published.said})" if claim.published else ""
                told_of.append(f"{claim.effects[0].text()} by {axis}{published}")
        if told_of:
            out.append(f"{part} {joined(told_of)}")
    return [f"GRPO's need ÷ theirs: {'; '.join(out)}."] if out else []


def _on_top(found: Mapping[str, Claim]) -> list[str]:
    """What replay changes where DOTS chooses, beside what is published of it."""
    time, accuracy = found.get("replay_time"), found.get("replay_accuracy")
    if time is None or accuracy is None:
        return []
    assert time.published is not None and accuracy.published is not None
    ended, whole = accuracy.effects
    spent = [f"DOTS's ÷ DOTS+RR's {time.effects[0].text()} (published {time.published.said})"]
    step = found.get("step_cheaper")
    if step is not None and step.published is not None:
        spent.append(f"GRPO's ÷ DOTS+RR's {step.effects[0].text()} (published {step.published.said})")
    return [
        f"At equal steps replay on top of DOTS changes accuracy by {ended.text()} at the end and {whole.text()} over "
        f"training (published {accuracy.published.said}). Time per step: {'; '.join(spent)}."
    ]


def _replay_alone(found: Mapping[str, Claim]) -> list[str]:
    """Replay with uniform questions, which is a comparison of ours."""
    cheaper, cost = found.get("rr_time"), found.get("rr_accuracy")
    if cheaper is None or cost is None:
        return []
    amounts = [f"{c.effects[0].text()} by {a}" for a in AXES if (c := found.get(f"rr_{a}")) is not None]
    reached = f"; GRPO's need ÷ its own to GRPO's accuracy: {joined(amounts)}" if amounts else ""
    return [
        f"The paper has no replay without selection. Here it (RR) {_changes(found, 'rr')}: GRPO's time per step ÷ its "
        f"own is {cheaper.effects[0].text()}, its accuracy at the end {cost.effects[0].text()} against GRPO{reached}."
    ]


def _ahead(found: Mapping[str, Claim]) -> list[str]:
    """Mean accuracy over training against GRPO; an arm that is not ahead is named, whichever it is."""
    ahead: list[str] = []
    behind: list[str] = []
    apart: list[str] = []
    names = (DOTS_RR, DOTS, RR)
    for axis in ("steps", "tokens"):
        claim = found.get(f"lead_{axis}")
        if claim is None:
            continue
        for part, effect in zip(names, (*claim.effects, *claim.beside[:2]), strict=False):
            side = effect.pooled.clear_of(claim.bar)
            text = f"{part} at equal {axis} ({effect.text()})"
            if not effect.comparable:
                apart.append(f"{part} at equal {axis} ({effect.told})")
            elif side > 0:
                ahead.append(text)
            else:
                behind.append(f"{text[:-1]}{', clearly below' if side < 0 else ''})")
    said = []
    if ahead:
        said.append(f"Ahead of GRPO in mean accuracy over training: {joined(ahead)}.")
    if behind:
        said.append(f"Not ahead of GRPO: {joined(behind)}.")
    if apart:
        said.append(f"Not compared with GRPO: {joined(apart)}.")
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
        (NOT_COMPARABLE, "Not comparable"),
    ):
        claimed = [claim for claim in found if claim.verdict == name]
        if claimed:
            full = len(claimed) <= LONG or name in ("does not hold", NOT_COMPARABLE)
            said.append(f"{lead}: {listed(claimed) if full else '; '.join(_merged([c.short for c in claimed]))}.")
    return said


def _merged(shorts: Sequence[str]) -> list[str]:
    """`x at equal steps`, `x at equal tokens` -> `x at equal steps and tokens`."""
    axes: dict[str, list[str]] = {}
    for short in shorts:
        stem, _, axis = short.partition(" at equal ")
        axes.setdefault(stem, []).append(axis)
    return [f"{stem} at equal {joined(found)}" if any(found) else stem for stem, found in axes.items()]
