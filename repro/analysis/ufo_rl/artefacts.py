"""The tables and figures of UFO-RL, by the name that a spec asks for them under."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.tables import Table
from repro.analysis.ufo_rl import ablations, batches, bins, claims, curricula, epochs, forest, pool, scores, stability

ARTEFACTS: dict[str, Callable[[Sequence[Measures]], list[Table | Picture]]] = {
    "ufo_rl.forest": forest.forest,
    "ufo_rl.figure_1": bins.figure_1,
    "ufo_rl.table_1": pool.table_1,
    "ufo_rl.table_2": scores.table_2,
    "ufo_rl.table_3": curricula.table_3,
    "ufo_rl.claims": claims.table,
    "ufo_rl.stability": stability.table,
    "ufo_rl.table_4": batches.table_4,
    "ufo_rl.table_5": batches.table_5,
    "ufo_rl.table_6": batches.table_6,
    "ufo_rl.epochs": epochs.epochs,
    "ufo_rl.ablations": ablations.ablations,
}
