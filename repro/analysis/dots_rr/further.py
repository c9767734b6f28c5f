"""Claims of DOTS + RR about other arms: predictors, references, rivals, targets, losses, longer runs, Theorem 1."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.claims import MARGIN, Claim, Published, measured
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, REFERENCES, RR, STEPS, Arm, Arms, ordered_by
from repro.analysis.dots_rr.effects import area, correlation, per_step, weighted_area
from repro.analysis.dots_rr.readings import points_said, readings
from repro.analysis.effects import Effect, difference, finals, named, ratio
from repro.analysis.measures import Measures
from repro.analysis.published import published_table
from repro.analysis.selections import CURRICULUM, DYNAMIC, FILTER
from repro.analysis.text import number

PEARSON_BAR = 0.7
"""Least correlation that a trained predictor is published with."""

ON_BATCHES = "on training batches"
"""Where the paper measures its correlations."""

AT_END = " at the end"

Heads = dict[str, str | None]
"""Part -> label of its headline arm."""

PREDICTOR, REUSE, STD = "selection.predictor", "selection.reuse_references", "train.advantage_std"
TARGET, CORRECTION = "selection.target", "replay.correction"


def further(panels: Sequence[Measures], arms: Arms) -> tuple[Claim, ...]:
    """Every claim about an arm that is none of the four headline ones."""
    heads = {part: label_of(arms.headline(part)) for part in (GRPO, DOTS)}
    others = members(panels, arms)
    return (
        *_predictor(panels, heads[DOTS], others),
        _fewer_references(panels, arms),
        *_references_that_train(panels, heads[DOTS], others),
        _long(panels, others),
        *_rivals(panels, heads[DOTS], arms, others),
        *_variants(panels, arms, others),
        _deviation(panels, heads, others),
    )


def members(panels: Sequence[Measures], arms: Arms) -> list[Arm]:
    """Every arm that ran on one of the panels."""
    ran = dict.fromkeys(series.label for measures in panels for series in measures.panel.series)
    return [arms.of(label) for label in ran]


def label_of(arm: Arm | None) -> str | None:
    """The label that an arm has in the panels, None where there is none."""
    return arm.label if arm is not None else None


def _predictor(panels: Sequence[Measures], dots: str | None, others: Sequence[Arm]) -> list[Claim]:
    by_kind = {arm.fields.get(PREDICTOR): arm.label for arm in others if arm.role == DOTS and arm.differs_in(PREDICTOR)}
    head = next((arm.fields.get(PREDICTOR) for arm in others if arm.label == dots), None)
    if dots is not None:
        by_kind[head] = dots
    trained, untrained = by_kind.get("trained"), by_kind.get("untrained")
    published = {item: _mean_published(item) for item in ("table_2", "table_8")}
    gained = f"{number(published['table_2'], 2)} against {number(published['table_8'], 2)}, {ON_BATCHES}"
    levels = f"{_range_said(published_table('dots_rr', 'table_2')['value'].to_list())}, {ON_BATCHES}"
    gain = correlation(panels, trained, untrained) if trained and untrained else None
    return [
        Claim(
            "predictor_gain",
            "the trained predictor beats the untrained embedding",
            Published("appendix E.1, Table 8", gained),
            0.0,
            measured([gain]),
            unit="correlation",
        ),
        Claim(
            "predictor_level",
            f"the trained predictor correlates above {PEARSON_BAR:g} on uniform questions",
            Published("section 5.3, Table 2", levels),
            PEARSON_BAR,
            measured([correlation(panels, trained) if trained else None]),
            unit="correlation",
        ),
    ]


def _rivals(panels: Sequence[Measures], dots: str | None, arms: Arms, others: Sequence[Arm]) -> list[Claim]:
    """Other ways to choose, on the two axes on which they differ: dynamic sampling pays for its choice in tokens."""
    perfect = next((arm for arm in others if arm.role == DOTS and arm.fields.get(PREDICTOR) == "oracle"), None)
    fixed = arms.headline(CURRICULUM)
    rivals = {
        "dynamic": (DYNAMIC, arms.headline(DYNAMIC), 0.0),
        "filter": ("an offline pass-rate filter", arms.headline(FILTER), 0.0),
        "curriculum": (f"a curriculum by {ordered_by(fixed) if fixed else 'a score'}", fixed, 0.0),
        "oracle": ("an oracle", perfect if perfect is None or perfect.label != dots else None, -MARGIN),
    }
    out = []
    for key, (name, arm, bar) in rivals.items():
        verb = "beats" if bar == 0 else f"comes within {number(-100 * bar, 0)} points of"
        for axis in ("steps", "tokens"):
            effects = measured([area(panels, dots, label_of(arm), axis)])
            published = _curriculum_published() if (key, axis) == ("curriculum", "steps") else None
            out.append(Claim(f"{key}_{axis}", f"DOTS {verb} {name} at equal {axis}", published, bar, effects))
    return out


def _curriculum_published() -> Published:
    found = [reading.mean for reading in readings("figure_6a", DOTS, "Curriculum")]
    said = f"curves {points_said(found)} over training, for three stages by labels from outside"
    return Published("section 5.4, Figure 6a", said)


def _variants(panels: Sequence[Measures], arms: Arms, others: Sequence[Arm]) -> list[Claim]:
    def against(path: str, *values: object) -> tuple[Effect, ...]:
        found = [arm for arm in others if arm.differs_in(path) and (not values or arm.changes[path].own in values)]
        return measured(area(panels, label_of(arms.headline(arm.role)), arm.label, "steps") for arm in found)

    def usual(path: str, *parts: str) -> str:
        found = [head.fields[path] for part in parts if (head := arms.headline(part)) and path in head.fields]
        return f"{found[0]:g}" if found and isinstance(found[0], int | float) else str(found[0]) if found else ""

    correction = usual(CORRECTION, DOTS_RR, RR) or "paper"
    other_centre = "proximal" if correction == "paper" else "paper"
    return [
        Claim(
            "alpha",
            f"a target of α = {usual(TARGET, DOTS, DOTS_RR) or '0.5'} is the best at equal steps",
            None,
            0.0,
            against(TARGET),
        ),
        Claim(
            "correction",
            f"correcting for stale rollouts (`{correction}`) beats not correcting at equal steps",
            None,
            0.0,
            against(CORRECTION, "none"),
        ),
        Claim(
            "clip_centre",
            f"the clip of `{correction}` beats that of `{other_centre}` at equal steps",
            None,
            0.0,
            against(CORRECTION, other_centre),
        ),
    ]


def _fewer_references(panels: Sequence[Measures], arms: Arms) -> Claim:
    """The largest number of references below the usual one, as in the paper's 128 of 256."""
    head = arms.headline(DOTS)
    variants = [(arm, arm.changes[REFERENCES]) for arm in arms.variants(DOTS, REFERENCES)]
    fewer = [arm for arm, change in variants if change.own < change.headline]
    found = readings("figure_7", "DOTS-K128", DOTS)
    ended, whole = (points_said(values, 2) for values in ([r.end for r in found], [r.mean for r in found]))
    effects: list[Effect | None] = []
    told = "half as many references"
    if head is not None and fewer:
        one = fewer[-1]
        told = f"{one.changes[REFERENCES].own} references in place of {one.changes[REFERENCES].headline}"
        effects = [named(difference(panels, one.label, head.label, finals), AT_END)]
        effects.append(area(panels, one.label, head.label, "steps"))
    return Claim(
        "fewer_references",
        f"DOTS keeps its accuracy with {told}",
        Published("appendix E.1, Figure 7", f"with half, curves {ended} at the end, {whole} over training"),
        -MARGIN,
        measured(effects),
    )


