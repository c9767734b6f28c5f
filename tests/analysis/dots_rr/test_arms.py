"""Parts of arms: found by what the runs did, whatever the arms are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from repro.analysis.dots_rr.arms import (
    CURRICULUM,
    DOTS,
    DOTS_RR,
    GRPO,
    HEADLINE,
    REFERENCES,
    RR,
    STEPS,
    Arms,
    Change,
    part_looks,
    rows_said,
)
from tests.analysis.conftest import measure
from tests.analysis.dots_rr.study import DOTS as ONLINE
from tests.analysis.dots_rr.study import REPLAY, behaviour, dots_panels, dots_study
from tests.analysis.synthetic import Store


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Arms:
    return Arms(dots_panels(dots_study(tmp_path_factory.mktemp("dots"), points=2, questions=20, seeds=1)))


def test_headline_arms_are_found_by_selection_and_replay(arms: Arms):
    found = {part: arms.headline(part) for part in HEADLINE}
    assert {part: arm and arm.label for part, arm in found.items()} == {
        GRPO: "alpha", DOTS: "beta", RR: "gamma", DOTS_RR: "delta",
    }  # fmt: skip


def test_other_methods_are_named_by_what_they_do(arms: Arms):
    named = {label: arms.of(label).name for label in ("fixed", "filter", "resample")}
    assert named == {"fixed": CURRICULUM, "filter": "pass-rate filter", "resample": "dynamic sampling"}


@pytest.mark.parametrize(
    ("label", "name", "changes"),
    [
        ("k_small", "DOTS, K 2", {REFERENCES: Change(4, 2)}),
        ("oracle", "DOTS, predictor oracle", {"selection.predictor": Change("untrained", "oracle")}),
        ("a_low", "DOTS+RR, α 0.25", {"selection.target": Change(0.5, 0.25)}),
        ("corrected", "DOTS+RR, correction proximal", {"replay.correction": Change("paper", "proximal")}),
        ("plain_long", "GRPO, steps 6", {STEPS: Change(4, 6)}),
        ("beta", "DOTS", {}),
    ],
)
def test_a_variant_is_named_by_the_field_that_differs(arms: Arms, label: str, name: str, changes: dict[str, Change]):
    assert arms.of(label).name == name and arms.of(label).changes == changes


def test_variants_of_one_field_leave_out_arms_that_differ_in_more(arms: Arms):
    assert [arm.label for arm in arms.variants(DOTS, REFERENCES)] == ["k_small", "k_large"]
    assert [arm.label for arm in arms.variants(DOTS_RR, "selection.target")] == ["a_low"]
    assert arms.of("two_fields").name == "DOTS+RR, α 0.25, τ 0.1"


def test_a_long_run_is_compared_with_a_grpo_that_is_as_long(arms: Arms):
    compared = {label: arms.reference(label) for label in ("delta", "delta_long", "fixed", "alpha", "plain_long")}
    labels = {label: arm.label if arm else None for label, arm in compared.items()}
    assert labels == {
        "delta": "alpha", "delta_long": "plain_long", "fixed": "alpha", "alpha": None, "plain_long": None,
    }  # fmt: skip


def test_a_longer_arm_that_comes_first_is_no_headline_arm(quick_study: Callable[..., Store]):
    plain = behaviour(0.6, 4)
    long: dict[str, Any] = {"train": {"steps": 8}}
    store = quick_study(
        {
            "later": (ONLINE | long, plain),
            "usual": (ONLINE, plain),
            "base": ({}, plain),
            "again": (ONLINE | REPLAY | long, plain),
        },
        seeds=1,
        steps=4,
        fields={"report": {"baseline": "base"}},
    )
    found = Arms([measure(store)])
    assert [arm and arm.label for arm in map(found.headline, (GRPO, DOTS, DOTS_RR))] == ["base", "usual", "again"]
    assert found.of("later").changes == {STEPS: Change(4, 8)}


def test_the_recipe_of_a_trained_predictor_is_no_difference_of_its_own(quick_study: Callable[..., Store]):
    plain = behaviour(0.6, 4)

    def online(predictor: str) -> dict[str, Any]:
        return {"selection": {**ONLINE["selection"], "predictor": predictor}}

    arms: dict[str, Any] = {
        "base": ({}, plain),
        "learned": (online("trained"), plain),
        "raw": (online("untrained"), plain),
    }
    arms["wide"] = ({**online("trained"), "predictor": {"towers": {"width": 64}}}, plain)
    recipe = {"policies": [{"tiny": {"width": 64, "layers": 2, "heads": 2}}]}
    found = Arms([measure(quick_study(arms, seeds=1, steps=4, fields={"predictor": recipe}))])
    assert found.of("raw").changes == {"selection.predictor": Change("trained", "untrained")}
    assert found.of("wide").changes == {"predictor.towers.width": Change(128, 64)}


def test_an_arm_that_is_rewarded_otherwise_is_a_variant_of_its_part(quick_study: Callable[..., Store]):
    plain = behaviour(0.6, 4)
    arms = {"base": ({}, plain), "dice": ({"reward": "random"}, plain)}
    found = Arms([measure(quick_study(arms, seeds=1, steps=4))])
    assert [arm.label for arm in (found.headline(GRPO), found.of("dice")) if arm] == ["base", "dice"]
    assert found.of("dice").changes == {"reward": Change("accuracy", "random")}
    assert found.of("dice").name == "GRPO, reward random"


@pytest.mark.parametrize(
    ("skips", "said"), [((False, False), "every row"), ((True, True), "leave out"), ((True, False), "Some")]
)
def test_captions_say_whether_every_row_is_trained(
    quick_study: Callable[..., Store], skips: tuple[bool, bool], said: str
):
    arms = {
        name: (fields | {"train": {"skip_zero_advantage": skip}}, behaviour(0.6, 4))
        for (name, fields), skip in zip((("base", {}), ("online", ONLINE)), skips, strict=True)
    }
    sentence = rows_said([measure(quick_study(arms, seeds=1, steps=4))])
    assert said in sentence and sentence.count("every row") == (skips[0] == skips[1])


def test_parts_keep_their_look_whatever_else_is_drawn():
    few, many = part_looks([GRPO, DOTS_RR]), part_looks([GRPO, DOTS, "DOTS, K × 0.5", "DOTS, K × 2"])
    assert all(few[part] == many[part] for part in HEADLINE)
    assert len({(look.color, look.marker) for look in many.values()}) == len(many)


def test_a_study_without_such_arms_has_no_parts(quick_study: Callable[..., Store]):
    only = {"some": ({"selection": {"method": "random", "fraction": 0.5}}, behaviour(0.5, 4))}
    found = Arms([measure(quick_study(only, seeds=1))])
    assert all(found.headline(part) is None for part in HEADLINE) and found.of("some").name == "random subset"
