"""Run identity: frozen, blind to labels, paths and what is switched off, and open to everything else.

If a golden hash changes, finished runs are no longer found. A new field of the schema changes them too: leave it out of
`result_fields` at the value that means "as before", or raise `VERSION` and freeze the hashes anew.
"""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from repro.canonical import canonical
from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.spec.schema import Cell
from repro.study.identity import Digests, identity, identity_of, result_fields
from repro.tasks.dataset_spec import DatasetSpec

TINY: dict[str, Any] = {
    "spec": "quickstart",
    "arm": "full",
    "axis_point": {},
    "model": {
        "tiny": {
            "width": 96,
            "layers": 2,
            "heads": 3,
            "tokenizer": "characters",
            "vocabulary": 1024,
            "warm_start": {
                "updates": 1500,
                "batch_size": 96,
                "learning_rate": 4e-3,
                "seed": 0,
                "teachers": {
                    "arithmetic": {
                        "habit": 0.6,
                        "noise_add": 0.08,
                        "noise_subtract": 0.12,
                        "noise_multiply": 0.2,
                        "direct_answers": 0.15,
                        "longest": 6,
                        "faultless": 0.6,
                    }
                },
            },
        },
        "dtype": "float32",
    },
    "dataset": {
        "arithmetic": {
            "pool": 1024,
            "validation": 128,
            "test": 256,
            "easy": 0.15,
            "hard": 0.35,
            "max_steps": 6,
            "seed": 0,
        }
    },
    "train": {
        "steps": 40,
        "questions_per_step": 32,
        "group_size": 8,
        "minibatches": 4,
        "learning_rate": 2e-4,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "temperature": 1.0,
        "top_p": 1.0,
        "max_completion_tokens": 96,
        "loss": "grpo",
        "advantage_std": True,
        "clip": 0.2,
        "kl": 0.0,
        "skip_zero_advantage": True,
    },
    "evaluate": {
        "every": 10,
        "samples": 4,
        "temperature": 1.0,
        "top_p": 1.0,
        "questions": None,
        "sets": ["test", "extra"],
        "pool_samples": 8,
        "base_temperatures": [0.3, 0.6],
    },
    "selection": {"method": "uniform"},
    "replay": None,
    "budget": None,
    "seed": 0,
}
DOTS = {"method": "difficulty", "target": 0.5, "temperature": 1e-3, "references": 16, "every": 2, "samples": None}
REPLAY = {"fresh": 0.5, "capacity": 32, "correction": "paper"}
OPTIONS = {
    "draw": "prioritised",
    "max_age": 4,
    "short": "wait",
    "filter": "draw",
    "per_question": "latest",
    "warm_up": 1,
}
LOCAL: dict[str, Any] = {
    "model": {"path": "models/a", "system_prompt": "Think.", "dtype": "bfloat16"},
    "dataset": {"path": "data/a.jsonl", "question": "q", "answer": "a", "validation_fraction": 0.1},
}


class Fixed(Digests):
    """The content of local files as given, so that a golden hash needs none."""

    def dataset(self, dataset: DatasetSpec) -> str:
        return "content of the dataset"

    def policy(self, model: ModelSpec, dataset: DatasetSpec) -> str:
        return "content of the policy"


def cell(**fields: Any) -> Cell:
    return Cell.model_validate({**copy.deepcopy(TINY), **fields})


def changed(path: str, value: Any, base: dict[str, Any] | None = None) -> Cell:
    fields = copy.deepcopy(base or TINY)
    node = fields
    *parents, last = path.split(".")
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return Cell.model_validate(fields)