def _references_that_train(panels: Sequence[Measures], dots: str | None, others: Sequence[Arm]) -> list[Claim]:
    """Rollouts that measured references and train as well: the paper's appendix A.1."""
    other = next((arm for arm in others if arm.role == DOTS and arm.differs_in(REUSE)), None)
    ended, whole, fewer, faster = None, None, None, None
    if other is not None and dots is not None:
        ours, theirs = (other.label, dots) if other.changes[REUSE].own else (dots, other.label)
        ended = named(difference(panels, ours, theirs, finals), AT_END)
        whole = area(panels, ours, theirs, "steps")
        fewer = named(ratio(panels, ours, theirs, per_step("completions"), counted=True), " in completions")
        faster = named(ratio(panels, ours, theirs, per_step(None)), " in time")
    saved = published_table("dots_rr", "appendix_a.1")["value"]
    least, most = (number(100 / (100 - value), 2) for value in (saved.min(), saved.max()))
    said = f"{number(saved.min(), 0)} to {number(saved.max(), 0)} % saved, {least} to {most}×"
    keeps, saves = "references that train keep accuracy", "references that train save rollouts"
    return [
        Claim("references", keeps, Published("appendix A.1"), -MARGIN, measured([ended]), measured([whole])),
        Claim("references_cost", saves, Published("appendix A.1", said), 1.0, measured([fewer]), measured([faster])),
    ]


