"""The tables of UFO-RL as LaTeX: on three models and two datasets, and with every ablation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repro.analysis.measures import Measures
from repro.analysis.ufo_rl.artefacts import ARTEFACTS
from repro.analysis.ufo_rl.batches import table_5
from repro.analysis.ufo_rl.claims import table as claims
from tests.analysis.latex import needs_pdflatex, unfit
from tests.analysis.synthetic import make_study
from tests.analysis.ufo_rl.store import arm, bins, ufo_measures
from tests.analysis.ufo_rl.study import SIX, headline_arms

ARMS: dict[str, Any] = {
    "random": arm(0.5, method="random", fraction=0.25),
    "ufo": arm(0.55, method="confidence", fraction=0.25),
    "median": arm(0.5, method="confidence", fraction=0.25, band={"center": "median"}),
    "solution": arm(0.5, method="confidence", fraction=0.25, target="solution"),
    "large": arm(0.6, method="confidence", fraction=0.5),
    "random_large": arm(0.55, method="random", fraction=0.5),
    "perplexity": arm(0.5, method="prompt_perplexity", fraction=0.25),
    "middle": arm(0.6, method="pass_rate", fraction=0.25, samples=8, band={"center": 0.5}),
    "staged": arm(0.6, method="curriculum", by="pass_rate", samples=8),
}


def with_budget(name: str) -> Any:
    config, behaviour = ARMS.get(name) or arm(0.6)
    return config | {"budget": {"epochs": 1}}, behaviour


def test_every_table_and_ablation_fits_a_paper(tmp_path: Path):
    needs_pdflatex()
    epochs = {f"{name}_epoch": with_budget(name) for name in ("full", "random", "ufo")}
    measures = ufo_measures(tmp_path / "store", ARMS | epochs | bins(4), questions=50)
    made = [item for maker in ARTEFACTS.values() for item in maker([measures])]
    assert unfit(made, tmp_path) == []
    written = {path.stem.removeprefix("ufo_rl.") for path in (tmp_path / "tables").glob("*.tex")}
    ablations = {f"ablation_{name}" for name in ("centre", "target", "fraction", "label_free", "matching")}
    assert written >= {"claims", "figure_1_table", "stability", *(f"table_{i}" for i in range(1, 7)), *ablations}


def test_a_table_with_a_column_for_each_of_six_pairs_fits_a_paper(tmp_path: Path):
    needs_pdflatex()
    store = make_study(tmp_path / "store", None, headline_arms(), seeds=2, steps=4, every=1, questions=50, fields=SIX)
    panels = [Measures(panel) for panel in store.read().panels]
    assert len(panels) == 6 and unfit([*table_5(panels), *claims(panels)], tmp_path) == []
