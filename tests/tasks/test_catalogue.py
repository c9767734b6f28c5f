"""Named datasets: their entries, their rows in their own layout, filters, local copies, and stand-ins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pyarrow
import pyarrow.parquet
import pytest

from repro.errors import UserError
from repro.tasks.catalogue import CATALOGUE, NAMES, NOT_CHECKED, TRAINING_NAMES, DatasetName, TestName
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest, held_out_digest, load_dataset, load_questions, load_test
from repro.tasks.rows import value_at
from repro.tasks.sources import file_of, hub_of, on_hub


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def level(number: int, level: int | str, **more: Any) -> dict[str, Any]:
    return {"problem": f"What is {number} plus {number}?", "answer": str(2 * number), "level": level, **more}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    return tmp_path


def test_the_catalogue_has_every_name_once_and_says_what_it_knows() -> None:
    assert tuple(CATALOGUE) == NAMES == get_args(DatasetName)
    assert {name for name in NAMES if CATALOGUE[name].splits[1] is not None} == set(get_args(TestName))
    trained = ("gsm8k", "math", "deepscaler", "deepscaler_10240", "orz", "deepmath", "dapo_math_17k", "scp_25k")
    assert trained == TRAINING_NAMES
    for name, entry in CATALOGUE.items():
        assert entry.hub.count("/") == 1 and entry.source.startswith("https://") and entry.licence
        assert [split is None for split in entry.splits] == [rows is None for rows in entry.rows]
        assert entry.revision is None  # none could be looked up
        assert (entry.checked == NOT_CHECKED) == (name not in ("gsm8k", "deepscaler_10240"))
        assert entry.evaluation_only == (name not in TRAINING_NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stands_for_its_entry_and_what_is_beside_it_goes_first(name: DatasetName) -> None:
    spec = DatasetSpec.model_validate(name)
    assert spec == DatasetSpec.model_validate({"named": name})
    entry = CATALOGUE[name]
    assert (spec.question, spec.answer, spec.solution) == (entry.question, entry.answer, entry.solution)
    assert hub_of(spec).id == entry.hub and hub_of(spec).config == entry.config
    other = DatasetSpec.model_validate({"named": name, "question": "q", "revision": "abc", "filters": {"a": 1}})
    assert (other.question, other.answer, hub_of(other).revision) == ("q", entry.answer, "abc")
    assert other.filters == {"a": 1}
    assert hub_of(DatasetSpec.model_validate({"named": name, "hub": "a/copy"})).id == "a/copy"
    for one in (spec, other):
        assert DatasetSpec.model_validate(json.loads(json.dumps(one.written_out()))) == one


def test_an_emptied_field_stays_empty_when_it_is_written_out() -> None:
    for fields in ({"named": "math", "solution": None}, {"path": "a.jsonl", "test_split": None}):
        spec = DatasetSpec.model_validate(fields)
        assert DatasetSpec.model_validate(spec.written_out()) == spec


def test_turns_in_a_list_and_fields_in_fields_are_reached(data: Path) -> None:
    rows = [
        [{"from": "human", "value": f"What is {n}?"}, {"from": "assistant", "ground_truth": {"value": str(n)}}]
        for n in range(12)
    ]
    (data / "orz").mkdir()
    (data / "orz" / "train.json").write_text(json.dumps(rows))
    found = load_dataset(DatasetSpec.model_validate({"named": "orz", "validation_fraction": 0}))
    assert sorted(p.question for p in (*found.train, *found.test)) == sorted(f"What is {n}?" for n in range(12))
    assert all(p.question == f"What is {p.answer}?" for p in found.train)

    raw = [
        {"prompt": [{"role": "user", "content": f"Q{n}"}], "reward_model": {"ground_truth": str(n)}} for n in range(5)
    ]
    path = write(data / "dapo.jsonl", raw)
    mapped = {"question": "prompt.0.content", "answer": "reward_model.ground_truth"}
    spec = DatasetSpec.model_validate({"named": "dapo_math_17k", "path": str(path), **mapped})
    assert [(p.question, p.answer) for p in load_questions(spec)[0]] == [(f"Q{n}", str(n)) for n in range(5)]
    wrong = spec.model_copy(update={"answer": "reward_model.ground_trut"})
    with pytest.raises(
        UserError, match=r"no field 'reward_model.ground_trut'.*fields found: ground_truth; nearest: .*"
    ):
        load_questions(wrong)


def test_the_questions_of_dots_rr_are_read_from_a_copy_of_their_file(data: Path, tmp_path: Path) -> None:
    rows = [
        {
            "data_source": "deepscaler_10240",
            "prompt": [{"content": "Think. ", "role": "system"}, {"content": f"What is {n}?", "role": "user"}],
            "ability": "math",
            "reward_model": {"ground_truth": str(n), "style": "rule"},
            "extra_info": {"answer": str(n), "index": n, "question": f"What is {n}?", "split": "train"},
        }
        for n in (*range(20), 0)
    ]
    path = tmp_path / "deepscaler.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    by_hand = {"path": str(path), "question": "extra_info.question", "answer": "reward_model.ground_truth"}
    for fields in ({"named": "deepscaler_10240", "path": str(path)}, {**by_hand, "test_split": None}):
        with pytest.warns(UserWarning, match="1 repeated question"):
            found = load_dataset(DatasetSpec.model_validate({**fields, "validation_fraction": 0}))
        assert sorted(p.question for p in (*found.train, *found.test)) == sorted(f"What is {n}?" for n in range(20))
        assert all(p.question == f"What is {p.answer}?" for p in found.train)


def test_a_dataset_that_is_no_hub_dataset_is_never_looked_up_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)
    spec = DatasetSpec.model_validate({"named": "deepscaler_10240", "test_named": "math500"})
    with pytest.raises(UserError, match=r"deepscaler_10240: no copy of it is here.*\n.*deepscaler.parquet\n.*path"):
        load_questions(spec)
    assert file_of(spec) is not None and file_of(DatasetSpec.model_validate("deepscaler")) is None


def test_a_field_whose_name_has_dots_goes_before_a_path() -> None:
    assert value_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert value_at({"a": [{"b": 2}]}, "a.0.b") == 2
    for field, found in (("a.1.b", ["0"]), ("a.0.c", ["b"]), ("x", ["a"]), ("a.0.b.c", [])):
        with pytest.raises(KeyError) as error:
            value_at({"a": [{"b": 2}]}, field)
        assert error.value.args[0] == found


# ---------------------------------------------------------------- filters


def test_math_trains_on_levels_3_to_5_without_the_questions_of_math500(data: Path) -> None:
    write(data / "math" / "train.jsonl", [level(n, n % 5 + 1, solution="") for n in range(50)])
    write(data / "math" / "test.jsonl", [level(n, 5, solution="") for n in range(100, 104)])
    held_out = {"problem": "What is  2 plus\n2 ?", "answer": "4", "level": 1}  # the same words
    write(data / "math500" / "test.jsonl", [held_out, level(7, 3), level(500, 1)])
    spec = DatasetSpec.model_validate({"named": "math", "validation_fraction": 0})
    with pytest.warns(UserWarning, match=r"2 training questions are the same .* 3 questions of math500; .* 2 dropped"):
        found = load_dataset(spec)
    kept = [f"What is {n} plus {n}?" for n in range(50) if n % 5 >= 2 and n not in (2, 7)]
    assert [p.question for p in found.train] == kept
    assert len(found.test) == 4
    assert [overlap.set for overlap in found.overlaps] == ["math500"]
    assert found.overlaps[0].as_dict()["exact"] == 2
    everything = spec.model_copy(update={"filters": {}, "without": ()})
    assert len(load_dataset(everything).train) == 50
    (data / "math500" / "test.jsonl").write_text("")
    with pytest.raises(UserError, match=r"(?s)dataset.without: math500.*no rows.*to go without it: dataset.without"):
        load_dataset(spec)


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({"n": 3}, [3]),
        ({"n": [1, 4]}, [1, 4]),
        ({"n": {"min": 3}}, [3, 4, 5]),
        ({"n": {"min": 2, "max": 3}}, [2, 3]),
        ({"text": [2]}, [2]),  # numbers count by value
        ({"text": ["2", "5"]}, [2, 5]),
        ({"text": {"max": 1}}, [1]),
        ({"even": True}, [2, 4]),
        ({"even": False, "n": {"max": 3}}, [1, 3]),
        ({"nothing": None, "inside.domain": "physics"}, [1]),
        ({"inside.domain": ["physics", "biology"]}, [1, 3]),
    ],
)
def test_filters_keep_the_rows_they_name(tmp_path: Path, filters: dict[str, Any], kept: list[int]) -> None:
    domains = {1: "physics", 2: "chemistry", 3: "biology", 4: "medicine", 5: None}
    rows = [
        {
            "question": f"Q{n}",
            "answer": str(n),
            "n": n,
            "text": str(n),
            "even": n % 2 == 0,
            "nothing": None if n == 1 else n,
            "inside": {"domain": domains[n]},
        }
        for n in range(1, 6)
    ]
    path = write(tmp_path / "d.jsonl", rows)
    spec = DatasetSpec.model_validate({"path": str(path), "filters": filters})
    assert [p.answer for p in load_questions(spec)[0]] == [str(n) for n in kept]


def test_a_filter_on_a_field_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [level(1, 3)])
    spec = {"path": str(path), "question": "problem"}
    with pytest.raises(
        UserError, match=r"dataset.filters.levle: .*d.jsonl:1 has no such field; .*did you mean level\?"
    ):
        load_questions(DatasetSpec.model_validate({**spec, "filters": {"levle": [3]}}))


def test_a_filter_that_keeps_nothing_tells_the_values_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [level(n, f"Level {n % 2 + 4}") for n in range(5)])
    spec = DatasetSpec.model_validate({"path": str(path), "question": "problem", "filters": {"level": [3, 4, 5]}})
    said = r"(?s)dataset.filters keep none of the rows.*level: values found: 'Level 4' \(3\), 'Level 5' \(2\)"
    with pytest.raises(UserError, match=said):
        load_questions(spec)


def test_items_of_published_data_without_an_answer_are_dropped_and_counted(data: Path) -> None:
    rows = [level(n, 1) for n in range(30)] + [{"problem": "What?", "answer": None}, {"problem": "Why?", "answer": " "}]
    write(data / "deepscaler" / "train.jsonl", [{**row, "solution": None} for row in rows])
    with pytest.warns(UserWarning, match="2 items without a question or an answer are dropped; the first is .*:31"):
        found, _ = load_questions(DatasetSpec.model_validate("deepscaler"))
    assert len(found) == 30
    mine = DatasetSpec(path=str(data / "deepscaler"), question="problem")
    with pytest.raises(UserError, match="has no answer"):
        load_questions(mine)


# ---------------------------------------------------------------- local copies and identity


@pytest.mark.parametrize("name", NAMES)
def test_repro_data_holds_any_named_dataset_as_train_and_test(data: Path, name: DatasetName) -> None:
    stand_in = DatasetSpec.model_validate({"named": name, "stand_in": True, "filters": {}, "without": []})
    for role in ("train", "test"):
        from repro.tasks.stand_in import stand_in_rows

        rows = [row for _, row in stand_in_rows(stand_in, "a/b", role)]
        if role == "test" or not CATALOGUE[name].evaluation_only:
            write(data / name / f"{role}.jsonl", rows)
    assert not on_hub(stand_in.model_copy(update={"stand_in": False}))
    if name in get_args(TestName):
        assert len(load_test(DatasetSpec.model_validate(name))) >= 40
    if name in TRAINING_NAMES:
        found = load_dataset(stand_in.model_copy(update={"stand_in": False, "validation_fraction": 0.0}))
        assert len(found.train) + (len(found.test) if CATALOGUE[name].splits[1] is None else 0) == 192


def test_repro_data_that_is_a_copy_of_gsm8k_is_no_other_dataset(data: Path) -> None:
    write(data / "train.jsonl", [{"question": "Q", "answer": "1"}])
    assert on_hub(DatasetSpec.model_validate("deepmath"))
    assert not on_hub(DatasetSpec.model_validate({"named": "gsm8k", "test_split": None}))


def test_the_digest_follows_filters_and_sets_to_keep_apart_but_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)

    def digest(**fields: Any) -> str:
        return dataset_digest(DatasetSpec.model_validate({"named": "math", **fields}))

    found = [
        digest(),
        digest(filters={"level": [4, 5]}),
        digest(filters={}),
        digest(without=[]),
        digest(without=["math500", "aime24"]),
        digest(decontaminate="drop"),
        digest(revision="abc"),
        digest(stand_in=True),
        digest(test_named="math500"),
    ]
    assert len(set(found)) == len(found)
    assert digest(decontaminate="off") == digest(decontaminate="warn") == found[0]
    sets = [held_out_digest(DatasetSpec.model_validate(name)) for name in get_args(TestName)]
    assert len(set(sets)) == len(sets)


# ---------------------------------------------------------------- stand-ins


@pytest.mark.parametrize("name", TRAINING_NAMES)
def test_stand_in_rows_pass_the_mapping_and_filters_of_their_dataset(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder, name: DatasetName
) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)
    spec = DatasetSpec.model_validate({"named": name, "stand_in": True})
    found = load_dataset(spec)
    assert [str(warning.message) for warning in recwarn] == []
    again = load_dataset(spec)
    assert (found.train, found.validation, found.test) == (again.train, again.validation, again.test)
    assert len(found.train) >= 128 and len(found.test) >= 15
    assert bool(found.train[0].solution) == (CATALOGUE[name].solution is not None or CATALOGUE[name].marked)
    problem = found.train[0]
    assert found.verifier(f"\\boxed{{{problem.answer}}}", problem.answer)


def test_a_stand_in_follows_any_layout_and_each_split_has_its_own_questions() -> None:
    fields = {"hub": "a/b", "question": "turns.1.text", "answer": "gold", "id": "uid", "filters": {"n": {"max": 3}}}
    found = load_dataset(DatasetSpec.model_validate({**fields, "stand_in": True, "validation_fraction": 0}))
    assert found.train[0].id.startswith("stand-in-train-")
    assert len(found.train) < 192 and len(found.test) == 40
    other = load_dataset(DatasetSpec.model_validate({**fields, "hub": "a/c", "stand_in": True}))
    assert not {p.question for p in found.train} & {p.question for p in (*found.test, *other.train)}