GOLDEN = {
    "full": (cell(), "v3-301bc398767720b2"),
    "random": (cell(selection={"method": "random", "fraction": 0.1}), "v3-f198124556dd0b83"),
    "ufo": (
        cell(
            selection={
                "method": "confidence",
                "target": "final_answer",
                "band": {"center": "mean"},
                "fraction": 0.1,
            }
        ),
        "v3-cf665d33225bbb4e",
    ),
    "pass_rate": (
        cell(selection={"method": "pass_rate", "samples": 8, "band": {"low": 0.2, "high": 0.8, "scale": "value"}}),
        "v3-27cdbab37f10ff93",
    ),
    "dots": (cell(selection=DOTS), "v3-c42a4d25ea15ccc3"),
    "dots_rr": (cell(selection=DOTS, replay=REPLAY), "v3-9da6b4de6885e69a"),
    "rr_code": (cell(replay={**REPLAY, **OPTIONS}), "v3-47279551f479d2cb"),
    "budget": (cell(budget={"tokens": 1_000_000}), "v3-355aac5e4fa7f0cf"),
    "local": (cell(**LOCAL), "v3-150ebc03c6ad1608"),
    "hardest": (cell(selection={"method": "hardest"}), "v3-e6dd638de46d9603"),
    "calibrated": (cell(selection={"method": "confidence", "band": {"pass_rate": 0.5}}), "v3-3060c980393c1e67"),
    "prompt_entropy": (cell(selection={"method": "prompt_entropy"}), "v3-18ffff1debf1da68"),
    "curriculum": (cell(selection={"method": "curriculum", "by": "confidence"}), "v3-0f617592855329f0"),
    "epochs": (cell(budget={"epochs": 1}), "v3-c6f9a3a0c6417fd8"),
    "shuffle": (cell(dataset={"shuffle": {}}), "v3-53350d287cc5a747"),
    "variables": (cell(dataset={"variables": {}}), "v3-679b71738b34cd93"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_identities_are_frozen(name: str) -> None:
    frozen, expected = GOLDEN[name]
    assert identity(frozen, Fixed()) == expected


def test_golden_identities_are_distinct() -> None:
    assert len({expected for _, expected in GOLDEN.values()}) == len(GOLDEN)


ODD = {
    "spec": ["other-study", "x"],
    "arm": ["another", "0"],
    "axis_point": [{"train.steps": 40, "anything": None}],
    "model.name": ["a label"],
    "model.tiny.vocabulary": [64, 99999],  # characters find their own
    "model.system_prompt": ["never reaches a policy without a chat template"],
    "model.trust_remote_code": [True],
    "dataset.name": ["a label"],
    "dataset.question": ["read by nobody"],
    "dataset.validation_fraction": [0.9],
}


@pytest.mark.parametrize("path", ODD)
def test_labels_and_idle_fields_do_not_enter_whatever_they_hold(path: str) -> None:
    for value in ODD[path]:
        assert identity(changed(path, value), Fixed()) == identity(cell(), Fixed())


def test_paths_of_local_files_do_not_enter_but_their_content_does(tmp_path: Path) -> None:
    base = {**TINY, **LOCAL}
    for path in ("model.path", "dataset.path", "dataset.test_path"):
        assert identity(changed(path, "/elsewhere/b", base), Fixed()) == identity(cell(**LOCAL), Fixed())
    rows = [json.dumps({"question": f"{i}+1", "answer": str(i + 1)}) for i in range(20)]
    for name, text in (("a", rows), ("b", rows), ("c", [*rows[1:], rows[0].replace("1", "2")])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(text))
    found = {
        name: identity(cell(dataset={"path": str(tmp_path / f"{name}.jsonl"), "test_split": None}))
        for name in ("a", "b", "c")
    }
    assert found["a"] == found["b"]
    assert found["a"] != found["c"]


def test_a_missing_local_dataset_or_model_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    for fields in ({"dataset": {"path": str(tmp_path / "none.jsonl")}}, {"model": {"path": str(tmp_path / "none")}}):
        with pytest.raises(UserError, match="none"):
            identity(cell(**fields))


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}" if path else key)]
    return [(path, value)]


OTHER = {
    "model.tiny.tokenizer": "bpe",
    "model.tiny.width": 192,
    "model.dtype": "bfloat16",
    "train.loss": "dapo",
    "model.tiny.warm_start.teachers.arithmetic.longest": 5,
    "dataset.arithmetic.max_steps": 5,
    "evaluate.questions": 64,
    "evaluate.sets": ["test"],
    "evaluate.base_temperatures": [0.3],
    "replay": REPLAY,
    "budget": {"tokens": 5},
}
IDLE = {"spec", "arm", "model.tiny.vocabulary", "selection.method"}


@pytest.mark.parametrize(("path", "value"), [leaf for leaf in _leaves(TINY) if leaf[0] not in IDLE])
def test_every_other_field_enters(path: str, value: Any) -> None:
    other = OTHER.get(path)
    if other is None and isinstance(value, bool):
        other = not value
    elif other is None:
        other = (value / 2 or 0.5) if isinstance(value, float) else (value * 2 or 1)
    base = changed("train.skip_zero_advantage", False).model_dump(mode="json") if path == "train.kl" else TINY
    assert identity(changed(path, other, base), Fixed()) != identity(Cell.model_validate(base), Fixed())


@pytest.mark.parametrize(
    ("path", "other"), [("fresh", 0.25), ("capacity", 33), ("correction", "none"), *OPTIONS.items()]
)
def test_every_field_of_replay_enters_when_it_is_on(path: str, other: Any) -> None:
    assert identity(cell(replay={**REPLAY, path: other}), Fixed()) != identity(cell(replay=REPLAY), Fixed())


@pytest.mark.parametrize(
    ("path", "other"), [("target", 0.4), ("temperature", 1e-2), ("references", 8), ("every", 1), ("samples", 4)]
)
def test_every_field_of_a_selection_enters(path: str, other: Any) -> None:
    assert identity(cell(selection={**DOTS, path: other}), Fixed()) != identity(cell(selection=DOTS), Fixed())


def test_a_default_written_out_is_the_same_run() -> None:
    assert identity(cell(selection={**DOTS, "samples": 8}), Fixed()) == identity(cell(selection=DOTS), Fixed())
    defaults = {"draw": "uniform", "max_age": None, "short": "top_up", "filter": "insertion", "per_question": "all"}
    written = cell(selection=DOTS, replay={**REPLAY, **defaults, "warm_up": 0})
    assert identity(written, Fixed()) == GOLDEN["dots_rr"][1]
    short = cell(selection={"method": "confidence"})
    assert identity(short, Fixed()) == GOLDEN["ufo"][1]


def test_steps_do_not_enter_under_a_budget_and_the_budget_does() -> None:
    budget = {"budget": {"tokens": 1_000_000}}
    assert identity(changed("train.steps", 7, {**TINY, **budget}), Fixed()) == identity(cell(**budget), Fixed())
    assert identity(cell(budget={"tokens": 1_000_001}), Fixed()) != identity(cell(**budget), Fixed())
    assert identity(cell(budget={"seconds": 1_000_000}), Fixed()) != identity(cell(**budget), Fixed())


def test_the_teacher_enters_only_where_it_teaches() -> None:
    teacher = {"habit": 0.1}
    with_teacher = changed("model.tiny.warm_start.teachers.arithmetic", teacher)
    assert identity(with_teacher, Fixed()) != identity(cell(), Fixed())
    gsm8k = {"dataset": {"named": "gsm8k"}}
    assert identity(with_teacher.model_copy(update={"dataset": DatasetSpec(named="gsm8k")}), Fixed()) == identity(
        cell(**gsm8k), Fixed()
    )
    of_another_task = changed("model.tiny.warm_start.teachers", {"shuffle": teacher})
    plain = changed("model.tiny.warm_start.teachers", {})
    assert identity(of_another_task, Fixed()) == identity(plain, Fixed())


def test_a_trained_predictor_enters_by_its_content_and_not_by_its_place(tmp_path: Path) -> None:
    found = {}
    for place, digest in (("a", "one"), ("b", "one"), ("c", "other")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "card.json").write_text(json.dumps({"digest": digest}))
        predictor = {"path": str(tmp_path / place), "embedder": "tiny"}
        found[place] = identity(cell(selection={**DOTS, "predictor": "trained"}, predictor=predictor), Fixed())
    assert found["a"] == found["b"] != found["c"]


def test_a_warning_about_overlap_is_no_other_run_and_dropped_questions_are() -> None:
    base = {**TINY, **LOCAL}
    found = {how: identity(changed("dataset.decontaminate", how, base), Fixed()) for how in ("warn", "off", "drop")}
    assert found["warn"] == found["off"] == identity(cell(**LOCAL), Fixed()) != found["drop"]


def test_the_measure_that_a_curriculum_does_not_use_stays_out() -> None:
    curriculum = {"method": "curriculum", "by": "pass_rate"}
    assert identity(cell(selection={**curriculum, "target": "solution"}), Fixed()) == identity(
        cell(selection=curriculum), Fixed()
    )
    assert identity(cell(selection={**curriculum, "samples": 4}), Fixed()) != identity(
        cell(selection=curriculum), Fixed()
    )


def test_a_short_name_of_a_band_is_the_same_run() -> None:
    written = cell(selection={"method": "pass_rate", "band": {"end": "lowest"}, "fraction": 0.1})
    assert identity(cell(selection={"method": "hardest"}), Fixed()) == identity(written, Fixed())


def test_checking_predictions_is_another_run_only_where_something_is_predicted() -> None:
    checked = {"evaluate": {**TINY["evaluate"], "predictor_questions": 16}}
    assert identity(cell(**checked), Fixed()) == GOLDEN["full"][1]
    assert identity(cell(selection=DOTS, **checked), Fixed()) != GOLDEN["dots"][1]
    off = {"evaluate": {**TINY["evaluate"], "predictor_questions": 0}}
    assert identity(cell(selection=DOTS, **off), Fixed()) == GOLDEN["dots"][1]


def test_measuring_gradients_enters_where_it_is_done() -> None:
    found = [identity(cell(evaluate={**TINY["evaluate"], "gradient_questions": n}), Fixed()) for n in (0, 8, 9)]
    assert found[0] == GOLDEN["full"][1] and len(set(found)) == 3


def test_vllm_enters_with_its_number_format_but_not_where_it_runs_or_how_it_is_checked() -> None:
    same = ({"engine": "hf"}, {"memory": 0.9}, {"dtype": "bfloat16"}, {"check_sync": 0})
    assert {identity(changed("train.rollout", fields), Fixed()) for fields in same} == {identity(cell(), Fixed())}
    places = (
        {},
        {"memory": 0.9, "context": 512, "sequences": 8, "check_sync": 0},
        {"mode": "server", "server": "http://localhost:8000"},
    )
    known = {identity(changed("train.rollout", {"engine": "vllm", **fields}), Fixed()) for fields in places}
    coarse = identity(changed("train.rollout", {"engine": "vllm", "dtype": "bfloat16"}), Fixed())
    assert len(known) == 1 and len({identity(cell(), Fixed()), coarse} | known) == 3


def test_a_hub_revision_enters() -> None:
    found = {identity(cell(model={"hub": "a/b", "revision": revision}), Fixed()) for revision in (None, "main", "abc")}
    assert len(found) == 3


def test_the_content_of_policy_and_dataset_enters() -> None:
    class Other(Fixed):
        def policy(self, model: ModelSpec, dataset: DatasetSpec) -> str:
            return "another content"

    assert identity(cell(), Other()) != identity(cell(), Fixed())


def test_canonical_json_knows_numbers_by_value_and_keys_by_name() -> None:
    assert canonical({"b": 1.0, "a": [1, 2.5]}) == canonical({"a": [1.0, 2.5], "b": 1}) == '{"a":[1,2.5],"b":1}'
    assert canonical({"a": True}) != canonical({"a": 1})
    assert canonical(-0.0) == canonical(0) == "0"
    assert canonical(1e22) == canonical(10**22)
    with pytest.raises(ValueError, match="Out of range"):
        canonical(math.nan)


def test_an_identity_is_a_version_and_sixteen_digits() -> None:
    name = identity_of({"a": 1})
    assert name == "v3-015abd7f5cc57a2d"
    assert name == identity_of({"a": 1.0})


def test_a_cell_survives_json() -> None:
    for frozen, expected in GOLDEN.values():
        again = Cell.model_validate(json.loads(json.dumps(frozen.model_dump(mode="json"))))
        assert again == frozen
        assert identity(again, Fixed()) == expected


def test_result_fields_are_json_and_hold_no_path() -> None:
    text = json.dumps(result_fields(cell(**LOCAL)))
    assert "models/a" not in text
    assert "a.jsonl" not in text
