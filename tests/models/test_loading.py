"""Model directories of the wild: what is not whole is refused, and what another file says is used."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_policy
from repro.models.sampling import end_tokens
from tests.models.conftest import DATASET


def without_a_weight(folder):
    weights = load_file(folder / "model.safetensors")
    del weights[sorted(weights)[3]]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def cut(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def of_another_size(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 8}))


def broken_settings(name, text):
    return lambda folder: (folder / name).write_text(text)


def another_tokenizer_file(folder):
    (folder / "tokenizer.json").write_text('{"a": 1}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without_a_weight, r"lacks weights, 1 in all, the first is 'model\..*would be random numbers"),
        (cut, "did not load: SafetensorError"),
        (of_another_size, "did not load: RuntimeError"),
        (another_tokenizer_file, "did not load: KeyError"),
        (broken_settings("config.json", '{"model_type"'), "/config.json is damaged, expected one JSON object"),
        (broken_settings("generation_config.json", "[1]"), "/generation_config.json is damaged"),
        (broken_settings("tokenizer_config.json", ""), "/tokenizer_config.json is damaged"),
        (broken_settings("tokenizer.json", "[]"), "did not load: .*/tokenizer.json is damaged"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(saved, tmp_path, cache, data, damage, said):
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    damage(folder)
    with pytest.raises(UserError, match=rf"model\.path: .*{said}"):
        load_policy(ModelSpec(path=str(folder)), DATASET, data, cache)


def test_a_tokenizer_without_an_end_takes_that_of_the_generation_config(saved, tmp_path, cache, data):
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"eos_token": None}))
    policy = load_policy(ModelSpec(path=str(folder)), DATASET, data, cache)
    assert policy.tokenizer.eos_token == "<eos>"
    assert end_tokens(policy.model, policy.tokenizer) == {policy.tokenizer.eos_token_id}
    for name in ("generation_config.json", "config.json"):
        fields = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({key: value for key, value in fields.items() if key != "eos_token_id"}))
    with pytest.raises(UserError, match="has no end-of-sequence token"):
        load_policy(ModelSpec(path=str(folder)), DATASET, data, cache)


def test_a_template_in_a_file_of_its_own_is_used_and_is_part_of_what_the_model_is(saved, tmp_path, cache, data):
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    bare = load_policy(ModelSpec(path=str(folder)), DATASET, data, cache)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}[{{ m.content }}]{% endfor %}")
    policy = load_policy(ModelSpec(path=str(folder)), DATASET, data, cache)
    assert policy.style.prompt("1+1?", policy.tokenizer, "") == "[1+1?]"
    assert policy.identity != bare.identity
