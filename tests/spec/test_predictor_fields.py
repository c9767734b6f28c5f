"""Mistakes in the fields of a difficulty predictor: told once, where they were written, before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.cli import main
from repro.study.expand import expand, expand_study
from tests.conftest import HEAD, Load, Mistakes

ARMS = "arms:\n  dots: {selection: {method: difficulty, predictor: trained}}\n  rr: {extends: dots, replay: {}}\n"
POLICY = "{name: narrow, tiny: {width: 64, heads: 2}}"


def study(predictor: str, arms: str = ARMS) -> str:
    """The predictor stands in line 4."""
    return f"{HEAD}predictor: {predictor}\n{arms}"


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        (
            "{policies: [{name: a, tiny: {widht: 64}}]}",
            'predictor.policies.0.tiny.widht: got "widht", expected a field',
        ),
        ("{policies: [{name: a, tiny: {widht: 64}}]}", "did you mean width?"),
        (f"{{path: there, policies: [{POLICY}]}}", "predictor: got both, expected exactly one of path and policies"),
        ("{samples: 4}", "predictor: got neither, expected exactly one of path and policies"),
        ("trained", 'predictor: got "trained", expected a mapping with path, policies'),
        ("{policies: tiny}", 'predictor.policies: got "tiny", expected a list'),
        (f"{{policies: [{POLICY}], fit: {{epoch: 3}}}}", 'predictor.fit.epoch: got "epoch", expected a field of fit'),
        (f"{{policies: [{POLICY}], towers: {{calibration: slope}}}}", "did you mean slope_bias?"),
        ("{policies: [tiny]}", 'predictor.policies.0: got "tiny-96x2", which is trained here (tiny-96x2)'),
        ("{path: there}", "predictor.embedder: got nothing beside predictor.path, expected the model that embedded"),
    ],
)
def test_a_mistake_is_told_once_although_every_arm_has_the_predictor(
    mistakes: Mistakes, predictor: str, message: str
) -> None:
    (found,) = mistakes(study(predictor))
    assert found.startswith("spec.yaml:4: ")
    assert message in found


def test_the_same_fields_without_the_mistake_are_valid(mistakes: Mistakes) -> None:
    for predictor in (f"{{policies: [{POLICY}]}}", "{path: there, embedder: tiny}", "{policies: [{hub: a/b}]}"):
        assert mistakes(study(predictor)) == []


def test_a_mistake_in_an_arms_own_fields_is_told_in_that_arm(mistakes: Mistakes) -> None:
    own = (
        "arms:\n  dots:\n    selection: {method: difficulty, predictor: trained}\n    predictor: {towers: {widht: 8}}\n"
    )
    (found,) = mistakes(study(f"{{policies: [{POLICY}]}}", own))
    assert found.startswith('spec.yaml:8: arms.dots.predictor.towers.widht: got "widht"')


@pytest.mark.parametrize("predictor", ["untrained", "oracle"])
def test_a_line_is_chosen_for_a_trained_predictor_only(mistakes: Mistakes, predictor: str) -> None:
    arms = "arms:\n  a:\n    selection:\n      method: difficulty\n      predictor: %s\n      recalibration: %s\n"
    assert mistakes(arms % (predictor, "left_out")) == []
    (found,) = mistakes(arms % (predictor, "none"))
    assert found.startswith(f'spec.yaml:9: arms.a.selection.recalibration: got "none" with predictor {predictor}')


def test_a_sweep_over_predictors_names_the_range_that_brings_the_mistake(mistakes: Mistakes) -> None:
    arms = "arms: {a: {selection: {method: difficulty}}}\naxes: {selection.recalibration: [left_out, in_sample]}\n"
    (found,) = mistakes(arms)
    assert 'axes.selection.recalibration: got "in_sample" with predictor untrained' in found


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        ("{path: DIR, embedder: tiny}", "predictor.path: 'DIR' has no card.json of a difficulty predictor; expected"),
        (
            "{policies: [{name: a, path: DIR}]}",
            "predictor.policies.0.path: 'DIR' is not a directory; expected one saved",
        ),
        (f"{{policies: [{POLICY}], embedder: {{path: DIR}}}}", "predictor.embedder.path: 'DIR' is not a directory"),
    ],
)
def test_a_folder_that_is_missing_is_told_by_plan_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], predictor: str, message: str
) -> None:
    path, missing = tmp_path / "spec.yaml", str(tmp_path / "none")
    path.write_text(study(predictor.replace("DIR", missing)))
    assert main(["plan", str(path), "--runs", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{path}:4: {message.replace('DIR', missing)}")
    assert len(said.splitlines()) == 1


def test_the_content_of_a_local_label_policy_enters_the_identity_and_its_place_does_not(
    load: Load, tmp_path: Path
) -> None:
    for name, weights in (("a", "w"), ("b", "w"), ("c", "v")):
        (tmp_path / name).mkdir()
        for file in ("config.json", "tokenizer_config.json"):
            (tmp_path / name / file).write_text("{}")
        (tmp_path / name / "model.safetensors").write_text(weights)
    found = {}
    for name in ("a", "b", "c"):
        spec = load(study(f"{{policies: [{{name: x, path: {tmp_path / name}}}]}}")).spec
        found[name] = [expanded.identity for expanded in expand_study(spec)]
    assert found["a"] == found["b"]
    assert not set(found["a"]) & set(found["c"])


# ---------------------------------------------------------------- without effect


def test_a_predictor_that_no_arm_asks_for_is_warned_about(load: Load) -> None:
    untrained = "arms: {a: {selection: {method: difficulty}}, b: {}}\n"
    (warning,) = load(study(f"{{policies: [{POLICY}]}}", untrained)).warnings
    assert "spec.yaml:4: predictor: warning: has no effect: no arm has a selection with predictor: trained" in warning
    assert load(study(f"{{policies: [{POLICY}]}}")).warnings == ()
    axis = f"{untrained}axes: {{selection.predictor: [untrained, trained]}}\n"
    loaded = load(study(f"{{policies: [{POLICY}]}}", axis))
    assert loaded.warnings == ()
    trained = [cell for cell in expand(loaded.spec) if getattr(cell.selection, "predictor", "") == "trained"]
    assert [cell.predictor and cell.predictor.policies[0].label for cell in trained] == ["narrow"] * 3


def test_an_arm_with_fields_of_a_predictor_that_it_does_not_ask_for_is_warned_about(load: Load) -> None:
    own = f"{ARMS}  plain: {{selection: {{method: difficulty}}, predictor: {{samples: 4}}}}\n"
    (warning,) = load(study(f"{{policies: [{POLICY}]}}", own)).warnings
    assert "arms.plain.predictor: warning: has no effect" in warning


def test_references_of_an_oracle_are_warned_about_where_they_were_written(load: Load) -> None:
    arms = "arms:\n  a: {selection: {method: difficulty, references: 8}}\n  b: {extends: a, selection: {%s}}\n"
    assert load(arms % "method: difficulty, predictor: oracle").warnings == ()
    (warning,) = load(arms % "method: difficulty, predictor: oracle, references: 4").warnings
    assert "arms.b.selection.references: warning: has no effect: an oracle measures every question" in warning
