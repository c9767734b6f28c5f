"""Examples of a spec: where they come from, what they must be, and that they are part of what a policy is."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from repro.errors import UserError
from repro.models.chat import prompt_style
from repro.models.content import model_files
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_policy, policy_digest
from repro.models.sampling import end_tokens
from repro.models.tokenizers import bpe_tokenizer
from tests.models.conftest import DATASET

ROWS = [{"question": f"{i}+{i}?", "answer": f"{i}+{i}={2 * i}\n#### {2 * i}"} for i in range(1, 6)]


def write(path, rows=ROWS) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def of_file(path, count: int | None = None) -> ModelSpec:
    return ModelSpec(hub="a/b", examples={"file": write(path), "count": count})


def test_examples_are_written_in_the_spec_or_are_the_first_rows_of_a_file(tmp_path):
    written = ModelSpec(hub="a/b", examples=ROWS[:2])
    turns = tuple((row["question"], row["answer"]) for row in ROWS)
    assert prompt_style(written).examples == turns[:2]
    assert prompt_style(of_file(tmp_path / "shots.jsonl")).examples == turns
    assert prompt_style(of_file(tmp_path / "shots.jsonl", 2)).examples == turns[:2]
    assert prompt_style(ModelSpec(hub="a/b")).examples == ()


def test_what_a_policy_is_depends_on_the_texts_of_its_examples_and_not_on_where_they_stand(tmp_path):
    written = policy_digest(ModelSpec(hub="a/b", examples=ROWS[:2]), DATASET)
    read = of_file(tmp_path / "shots.jsonl", 2)
    assert policy_digest(read, DATASET) == written != policy_digest(ModelSpec(hub="a/b"), DATASET)
    assert model_files(read) == [("examples", tmp_path / "shots.jsonl")]
    write(tmp_path / "shots.jsonl", [ROWS[0], {**ROWS[1], "answer": "5"}])
    assert policy_digest(read, DATASET) != written


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "1+1?"}, r"shots\.jsonl:1: .*expected a field of the row"),
        ({"question": "1+1?", "answer": 2}, r"shots\.jsonl:1: answer holds 2, expected text"),
        ({"question": " ", "answer": "2"}, r"question holds \" \", expected text that is not empty"),
        ({"question": "1+1?", "answer": "\ud800"}, "expected text without NUL and half characters"),
    ],
)
def test_a_row_that_is_no_example_is_named(tmp_path, row, message):
    path = write(tmp_path / "shots.jsonl", [row])
    with pytest.raises(UserError, match=rf"model\.examples\.file: .*{message}"):
        prompt_style(ModelSpec(hub="a/b", examples={"file": path}))


def test_more_examples_than_rows_and_a_file_that_is_not_there_are_mistakes(tmp_path):
    with pytest.raises(UserError, match=r"count: got 6, expected at most 5, the rows of"):
        prompt_style(of_file(tmp_path / "shots.jsonl", 6))
    with pytest.raises(UserError, match=r"model\.examples\.file: .*shot\.jsonl does not exist.*nearest: .*shots"):
        prompt_style(ModelSpec(hub="a/b", examples={"file": str(tmp_path / "shot.jsonl")}))
    with pytest.raises(ValidationError, match="expected text that is not empty"):
        ModelSpec(hub="a/b", examples=[{"question": "1+1?", "answer": ""}])


@pytest.fixture
def textual(saved, tmp_path):
    """A model directory whose tokenizer keeps line breaks and has no chat template."""
    import shutil

    copy = tmp_path / "textual"
    shutil.copytree(saved, copy)
    bpe_tokenizer(["1+1? It is 2\n"] * 50, 300).save_pretrained(copy)
    return copy


def test_a_loaded_policy_is_asked_with_its_examples(textual, cache, data):
    model = ModelSpec(path=str(textual), examples=[{"question": "1+1?", "answer": "It is 2"}])
    policy = load_policy(model, DATASET, data, cache)
    assert policy.style.prompt("2+2?", policy.tokenizer, "\n") == "1+1?\nIt is 2\n\n2+2?\n"


def test_a_template_can_be_put_aside(textual, cache, data):
    templated = ModelSpec(path=str(textual), chat_template="{{ messages[0].content }}")
    bare = load_policy(ModelSpec(path=str(textual), chat_template="plain"), DATASET, data, cache)
    assert bare.tokenizer.chat_template is None and bare.identity != policy_digest(templated, DATASET)
    assert policy_digest(ModelSpec(path=str(textual)), DATASET) != bare.identity


def test_examples_in_plain_text_must_stay_apart(saved, textual, cache, data):
    """The tokenizer of the embedded policy knows no line break."""
    shot = {"question": "1+1?", "answer": "1+1=2"}
    with pytest.raises(UserError, match="drops line breaks and there is no chat template"):
        load_policy(ModelSpec(path=str(saved), examples=[shot]), DATASET, data, cache)
    blank = {"question": "1+1?", "answer": "1+1=2\n\nSo 2"}
    with pytest.raises(UserError, match="has a blank line, expected none"):
        load_policy(ModelSpec(path=str(textual), examples=[blank]), DATASET, data, cache)
    template = "{% for m in messages %}<{{ m.content }}>{% endfor %}"
    load_policy(ModelSpec(path=str(saved), examples=[blank], chat_template=template), DATASET, data, cache)


def test_templates_in_a_folder_of_their_own_are_part_of_what_a_model_is(textual):
    model = ModelSpec(path=str(textual))
    before = policy_digest(model, DATASET)
    (textual / "additional_chat_templates").mkdir()
    (textual / "additional_chat_templates" / "rag.jinja").write_text("{{ messages }}")
    assert policy_digest(model, DATASET) != before


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_base_model_that_is_shown_turns_ends_with_the_token_that_ends_them(textual, cache, data):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(textual)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.save_pretrained(textual)
    shot = {"question": "1+1?", "answer": "It is 2"}
    ends = {}
    for name, shots in (("shown", [shot]), ("bare", [])):
        model = ModelSpec(path=str(textual), chat_template=CHATML, examples=shots)
        policy = load_policy(model, DATASET, data, cache)
        ends[name] = end_tokens(policy.model, policy.tokenizer)
    assert ends["shown"] - ends["bare"] == {tokenizer.convert_tokens_to_ids("<|im_end|>")}
    plain = ModelSpec(path=str(textual), chat_template=CHATML.replace("<|im_end|>", "."), examples=[shot])
    policy = load_policy(plain, DATASET, data, cache)
    assert end_tokens(policy.model, policy.tokenizer) == ends["bare"]
