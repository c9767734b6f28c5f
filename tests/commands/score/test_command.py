"""`repro score` from its words to its table: columns, agreement with the formula, selection, and what is not redone."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM, AutoTokenizer

from repro.commands.score.output import TYPES, read_table
from repro.models.sampling import sample
from repro.tasks.prompts import UFO_RL_SYSTEM_PROMPT

from .conftest import questions, save_policy, write_rows

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def exact(policy):
    """(tokenizer, model in float64)."""
    return AutoTokenizer.from_pretrained(policy), AutoModelForCausalLM.from_pretrained(policy).double().eval()


def formula(exact, context: str, target: str) -> tuple[float, int, int]:
    """(mean log-prob, target tokens, tokens before them) of one item: float64, no batch, no padding."""
    tokenizer, model = exact
    ids = tokenizer(context + target, add_special_tokens=False)["input_ids"]
    count = len(tokenizer(target, add_special_tokens=False)["input_ids"])
    with torch.no_grad():
        log_probs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    total = sum(float(log_probs[place - 1, ids[place]]) for place in range(len(ids) - count, len(ids)))
    return total / count, count, len(ids) - count


def rendered(rows: list[dict[str, str]], style: str, target: str) -> list[tuple[str, str]]:
    """(context, target) of every row, written out by hand."""
    texts = []
    for row in rows:
        worked, _, answer = row["answer"].partition("\n#### ")
        answer = answer.replace(",", "")
        system = f"<system>\n{UFO_RL_SYSTEM_PROMPT}\n" if style == "paper" else ""
        prompt = f"{system}<user>\n{row['question']}\n<assistant>\n"
        if target == "solution":
            texts.append((prompt, f"{worked}\n#### {answer}"))
        else:
            texts.append((prompt + ("<answer> " if style == "paper" else "\n#### "), answer))
    return texts


@pytest.mark.parametrize(
    ("style", "target"), [("default", "final_answer"), ("paper", "final_answer"), ("paper", "solution")]
)
def test_the_table_agrees_with_the_formula_in_float64(score, exact, tmp_path, style, target) -> None:
    out = tmp_path / "scores.parquet"
    assert score("--prompt", style, "--target", target, "--out", out).code == 0
    table = read_table(out)
    texts = rendered(questions(120), style, target)
    for i in range(0, 120, 11):
        confidence, tokens, before = formula(exact, *texts[i])
        assert table["confidence"][i] == pytest.approx(confidence, abs=1e-4)
        assert (table["target_tokens"][i], table["prompt_tokens"][i]) == (tokens, before)
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["prompt"]["example"] == {"id": "q00000", "context": texts[0][0], "target": texts[0][1]}
    assert table["s"].std() > 0.3 * table["s"].mean(), "the policy must tell questions apart"


def test_the_columns_are_those_promised_in_the_order_of_the_dataset(score, tmp_path) -> None:
    out = tmp_path / "new" / "folder" / "scores.parquet"
    shown = score("--out", out)
    assert shown.code == 0
    schema = pq.read_schema(out)
    assert schema.names == ["id", "confidence", "s", "score", "target_tokens", "prompt_tokens", "selected"]
    assert [str(kind) for kind in schema.types] == ["string", "double", "double", "double", "int64", "int64", "bool"]
    table = read_table(out)
    assert table["id"].tolist() == [f"q{i:05d}" for i in range(120)]
    s = np.exp(table["confidence"])
    np.testing.assert_array_equal(table["s"], s)
    np.testing.assert_array_equal(table["score"], 1 - (s - s.mean()) ** 2)
    assert table["selected"].sum() == 12
    assert table["score"][table["selected"]].min() >= table["score"][~table["selected"]].max()
    assert "120 questions, 12 selected: nearest the mean of s" in shown.out
    assert [path.name for path in sorted(out.parent.iterdir())] == ["scores.json", "scores.parquet"]


def test_the_summary_says_how_the_numbers_came_about(score, policy, data, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    assert score("--fraction", "0.25", "--system-prompt", "Be brief.", "--out", out).code == 0
    record, table = json.loads(out.with_suffix(".json").read_text()), read_table(out)
    s = table["s"]
    assert record["s"]["mean"] == pytest.approx(s.mean()) == record["center"]
    assert record["s"]["std"] == pytest.approx(s.std())
    assert record["s"]["quantiles"]["0.95"] == pytest.approx(np.quantile(s, 0.95))
    expected = spearmanr(s, table["target_tokens"]).statistic
    assert record["correlation_of_s_with_target_tokens"]["spearman"] == pytest.approx(expected)
    assert (record["questions"], record["selected"], record["target"]) == (120, 30, "final_answer")
    assert record["selection"] == {"band": {"center": "mean"}, "fraction": 0.25}
    assert record["prompt"]["system_prompt"] == "Be brief."
    assert record["prompt"]["example"]["context"].startswith("<system>\nBe brief.\n<user>\n")
    assert record["model"]["path"] == str(policy) and record["model"]["dtype"] == "float32"
    assert record["dataset"]["path"] == str(data)
    assert record["tokens"]["target"] == table["target_tokens"].sum()
    assert record["tokens"]["prompt"] == table["prompt_tokens"].sum()
    assert 0 <= record["tokens"]["padding_share"] < 0.5
    assert record["seconds"]["pass"] > 0 and record["tokens_per_second"] > 0
    assert record["machine"]["device"] == "cpu" and record["machine"]["packages"]["torch"] == torch.__version__
    assert record["output"]["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()


def test_greedy_responses_are_what_the_policy_says_and_are_scored(score, policy, exact, tmp_path) -> None:
    out = tmp_path / "greedy.jsonl"
    words = ["--target", "greedy_response", "--max-new-tokens", "9", "--limit", "40"]
    assert score(*words, "--out", out).code == 0
    table = read_table(out)
    tokenizer = AutoTokenizer.from_pretrained(policy, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(policy).eval()
    for i in (0, 17, 39):
        context = f"<user>\n{questions(40)[i]['question']}\n<assistant>\n"
        options = {"samples": 1, "temperature": 0.0, "top_p": 1.0, "max_new_tokens": 9, "seed": 0}
        reply = sample(model, tokenizer, [context], **options).texts[0] or tokenizer.eos_token
        confidence, tokens, _ = formula(exact, context, reply)
        assert table["confidence"][i] == pytest.approx(confidence, abs=1e-4)
        assert table["target_tokens"][i] == tokens
    assert json.loads(out.with_suffix(".json").read_text())["tokens"]["generated"] >= 40


def test_csv_and_jsonl_hold_the_numbers_of_parquet(score, tmp_path) -> None:
    tables = {}
    for suffix in (".parquet", ".csv", ".jsonl"):
        assert score("--out", tmp_path / suffix[1:] / f"scores{suffix}").code == 0
        tables[suffix] = read_table(tmp_path / suffix[1:] / f"scores{suffix}")
    for name, values in tables[".parquet"].items():
        assert values.dtype.kind == np.dtype(TYPES[name]).kind
        for suffix in (".csv", ".jsonl"):
            np.testing.assert_array_equal(tables[suffix][name], values)
    with (tmp_path / "csv" / "scores.csv").open() as file:
        first = next(csv.DictReader(file))
    assert first["id"] == "q00000" and first["selected"] in ("true", "false")


def test_the_bands_select_what_they_say(score, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    score("--out", out)
    s = read_table(out)["s"]
    bands = {
        ("--center", "median", "--fraction", "0.05"): set(np.argsort(np.abs(s - np.median(s)))[:6]),
        ("--center", "0.5", "--fraction", "0.05"): set(np.argsort(np.abs(s - 0.5))[:6]),
        ("--end", "highest", "--fraction", "0.05"): set(np.argsort(-s)[:6]),
        ("--end", "lowest"): set(np.argsort(s)[:12]),
        ("--low", "0.002", "--high", "0.004"): set(np.flatnonzero((s >= 0.002) & (s <= 0.004))),
        ("--low", "0.5", "--high", "0.75", "--scale", "quantile"): set(np.argsort(s)[60:90]),
        ("--fraction", "0.001"): set(np.argsort(np.abs(s - s.mean()))[:1]),
        ("--fraction", "1"): set(range(120)),
    }
    for words, expected in bands.items():
        assert score("--out", out, *words).code == 0
        assert set(np.flatnonzero(read_table(out)["selected"])) == expected, words
    assert score("--out", out, "--center", "median").code == 0
    np.testing.assert_array_equal(read_table(out)["score"], 1 - (s - np.median(s)) ** 2)


# ---------------------------------------------------------------- what is not done again


def test_the_same_call_again_recomputes_and_changes_nothing(score, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    score("--out", out)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    shown = score("--out", out)
    assert shown.code == 0 and shown.out.startswith("already scored")
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_another_fraction_selects_anew_without_loading_anything(score, policy, data, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    score("--out", out)
    before = read_table(out)
    words = ["score", "--model", str(policy), "--dataset", str(data), "--id", "id", "--out", str(out)]
    code = (
        "import sys\nfrom repro.cli import main\n"
        f"code = main({[*words, '--fraction', '0.5']!r})\n"
        "print(code, [m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert shown.stdout.splitlines()[-1] == "0 []", shown.stderr
    assert shown.stdout.startswith("selected anew, without a pass")
    after = read_table(out)
    assert (before["selected"].sum(), after["selected"].sum()) == (12, 60)
    for name in ("id", "confidence", "s", "target_tokens", "prompt_tokens"):
        np.testing.assert_array_equal(before[name], after[name])
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["selected"] == 60 and record["seconds"]["pass"] > 0


def test_scores_of_something_else_are_kept_until_they_are_given_up(score, policy, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    score("--out", out)
    before = out.read_bytes()
    for words, difference in (
        (["--target", "solution"], "target final_answer, now solution"),
        (["--prompt", "paper"], "prompt default, now paper"),
        (["--dtype", "bfloat16"], "dtype float32, now bfloat16"),
        (["--limit", "50"], "other questions (120, now 50)"),
        (["--system-prompt", "Hm."], "system prompt none, now Hm."),
    ):
        shown = score("--out", out, *words)
        assert (shown.code, out.read_bytes()) == (2, before)
        assert f"holds other scores ({difference})" in shown.err and "--force" in shown.err
    shown = score("--out", out, "--limit", "50", "--force")
    assert shown.code == 0 and f"replaced {out}" in shown.err
    assert len(read_table(out)["id"]) == 50


def test_every_prompt_shows_the_examples_of_a_file(score, tmp_path) -> None:
    out, shots = tmp_path / "scores.parquet", tmp_path / "shots.jsonl"
    write_rows(shots, [{"question": "How many?", "answer": "Two."}])
    assert score("--examples", shots, "--limit", "20", "--out", out).code == 0
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["prompt"]["example"]["context"].startswith("<user>\nHow many?\n<assistant>\nTwo.\n<user>\n")
    shown = score("--limit", "20", "--out", out)
    assert shown.code == 2 and f"holds other scores (examples {record['request']['examples']}, now none)" in shown.err
    write_rows(shots, [{"question": "How many?"}])
    shown = score("--examples", shots, "--limit", "20", "--out", out)
    assert shown.code == 2 and "--examples: shots.jsonl:1: got" in shown.err


def test_a_model_whose_files_change_is_another_model(score, tmp_path) -> None:
    model, out = save_policy(tmp_path / "model"), tmp_path / "scores.parquet"
    score("--out", out, model=model)
    save_policy(tmp_path / "model", seed=2)
    shown = score("--out", out, model=model)
    assert shown.code == 2 and "the files of the model changed" in shown.err


def test_what_decides_a_score_is_in_the_key_and_nothing_else(score, tmp_path) -> None:
    rows, out = questions(20), tmp_path / "scores.parquet"
    data = tmp_path / "d.jsonl"

    def call(changed: dict[str, str], *words: str) -> int:
        write_rows(data, [{**rows[0], **changed}, *rows[1:]])
        code: int = score("--id", "id", "--out", out, *words, dataset=data).code
        return code

    assert call({}) == 0
    for field in ("id", "question"):
        assert call({field: rows[0][field] + "!"}) == 2
    assert call({"answer": "#### 8"}) == 2
    assert call({"answer": rows[0]["answer"].replace("is", "makes"), "more": "x"}) == 0  # the working is not scored
    assert call({}, "--device", "cpu", "--threads", "1", "--batch-tokens", "64", "--solution", "answer") == 0


# ---------------------------------------------------------------- sources


def test_a_study_is_scored_as_its_jobs_see_it(score, tmp_path) -> None:
    from repro.study.load import load_spec
    from repro.tasks.datasets import load_dataset

    study = tmp_path / "study.yaml"
    study.write_text(
        "name: s\nmodel: tiny\narms: {full: {}}\ntrain: {max_completion_tokens: 40}\n"
        "dataset: [{arithmetic: {pool: 60}, name: small}, {arithmetic: {pool: 40, seed: 3}, name: other}]\n"
    )
    out = tmp_path / "scores.parquet"
    words = {"model": None, "dataset": None}
    assert score("--spec", study, "--dataset", "other", "--out", out, **words).code == 0
    expected = load_dataset(load_spec(study).spec.dataset[1]).train
    assert read_table(out)["id"].tolist() == [problem.id for problem in expected]
    shown = score("--spec", study, "--out", out, **words)
    assert shown.code == 2 and "got no --dataset, expected the label of one of its own: small, other" in shown.err
    shown = score("--spec", study, "--dataset", "oher", "--out", out, **words)
    assert shown.code == 2 and "did you mean other?" in shown.err


def test_the_embedded_policy_scores_every_split_of_its_task(score, tmp_path) -> None:
    sizes = {}
    for split in ("train", "validation", "test"):
        out = tmp_path / f"{split}.parquet"
        assert score("--split", split, "--limit", "200", "--out", out, model="tiny", dataset="arithmetic").code == 0
        sizes[split] = len(read_table(out)["id"])
    assert sizes == {"train": 200, "validation": 128, "test": 200}


def test_every_question_of_a_directory_is_scored_and_repeats_once_with_a_warning(score, tmp_path) -> None:
    rows = questions(20)
    repeat = {**rows[4], "id": "again", "answer": "#### 5"}
    folder = tmp_path / "data"
    folder.mkdir()
    write_rows(folder / "train.jsonl", [*rows[:10], repeat, *rows[10:], rows[3]])
    write_rows(folder / "test.jsonl", rows[:5])
    out = tmp_path / "scores.parquet"
    shown = score("--id", "id", "--out", out, dataset=folder)
    assert shown.code == 0
    ids = read_table(out)["id"].tolist()
    assert ids == [row["id"] for row in rows] and len(set(ids)) == 20
    assert "warning: data: train: 2 repeated questions, 1 of them with another answer than the first time" in shown.err
    assert "the first repeat is 'again' ('" in shown.err


@pytest.mark.skipif(not os.environ.get("REPRO_DATA"), reason="REPRO_DATA does not point to a copy of GSM8K")
def test_747_questions_of_gsm8k_are_selected(score, tmp_path) -> None:
    model, out = save_policy(tmp_path / "model", positions=2048), tmp_path / "scores.parquet"
    shown = score("--prompt", "paper", "--out", out, model=model, dataset="gsm8k")
    assert shown.code == 0 and "7,473 questions, 747 selected" in shown.out
    table = read_table(out)
    assert len(set(table["id"])) == 7473 and table["selected"].sum() == 747
    assert json.loads(out.with_suffix(".json").read_text())["tokens"]["padding_share"] < 0.05
