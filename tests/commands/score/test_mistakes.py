"""What a user is told when words, files, questions or the model are wrong: exit code 2, the item named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from repro.models.tokenizers import character_tokenizer

from .conftest import questions, save_policy, write_rows

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fraction", "0"], "got '0', expected a share above 0 and at most 1"),
        (["--fraction", "1.01"], "got '1.01', expected a share above 0"),
        (["--fraction", "nan"], "got 'nan', expected a share above 0"),
        (["--fraction", "ten"], "got 'ten', expected a share above 0"),
        (["--center", "1.1"], "got '1.1', expected mean, median or a number in 0..1"),
        (["--center", "mode"], "got 'mode', expected mean, median or a number in 0..1"),
        (["--low", "0.1"], "got --low alone, expected --low with --high"),
        (["--low", "0.5", "--high", "0.5"], "got --low 0.5 and --high 0.5, expected low < high"),
        (["--low", "-1", "--high", "0.5"], "got '-1', expected a number in 0..1"),
        (["--low", "0", "--high", "1", "--fraction", "0.1"], "got --fraction with --low and --high, expected one"),
        (["--low", "0", "--high", "1", "--center", "mean"], "got --center with --low, expected one kind of band"),
        (["--end", "highest", "--center", "mean"], "got --center with --end, expected one kind of band"),
        (["--scale", "value"], "got --scale without bounds"),
        (["--target", "answer"], "invalid choice: 'answer'"),
        (["--dtype", "fp16"], "invalid choice: 'fp16'"),
        (["--device", "gpu"], "got 'gpu', expected cpu, cuda or cuda:N"),
        (["--limit", "0"], "got '0', expected a whole number >= 1"),
        (["--batch-tokens", "-5"], "got '-5', expected a whole number >= 1"),
        (["--max-new-tokens", "9"], "got --max-new-tokens with --target final_answer, which decodes nothing"),
        (
            ["--prompt", "paper", "--examples", "x"],
            "got --examples with --prompt paper, expected one of them",
        ),
        (
            ["--prompt", "paper", "--system-prompt", "x"],
            "got --system-prompt with --prompt paper, expected one of them",
        ),
        (["--revision", "main"], "--revision: got 'main' with --model"),
        (["--split", "test"], "got --split, which it has no use for"),
        (["--config", "main"], "got --config, which it has no use for"),
        (["--data-revision", "main"], "got --data-revision, which it has no use for"),
        (
            ["--spec", "experiments/quickstart.yaml", "--dtype", "bfloat16"],
            "got --dtype with --spec, expected it in the",
        ),
        (["--fractoin", "0.1"], "got '--fractoin', expected an option, did you mean --fraction?"),
        (["--out", "scores.txt"], "--out: got scores.txt, expected a file ending in .parquet, .csv, .jsonl"),
        (["--out", "scores"], "--out: got scores, expected a file ending in .parquet"),
        (["--out", "README.md/scores.csv"], "--out: cannot write README.md/scores.csv: Not a directory"),
        (["--out", "/proc/none/scores.csv"], "--out: cannot write /proc/none/scores.csv"),
    ],
)
def test_words_that_do_not_go_together_are_told(score, monkeypatch, words, said) -> None:
    monkeypatch.chdir(ROOT)
    shown = score(*words)
    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert not list(ROOT.glob(".scores*"))


def test_what_is_missing_is_told(score) -> None:
    assert "got no --model and no --dataset" in score(model=None, dataset=None).err
    assert "got no --dataset, expected both, or --spec SPEC" in score(dataset=None).err


def test_a_directory_in_the_place_of_the_table_is_told(score, tmp_path) -> None:
    (tmp_path / "scores.csv").mkdir()
    shown = score("--out", tmp_path / "scores.csv")
    assert shown.code == 2 and f"{tmp_path}/scores.csv is a directory, expected a file such as" in shown.err


def test_no_gpu_is_told(score, policy, data, tmp_path, capsys) -> None:
    import torch

    from repro.cli import main

    device = f"cuda:{torch.cuda.device_count()}"  # one more than there are
    words = ["--model", str(policy), "--dataset", str(data), "--out", str(tmp_path / "s.csv"), "--device", device]
    assert main(["score", *words]) == 2
    assert f"--device: got {device}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "{parent}/polcy",
            "--model: {parent}/polcy does not exist; expected a directory saved by transformers, or a .gguf file\n",
        ),
        ("{parent}/polcy", "nearest: {parent}/policy"),
        ("./polcy", "--model: ./polcy does not exist (looked from {parent})"),
        ("policy/polcy", "a hub id of that name: --model hub:policy/polcy"),
        ("polcy/model", "no such file or directory in {parent}, so it was taken for a hub id"),
        ("tniy", "so it was taken for a hub id; nearest name: tiny\n--model: 'tniy' did not load"),
        ("hub:tniy", "--model: 'tniy' did not load"),
        ("not a model", "--model: got 'not a model', expected an existing path or a hub id such as organisation/name"),
        ("{parent}/empty", "--model: '{parent}/empty' lacks config.json and tokenizer_config.json and weights"),
        (
            "{parent}/data.jsonl",
            "is not a directory; expected one saved by transformers, a GGUF file, or a hub id (--model)",
        ),
    ],
)
def test_a_model_that_is_not_there_is_told_with_what_was_tried(score, tmp_path, monkeypatch, model, said) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "empty").mkdir()
    write_rows(tmp_path / "data.jsonl", questions(3))
    monkeypatch.chdir(tmp_path)
    shown = score("--out", "out/s.csv", model=model.format(parent=tmp_path), dataset="data.jsonl")
    assert shown.code == 2 and "Traceback" not in shown.err
    assert said.format(parent=tmp_path) in shown.err
    assert not (tmp_path / "out" / ".s.csv.partial").exists()


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (
            "{parent}/trian.jsonl",
            "--dataset: {parent}/trian.jsonl does not exist; expected a .jsonl, .json, .parquet or .csv",
        ),
        ("trian.jsonl", "nearest: train.jsonl"),
        ("train.tsv", "--dataset: train.tsv is not a data file; expected a file ending in .jsonl, .json, .parquet"),
        (
            "arithmetics",
            "so it was taken for a hub id; nearest name: arithmetic\ndataset arithmetics: cannot be loaded",
        ),
        (
            "folder",
            "--dataset: folder has no file for the split 'train'; expected train.jsonl, .json, .parquet or .csv",
        ),
    ],
)
def test_a_dataset_that_is_not_there_is_told_with_what_was_tried(score, tmp_path, monkeypatch, dataset, said) -> None:
    write_rows(tmp_path / "train.jsonl", questions(3))
    (tmp_path / "train.tsv").write_text("question,answer\n")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    shown = score("--out", "s.csv", dataset=dataset.format(parent=tmp_path))
    assert shown.code == 2 and "Traceback" not in shown.err
    assert said.format(parent=tmp_path) in shown.err
    assert not list(tmp_path.glob("*s.csv*"))


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"answer": None}, [], "bad.jsonl:3: field 'answer' (--answer) holds nothing (null)"),
        ({"answer": ""}, [], "bad.jsonl:3: field 'answer' (--answer) has no answer, expected the gold answer"),
        ({"answer": "so it is\n#### "}, [], "bad.jsonl:3: field 'answer' (--answer) has no answer after ####"),
        ({"question": " "}, [], "bad.jsonl:3: field 'question' (--question) is empty"),
        (
            {},
            ["--answer", "anwser"],
            "bad.jsonl:1 (and 4 more): no field 'anwser' (--answer); fields found: id, question",
        ),
        ({}, ["--answer", "anwser"], "nearest: --answer answer"),
        ({"id": "q00000"}, ["--id", "id"], "the id 'q00000' (--id) belongs to two questions"),
        (
            {"answer": "#### 7"},
            ["--target", "solution"],
            "--target: solution needs a solution for every question; 1 of 5",
        ),
        ({"answer": "#### 7"}, ["--target", "solution", "--id", "id"], "the first is 'q00002'. Set --solution to"),
        ({"question": "long " * 900}, ["--id", "id"], "question 'q00002': "),
        ({"question": "long " * 900}, ["--id", "id"], "expected at most the 512 of the model's context"),
        (
            {"question": "long " * 900},
            ["--id", "id", "--target", "greedy_response"],
            "question 'q00002': its prompt has ",
        ),
    ],
)
def test_a_question_that_cannot_be_scored_is_named(score, tmp_path, change, words, said) -> None:
    rows = questions(5)
    rows[2] = {**rows[2], **change}
    out = tmp_path / "scores.parquet"
    shown = score(*words, "--out", out, dataset=write_rows(tmp_path / "bad.jsonl", rows))
    assert shown.code == 2 and "Traceback" not in shown.err
    assert said in shown.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl"]


def test_a_tokenizer_without_chat_template_is_told_for_the_papers_prompt(score, tmp_path) -> None:
    model = save_policy(tmp_path / "plain", chat=False)
    shown = score("--prompt", "paper", "--out", tmp_path / "s.csv", model=model)
    assert shown.code == 2 and "--prompt: paper needs a tokenizer with a chat template" in shown.err
    assert str(model) in shown.err
    assert score("--out", tmp_path / "s.csv", model=model).code == 0


def test_an_answer_without_tokens_is_told(score, tmp_path) -> None:
    model = save_policy(tmp_path / "digits", chat=False)
    character_tokenizer("0123456789?#").save_pretrained(model)
    rows = [{"id": "a", "question": "1?", "answer": "2"}, {"id": "b", "question": "2?", "answer": "two"}]
    data = write_rows(tmp_path / "d.jsonl", rows)
    shown = score("--id", "id", "--out", tmp_path / "s.csv", model=model, dataset=data)
    assert shown.code == 2 and "question 'b': the target 'two' has no tokens" in shown.err


def test_a_log_prob_that_is_not_a_number_is_told(score, tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    model = save_policy(tmp_path / "broken")
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    shown = score("--out", tmp_path / "s.csv", model=model)
    assert shown.code == 2 and "its log-prob is not a number" in shown.err and "question 'q" in shown.err


def test_the_embedded_policy_is_not_taught_other_questions_by_accident(score) -> None:
    shown = score(model="tiny")
    assert shown.code == 2 and "--model tiny: the embedded policy is taught the questions of a task" in shown.err


def test_mistakes_and_help_import_nothing_heavy(tmp_path) -> None:
    heavy = ("torch", "transformers", "datasets", "mlflow", "trl")
    calls = [
        ["score", "--fraction", "2"],
        ["score", "--model", "./nowhere", "--dataset", "arithmetic"],
        ["score", "--model", "tiny", "--dataset", "./nowhere.jsonl"],
        ["score", "--model", "tiny", "--dataset", "arithmetic", "--out", f"{tmp_path}/a.txt"],
    ]
    code = (
        f"import sys\nfrom repro.cli import main\ncodes = [main(words) for words in {calls!r}]\n"
        f"print(codes, [m for m in {heavy!r} if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert shown.stdout.splitlines()[-1] == "[2, 2, 2, 2] []"
    assert "Traceback" not in shown.stderr


def test_a_study_is_spoken_of_in_its_own_words(score, tmp_path) -> None:
    rows = [{"question": "1?", "gold": "1"}]
    data = write_rows(tmp_path / "d.jsonl", rows)
    study = tmp_path / "study.yaml"
    study.write_text(f"name: s\nmodel: tiny\narms: {{full: {{}}}}\ndataset: {json.dumps({'path': str(data)})}\n")
    shown = score("--spec", study, "--out", tmp_path / "s.csv", model=None, dataset=None)
    assert shown.code == 2 and "nearest: dataset.answer: gold" in shown.err
