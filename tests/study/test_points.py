"""Cells that share sections are those that validate alone, with the same identities; a large plan fits a screen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from repro.canonical import canonical
from repro.spec.schema import Cell
from repro.study.expand import expand, expand_study, matrix
from repro.study.identity import canonical_fields, identity, result_fields
from repro.study.load import load_spec, parse_spec
from repro.study.once import Once
from repro.study.plan import SCREEN, plan
from repro.study.points import Point, points

ROOT = Path(__file__).parents[2] / "experiments"
EXPERIMENTS = [path for path in ROOT.rglob("*.yaml") if path.parent.name != "accelerate"]
STUDY: dict[str, Any] = {
    "name": "p",
    "model": ["tiny", {"tiny": {"width": 48}}],
    "dataset": ["arithmetic", {"arithmetic": {"pool": 512}, "name": "small"}],
    "arms": {
        "full": {},
        "fast": {"train": {"learning_rate": 1e-3}, "selection": {"method": "random", "fraction": 0.5}},
        "rr": {"replay": {"fresh": 0.5}},
    },
    "axes": {"train.clip": [0.1, 0.2], "selection.fraction": [0.25, 0.5, 1], "replay.capacity": [32, 64]},
    "seeds": [3, 1],
}


def alone(point: Point, seed: int) -> Cell:
    """The cell of a point, validated whole and by itself."""
    labels = {"spec": point.spec.name, "arm": point.arm, "axis_point": point.axis_point, "seed": seed}
    return Cell.model_validate({**point.draft(), **labels})


def test_a_point_of_a_matrix_is_the_cell_that_its_fields_make() -> None:
    found = points(parse_spec(STUDY))
    assert len(found) == 4 * (2 + 6 + 4)
    for point in found:
        assert point.cell == alone(point, 3)
        assert point.with_seed(1) == alone(point, 1)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_cells_of_the_shipped_studies_are_those_that_validate_alone(path: Path) -> None:
    for point in points(load_spec(path).spec):
        assert point.cell == alone(point, point.spec.seeds[0])


def test_identities_that_share_sections_are_those_of_each_cell_alone() -> None:
    study = expand_study(parse_spec(STUDY))
    assert len(study) == 2 * 4 * (2 + 6 + 4)
    for expanded in study[::7]:
        assert identity(expanded.cell) == expanded.identity


def test_the_canonical_text_is_that_of_all_fields_together() -> None:
    once = Once()
    for point in points(parse_spec(STUDY)):
        for seed, text in zip((0, 12), canonical_fields(point.valid(), [0, 12], once), strict=True):
            assert text == canonical(result_fields(point.with_seed(seed)))


def test_an_axis_may_give_what_an_arm_lacks() -> None:
    """Nine rows do not divide by four minibatches; the axis makes them."""
    arm = {"train": {"questions_per_step": 3, "group_size": 3}}
    spec = parse_spec(STUDY)
    spec = spec.model_copy(update={"arms": {"odd": type(spec.arms["full"]).model_validate(arm)}})
    spec = spec.model_copy(update={"axes": {"train.minibatches": [3, 4, 9]}})
    cells = [point.cell for point in points(spec)]
    assert [cell and cell.train.minibatches for cell in cells] == [3, None, 9] * 4


def test_a_plan_of_ten_thousand_cells_is_made_in_seconds_and_shown_on_one_screen(tmp_path: Path) -> None:
    rates = [round(1e-5 * (i + 1), 6) for i in range(100)]
    clips = [round(0.009 * (i + 1), 4) for i in range(100)]
    study = {"name": "p", "model": "tiny", "dataset": "arithmetic", "arms": {"full": {}}, "seeds": [0]}
    began = time.process_time()
    made = plan(parse_spec({**study, "axes": {"train.learning_rate": rates, "train.clip": clips}}), tmp_path)
    assert time.process_time() - began < 15  # it was 45
    assert len(made.rows) == 10_000
    lines = made.table().splitlines()
    assert len(lines) < SCREEN + 10
    assert f"… and {10_000 - SCREEN:,} more lines; --json lists every cell" in lines


def test_arms_alike_are_counted_and_not_listed(tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text(
        "name: same\nmodel: tiny\ndataset: arithmetic\narms:\n" + "".join(f"  a{i}: {{}}\n" for i in range(300))
    )
    loaded = load_spec(tmp_path / "same.yaml")
    assert len(loaded.warnings) == 4
    assert loaded.warnings[-1].endswith("warning: trains the same as arm a0, as do 295 arms after it")


def test_an_arm_runs_its_own_seeds_and_what_extends_it_the_same() -> None:
    arms = {
        "full": {},
        "few": {"replay": {"fresh": 0.5}, "seeds": [1]},
        "fewer": {"extends": "few", "replay": {"capacity": 64}},
    }
    spec = parse_spec({"name": "p", "model": "tiny", "dataset": "arithmetic", "arms": arms, "seeds": [0, 1, 2]})
    found = [(place.arm, place.seed) for expanded in expand_study(spec) for place in expanded.places]
    assert found == [("full", 0), ("full", 1), ("full", 2), ("few", 1), ("fewer", 1)]
    assert [(cell.arm, cell.seed) for cell in expand(spec)] == found
    assert [(place.arm, place.seed) for place, _ in matrix(spec)] == found
