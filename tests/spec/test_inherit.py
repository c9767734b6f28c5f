"""Arms that extend others get their fields, and only what they change is theirs."""

from __future__ import annotations

import pytest

from tests.conftest import Load, Mistakes

CHAIN = """\
arms:
  c: {extends: b, replay: {fresh: 0.25}}
  a: {selection: {method: difficulty, target: 0.4, references: 8}, train: {learning_rate: 1e-4}}
  b: {extends: a, selection: {target: 0.6}, replay: {capacity: 64}, train: {clip: 0.3}}
"""


def test_a_chain_adds_up_in_whatever_order_it_is_written(load: Load) -> None:
    arms = load(CHAIN).spec.arms
    assert list(arms) == ["c", "a", "b"]
    assert arms["c"].selection.model_dump()["target"] == 0.6
    assert arms["c"].selection.model_dump()["references"] == 8
    assert arms["c"].replay is not None
    assert (arms["c"].replay.fresh, arms["c"].replay.capacity) == (0.25, 64)
    assert arms["c"].train == {"learning_rate": 1e-4, "clip": 0.3}
    assert arms["a"].replay is None
    assert all(arm.extends is None for arm in arms.values())


def test_another_method_replaces_the_whole_selection(load: Load) -> None:
    arms = load("arms:\n  a: {selection: {method: pass_rate, samples: 2, fraction: 0.2}}\n"
                "  b: {extends: a, selection: {method: random}}\n"
                "  c: {extends: a, selection: {method: pass_rate, fraction: 0.3}}\n").spec.arms  # fmt: skip
    assert arms["b"].selection.model_dump() == {"method": "random", "fraction": 0.1}
    assert arms["c"].selection.model_dump()["samples"] == 2


def test_every_kind_of_band_gives_way_to_another_and_keeps_the_fraction(load: Load) -> None:
    bands = ["highest", "{end: lowest}", "{center: 0.4}", "{pass_rate: 0.5}"]
    for parent in bands:
        for child in bands:
            arms = load(
                f"arms:\n  a: {{selection: {{method: confidence, band: {parent}, fraction: 0.2}}}}\n"
                f"  b: {{extends: a, selection: {{band: {child}}}}}\n"
                f"  c: {{selection: {{method: confidence, band: {child}, fraction: 0.2}}}}\n"
            ).spec.arms
            assert arms["b"].selection == arms["c"].selection


def test_another_kind_of_band_replaces_the_band_and_its_fraction(load: Load) -> None:
    arms = load("arms:\n  a: {selection: {method: confidence, band: {center: 0.4}, fraction: 0.2}}\n"
                "  b: {extends: a, selection: {band: {low: 0.2, high: 0.6}}}\n"
                "  c: {extends: b, selection: {band: {high: 0.5}}}\n"
                "  d: {extends: b, selection: {band: {center: mean}}}\n").spec.arms  # fmt: skip
    assert arms["b"].selection.model_dump()["fraction"] is None
    assert arms["c"].selection.model_dump()["band"] == {"low": 0.2, "high": 0.5, "scale": "value"}
    assert arms["d"].selection.model_dump()["fraction"] == 0.1


def test_null_turns_replay_off_and_selection_back_to_uniform(load: Load) -> None:
    arms = load(CHAIN + "  d: {extends: c, replay: null}\n  e: {extends: c, selection: null}\n").spec.arms
    assert arms["d"].replay is None
    assert arms["d"].selection.model_dump()["target"] == 0.6
    assert arms["e"].selection.method == "uniform"
    assert arms["e"].replay is not None


def test_changing_a_child_leaves_its_parent_alone(load: Load) -> None:
    arms = load(CHAIN, ["arms.c.replay.capacity=99"]).spec.arms
    assert arms["c"].replay is not None
    assert arms["b"].replay is not None
    assert (arms["c"].replay.capacity, arms["b"].replay.capacity) == (99, 64)


def test_circles_and_unknown_parents_are_mistakes(mistakes: Mistakes) -> None:
    assert mistakes("arms:\n  a: {extends: b}\n  b: {}\n") == []
    assert mistakes("arms:\n  a: {extends: b}\n  b: {extends: a}\n") == [
        "spec.yaml:6: arms.b.extends: got a circle (a > b > a), expected a chain that ends"
    ]
    assert mistakes("arms:\n  a: {extends: a}\n") == [
        "spec.yaml:5: arms.a.extends: got a, the arm itself, expected another arm, or none"
    ]
    assert mistakes("arms:\n  dots: {}\n  a: {extends: dotz}\n") == [
        'spec.yaml:6: arms.a.extends: got "dotz", expected an arm (dots), did you mean dots?'
    ]
    (found,) = mistakes("arms:\n  a: {extends: 3}\n")
    assert "arms.a.extends: got 3, expected an arm" in found


def test_an_inherited_mistake_is_told_once_where_it_was_written(mistakes: Mistakes) -> None:
    arms = "arms:\n  a: {selection: {method: random, fraction: 2}}\n  b: {extends: a}\n  c: {extends: b, replay: {}}\n"
    assert mistakes(arms) == [
        "spec.yaml:5: arms.a.selection.fraction: got 2, expected a number > 0 and <= 1",
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{low: 0.1, center: mean}", "got low, center, expected the fields of one kind: center; or low, high, scale"),
        (
            "{end: highest, pass_rate: 0.5}",
            "got end, pass_rate, expected the fields of one kind: pass_rate, questions, samples; or end",
        ),
    ],
)
def test_fields_of_two_kinds_of_band_are_one_mistake(mistakes: Mistakes, section: str, message: str) -> None:
    (found,) = mistakes(f"arms:\n  a: {{selection: {{method: confidence, fraction: 0.1, band: {section}}}}}\n")
    assert found.endswith(f"arms.a.selection.band: {message}")
