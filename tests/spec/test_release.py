"""The preset `release`: its table in the documents, what it fills in, and the defaults that it says it takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments
from trl import GRPOConfig

from repro.errors import UserError
from repro.spec.presets.ufo_rl import ARGUMENTS, FIELDS, INFERRED, NAME, STATED, TRL
from repro.spec.schema import Cell, TrainSpec
from repro.study.expand import expand
from repro.study.load import load_spec, parse_spec, resolved_yaml

METHODS = Path(__file__).parents[2] / "docs" / "methods.md"
STUDY: dict[str, Any] = {
    "name": "release",
    "preset": NAME,
    "model": "tiny",
    "dataset": "arithmetic",
    "arms": {
        "full": {},
        "ufo": {"selection": {"method": "confidence", "fraction": 0.1}},
        "high": {"selection": {"method": "high_confidence"}},
        "low": {"selection": {"method": "low_confidence"}},
        "random": {"selection": {"method": "random", "fraction": 0.1}},
    },
    "seeds": [0],
}
DEFAULTS = {"selection.prompt": None, "budget.epochs": None, "reward": ["accuracy"]}
"""Ours, of the fields outside `train`."""


def cells(study: dict[str, Any]) -> dict[str, Cell]:
    return {cell.arm: cell for cell in expand(parse_spec(study))}


def told(value: Any) -> str:
    """A value as a table has it."""
    if isinstance(value, list):
        return ", ".join(value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def rows() -> list[str]:
    """The table of docs/methods.md, a row for each field."""
    found = {}
    for field in FIELDS:
        name = field.path.partition(".")[2]
        default = TrainSpec.model_fields[name].default if field.path.startswith("train.") else DEFAULTS[field.path]
        ours = f"{told(default)}: {field.why}"
        found[field.path] = f"| `{field.path}` | {told(field.values[NAME])} | {field.where[NAME]} | {ours} |"
    return list(found.values())


def test_the_table_of_the_documents_has_every_field_with_its_source() -> None:
    text = METHODS.read_text(encoding="utf-8")
    table = re.search(r"<!-- release: begin -->\n(.*?)\n<!-- release: end -->", text, re.DOTALL)
    assert table is not None
    assert table[1].splitlines()[2:] == rows()


def test_every_source_is_stated_or_inferred() -> None:
    for field in FIELDS:
        assert field.where[NAME].startswith((STATED, INFERRED))
    assert {field.path for field in FIELDS if field.where[NAME].startswith(STATED)} == {
        "train.learning_rate",
        "train.temperature",
        "train.max_prompt_tokens",
        "train.max_completion_tokens",
        "train.group_size",
        "selection.prompt",
    }


def test_it_sets_every_field_of_its_table_in_every_arm() -> None:
    for arm, cell in cells(STUDY).items():
        for field in FIELDS:
            if field.path.startswith("train."):
                assert getattr(cell.train, field.path.removeprefix("train.")) == field.values[NAME], (arm, field.path)
        assert [(term.reward, term.weight) for term in cell.reward] == [
            ("accuracy", 1.0),
            ("format", 1.0),
            ("tag_count", 1.0),
        ]
        assert cell.budget is not None and cell.budget.epochs == 3
        assert getattr(cell.selection, "prompt", "none") == ("paper" if arm in ("ufo", "high", "low") else "none")


def test_what_is_inferred_from_the_arguments_of_training_is_still_their_default() -> None:
    fields = TrainingArguments.__dataclass_fields__
    theirs = {
        "train.schedule": "lr_scheduler_type",
        "train.weight_decay": "weight_decay",
        "train.max_grad_norm": "max_grad_norm",
        "budget.epochs": "num_train_epochs",
    }
    values = {field.path: field.values[NAME] for field in FIELDS if field.where[NAME].startswith(ARGUMENTS)}
    assert values.keys() - theirs.keys() == {"train.warmup"}  # its field has another name by now
    assert {path: fields[name].default for path, name in theirs.items()} == {path: values[path] for path in theirs}


def test_what_is_inferred_from_trl_is_still_its_default_but_for_three_fields() -> None:
    """TRL 0.17 had `bnpo`, 0.04 and true for these. Its clip and its one accumulation step are ours, too."""
    fields, values = GRPOConfig.__dataclass_fields__, {field.path: field.values[NAME] for field in FIELDS}
    theirs = {"train.top_p": "top_p", "train.minibatches": "num_iterations"}
    changed = {"train.loss": "dapo", "train.kl": 0.0, "train.advantage_std": "group"}
    names = {"train.loss": "loss_type", "train.kl": "beta", "train.advantage_std": "scale_rewards"}
    assert {field.path for field in FIELDS if field.where[NAME].startswith(TRL)} == theirs.keys() | changed.keys()
    assert {path: fields[name].default for path, name in theirs.items()} == {path: values[path] for path in theirs}
    assert {path: fields[name].default for path, name in names.items()} == changed
    assert fields["epsilon"].default == TrainSpec().clip and fields["gradient_accumulation_steps"].default == 1


def test_eight_questions_a_step_are_the_completions_of_seven_devices() -> None:
    values = {field.path: field.values[NAME] for field in FIELDS}
    devices = 8 - 1  # one of zero2.yaml's processes samples
    completions = devices * TrainingArguments.__dataclass_fields__["per_device_train_batch_size"].default
    assert completions == values["train.questions_per_step"] * values["train.group_size"] == 56


def test_a_study_that_says_how_long_it_trains_keeps_its_own_length() -> None:
    for cell in cells({**STUDY, "train": {"steps": 5}}).values():
        assert (cell.budget, cell.train.steps, cell.train.kl) == (None, 5, 0.04)
    for cell in cells({**STUDY, "budget": {"tokens": 100}, "train": {"schedule": "constant"}}).values():
        assert cell.budget is not None
        assert (cell.budget.tokens, cell.budget.epochs, cell.train.kl) == (100, None, 0.04)


def test_a_study_over_several_lengths_has_no_other() -> None:
    found = expand(parse_spec({**STUDY, "arms": {"full": {}}, "axes": {"train.steps": [3, 4]}}))
    assert [(cell.budget, cell.train.steps) for cell in found] == [(None, 3), (None, 4)]


def test_steps_of_one_arm_beside_the_presets_budget_are_a_mistake_that_names_the_preset() -> None:
    with pytest.raises(UserError, match=r"arms\.short\.train\.steps: got steps beside a budget of preset release"):
        parse_spec({**STUDY, "arms": {"full": {}, "short": {"train": {"steps": 3}}}})


def test_a_budget_of_an_arm_goes_before_that_of_the_preset() -> None:
    arms = {**STUDY["arms"], "long": {"budget": {"epochs": 30}}, "plain": {"reward": "random"}}
    found = cells({**STUDY, "arms": arms})
    assert found["long"].budget.epochs == 30 and found["full"].budget.epochs == 3  # type: ignore[union-attr]
    assert [term.reward for term in found["plain"].reward] == ["random"]


def test_the_preset_of_one_arm_reaches_that_arm_and_leaves_its_length_alone() -> None:
    arms = {"full": {}, "release": {"preset": NAME}}
    found = cells({**{key: STUDY[key] for key in ("name", "model", "dataset", "seeds")}, "arms": arms})
    assert found["full"].train.kl == 0 and len(found["full"].reward) == 1
    assert found["release"].train.kl == 0.04 and len(found["release"].reward) == 3
    assert found["release"].budget is None


@pytest.mark.parametrize("prompt", ["paper", None])
def test_a_resolved_spec_gives_the_same_cells_also_where_a_field_is_emptied(tmp_path: Path, prompt: str | None) -> None:
    limit = 512 if prompt else None
    arms = {**STUDY["arms"], "ufo": {"selection": {"method": "confidence", "fraction": 0.1, "prompt": prompt}}}
    spec = parse_spec({**STUDY, "arms": arms, "train": {"max_prompt_tokens": limit}})
    assert spec.train.max_prompt_tokens == limit and spec.arms["ufo"].selection.model_dump()["prompt"] == prompt
    path = tmp_path / "resolved.yaml"
    path.write_text(resolved_yaml(spec))
    assert load_spec(path).spec == spec
