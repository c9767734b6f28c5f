"""Datasets: what a spec gives, from every source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from repro.errors import UserError
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest, load_dataset, load_questions
from tests.tasks.rows import questions, rows, spec, write

GSM8K = Path(__file__).parents[1] / "fixtures" / "gsm8k"


@pytest.mark.parametrize("kind", [".jsonl", ".json", ".parquet"])
def test_every_kind_of_file_gives_the_same_problems(tmp_path, kind):
    write(tmp_path / "reference.jsonl", rows(20))
    write(tmp_path / f"same{kind}", rows(20))
    expected = load_dataset(spec(path=str(tmp_path / "reference.jsonl")))
    data = load_dataset(spec(path=str(tmp_path / f"same{kind}")))
    assert (data.train, data.validation, data.test) == (expected.train, expected.validation, expected.test)
    assert len(data.train) + len(data.validation) + len(data.test) == 20
    assert data.name == "same"


def test_json_lines_in_a_json_file_and_a_byte_order_mark_are_read(tmp_path):
    lines = "\ufeff" + "\n\n".join(json.dumps(row) for row in rows(12)) + "\n"
    (tmp_path / "data.json").write_text(lines, encoding="utf-8")
    data = load_dataset(spec(path=str(tmp_path / "data.json"), validation_fraction=0))
    assert len(data.train) + len(data.test) == 12


def test_a_worked_answer_becomes_solution_and_answer_without_calculator_notes(tmp_path):
    worked = "12,5 bags: <<500+700=1200>>1,200 clips.\nThat is all.\n#### $1,200 "
    path = write(tmp_path / "train.jsonl", [{"question": " How many? ", "answer": worked}])
    data = load_dataset(spec(path=path, test_path=write(tmp_path / "t.jsonl", rows(1)), validation_fraction=0))
    problem = data.train[0]
    assert problem.question == "How many?"
    assert problem.answer == "$1200"
    assert problem.solution == "12,5 bags: 1,200 clips.\nThat is all."
    assert data.answer_format.completion(problem) == "12,5 bags: 1,200 clips.\nThat is all.\n#### $1200"
    assert data.answer_format.direct(problem) == "\n#### $1200"
    assert data.answer_format.question_suffix == "\n"
    assert data.verifier(data.answer_format.completion(problem), problem.answer)
    assert not data.verifier("#### 1201", problem.answer)


def test_fields_are_mapped_and_a_marked_solution_shows_its_answer_once(tmp_path):
    items = [
        {"problem": f"Half of {i}?", "gold": i / 2, "steps": f"{i}/2 = {i / 2}\n#### {i / 2}", "key": i}
        for i in range(1, 9)
    ]
    fields = {"question": "problem", "answer": "gold", "solution": "steps", "id": "key", "validation_fraction": 0}
    data = load_dataset(spec(path=write(tmp_path / "d.jsonl", items), **fields))
    by_id = {p.id: p for p in [*data.train, *data.test]}
    assert sorted(by_id) == [str(i) for i in range(1, 9)]
    assert (by_id["4"].answer, by_id["3"].answer) == ("2", "1.5")
    assert by_id["3"].solution == "3/2 = 1.5"


def test_answers_with_brackets_keep_their_commas(tmp_path):
    items = [{"question": f"q{i}", "answer": a} for i, a in enumerate(["(1,200)", r"\{1,200\}", "1,200", "1, 2, 3"])]
    test_path = write(tmp_path / "test.jsonl", rows(1))
    data = load_dataset(spec(path=write(tmp_path / "d.jsonl", items), test_path=test_path, validation_fraction=0))
    assert [p.answer for p in data.train] == ["(1,200)", r"\{1,200\}", "1200", "1, 2, 3"]


def test_a_directory_holds_splits_in_files_or_shards(tmp_path):
    write(tmp_path / "train-00000-of-00002.parquet", rows(5))
    write(tmp_path / "train-00001-of-00002.parquet", rows(5, 5))
    write(tmp_path / "eval.json", rows(3, 100))
    data = load_dataset(spec(path=str(tmp_path), test_split="eval", validation_fraction=0))
    assert questions(data.train) == [row["question"] for row in rows(10)]
    assert questions(data.test) == [row["question"] for row in rows(3, 100)]


def test_a_directory_without_its_test_file_says_how_to_cut_one(tmp_path):
    write(tmp_path / "train.jsonl", rows(40))
    with pytest.raises(UserError, match=r"no file for the split 'test'.*found: train.jsonl") as error:
        load_dataset(spec(path=str(tmp_path)))
    assert "test_split: null" in str(error.value)
    data = load_dataset(spec(path=str(tmp_path), test_split=None))
    assert len(data.test) == 4


def test_the_splits_do_not_depend_on_the_order_of_the_file(tmp_path):
    forward = load_dataset(spec(path=write(tmp_path / "a.jsonl", rows(60))))
    backward = load_dataset(spec(path=write(tmp_path / "b.jsonl", rows(60)[::-1])))
    for split in ("train", "validation", "test"):
        assert questions(getattr(forward, split)) == questions(getattr(backward, split))[::-1]
    assert [len(forward.train), len(forward.validation), len(forward.test)] == [49, 5, 6]
    assert not {p.id for p in forward.validation} & {p.id for p in forward.test}


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, 0), (0.001, 1), (0.25, 10)])
def test_validation_is_the_asked_share_of_train(tmp_path, fraction, expected):
    test_path = write(tmp_path / "test.jsonl", rows(2, 900))
    path = write(tmp_path / "d.jsonl", rows(40))
    data = load_dataset(spec(path=path, test_path=test_path, validation_fraction=fraction))
    assert len(data.validation) == expected and len(data.train) == 40 - expected
    assert len({p.id for p in [*data.train, *data.validation, *data.test]}) == 42


def test_a_sample_of_the_training_questions_depends_on_its_seed_and_not_on_the_order_of_the_file(tmp_path):
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(60)]
    chosen = {}
    for name, listed in (("file", rows), ("turned", rows[::-1])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listed))
        for seed in (0, 1):
            fields = {"path": str(tmp_path / f"{name}.jsonl"), "test_split": None, "decontaminate": "off"}
            sampled = load_dataset(spec(**fields, limits={"train": 10, "sample": seed})).train
            whole = [problem.id for problem in load_dataset(spec(**fields)).train]
            ids = [problem.id for problem in sampled]
            assert len(ids) == 10 and ids == [one for one in whole if one in ids] and ids != whole[:10]
            chosen[name, seed] = set(ids)
    assert chosen["file", 0] == chosen["turned", 0] != chosen["file", 1]
    assert dataset_digest(spec(**fields, limits={"train": 10, "sample": 0})) != dataset_digest(
        spec(**fields, limits={"train": 10})
    )


def test_limits_keep_the_first_questions(tmp_path):
    fields = {"path": write(tmp_path / "d.jsonl", rows(60)), "validation_fraction": 0.2}
    whole = load_dataset(spec(**fields))
    few = load_dataset(spec(**fields, limits={"train": 7, "validation": 2, "test": 1}))
    assert (few.train, few.validation, few.test) == (whole.train[:7], whole.validation[:2], whole.test[:1])


def test_test_questions_in_train_and_repeats_are_dropped_with_a_count(tmp_path):
    train = [*rows(6), {**rows(1)[0], "question": "  What is 0   plus\n0? "}, rows(1, 3)[0]]
    write(tmp_path / "train.jsonl", train)
    write(tmp_path / "test.jsonl", [*rows(2, 4), *rows(1, 4)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = load_dataset(spec(path=str(tmp_path), validation_fraction=0))
    said = "\n".join(str(w.message) for w in caught)
    names = [problem.id for problem in load_dataset_rows(rows(6))]
    assert "train: 2 repeated questions; each is kept once" in said
    assert f"the first repeat is {names[0]!r} ('What is 0 plus 0?')" in said
    assert "test: 1 repeated questions" in said
    assert "2 train questions are also test questions" in said
    assert f"dropped from train; the first is {names[4]!r} ('What is 4 plus 4?')" in said
    assert questions(data.train) == questions(load_dataset_rows(rows(4)))
    assert questions(data.test) == questions(load_dataset_rows(rows(2, 4)))


def load_dataset_rows(items: list[dict]):
    from repro.tasks.rows import problem_of

    return [problem_of(item, spec(path="unused.jsonl")) for item in items]


def test_repeats_with_another_answer_are_counted_apart(tmp_path):
    path = write(tmp_path / "d.jsonl", [*rows(4), *rows(2), {**rows(1)[0], "answer": "7"}])
    with pytest.warns(UserWarning, match="3 repeated questions, 1 of them with another answer than the first time"):
        problems, _ = load_questions(spec(path=path))
    assert [p.answer for p in problems] == ["0", "2", "4", "6"]


def test_the_questions_of_one_split_are_all_there_in_their_order(tmp_path):
    write(tmp_path / "train.jsonl", rows(30))
    write(tmp_path / "test.jsonl", [*rows(2, 100), *rows(3)])
    train, answer_format = load_questions(spec(path=str(tmp_path)))
    assert questions(train) == [row["question"] for row in rows(30)]  # those that are also test questions, too
    assert answer_format.direct(train[1]) == "\n#### 2"
    test, _ = load_questions(spec(path=str(tmp_path), train_split="test", limits={"train": 4}))
    assert questions(test) == [row["question"] for row in [*rows(2, 100), *rows(2)]]
    (tmp_path / "test.jsonl").unlink()
    assert load_questions(spec(path=str(tmp_path)))[0] == load_questions(spec(path=str(tmp_path / "train.jsonl")))[0]


def test_the_splits_of_a_made_up_dataset_are_named_by_the_same_words():
    sums = {"arithmetic": {"pool": 16, "validation": 4, "test": 8}}
    data = load_dataset(spec(**sums))
    for split in ("train", "validation", "test"):
        assert load_questions(spec(**sums, train_split=split)) == (getattr(data, split), data.answer_format)
    with pytest.raises(UserError, match="no split 'dev'; splits found: train, validation, test"):
        load_questions(spec(**sums, train_split="dev"))


def test_ids_that_each_file_counts_from_zero_are_made_unique(tmp_path):
    write(tmp_path / "train.jsonl", [{**row, "id": i} for i, row in enumerate(rows(4))])
    write(tmp_path / "test.jsonl", [{**row, "id": i} for i, row in enumerate(rows(2, 50))])
    data = load_dataset(spec(path=str(tmp_path), id="id", validation_fraction=0))
    assert [p.id for p in data.train] == ["0", "1", "2", "3"]
    assert [p.id for p in data.test] == ["test/0", "test/1"]


def test_arithmetic_is_made_limited_and_labelled():
    small = {"pool": 16, "validation": 4, "test": 8}
    data = load_dataset(spec(arithmetic=small, limits={"test": 3}, name="sums"))
    assert (data.name, len(data.train), len(data.test)) == ("sums", 16, 3)
    problem = data.test[0]
    assert data.verifier(data.answer_format.completion(problem), problem.answer)


def test_a_hub_dataset_is_read_through_the_datasets_library(tmp_path_factory):
    # The library takes a local directory for a hub id: the same code path, without the network. (It takes files for
    # a test split when a folder's name begins with `test_`, so not tmp_path.)
    folder = tmp_path_factory.mktemp("hub")
    write(folder / "train.jsonl", rows(10))
    write(folder / "test.jsonl", rows(4, 100))
    code = (
        "import json, sys\n"
        "from repro.spec.schema import DatasetSpec\n"
        "from repro.tasks.datasets import load_dataset\n"
        "from repro.errors import UserError\n"
        "data = load_dataset(DatasetSpec(hub=sys.argv[1], validation_fraction=0))\n"
        "print(json.dumps([len(data.train), len(data.test), data.train[3].answer]))\n"
        "try:\n"
        "    load_dataset(DatasetSpec(hub=sys.argv[1], test_split='dev'))\n"
        "except UserError as error:\n"
        "    print(error)\n"
        "try:\n"
        "    load_dataset(DatasetSpec(named='gsm8k'))\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "REPRO_DATA"}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, second, *third = done.stdout.splitlines()
    assert json.loads(first) == [10, 4, "6"]
    assert "no split 'dev'; splits found: train, test" in second
    advice = "\n".join(third)
    assert "openai/gsm8k: cannot be loaded from the hub" in advice
    assert "export REPRO_DATA=DIR" in advice and "dataset.path: DIR" in advice
    assert "REPRO_DATA is not set" in advice


@pytest.mark.parametrize("inside", ["gsm8k", "gsm8k/main", "main", "."])
def test_a_named_dataset_is_found_through_repro_data(tmp_path, monkeypatch, inside):
    folder = tmp_path / inside
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train.jsonl", "test.jsonl"):
        (folder / name).write_bytes((GSM8K / name).read_bytes())
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    data = load_dataset(DatasetSpec.model_validate("gsm8k"))
    assert [len(data.train), len(data.validation), len(data.test)] == [58, 6, 16]
    assert data.name == "gsm8k"


def test_a_path_in_the_spec_goes_before_repro_data(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    data = load_dataset(spec(named="gsm8k", path=str(GSM8K), validation_fraction=0))
    assert len(data.train) == 64 and len(data.test) == 16
    for problem in [*data.train, *data.test]:
        assert "####" not in problem.solution and "<<" not in problem.solution and problem.solution
        assert "," not in problem.answer
        assert data.verifier(data.answer_format.completion(problem), problem.answer)


def test_repro_data_that_is_no_directory_is_an_error_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"REPRO_DATA: .*nowhere is not a directory"):
        dataset_digest(spec(named="gsm8k"))


@pytest.mark.skipif(not os.environ.get("REPRO_DATA"), reason="REPRO_DATA does not point to a copy of GSM8K")
def test_the_whole_of_gsm8k_is_loaded():
    data = load_dataset(spec(named="gsm8k", validation_fraction=0))
    assert (len(data.train), len(data.validation), len(data.test)) == (7473, 0, 1319)
    assert all(data.verifier(data.answer_format.completion(p), p.answer) for p in data.train)


def test_the_test_questions_may_come_from_a_named_dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(GSM8K.parent))
    write(
        tmp_path / "train.jsonl",
        [{"prompt": row["question"], "solution": row["answer"].rpartition("#### ")[2]} for row in rows(20)],
    )
    fields = {"path": str(tmp_path / "train.jsonl"), "question": "prompt", "answer": "solution"}
    data = load_dataset(spec(**fields, test_named="gsm8k", validation_fraction=0))
    named = load_dataset(spec(named="gsm8k"))
    assert questions(data.train) == [row["question"] for row in rows(20)]
    assert [(p.question, p.answer) for p in data.test] == [(p.question, p.answer) for p in named.test]
    assert dataset_digest(spec(**fields, test_named="gsm8k")) != dataset_digest(spec(**fields))
