"""The tables and figures of DOTS + RR, by the name that a spec asks for them under."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from repro.analysis.dots_rr import (
    ablations,
    area,
    claims,
    cost,
    examples,
    factors,
    figures,
    forest,
    noise,
    predictor,
    savings,
    staleness,
    theorem,
)
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.tables import Table

ARTEFACTS: dict[str, Callable[[Sequence[Measures]], list[Table | Picture]]] = {
    "dots_rr.claims": claims.table,
    "dots_rr.ablations": ablations.ablations,
    "dots_rr.table_1": savings.table_1,
    "dots_rr.steps_to_match": savings.steps_to_match,
    "dots_rr.auc": area.auc,
    "dots_rr.cost_model": cost.cost_model,
    "dots_rr.forest": forest.forest,
    "dots_rr.curves": figures.curves,
    "dots_rr.factors": factors.factors,
    "dots_rr.staleness": staleness.staleness,
    "dots_rr.figure_4": figures.figure_4,
    "dots_rr.table_7": noise.table_7,
    "dots_rr.table_2": predictor.table_2,
    "dots_rr.table_3": examples.table_3,
    "dots_rr.table_8": predictor.table_8,
    "dots_rr.calibration": predictor.calibration,
    "dots_rr.theorem_1": theorem.theorem_1,
}
