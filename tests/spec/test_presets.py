"""Presets: one line that sets every field of a paper's table, and that what is written overrules."""

from __future__ import annotations

import copy
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from repro.difficulty.predictor_spec import FitSpec, TowersSpec
from repro.errors import UserError
from repro.fields import Strict
from repro.replay.replay_spec import ReplaySpec
from repro.selection.methods.difficulty import Difficulty
from repro.spec.presets import dots_rr
from repro.spec.presets.registry import PRESETS
from repro.spec.schema import Cell, EvaluateSpec, Spec, TrainSpec
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
SECTIONS: dict[str, type[Strict]] = {
    "train": TrainSpec,
    "evaluate": EvaluateSpec,
    "replay": ReplaySpec,
    "selection": Difficulty,
    "predictor.towers": TowersSpec,
    "predictor.fit": FitSpec,
}
AS_BOTH = {
    "train.schedule": "constant",
    "train.warmup": 0.0,
    "train.clip": 0.2,
    "train.kl": 0.0,
    "train.max_grad_norm": 1.0,
    "replay.unit": "group",
    "replay.fresh": 0.5,
    "replay.draw": "uniform",
    "replay.tau_age": None,
    "replay.max_age": None,
    "selection.target": 0.5,
    "selection.temperature": 1e-3,
    "selection.every": 2,
    "selection.samples": None,
    "predictor.towers.layers": 3,
    "predictor.towers.dropout": 0.1,
    "predictor.fit.epochs": 20,
    "predictor.fit.batch_size": 256,
    "predictor.fit.learning_rate": 1e-3,
    "predictor.fit.references": 256,
    "predictor.fit.warm_up": 0.1,
}
"""Field -> what the paper, where it speaks, the code and our default have in common."""
SIZES = {
    *("train.steps", "train.questions_per_step", "train.group_size", "train.minibatches", "train.learning_rate"),
    *("train.max_completion_tokens", "train.max_prompt_tokens", "replay.capacity", "selection.references"),
}
OURS = {
    *("train.min_spread", "train.stop_on", "train.rollout", "train.precision", "train.threads"),
    *("train.gradient_checkpointing", "train.keep", "train.micro_batch"),
    *("selection.method", "selection.predictor"),
    *("selection.reuse_within", "predictor.fit.seed", "replay.second_moment"),
}
"""How and on what a study runs, and what neither paper nor code has or names."""


def value_in(cell: Cell, path: str) -> Any:
    value: Any = cell.model_dump()
    for key in path.split("."):
        value = value[key]
    return value


def default_of(path: str) -> Any:
    section, _, name = path.rpartition(".")
    return SECTIONS[section].model_fields[name].get_default(call_default_factory=True)


@pytest.mark.parametrize("name", DOTS_RR)
def test_a_preset_sets_every_field_of_its_table(name: str) -> None:
    found = cells({**STUDY, "preset": name})
    for field in dots_rr.FIELDS:
        expected = field.values.get(name, default_of(field.path))
        assert value_in(found["dots_rr"], field.path) == expected, field.path
        if field.path.startswith(("train.", "evaluate.")):
            assert value_in(found["grpo"], field.path) == expected, field.path
    assert found["grpo"].replay is None and found["grpo"].predictor is None


@pytest.mark.parametrize("name", DOTS_RR)
def test_every_field_that_a_spec_writes_goes_before_its_preset(name: str) -> None:
    study = copy.deepcopy({**STUDY, "preset": name, "train": {}, "evaluate": {}})
    places = {"selection": study["arms"]["dots"]["selection"], "replay": study["arms"]["dots_rr"]["replay"]}
    for field in dots_rr.FIELDS:
        section, _, last = field.path.rpartition(".")
        node = places.get(section, study)
        for key in () if section in places else section.split("."):
            node = node.setdefault(key, {})
        node[last] = default_of(field.path)
    found = cells(study)["dots_rr"]
    assert {field.path: value_in(found, field.path) for field in dots_rr.FIELDS} == {
        field.path: default_of(field.path) for field in dots_rr.FIELDS
    }


def test_no_field_of_the_method_is_forgotten() -> None:
    """A new field belongs into the table, or into one of the lists above."""
    known = {field.path for field in dots_rr.FIELDS}
    assert not known & (AS_BOTH.keys() | SIZES | OURS)
    for section, model in SECTIONS.items():
        if section != "evaluate":
            paths = {f"{section}.{name}" for name in model.model_fields}
            assert paths <= known | AS_BOTH.keys() | SIZES | OURS, paths - known - AS_BOTH.keys() - SIZES - OURS
    assert {path: default_of(path) for path in AS_BOTH} == AS_BOTH


def test_every_row_of_the_table_is_a_difference_with_a_source() -> None:
    for field in dots_rr.FIELDS:
        assert set(field.where) == set(DOTS_RR) and all(field.where.values()) and field.why, field.path
        values = [field.values.get(name, "unset") for name in DOTS_RR]
        assert any(value != default_of(field.path) for value in values), field.path
        assert None not in (default_of(field.path), *values), f"{field.path}: a resolved spec leaves out what is none"
        if dots_rr.NOT_SAID in field.where.values():
            assert values[0] == values[1], f"{field.path}: what one does not say is taken from the other"


def test_the_table_of_the_documents_is_that_of_the_presets() -> None:
    def word(value: Any) -> str:
        if isinstance(value, bool) or value is None:
            return {True: "on", False: "off", None: "none"}[value]
        return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:g}"

    text = (Path(__file__).parents[2] / "docs/methods.md").read_text(encoding="utf-8")
    section = text.partition("## DOTS + RR: the paper")[2].partition("\n## ")[0]
    rows = [
        line for line in section.splitlines() if re.match(r"\| `(train|evaluate|replay|selection|predictor)\.", line)
    ]
    expected = [
        " | ".join(
            [
                f"| `{field.path}`",
                *(f"{word(field.values[n]) if n in field.values else '-'} ({field.where[n]})" for n in DOTS_RR),
                word(default_of(field.path)),
                f"{field.why} |",
            ]
        )
        for field in dots_rr.FIELDS
    ]
    assert rows == expected


def test_a_preset_of_an_arm_leaves_the_evaluation_to_the_study() -> None:
    found = cells({**STUDY, "arms": {**STUDY["arms"], "code": {"extends": "dots_rr", "preset": "code"}}})
    assert found["code"].evaluate == found["grpo"].evaluate
    assert found["code"].train.temperature == 0.6


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
    ours = {"fit": {"warm_up_most": default_of("predictor.fit.warm_up_most")}}
    predictor = {**STUDY["predictor"], **ours}
    spec: Spec = parse_spec({**STUDY, "arms": arms, "predictor": predictor, "preset": "paper"})
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
