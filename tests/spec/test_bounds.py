"""Numbers that nobody can mean are refused, in every numeric field of the schema and on the command line."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel, Field, ValidationError

from repro.cli import main
from repro.difficulty.predictor_spec import PredictorSpec
from repro.errors import UserError
from repro.fields import Strict
from repro.launch.where import amount, whole_number
from repro.selection.registry import builtin
from repro.spec.schema import Cell, Spec
from repro.study.load import parse_spec
from repro.study.sizes import MOST_CELLS
from repro.tasks.registry import built_in

HUGE, TINY = 1e300, 1e-320
BAD: dict[str, Any] = {
    "2^63": 2**63,
    "10^300": 10**300,
    "1e300": HUGE,
    "-1e300": -HUGE,
    "1e-320": TINY,
    "-1": -1,
    "nan": math.nan,
    "inf": math.inf,
    "true": True,
}
ACCEPTED = {
    "Interval.min": "a bound on what stands in the rows of somebody's data, where any number may",
    "Interval.max": "the same",
    "RangeBand.low": "scores may be negative",
    "RangeBand.high": "the same",
    "CenterBand.center": "the same",
    "FloatRange.float": "looked at as values of the field that is searched",
    "IntRange.int": "the same",
}
"""Fields that take some value of the table, and why."""


def classes() -> Iterator[type[BaseModel]]:
    """Every section that a spec can hold."""
    seen: set[type[BaseModel]] = set()

    def visit(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
            seen.add(annotation)
            for field in annotation.model_fields.values():
                visit(field.annotation)
        for inner in get_args(annotation):
            visit(inner)

    for kind in (Spec, Cell, *builtin().values(), *built_in().values()):
        visit(kind)
    for task in built_in().values():
        visit(task.teacher)
    yield from sorted(seen, key=lambda kind: kind.__name__)


def numeric_fields() -> list[tuple[type[BaseModel], str, bool]]:
    """Section, field, and whether it is a list of numbers."""
    found = []
    for kind in classes():
        for name, field in kind.model_fields.items():
            flat = _parts(field.annotation)
            if ({int, float} & set(flat) and str not in flat) or name == "center":
                listed = any(
                    get_origin(part) in (list, tuple) for part in (field.annotation, *get_args(field.annotation))
                )
                found.append((kind, name, listed))
    return found


def _parts(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [annotation] if not inner else [part for one in inner for part in _parts(one)]


@pytest.mark.parametrize("word", BAD)
def test_no_numeric_field_takes_a_value_that_nobody_can_mean(word: str) -> None:
    fields = numeric_fields()
    assert len(fields) > 90
    taken = []
    for kind, name, listed in fields:
        value = [BAD[word], BAD[word]] if listed else BAD[word]
        try:
            kind.model_validate({name: value})
        except ValidationError as error:
            if any(item["loc"][:1] == (name,) for item in error.errors()):
                continue
            if any(item["type"] in ("missing", "value_error") for item in error.errors()):
                error = _filled(kind, name, value)
                if error is not None and any(item["loc"][:1] == (name,) for item in error.errors()):
                    continue
        taken.append(f"{kind.__name__}.{name}")
    assert [name for name in taken if name not in ACCEPTED] == []


def _filled(kind: type[BaseModel], name: str, value: Any) -> ValidationError | None:
    """The error of the same value where fields that a section requires are there."""
    required: dict[str, Any] = {
        "pass_rate": 0.5, "low": 0.1, "high": 0.2, "end": "highest", "policies": ["tiny"], "named": "gsm8k",
        "by": "pass_rate",
    }  # fmt: skip
    if "low" not in kind.model_fields:
        del required["high"]  # what a high number of a column means
    given = {key: inner for key, inner in required.items() if key in kind.model_fields}
    if "method" in kind.model_fields:
        given["method"] = get_args(kind.model_fields["method"].annotation)[0]
    try:
        kind.model_validate({**given, name: value})
    except ValidationError as error:
        return error
    return None


def test_fields_without_bounds_of_their_own_have_those_of_any_number() -> None:
    class Outside(Strict):
        scale: float = 1.0
        counts: list[int] = Field(default_factory=list)

    assert Outside(scale=2.0**53, counts=[-(2**53), 0]).scale == 2.0**53
    for fields in ({"scale": HUGE}, {"scale": TINY}, {"counts": [3, 2**60]}):
        with pytest.raises(ValidationError, match="expected a size between 1e-30 and 2"):
            Outside.model_validate(fields)


STUDY: dict[str, Any] = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"full": {}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axes": {"train.learning_rate": [1e-4, 1e30]}}, "axes.train.learning_rate: got 1e+30, expected a number"),
        ({"arms": {"a": {"train": {"learning_rate": 2}}}}, "arms.a.train.learning_rate: got 2, expected a number"),
        (
            {"sweep": {"arm": "full", "space": {"train.learning_rate": {"float": [1e-4, 1e30]}}}},
            "sweep.space.train.learning_rate: got 1e+30, expected a number >= 1e",
        ),
        ({"seeds": [2**32]}, "seeds.0: got 4294967296, expected a whole number >= 0 and <= 4,294,967,295"),
        (
            {"train": {"learning_rate": 100}},
            "<= 1 (1e-6 for large policies to 1e-3 for small ones is usual)",
        ),
        (
            {"train": {"warmup": 10}},
            "train.warmup: got 10, expected a number >= 0 and < 1 (0.05, a twentieth of the updates, is usual)",
        ),
        (
            {"dataset": {"arithmetic": {}, "limits": {"train": 9, "sample": True}}},
            "limits.sample: got true, expected the seed with which the questions are drawn, such as 0",
        ),
        ({"name": "n" * 300}, "(at most 100 characters)"),
        ({"arms": {"a" * 300: {}}}, "got a name of 300 characters, expected at most 100"),
        ({"model": {"path": "p" * 300}}, "model.path: got a path of 300 characters whose longest part has 300 bytes"),
        (
            {"train": {"questions_per_step": 512, "group_size": 1024, "max_completion_tokens": 10**6}},
            "train.questions_per_step 512 x train.group_size 1,024 x train.max_completion_tokens 1,000,000 takes up to "
            "11,719 GiB at 24 bytes each, expected at most 256 GiB",
        ),
        ({"evaluate": {"samples": 10_000}, "dataset": {"arithmetic": {"test": 10**6}}}, "evaluate.samples: got 10,000"),
        ({"arms": {"a": {"replay": {"capacity": 10**6}}}, "train": {"group_size": 256}}, "replay.capacity: got 1,000"),
        ({"model": {"tiny": {"width": 16384, "heads": 64, "layers": 200}}}, "model.tiny.layers: got 200, and"),
    ],
)  # fmt: skip
def test_values_are_refused_wherever_a_spec_can_give_them(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_spec({**STUDY, **change})
    assert message in str(caught.value).replace(": 0.", ": model.")


def test_more_cells_than_anybody_trains_are_counted_and_not_listed() -> None:
    sixty = [round(0.01 * (i + 1), 2) for i in range(60)]
    axes = {"train.clip": sixty, "train.weight_decay": sixty, "train.kl": [0.0]}
    with pytest.raises(UserError) as caught:
        parse_spec({**STUDY, "axes": axes, "seeds": list(range(60))})
    assert str(caught.value) == (
        "spec: axes.train.clip: got 216,000 cells (60 values of train.clip x 60 values of train.weight_decay x "
        f"60 seeds), expected at most {MOST_CELLS:,}: give fewer values"
    )


@pytest.mark.parametrize(
    "option",
    [
        "-S train.learning_rate=1e30",
        "-S train.group_size=9223372036854775808",
        f"-S train.learning_rate={'9' * 400}",
        f"-S train.steps=0x{'f' * 300}",
    ],
)
def test_an_option_is_held_to_the_same_bounds(option: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.yaml").write_text(json.dumps(STUDY))
    assert main(["validate", str(tmp_path / "spec.yaml"), *option.split()]) == 2
    told = capsys.readouterr().err
    assert option in told
    assert "expected" in told


@pytest.mark.parametrize(
    "command",
    [
        "plan SPEC --jobs 9223372036854775808",
        "run SPEC --processes ²",
        "plan SPEC --tokens-per-second 1e-320",
        "plan SPEC --tokens-per-second 5@-1B",
        "plan SPEC --tokens-per-second 5@about-1.5B",
        "score --model tiny --dataset arithmetic --limit 99999999999",
        "score --model tiny --dataset arithmetic --max-new-tokens 9223372036854775808",
        "score --model tiny --dataset arithmetic --fraction 1e-320",
        "score --model tiny --dataset arithmetic --center nan",
        f"predictor evaluate SPEC --references {'9' * 5000}",
    ],
)
def test_numbers_of_the_command_line_are_held_to_bounds(
    command: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.yaml").write_text(json.dumps(STUDY))
    assert main(command.replace("SPEC", str(tmp_path / "spec.yaml")).split()) == 2
    told = capsys.readouterr().err
    assert "expected" in told
    assert len(told) < 600


@pytest.mark.parametrize("text", ["0", "1e-320", "-1", "nan", "inf", "1e9", "x", ""])
def test_an_amount_of_a_launcher_is_a_share_or_a_count(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        amount(text)


def test_a_whole_number_has_both_bounds() -> None:
    parse: Callable[[str], int] = whole_number(2, 9)
    assert [parse(text) for text in ("2", "9", "03")] == [2, 9, 3]
    for text in ("1", "10", "+3", " 3", "3.0", "³", "9" * 5000):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number >= 2 and <= 9"):
            parse(text)


def test_the_predictor_of_an_arm_is_held_to_them_too() -> None:
    with pytest.raises(ValidationError):
        PredictorSpec.model_validate({"policies": ["tiny"], "samples": 2**63})


@pytest.mark.parametrize("name", ["../x", "a/b/c", "", "a b", "/nowhere/here", "https://hf.co/a/b"])
@pytest.mark.parametrize("section", ["model", "dataset"])
def test_what_can_be_no_id_of_the_hub_is_refused_with_what_serves_in_its_place(section: str, name: str) -> None:
    study = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"a": {}}, section: {"hub": name}}
    with pytest.raises(UserError, match=r"hub: got .*, expected an id of the hub, owner/name"):
        parse_spec(study)


def test_a_folder_may_stand_in_place_of_a_hub_dataset(tmp_path: Path) -> None:
    study = {"name": "x", "model": "tiny", "dataset": {"hub": str(tmp_path)}, "arms": {"a": {}}}
    assert parse_spec(study).dataset[0].hub == str(tmp_path)
