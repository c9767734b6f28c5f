"""The shipped studies: each loads without a warning, plans and can be reported, and its header tells its cost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repro.spec.schema import Spec
from repro.study.expand import matrix
from repro.study.load import load_spec
from repro.study.plan import plan

FOLDER = Path(__file__).parents[2] / "experiments"
STUDIES = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "accelerate")
PLANNED = re.compile(r"^# Planned: (\d+) cells, ([\d,]+) rollouts, about (\S+) generated tokens", re.MULTILINE)
NOT_RUN = [path for path in STUDIES if PLANNED.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_loads_without_a_warning_and_plans(path: Path, tmp_path: Path) -> None:
    loaded = load_spec(path)
    assert loaded.warnings == ()
    made = plan(loaded.spec, tmp_path)
    assert len(made.rows) == made.count("todo") > 0
    small = load_spec(path, smoke=True).spec
    assert 0 < len(plan(small, tmp_path).rows) <= len(made.rows)


@pytest.mark.parametrize("path", NOT_RUN, ids=lambda path: path.stem)
def test_the_cost_in_a_header_is_what_plan_says(path: Path, tmp_path: Path) -> None:
    said = PLANNED.search(path.read_text(encoding="utf-8"))
    assert said is not None
    cells, rollouts, tokens = said.groups()
    summary = plan(load_spec(path).spec, tmp_path).summary()
    assert f": {cells} cells ({cells} to do); missing: {rollouts} rollouts, about {tokens} generated tokens" in summary


def test_the_studies_of_dots_rr_that_are_not_run_state_their_cost() -> None:
    expected = {path for path in FOLDER.glob("dots_rr/*.yaml") if path.stem != "tiny"}
    assert expected <= set(NOT_RUN)
    assert len(expected) == 8


def _arms(spec: Spec) -> list[str]:
    """Names without the sizes of references and buffer, which grow with the batch."""
    return sorted(re.sub(r"_([kc])\d+$", r"_\1", name) for name in spec.arms)


@pytest.mark.parametrize("folder", ["dots_rr", "ufo_rl"])
def test_the_whole_grid_has_every_arm_of_the_small_one_everywhere(folder: str) -> None:
    small, full = (load_spec(FOLDER / folder / f"{name}.yaml").spec for name in ("tiny", "tiny_full"))
    assert _arms(full) == _arms(small)
    combinations = len(full.model) * len(full.dataset) * len(full.seeds)
    assert sum(1 for _ in matrix(full)) == len(full.arms) * combinations
    assert len(full.model) >= len(small.model)
    assert full.train.questions_per_step == 2 * small.train.questions_per_step
