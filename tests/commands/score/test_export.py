"""`--export`: what TRL, verl and open-r1 find in the file, read by themselves or by their rules; nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from transformers import AutoTokenizer

from repro.cli import main
from repro.models.policy import SHIPPED

from .conftest import Score, questions, write_rows

SYSTEM = "Answer in a box."


def load(path: Path, cache: Path) -> Any:
    """The rows as trainers load them."""
    from datasets import load_dataset

    reader = "json" if path.suffix == ".jsonl" else "parquet"
    return load_dataset(reader, data_files=str(path), split="train", cache_dir=str(cache))


def chosen(table: Path) -> list[dict[str, Any]]:
    """The selected rows of a table of scores."""
    return [row for row in map(json.loads, table.read_text().splitlines()) if row["selected"]]


def answer(row: dict[str, str]) -> str:
    """The gold answer of a row of `questions`, as the suite reads it."""
    return row["answer"].rpartition("#### ")[2].replace(",", "")


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_plain_trl_trains_the_embedded_policy_on_an_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    from trl import GRPOConfig, GRPOTrainer

    train, table = tmp_path / f"chosen/train{ending}", tmp_path / "s.jsonl"
    words = ["--model", "tiny", "--dataset", "arithmetic", "--limit", "40", "--runs", str(tmp_path / "runs")]
    assert main(["score", *words, "--out", str(table), "--export", str(train), "--device", "cpu"]) == 0
    assert f"exported 4 of 40 questions for TRL: {train}" in capsys.readouterr().out
    rows = load(train, tmp_path / "cache")
    assert [(row["id"], row["s"], row["score"]) for row in rows] == [
        (row["id"], row["s"], row["score"]) for row in chosen(table)
    ]
    seen: list[tuple[str, str]] = []

    def reward(prompts: list[str], completions: list[str], solution: list[str], **columns: Any) -> list[float]:
        seen.extend(zip(prompts, solution, strict=True))
        assert len(columns["id"]) == len(columns["s"]) == len(prompts)
        return [float(text.strip() == gold) for text, gold in zip(completions, solution, strict=True)]

    sizes = {"per_device_train_batch_size": 4, "num_generations": 2, "max_completion_length": 8, "max_steps": 1}
    quiet = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "use_cpu": True, "bf16": False}
    args = GRPOConfig(output_dir=str(tmp_path / "trl"), **sizes, **quiet)
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED)
    trainer = GRPOTrainer(str(SHIPPED), reward, args, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    assert trainer.state.global_step == 1
    assert len(seen) == 4
    assert set(seen) <= {(row["question"], f"\\boxed{{{row['answer']}}}") for row in rows}


def test_turns_for_trl_render_to_the_prompts_of_this_suite_and_its_reward_reads_the_solutions(
    score: Score, policy: Path, tmp_path: Path
) -> None:
    from trl.rewards import accuracy_reward

    train = tmp_path / "train.jsonl"
    words = ["--system-prompt", SYSTEM, "--out", tmp_path / "s.csv", "--export", train, "--fraction", "0.05"]
    done = score(*words)
    assert done.code == 0
    assert "trl.rewards.accuracy_reward reads solution" in done.out
    rows, tokenizer = load(train, tmp_path / "cache"), AutoTokenizer.from_pretrained(policy)
    assert len(rows) == 6
    for row in rows:
        rendered = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        assert rendered == f"<system>\n{SYSTEM}\n<user>\n{row['question']}\n<assistant>\n"
    said = [[{"role": "assistant", "content": f"It is \\boxed{{{row['answer']}}}."}] for row in rows]
    wrong = [[{"role": "assistant", "content": "It is \\boxed{-1}."}] for _ in rows]
    assert accuracy_reward(said, rows["solution"]) == [1.0] * 6
    assert accuracy_reward(wrong, rows["solution"]) == [0.0] * 6


def test_verl_finds_every_column_that_its_dataset_and_reward_read(score: Score, tmp_path: Path) -> None:
    train, table = tmp_path / "train.parquet", tmp_path / "s.jsonl"
    done = score("--system-prompt", SYSTEM, "--out", table, "--export", train, "--format", "verl")
    assert done.code == 0
    assert f"data.train_files={train}; verl has no reward for data_source apples" in done.out
    numbers = {"s": pa.float64(), "score": pa.float64(), "selected": pa.bool_(), "index": pa.int64()}
    texts = dict.fromkeys(("split", "id", "answer", "question"), pa.string())
    schema = {
        "data_source": pa.string(),
        "prompt": pa.list_(pa.struct({"role": pa.string(), "content": pa.string()})),
        "ability": pa.string(),
        "reward_model": pa.struct({"style": pa.string(), "ground_truth": pa.string()}),
    }
    found = pyarrow.parquet.read_schema(train)
    assert set(found.names) == {*schema, "extra_info"}
    assert {name: found.field(name).type for name in schema} == schema
    extra = found.field("extra_info").type
    assert {extra.field(i).name: extra.field(i).type for i in range(extra.num_fields)} == {**numbers, **texts}
    by_id = {row["id"]: row for row in chosen(table)}
    every = {row["id"]: (position, row) for position, row in enumerate(questions(120))}
    rows = load(train, tmp_path / "cache")
    assert len(rows) == 12
    for row in rows:
        info = row["extra_info"]
        position, source = every[info["id"]]
        gold = answer(source)
        assert (row["data_source"], row["ability"]) == ("apples", "math")
        assert row["prompt"] == [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": source["question"]},
        ]
        assert row["reward_model"] == {"style": "rule", "ground_truth": gold}
        assert (info["index"], info["question"], info["answer"]) == (position, source["question"], gold)
        assert (info["s"], info["score"], info["selected"]) == (*(by_id[info["id"]][n] for n in ("s", "score")), True)


def test_gsm8k_has_the_name_and_the_numbers_that_verl_grades_it_by(score: Score, policy: Path, tmp_path: Path) -> None:
    data, spec, train = tmp_path / "data", tmp_path / "study.yaml", tmp_path / "train.parquet"
    data.mkdir()
    write_rows(data / "train.jsonl", questions(60))
    write_rows(data / "test.jsonl", questions(20, seed=1))
    dataset = f"{{named: gsm8k, path: {data}}}"
    spec.write_text(f"name: s\nmodel: {{path: {policy}}}\ndataset: {dataset}\narms: {{full: {{}}}}\n")
    words = ["--spec", spec, "--out", tmp_path / "s.csv", "--export", train, "--format", "verl"]
    done = score(*words, model=None, dataset=None)
    assert done.code == 0
    assert "verl grades openai/gsm8k itself, by the number after ####" in done.out
    rows = load(train, tmp_path / "cache")
    assert set(rows["data_source"]) == {"openai/gsm8k"}
    written = {row["question"]: row["answer"].rpartition("#### ")[2] for row in questions(60)}
    gold = [(written[row["extra_info"]["question"]], row["reward_model"]["ground_truth"]) for row in rows]
    assert any("," in answer for answer, _ in gold)
    assert all(truth == answer.replace(",", "") for answer, truth in gold)  # as verl reads a completion


def test_open_r1_makes_its_turns_from_the_column_problem_of_a_folder(score: Score, tmp_path: Path) -> None:
    from datasets import load_dataset

    train = tmp_path / "chosen/train.parquet"
    done = score("--out", tmp_path / "s.csv", "--export", train, "--format", "open-r1", "--export-all")
    assert done.code == 0
    assert f"dataset_name: {train.parent}, dataset_prompt_column: problem" in done.out
    found = load_dataset(str(train.parent), cache_dir=str(tmp_path / "cache"))
    assert list(found) == ["train"]
    rows = found["train"]
    assert rows.column_names == ["problem", "solution", "answer", "id", "s", "score", "selected"]
    source = questions(120)
    assert rows["problem"] == [row["question"] for row in source]
    assert rows["solution"] == [f"\\boxed{{{answer(row)}}}" for row in source]
    assert sum(rows["selected"]) == 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--export", "a.csv"], "--export: got a.csv, expected a file ending in .jsonl or .parquet, which TRL reads"),
        (["--export", "a"], "--export: got a, expected a file ending in .jsonl or .parquet"),
        (["--export", "a.jsonl", "--format", "verl"], "expected a file ending in .parquet, which verl reads"),
        (["--format", "verl"], "--format: got it without --export"),
        (["--export-all"], "--export-all: got it without --export"),
        (["--format", "openr1"], "got 'openr1', expected one of trl, verl, open-r1, did you mean open-r1?"),
        (["--export", "README.md/a.jsonl"], "--export: cannot write README.md/a.jsonl"),
        (["--export", "s.jsonl", "--out", "s.jsonl"], "--export: s.jsonl is another file of this call"),
    ],
)
def test_a_mistake_is_told_before_anything_is_scored(score: Score, runs: Path, words: list[str], said: str) -> None:
    done = score(*words)
    assert done.code == 2
    assert said in done.err
    assert not list(runs.iterdir())


def test_only_an_earlier_export_is_replaced(score: Score, data: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "s.csv"]
    mine, folder = tmp_path / "mine.jsonl", tmp_path / "folder.jsonl"
    mine.write_text('{"prompt": "2+2?", "solution": "4"}\n')
    folder.mkdir()
    foreign = tmp_path / "mine.parquet"
    pyarrow.parquet.write_table(pa.table({"prompt": ["2+2?"]}), foreign)
    for path, reason in ((mine, "is no export of"), (foreign, "is no export of"), (folder, "is a directory")):
        before = None if path.is_dir() else path.read_bytes()
        done = score(*out, "--export", path)
        assert done.code == 2
        assert reason in done.err
        assert before is None or path.read_bytes() == before
    train = tmp_path / "chosen/train.jsonl"
    assert score(*out, "--export", train).code == 0
    first = train.read_bytes()
    assert score(*out, "--export", train, "--fraction", "0.2").code == 0
    assert len(train.read_bytes().splitlines()) == 2 * len(first.splitlines())
    done = score(*out, "--export", train, dataset=train)
    assert done.code == 2
    assert "is another file of this call" in done.err
    inside = train.with_name("more.jsonl")
    assert "would lie among the files of" in score(*out, "--export", inside, dataset=train.parent).err


def test_a_write_that_fails_leaves_the_earlier_export(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, out = tmp_path / "chosen/train.parquet", tmp_path / "s.csv"
    assert score("--out", out, "--export", train).code == 0
    before, replace = train.read_bytes(), Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target) == train:
            raise OSError(28, "No space left on device", str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    done = score("--out", out, "--export", train, "--fraction", "0.3")
    assert done.code == 2
    assert f"--export: cannot write {train}: No space left on device" in done.err
    assert train.read_bytes() == before
    assert [path.name for path in train.parent.iterdir()] == ["train.parquet"]
