"""Presets: one line that sets every field of a paper's table, and that what is written overrules."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from repro.errors import UserError
from repro.spec.presets import dots_rr
from repro.spec.presets.preset import PresetField
from repro.spec.presets.registry import PRESETS
from repro.spec.schema import Cell, Spec
from repro.study.expand import expand
from repro.study.load import load_spec, parse_spec, resolved_yaml

POLICY = {"name": "other", "tiny": {"width": 64, "heads": 2}}
STUDY: dict[str, Any] = {
    "name": "presets",
    "model": "tiny",
    "dataset": "arithmetic",
    "predictor": {"policies": [POLICY]},
    "arms": {
        "grpo": {},
        "dots": {"selection": {"method": "difficulty", "predictor": "trained"}},
        "untrained": {"selection": {"method": "difficulty"}},
        "dots_rr": {"extends": "dots", "replay": {"fresh": 0.5, "capacity": 32}},
    },
    "seeds": [0],
}


def cells(study: dict[str, Any]) -> dict[str, Cell]:
    return {cell.arm: cell for cell in expand(parse_spec(study))}


DOTS_RR = ("paper", "code")


def value_in(cell: Cell, path: str) -> Any:
    value: Any = cell.model_dump()
    for key in path.split("."):
        value = value[key]
    return value


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in DOTS_RR for field in dots_rr.FIELDS])
def test_a_preset_sets_every_field_of_its_table(name: str, field: PresetField) -> None:
    found = cells({**STUDY, "preset": name})
    if name not in field.values:
        return
    wanted = field.values[name]
    assert value_in(found["dots_rr"], field.path) == wanted
    if field.path.startswith("train."):
        assert value_in(found["grpo"], field.path) == wanted
    assert found["grpo"].replay is None


def test_the_paper_without_preset_differs_from_both() -> None:
    names = [None, "paper", "code"]
    made = [cells(STUDY if name is None else {**STUDY, "preset": name})["dots_rr"] for name in names]
    for one, other in itertools.combinations(made, 2):
        assert one.model_dump() != other.model_dump()


def test_what_the_spec_writes_goes_before_the_preset() -> None:
    arms = {**STUDY["arms"], "dots_rr": {"extends": "dots", "replay": {"capacity": 32, "correction": "none"}}}
    found = cells({**STUDY, "arms": arms, "preset": "code", "train": {"loss": "dapo"}})
    assert found["dots_rr"].replay.correction == "none"  # type: ignore[union-attr]
    assert found["dots_rr"].train.loss == "dapo"
    assert found["dots_rr"].train.weight_decay == 0.01


def test_an_untrained_predictor_keeps_the_line_it_needs() -> None:
    untrained = cells({**STUDY, "preset": "code"})["untrained"].selection.model_dump()
    assert untrained["recalibration"] == "left_out"
    assert untrained["measure"] == "pass_rate"


def test_an_arm_may_have_a_preset_of_its_own() -> None:
    arms = {**STUDY["arms"], "code": {"extends": "dots_rr", "preset": "code"}}
    found = cells({**STUDY, "arms": arms})
    assert found["code"].train.loss == "bnpo"
    assert found["code"].replay.correction == "proximal"  # type: ignore[union-attr]
    assert found["code"].predictor.towers.calibration == "temperature_bias"  # type: ignore[union-attr]
    assert found["dots_rr"].train.loss == "grpo"
    assert found["dots_rr"].predictor.towers.calibration == "slope_bias"  # type: ignore[union-attr]


def test_an_arms_preset_goes_before_that_of_the_study() -> None:
    arms = {**STUDY["arms"], "code": {"extends": "dots_rr", "preset": "code"}}
    found = cells({**STUDY, "arms": arms, "preset": "paper"})
    trained = found["code"].train.model_dump()
    assert trained | PRESETS["code"].nested(["train"])["train"] == trained
    assert found["code"].replay.short == "shrink"  # type: ignore[union-attr]
    assert found["dots_rr"].replay.short == "wait"  # type: ignore[union-attr]


def test_an_arm_changes_single_fields_of_the_predictor() -> None:
    arms = {**STUDY["arms"], "bare": {"extends": "dots", "predictor": {"towers": {"calibration": "none"}}}}
    found = cells({**STUDY, "arms": arms})
    assert found["bare"].predictor.towers.calibration == "none"  # type: ignore[union-attr]
    assert found["bare"].predictor.policies == found["dots"].predictor.policies  # type: ignore[union-attr]
    assert found["grpo"].predictor is None
    assert found["untrained"].predictor is None


def test_a_resolved_spec_gives_the_same_cells(tmp_path: Any) -> None:
    arms = {**STUDY["arms"], "code": {"extends": "dots_rr", "preset": "code"}}
    spec: Spec = parse_spec({**STUDY, "arms": arms, "preset": "paper"})
    path = tmp_path / "resolved.yaml"
    path.write_text(resolved_yaml(spec))
    assert expand(load_spec(path).spec) == expand(spec)


def test_a_trained_predictor_without_its_section_is_a_mistake() -> None:
    study = {key: value for key, value in STUDY.items() if key != "predictor"}
    with pytest.raises(UserError, match=r"arms\.dots\.selection\.predictor.*expected a `predictor` section"):
        parse_spec(study)


def test_another_preset_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"preset.*papr.*paper"):
        parse_spec({**STUDY, "preset": "papr"})


def test_the_predictor_of_the_study_is_part_of_a_runs_identity_only_where_it_is_used() -> None:
    from repro.study.identity import result_fields

    changed = {**STUDY, "predictor": {"policies": [POLICY], "samples": 4}}
    before, after = cells(STUDY), cells(changed)
    for arm in ("grpo", "untrained"):
        assert result_fields(before[arm]) == result_fields(after[arm])
    for arm in ("dots", "dots_rr"):
        assert result_fields(before[arm]) != result_fields(after[arm])
    renamed = cells({**STUDY, "predictor": {"policies": [{**POLICY, "name": "renamed"}]}})
    assert result_fields(renamed["dots"]) == result_fields(before["dots"])


def test_what_a_label_policy_would_be_taught_of_another_task_does_not_enter() -> None:
    from repro.study.identity import result_fields

    other = {**POLICY, "tiny": {**POLICY["tiny"], "warm_start": {"teachers": {"shuffle": {"habit": 0.1}}}}}
    before, after = cells(STUDY), cells({**STUDY, "predictor": {"policies": [other]}})
    assert result_fields(before["dots"]) == result_fields(after["dots"])
    shuffle = [cells({**STUDY, "dataset": "shuffle", "predictor": {"policies": [p]}})["dots"] for p in (POLICY, other)]
    assert result_fields(shuffle[0]) != result_fields(shuffle[1])