def _long(panels: Sequence[Measures], others: Sequence[Arm]) -> Claim:
    longer = {arm.role: arm.label for arm in others if arm.differs_in(STEPS) and arm.role in (GRPO, DOTS_RR)}
    ours, theirs = longer.get(DOTS_RR), longer.get(GRPO)
    effects = measured([named(difference(panels, ours, theirs, finals), AT_END)])
    beside = measured(named(area(panels, ours, theirs, axis), f" at equal {axis}") for axis in ("steps", "tokens"))
    ended = points_said([reading.end for reading in readings("figure_8", DOTS_RR, GRPO)])
    published = Published("appendix E.2, Figure 8", f"curves {ended} at the end")
    return Claim("long", "DOTS+RR still ends above GRPO after a longer run", published, 0.0, effects, beside)


def _deviation(panels: Sequence[Measures], heads: Heads, others: Sequence[Arm]) -> Claim:
    """Theorem 1 puts the best target at 1/2 for advantages that are not divided by the group's deviation."""
    pairs = {True: dict(heads), False: dict(heads)}  # whether advantages are divided -> part -> arm
    for arm in others:
        if arm.differs_in(STD) and arm.role in (GRPO, DOTS):
            divided = bool(arm.changes[STD].own)
            pairs[divided][arm.role] = arm.label
    (plain, chosen), (plain_std, chosen_std) = ((pairs[std][GRPO], pairs[std][DOTS]) for std in (False, True))
    effects: list[Effect | None] = []
    beside: list[Effect | None] = []
    if plain and chosen and plain_std and chosen_std and len({plain, chosen, plain_std, chosen_std}) == 4:
        weights = {chosen: 1.0, plain: -1.0, chosen_std: -1.0, plain_std: 1.0}
        name = f"(`{chosen}` − `{plain}`) − (`{chosen_std}` − `{plain_std}`)"
        effects = [weighted_area(panels, weights, "steps", name)]
        there = [m for m in panels if set(weights) <= {series.label for series in m.panel.series}]
        beside = [area(there, chosen, plain, "steps"), area(there, chosen_std, plain_std, "steps")]
    short = "DOTS gains more over GRPO with mean-only advantages than with std (Theorem 1's condition)"
    return Claim("mean_only", short, None, 0.0, measured(effects), measured(beside))


def _mean_published(item: str) -> float:
    return float(published_table("dots_rr", item)["value"].mean())


def _range_said(values: Sequence[float]) -> str:
    return f"{number(min(values), 2)} to {number(max(values), 2)}"
