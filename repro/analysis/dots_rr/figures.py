"""The curve figures of DOTS + RR: accuracy of every arm by tokens, and groups with a gradient by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from repro.analysis.axes import STEP
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, HEADLINE, Arms
from repro.analysis.dots_rr.curves import Facets, Measured, Points, by_tokens, picture, published
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.run import Run
from repro.analysis.runs import Panel, Series
from repro.analysis.selections import CURRICULUM
from repro.analysis.style import WINDOW
from repro.analysis.tables import Table
from repro.tracking.series import ZERO_VARIANCE

Made = list[Table | Picture]

PUBLISHED = {
    "figure_9": {GRPO: GRPO, DOTS_RR: DOTS_RR},
    "figure_5a": {DOTS: DOTS},
    "figure_6a": {DOTS: DOTS, "Curriculum": CURRICULUM},
    "figure_7": {"DOTS-K128": "DOTS, K × 0.5"},
    "figure_8": {GRPO: "GRPO, longer", DOTS_RR: "DOTS+RR, longer"},
}
"""Published figure by step -> their name of an arm -> what it is called here."""


def curves(panels: Sequence[Measures]) -> Made:
    """Accuracy of every arm by generated tokens, above all curves that are published by step."""
    arms = Arms(panels)
    facets = Facets(
        "curves",
        "accuracy by generated tokens",
        "Thin: single seeds, bold: their mean; the published curves are smoothed and of other policies and data, so "
        "compare the order inside a panel.",
        by_tokens(),
        panels,
        {part: arms.headline(part) for part in (*HEADLINE, CURRICULUM)},
        published(PUBLISHED),
        "Published, by step, smoothed",
        rest=True,
    )
    found = picture(facets)
    return [] if found is None else [found]


def figure_4(panels: Sequence[Measures]) -> Made:
    """Share of freshly rolled-out groups with a gradient, by step."""
    arms, parts = Arms(panels), (GRPO, DOTS, DOTS_RR)
    facets = Facets(
        "figure_4",
        "Figure 4: groups with a gradient",
        f"Freshly rolled-out groups whose rewards are not all equal; thin: single seeds, bold: mean over them and "
        f"{WINDOW} steps.",
        Measured(STEP, "groups with a gradient", _effective, WINDOW, (0.0, 1.0)),
        panels,
        {part: arms.headline(part) for part in parts},
        published({"figure_4": {part: part for part in parts}}),
    )
    found = picture(facets)
    return [] if found is None else [found]


def _effective(run: Run, series: Series, panel: Panel) -> Points:
    share: pd.Series = 1 - run.metric(ZERO_VARIANCE)
    return np.array(share.index, float), share.to_numpy()
