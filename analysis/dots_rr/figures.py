"""The curve figures of DOTS + RR: which of our arms each one shows, and which published curves stand beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.dots_rr.arms import (
    DOTS,
    DOTS_RR,
    GRPO,
    HEADLINE,
    REFERENCES,
    RR,
    STEPS,
    Arm,
    Arms,
    find,
    ordered_by,
    rows_said,
)
from analysis.dots_rr.curves import Facets, Measured, Points, by_step, by_time, picture
from analysis.dots_rr.staleness import outside_said, staleness
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_number, published_table
from analysis.run import Run
from analysis.runs import Panel, Series
from analysis.selections import CURRICULUM
from analysis.style import WINDOW
from analysis.tables import Table
from analysis.text import number
from repro.tracking.series import ZERO_VARIANCE

Made = list[Table | Picture]

TIME = (
    "Time is what selection, rollouts and updates took; evaluation and warm start are left out. Our time is CPU time "
    "where no GPU was used, because runs side by side contend for the CPU."
)
PUBLISHED_K = (128, 256)
"""References of the published ablation: half of the usual number, and the usual one."""


def figure_3(panels: Sequence[Measures]) -> Made:
    """Accuracy of GRPO and DOTS+RR by time."""
    said = f"Accuracy by time, DOTS+RR against GRPO. {TIME} {rows_said(panels)}"
    return _headline(panels, "figure_3", "Figure 3: accuracy by time", said, by_time(), (GRPO, DOTS_RR))


def figure_9(panels: Sequence[Measures]) -> Made:
    """Accuracy of GRPO and DOTS+RR by step."""
    said = "Accuracy by step, DOTS+RR against GRPO."
    return _headline(panels, "figure_9", "Figure 9: accuracy by step", said, by_step(), (GRPO, DOTS_RR))


def figure_4(panels: Sequence[Measures]) -> Made:
    """Share of freshly rolled-out groups with a gradient, by step."""
    measured = Measured("step", "groups with a gradient", _effective, lambda _: "step", WINDOW, (0.0, 1.0))
    arms, parts = Arms(panels), (GRPO, DOTS, DOTS_RR)
    found = {part: [find(measures, arms.headline(part)) for measures in panels] for part in parts}
    ours = {
        part: np.mean([_effective_share(run).mean() for one in several if one is not None for run in one.runs])
        for part, several in found.items()
        if any(several)
    }
    theirs = published_table("dots_rr", "figure_4").groupby("arm", sort=False)["value"].mean()
    told = [", ".join(f"{part} {number(100 * float(v))} %" for part, v in one.items()) for one in (ours, theirs)]
    said = (
        "Share of freshly rolled-out groups whose rewards are not all equal; the others train nothing. On average over "
        f"training: ours {told[0]}; published {told[1]} (curves; the text has "
        f"{number(published_number('dots_rr', 'section_5.3', 'more_effective_points'))} points more)."
    )
    title = "Figure 4: share of questions with a gradient"
    return _headline(panels, "figure_4", title, said, measured, parts)


def figure_5(panels: Sequence[Measures]) -> Made:
    """By step: selection alone, what replay adds to it, replay alone, and how stale its tokens are."""
    return [*_pair(panels, "figure_5", by_step(), "by step", ""), *_replay_alone(panels), *staleness(panels)]


def figure_10(panels: Sequence[Measures]) -> Made:
    """The comparisons of Figure 5 by time."""
    return _pair(panels, "figure_10", by_time(), "by time", f" {TIME} {rows_said(panels)}")


def figure_6a(panels: Sequence[Measures]) -> Made:
    """DOTS against a curriculum that is fixed before training."""
    arms = Arms(panels)
    lines = {name: arms.headline(name) for name in (GRPO, DOTS, CURRICULUM)}
    said = (
        "Online selection against a curriculum whose order is fixed before training. The paper's has three stages by "
        "labels of another model, 32 for each question, so it rolls out nothing before training (section 5.4)."
    )
    said += _curriculum_of(lines[CURRICULUM])
    published = {GRPO: GRPO, DOTS: DOTS, "Curriculum": CURRICULUM}
    title = "Figure 6a: a static curriculum"
    return _made(Facets("figure_6a", title, said, by_step(), panels, lines, published, [CURRICULUM]))


def _curriculum_of(arm: Arm | None) -> str:
    """What orders the questions of our curriculum, and what that costs; nothing where there is none."""
    if arm is None:
        return ""
    by, stages = arm.fields["selection.by"], arm.fields["selection.stages"]
    costs = {"column": "of the dataset, which costs nothing", "pass_rate": "of the start policy, whose rollouts count"}
    costs["confidence"] = "of the start policy, whose passes count"
    return f" Ours has {stages} stages by {ordered_by(arm)} {costs[by]}."


def figure_6b(panels: Sequence[Measures]) -> Made:
    """DOTS+RR against GRPO in a second domain: for us, every dataset but the first."""
    first = panels[0].panel.dataset if panels else ""
    others = [measures for measures in panels if measures.panel.dataset != first]
    said = f"DOTS+RR against GRPO in a second domain by time: science in the paper, for us every dataset but {first}."
    title = "Figure 6b: a second domain"
    return _headline(
        others, "figure_6b", title, f"{said} {TIME} {rows_said(panels)}", by_time(), (GRPO, DOTS_RR), Arms(panels)
    )


def figure_7(panels: Sequence[Measures]) -> Made:
    """How many references a prediction needs."""
    arms = Arms(panels)
    part = DOTS if arms.variants(DOTS, REFERENCES) else DOTS_RR
    lines: dict[str, Arm | None] = {GRPO: arms.headline(GRPO), part: arms.headline(part)}
    for arm in arms.variants(part, REFERENCES):
        change = arm.changes[REFERENCES]
        lines.setdefault(_times_k(part, change.own / change.headline), arm)
    small, usual = PUBLISHED_K
    half = _times_k(part, small / usual)
    lines.setdefault(half, None)
    said = "Other numbers of reference questions K, as multiples of the usual one"
    usual_arm = lines[part]
    said += f" ({usual} in the paper, {usual_arm.fields[REFERENCES]} for us)." if usual_arm else "."
    published = {GRPO: GRPO, "DOTS": part, "DOTS-K128": half}
    title, others = "Figure 7: number of references", [name for name in lines if name not in (GRPO, part)]
    return _made(Facets("figure_7", title, said, by_step(), panels, lines, published, others))


def figure_8(panels: Sequence[Measures]) -> Made:
    """A longer run: does the gain last?"""
    arms = Arms(panels)
    lines: dict[str, Arm | None] = {}
    for part in HEADLINE:
        longer = [arm for arm in arms.variants(part, STEPS) if arm.changes[STEPS].own > arm.changes[STEPS].headline]
        if longer:
            lines[part] = longer[-1]
    published = {name: name for name in (GRPO, DOTS_RR)}
    lines = {part: lines.get(part) for part in HEADLINE if part in lines or part in published}
    said = "Longer runs: the paper's 100 steps (drawn to 96) where its others have 60"
    own = next((arm.changes[STEPS] for arm in lines.values() if arm is not None), None)
    said += f", our {own.own} where our others have {own.headline}." if own else "."
    return _made(Facets("figure_8", "Figure 8: a longer run", said, by_step(), panels, lines, published))


# ---------------------------------------------------------------- parts of several figures


def _pair(panels: Sequence[Measures], item: str, measured: Measured, how: str, more: str) -> Made:
    """`a`: DOTS against GRPO; `b`: DOTS+RR against DOTS."""
    figure = item.removeprefix("figure_")
    first = f"Selection alone: DOTS against GRPO {how}.{more}"
    second = f"What replay adds to selection: DOTS+RR against DOTS {how}.{outside_said(panels, [DOTS_RR])}{more}"
    titles = (f"Figure {figure}a: DOTS against GRPO {how}", f"Figure {figure}b: DOTS+RR against DOTS {how}")
    return [
        *_headline(panels, f"{item}a", titles[0], first, measured, (GRPO, DOTS)),
        *_headline(panels, f"{item}b", titles[1], second, measured, (DOTS, DOTS_RR)),
    ]


def _replay_alone(panels: Sequence[Measures]) -> Made:
    arms = Arms(panels)
    if arms.headline(RR) is None:
        return []
    lines = {name: arms.headline(name) for name in (GRPO, RR, DOTS_RR)}
    said = "Replay alone: uniform questions with replay (RR) between GRPO and DOTS+RR by step."
    said += outside_said(panels, [RR, DOTS_RR])
    title = "beside Figure 5: replay without selection"
    return _made(Facets("figure_5_replay", title, said, by_step(), panels, lines, {}))


def _headline(
    panels: Sequence[Measures],
    item: str,
    title: str,
    said: str,
    measured: Measured,
    parts: Sequence[str],
    arms: Arms | None = None,
) -> Made:
    """Headline arms beside published curves of the same names. `arms`: the study's, where `panels` are part of it."""
    known = arms or Arms(panels)
    lines = {name: known.headline(name) for name in parts}
    published: Mapping[str, str] = {name: name for name in parts}
    return _made(Facets(item, title, said, measured, panels, lines, published))


def _made(facets: Facets) -> Made:
    found = picture(facets)
    return [] if found is None else [found]


def _times_k(part: str, factor: float) -> str:
    return f"{part}, K × {factor:g}"


def _effective_share(run: Run) -> pd.Series:
    """Share of fresh groups with a gradient, by step."""
    return 1 - run.metric(ZERO_VARIANCE)


def _effective(run: Run, series: Series, panel: Panel) -> Points:
    share = _effective_share(run)
    return np.array(share.index, float), share.to_numpy()
