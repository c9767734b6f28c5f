"""The runs that a sweep's best trial is confirmed by."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from repro.spec.schema import Spec
from repro.study.expand import expand_study
from repro.study.load import load_spec
from repro.study.trial_cells import confirming_cells, experiment_name

BEST = {"selection.fraction": 0.25}


def spec_of(folder: Path, more: str = "") -> Spec:
    text = f"""
        name: search
        model: tiny
        dataset: [arithmetic, shuffle]
        arms:
          full: {{datasets: [arithmetic]}}
          half: {{selection: {{method: random, fraction: 0.5}}}}
        seeds: [3, 4]
        sweep: {{arm: half, confirm: true, space: {{selection.fraction: {{float: [0.2, 0.9]}}}}}}
        {more}
    """
    (folder / "search.yaml").write_text(textwrap.dedent(text))
    return load_spec(folder / "search.yaml").spec


def test_the_best_values_the_arm_and_the_baseline_run_on_the_seeds_and_questions_of_the_tables(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    cells = confirming_cells(spec, spec.model[0], spec.dataset[0], BEST)
    assert [(cell.cell.arm, cell.cell.seed) for cell in cells] == [
        (arm, seed) for arm in ("half.best", "half", "full") for seed in (3, 4)
    ]
    assert {cell.cell.spec for cell in cells} == {experiment_name(spec)}
    assert {cell.cell.evaluate.sets for cell in cells} == {("test", "extra")}
    assert [cell.cell.selection.model_dump().get("fraction") for cell in cells] == [0.25, 0.25, 0.5, 0.5, None, None]
    carried = confirming_cells(
        spec, spec.model[0], spec.dataset[0], BEST, carried={"shuffle": {"selection.fraction": 0.4}}
    )
    assert [(cell.cell.arm, cell.cell.dataset.label) for cell in carried[:4:2]] == [
        ("half.best", "arithmetic"),
        ("half.best_of.shuffle", "arithmetic"),
    ]
    assert [cell.cell.selection.model_dump()["fraction"] for cell in carried[:4:2]] == [0.25, 0.4]
    of_the_baseline = confirming_cells(spec, spec.model[0], spec.dataset[0], {}, arm="full")
    assert list(dict.fromkeys(cell.cell.arm for cell in of_the_baseline)) == ["full.best", "full"]
    planned = {cell.identity for cell in expand_study(spec)}
    assert [cell.identity in planned for cell in cells] == [False, False, True, True, True, True]


@pytest.mark.parametrize("more", ["", "report: {baseline: half}"], ids=["baseline of other data", "baseline searched"])
def test_an_arm_is_confirmed_by_itself_where_there_is_no_other_baseline(tmp_path: Path, more: str) -> None:
    spec = spec_of(tmp_path, more)
    cells = confirming_cells(spec, spec.model[0], spec.dataset[1], BEST)
    assert list(dict.fromkeys(cell.cell.arm for cell in cells)) == ["half.best", "half"]
