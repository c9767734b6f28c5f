"""Which of the papers' tables and figures can be made, by the name that a spec asks for them under."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from analysis import (
    dots_answer,
    dots_area,
    dots_claims,
    dots_cost,
    dots_figures,
    dots_noise,
    dots_predictor,
    dots_savings,
    dots_theorem,
    ufo_ablations,
    ufo_bins,
    ufo_claims,
    ufo_pool,
    ufo_rl,
    ufo_scores,
    ufo_stability,
)
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.tables import Table
from repro.errors import UserError

ARTEFACTS: dict[str, Callable[[Sequence[Measures]], list[Table | Picture]]] = {
    "dots_rr.claims": dots_claims.table,
    "dots_rr.table_1": dots_savings.table_1,
    "dots_rr.steps_to_match": dots_savings.steps_to_match,
    "dots_rr.auc": dots_area.auc,
    "dots_rr.cost_model": dots_cost.cost_model,
    "dots_rr.figure_3": dots_figures.figure_3,
    "dots_rr.figure_4": dots_figures.figure_4,
    "dots_rr.figure_5": dots_figures.figure_5,
    "dots_rr.figure_6a": dots_figures.figure_6a,
    "dots_rr.figure_6b": dots_figures.figure_6b,
    "dots_rr.figure_7": dots_figures.figure_7,
    "dots_rr.figure_8": dots_figures.figure_8,
    "dots_rr.figure_9": dots_figures.figure_9,
    "dots_rr.figure_10": dots_figures.figure_10,
    "dots_rr.table_7": dots_noise.table_7,
    "dots_rr.table_2": dots_predictor.table_2,
    "dots_rr.table_3": dots_predictor.table_3,
    "dots_rr.table_8": dots_predictor.table_8,
    "dots_rr.calibration": dots_predictor.calibration,
    "dots_rr.theorem_1": dots_theorem.theorem_1,
    "ufo_rl.figure_1": ufo_bins.figure_1,
    "ufo_rl.table_1": ufo_pool.table_1,
    "ufo_rl.table_2": ufo_scores.table_2,
    "ufo_rl.table_3": ufo_bins.table_3,
    "ufo_rl.claims": ufo_claims.table,
    "ufo_rl.stability": ufo_stability.table,
    "ufo_rl.table_4": ufo_rl.table_4,
    "ufo_rl.table_5": ufo_rl.table_5,
    "ufo_rl.table_6": ufo_rl.table_6,
    "ufo_rl.ablations": ufo_ablations.ablations,
}

ANSWERS: dict[str, Callable[[Sequence[Measures]], tuple[str, ...]]] = {
    "dots_rr.claims": dots_answer.answer,
    "ufo_rl.claims": ufo_claims.answer,
}
"""Artefacts whose sentences answer the question of the study, and so lead its report."""


def check_artefacts(names: Sequence[str], where: str) -> None:
    """Raise UserError for a name that is none of `ARTEFACTS`, with the nearest one that is."""
    for index, name in enumerate(names):
        if name not in ARTEFACTS:
            near = difflib.get_close_matches(name, ARTEFACTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(ARTEFACTS)}"
            raise UserError(f"{where}: report.artefacts.{index}: got {name!r}; {hint}")


def make_artefacts(names: Sequence[str], panels: Sequence[Measures]) -> list[Table | Picture]:
    """The artefacts in the order asked for. Names must have passed `check_artefacts`."""
    return [made for name in names for made in ARTEFACTS[name](panels)]


def answer_of(names: Sequence[str], panels: Sequence[Measures]) -> tuple[str, ...]:
    """What the artefacts asked for say to the study's question, the verdict first; () where none of them answers."""
    return tuple(text for name in names if name in ANSWERS for text in ANSWERS[name](panels))
