"""Every published curve and number has a study for GPUs that would make it, on that policy and those questions."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from repro.analysis.published import FOLDER
from repro.spec.schema import Spec
from tests.study.test_experiments import FOR_GPUS, spec_of

METHODS = Path(__file__).parents[2] / "docs" / "methods.md"
CURVES = pd.read_csv(FOLDER / "published_curves.csv")
TABLES = pd.read_csv(FOLDER / "published_tables.csv", keep_default_na=False)
ARMS = {"GRPO": "grpo", "DOTS": "dots", "DOTS+RR": "dots_rr", "Curriculum": "curriculum", "DOTS-K128": "dots_k128"}
"""The paper's name of an arm -> its name in the studies."""
NUMBERS = {"UFO-RL": {"Figure": 1, "Table": 6}, "DOTS + RR": {"Figure": 10, "Table": 8}}
"""How many a paper has; of UFO-RL's, how many are known."""


def trains(spec: Spec, model: str, dataset: str) -> bool:
    """Whether a study has that policy and those questions, to train or to test on; of UFO-RL's policies, the tuned."""
    models = {str(one.hub).rpartition("/")[2].partition("-Instruct")[0] for one in spec.model}
    sets = {str(name).lower() for data in spec.dataset for name in (data.label, data.test_named)}
    return model in models and dataset.lower() in sets


def test_every_published_curve_has_an_arm_of_its_length_on_its_policy_and_questions() -> None:
    for (figure, model, dataset, arm), part in CURVES.groupby(["figure", "model", "dataset", "arm"]):
        artefact = "dots_rr.figure_4" if figure == "figure_4" else "dots_rr.curves"
        specs = [spec_of(name) for name in FOR_GPUS if name.startswith("dots_rr/")]
        (spec,) = [spec for spec in specs if artefact in spec.report.artefacts and trains(spec, model, dataset)]
        fields = spec.arms[ARMS[arm] + ("_long" if figure == "figure_8" else "")]
        steps = fields.train.get("steps", spec.train.steps)
        assert isinstance(steps, int)
        if figure == "figure_8":
            assert part["x"].max() <= steps == 100, "the curve ends at step 96"
        elif part["x_name"].iloc[0] == "step":
            assert part["x"].max() == steps == 60, (figure, model, dataset, arm)
            assert set(part["x"].diff().dropna()) <= {1, spec.evaluate.every}


def test_every_number_of_a_published_table_or_figure_has_a_study_that_makes_it() -> None:
    rows = TABLES[TABLES["item"].str.match(r"(table|figure)_\d") & (TABLES["model"] != "")]
    assert len(rows) > 60
    for paper, item, model, dataset in set(rows[["paper", "item", "model", "dataset"]].itertuples(index=False)):
        made = [spec_of(name) for name in FOR_GPUS if f"{paper}.{item}" in spec_of(name).report.artefacts]
        assert any(trains(spec, model, dataset) for spec in made), (paper, item, model, dataset)


@pytest.mark.parametrize("paper", NUMBERS)
def test_the_list_of_the_documents_has_every_figure_and_table_once(paper: str) -> None:
    text = METHODS.read_text(encoding="utf-8")
    found: dict[str, list[int]] = {"Figure": [], "Table": []}
    for kind, numbers in re.findall(rf"^\| {re.escape(paper)}, (Figure|Table)s? ([\d, to]+) \|", text, re.MULTILINE):
        for part in numbers.split(", "):
            first, _, last = part.partition(" to ")
            found[kind] += range(int(first), int(last or first) + 1)
    assert {kind: sorted(numbers) for kind, numbers in found.items()} == {
        kind: list(range(1, count + 1)) for kind, count in NUMBERS[paper].items()
    }
    name = {"UFO-RL": "ufo_rl", "DOTS + RR": "dots_rr"}[paper]
    items = {*TABLES[TABLES["paper"] == name]["item"], *CURVES[CURVES["paper"] == name]["figure"]}
    for item in items:
        if match := re.match(r"(table|figure)_(\d+)", item):
            assert int(match[2]) in found[match[1].capitalize()]
