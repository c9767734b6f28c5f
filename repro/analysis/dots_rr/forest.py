"""DOTS + RR at equal tokens: what selection, replay and both add to GRPO on every pair of model and task."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, RR, Arms, part_looks
from repro.analysis.measures import Measures
from repro.analysis.pair_forest import Asked, pair_forest
from repro.analysis.pictures import Picture
from repro.analysis.primary import Question
from repro.analysis.tables import Table


def forest(panels: Sequence[Measures]) -> list[Table | Picture]:
    """DOTS, RR and DOTS+RR minus GRPO; nothing where none of them ran beside it."""
    arms = Arms(panels)
    grpo, looks = arms.headline(GRPO), part_looks([])
    if grpo is None:
        return []
    asked = [
        Asked(f"{part} − {GRPO}", Question(arm.label, grpo.label, "tokens"), looks[part].color)
        for part in (DOTS, RR, DOTS_RR)
        if (arm := arms.headline(part)) is not None
    ]
    found = pair_forest("dots_rr.forest", "DOTS + RR against GRPO, pair by pair", panels, asked)
    return [] if found is None else [found]
