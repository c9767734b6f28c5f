"""`-S path=value` sets any field, and what it breaks is told with the option that broke it."""

from __future__ import annotations

import pytest

from repro.errors import UserError
from repro.spec.overrides import parse_override
from tests.conftest import Load, Mistakes

ARMS = """\
arms:
  full: {}
  random: {selection: {method: random, fraction: 0.2}}
  dots: {selection: {method: difficulty, target: 0.4}}
  dots_rr: {extends: dots, replay: {}}
  band: {selection: {method: confidence, band: {low: 0.1, high: 0.9}}}
"""


def test_values_are_yaml() -> None:
    assert parse_override("train.learning_rate=1e-4").value == 1e-4
    assert parse_override("seeds=[3, 4]").value == [3, 4]
    assert parse_override("arms.a={selection: {method: random}}").value == {"selection": {"method": "random"}}
    assert parse_override("name=a=b").value == "a=b"
    assert parse_override("arms.a.replay=").value is None


@pytest.mark.parametrize("text", ["train.steps", "=3", "train..steps=3", "train.steps=[1", ""])
def test_what_is_no_assignment_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(UserError, match="-S"):
        parse_override(text)


def test_fields_written_or_not_are_set_and_the_last_wins(load: Load) -> None:
    spec = load(ARMS + "seeds: [0, 1]\n", ["train.steps=3", "evaluate.every=2", "train.steps=4", "seeds.1=7"]).spec
    assert (spec.train.steps, spec.evaluate.every, spec.seeds) == (4, 2, [0, 7])


def test_children_follow_a_changed_arm(load: Load) -> None:
    arms = load(ARMS, ["arms.dots.selection.target=0.7"]).spec.arms
    assert arms["dots"].selection.model_dump()["target"] == 0.7
    assert arms["dots_rr"].selection.model_dump()["target"] == 0.7


def test_a_child_alone_can_be_changed_in_a_section_it_inherits(load: Load) -> None:
    arms = load(ARMS, ["arms.dots_rr.selection.target=0.7"]).spec.arms
    assert arms["dots"].selection.model_dump()["target"] == 0.4
    assert arms["dots_rr"].selection.model_dump()["target"] == 0.7


def test_another_method_drops_the_fields_of_the_old_one(load: Load) -> None:
    arms = load(ARMS, ["arms.random.selection.method=pass_rate", "arms.random.selection.samples=4"]).spec.arms
    selection = arms["random"].selection.model_dump()
    assert (selection["method"], selection["samples"], selection["fraction"]) == ("pass_rate", 4, 0.1)


def test_selection_and_replay_reach_every_arm_that_has_the_field(load: Load) -> None:
    arms = load(ARMS, ["selection.fraction=0.5", "replay.capacity=77"]).spec.arms
    assert arms["random"].selection.model_dump()["fraction"] == 0.5
    assert arms["band"].selection.model_dump()["fraction"] is None
    assert arms["dots_rr"].replay is not None
    assert arms["dots_rr"].replay.capacity == 77
    assert arms["dots"].replay is None


def test_model_fields_reach_through_the_shorthand_and_every_model_of_a_list(load: Load) -> None:
    assert load(ARMS, ["model.tiny.width=48"]).spec.model[0].label == "tiny-48x2"
    spec = load(
        "name: x\nmodel: [tiny, {tiny: {layers: 3}}]\ndataset: arithmetic\n" + ARMS, ["model.tiny.width=48"]
    ).spec
    assert [model.label for model in spec.model] == ["tiny-48x2", "tiny-48x3"]
    spec = load(
        "name: x\nmodel: [tiny, {tiny: {layers: 3}}]\ndataset: arithmetic\n" + ARMS, ["model.1.tiny.width=48"]
    ).spec
    assert [model.label for model in spec.model] == ["tiny-96x2", "tiny-48x3"]
    assert load(ARMS, ["dataset=gsm8k", "model={hub: a/b}"]).spec.dataset[0].named == "gsm8k"


def test_axes_and_sweep_space_keep_their_dotted_keys(load: Load) -> None:
    sweep = "sweep: {arm: random, space: {selection.fraction: {float: [0.1, 0.5]}}}\n"
    spec = load(
        ARMS + sweep,
        ["axes.selection.fraction=[0.1, 0.3]", "sweep.space.selection.fraction.float=[0.2, 0.4]", "sweep.trials=3"],
    ).spec
    assert spec.axes == {"selection.fraction": [0.1, 0.3]}
    assert spec.sweep is not None
    assert spec.sweep.space["selection.fraction"].model_dump()["float"] == (0.2, 0.4)
    assert spec.sweep.trials == 3


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("train.stepz=3", 'train.stepz: got "stepz", expected a field of train, did you mean steps?'),
        ("train.steps=0", "train.steps: got 0, expected a whole number >= 1"),
        ("trian.steps=3", 'got "trian", expected a field of the spec, did you mean train?'),
        ("arms.dotz.selection.target=0.5", 'arms.dotz.selection.target: got "dotz", expected an arm'),
        ("arms.dots.selection.taget=0.5", 'got "taget", expected a field of selection, did you mean target?'),
        ("selection.fractoin=0.5", "expected a field that an arm has, did you mean selection.fraction?"),
        ("seeds.5=3", "seeds.5: got index 5, expected 0 to 1"),
        ("train.steps.7=3", "train.steps.7: got index 7, expected the value of train.steps as a whole"),
        ("seeds.first=3", "seeds.first: got first, expected an index, 0 to 1"),
        ("model.7.name=x", "model.7.name: got index 7, expected 0 to 0"),
        ("model.-1.name=x", "model.-1.name: got index -1, expected 0 to 0"),
        ("model.tiny.widht=3", 'model.tiny.widht: got "widht", expected a field of tiny'),
        ("selection.fraction=1.5", "got 1.5, expected a number > 0 and <= 1"),
    ],
)
def test_a_faulty_option_is_told_with_the_option(mistakes: Mistakes, option: str, message: str) -> None:
    assert mistakes(ARMS + "seeds: [0, 1]\n") == []
    (found,) = mistakes(ARMS + "seeds: [0, 1]\n", [option])
    assert found.startswith(f"-S {option}: ")
    assert message in found


def test_all_options_are_checked_at_once(mistakes: Mistakes) -> None:
    found = mistakes(ARMS, ["train.stepz=3", "arms.zz.replay.capacity=3", "report.baseline=ful"])
    assert len(found) == 3
